//! Faces people make: single units, emotions, visemes, blinks and gazes, with small turns of head and neck.
use crate::config::ExpressionConfig;
use crate::stream::{Stream, subject};
use glam::Vec3;
use head::model::ARKIT;

/// What poses a head besides its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// Which list it was drawn from.
    pub kind: &'static str,
    /// ARKit units, 0..=1, order of [`ARKIT`].
    pub expression: [f32; 52],
    /// Axis-angle (radians): neck, head, jaw, left eye, right eye.
    pub pose: [Vec3; 5],
}

impl Performance {
    /// At rest.
    pub fn neutral() -> Self {
        Performance { kind: "neutral", expression: [0.0; 52], pose: [Vec3::ZERO; 5] }
    }

    /// One unit, fully on.
    pub fn unit(index: usize) -> Self {
        let mut performance = Self::neutral();
        performance.kind = "unit";
        performance.expression[index] = 1.0;
        performance
    }

    /// Expression `expression_id` of an identity: 0 is neutral, the others are drawn.
    pub fn sample(config: &ExpressionConfig, seed: u64, identity_id: u32, expression_id: u32) -> Self {
        if expression_id == 0 {
            return Self::neutral();
        }
        let mut s = Stream::new(seed, &[subject::EXPRESSION, identity_id as u64, expression_id as u64]);
        let mut p = Self::neutral();
        let list = s.pick(&[0.2, 0.4, 0.25, 0.15]);
        p.kind = ["unit", "emotion", "viseme", "eyes"][list];
        match list {
            0 => p.add_single_unit(&mut s),
            1 => p.add_recipe(&mut s, EMOTIONS),
            2 => p.add_recipe(&mut s, VISEMES),
            _ => p.add_blink(&mut s),
        }
        p.add_gaze(&mut s);
        p.add_asymmetry(&mut s);
        for value in &mut p.expression {
            *value = (*value * config.intensity).clamp(0.0, 1.0);
        }
        p.add_head_turn(&mut s, config.pose_deg.to_radians());
        p
    }

    fn set(&mut self, name: &str, value: f32) {
        let index = ARKIT.iter().position(|n| *n == name);
        let at = index.unwrap_or_else(|| panic!("{name} is no ARKit unit"));
        self.expression[at] = (self.expression[at] + value).min(1.0);
    }

    /// Sets `name`, or both `nameLeft` and `nameRight`.
    fn set_both(&mut self, name: &str, value: f32) {
        if ARKIT.contains(&name) {
            return self.set(name, value);
        }
        self.set(&format!("{name}Left"), value);
        self.set(&format!("{name}Right"), value);
    }

    fn add_single_unit(&mut self, s: &mut Stream) {
        let index = (s.uniform(0.0, 52.0) as usize).min(51);
        let name = ARKIT[index];
        let value = s.uniform(0.4, 1.0);
        // People rarely move one side alone, except to wink or to turn up a corner of the mouth.
        match name.strip_suffix("Left").or(name.strip_suffix("Right")) {
            Some(stem)
                if !name.starts_with("eyeLook")
                    && !matches!(name, "jawLeft" | "jawRight" | "mouthLeft" | "mouthRight") =>
            {
                if s.chance(0.6) {
                    self.set_both(stem, value);
                } else {
                    self.set(name, value);
                }
            }
            // Lips that close over an open jaw only make sense together with it.
            _ if name == "mouthClose" => {
                self.set("jawOpen", value * 0.5);
                self.set("mouthClose", value * 0.5);
            }
            _ if name.starts_with("eyeLook") => {}
            _ => self.set(name, value),
        }
    }

    fn add_recipe(&mut self, s: &mut Stream, recipes: &[Recipe]) {
        let recipe = &recipes[(s.uniform(0.0, recipes.len() as f32) as usize).min(recipes.len() - 1)];
        let strength = s.uniform(0.6, 1.25);
        for (name, value) in recipe.0 {
            let own = s.normal_within(1.0, 0.2, [0.3, 1.6]);
            self.set_both(name, (value * strength * own).clamp(0.0, 1.0));
        }
    }

    fn add_blink(&mut self, s: &mut Stream) {
        let close = if s.chance(0.6) { s.uniform(0.75, 1.0) } else { s.uniform(0.2, 0.6) };
        if s.chance(0.15) {
            let side = if s.chance(0.5) { "Left" } else { "Right" };
            self.set(&format!("eyeBlink{side}"), close);
            self.set(&format!("cheekSquint{side}"), 0.5 * close);
        } else {
            self.set_both("eyeBlink", close);
        }
        if s.chance(0.4) {
            self.add_recipe(s, EMOTIONS);
        }
    }

    /// Both eyes look the same way; the lids follow.
    fn add_gaze(&mut self, s: &mut Stream) {
        let wide = if s.chance(0.3) { 1.0 } else { 0.35 };
        let (x, y) = (s.normal_within(0.0, 0.4 * wide, [-0.8, 0.8]), s.normal_within(0.0, 0.3 * wide, [-0.6, 0.6]));
        // x > 0: towards the person's left, which is outwards for the left eye.
        let (left, right) =
            if x > 0.0 { ("eyeLookOutLeft", "eyeLookInRight") } else { ("eyeLookInLeft", "eyeLookOutRight") };
        self.set(left, x.abs());
        self.set(right, x.abs());
        self.set_both(if y > 0.0 { "eyeLookUp" } else { "eyeLookDown" }, y.abs());
    }

    fn add_asymmetry(&mut self, s: &mut Stream) {
        for (value, name) in self.expression.iter_mut().zip(ARKIT) {
            if *value > 0.0 && !name.starts_with("eye") {
                *value *= s.normal_within(1.0, 0.08, [0.7, 1.3]);
            }
        }
    }

    fn add_head_turn(&mut self, s: &mut Stream, sd_rad: f32) {
        let mut turn = |scale: f32| {
            let d = sd_rad * scale;
            Vec3::new(
                s.normal_within(0.0, d, [-2.5 * d, 2.5 * d]),
                s.normal_within(0.0, d, [-2.5 * d, 2.5 * d]),
                s.normal_within(0.0, 0.5 * d, [-d, d]),
            )
        };
        self.pose[0] = turn(0.6);
        self.pose[1] = turn(1.0);
    }
}

/// Units (without their side) and values at full strength.
struct Recipe(&'static [(&'static str, f32)]);

/// After the action units that Ekman & Friesen's FACS lists for the basic emotions, translated to ARKit's units, and everyday faces.
const EMOTIONS: &[Recipe] = &[
    Recipe(&[("mouthSmile", 0.6), ("cheekSquint", 0.3), ("eyeSquint", 0.2), ("mouthDimple", 0.2)]),
    Recipe(&[
        ("mouthSmile", 0.85),
        ("jawOpen", 0.18),
        ("cheekSquint", 0.6),
        ("eyeSquint", 0.35),
        ("mouthUpperUp", 0.35),
    ]),
    Recipe(&[("mouthSmile", 0.7), ("jawOpen", 0.5), ("cheekSquint", 0.6), ("eyeSquint", 0.4), ("mouthLowerDown", 0.3)]),
    Recipe(&[("browInnerUp", 0.8), ("browOuterUp", 0.8), ("eyeWide", 0.7), ("jawOpen", 0.4)]),
    Recipe(&[("browDown", 0.9), ("eyeSquint", 0.4), ("mouthPress", 0.6), ("noseSneer", 0.3), ("mouthFrown", 0.3)]),
    Recipe(&[
        ("browDown", 0.8),
        ("mouthUpperUp", 0.6),
        ("noseSneer", 0.7),
        ("jawOpen", 0.3),
        ("mouthStretch", 0.4),
        ("mouthLowerDown", 0.5),
    ]),
    Recipe(&[("browInnerUp", 0.8), ("mouthFrown", 0.7), ("mouthShrugLower", 0.4), ("eyeSquint", 0.2)]),
    Recipe(&[("noseSneer", 0.9), ("mouthUpperUp", 0.5), ("browDown", 0.5), ("cheekSquint", 0.4), ("mouthFrown", 0.3)]),
    Recipe(&[("browInnerUp", 0.7), ("browOuterUp", 0.4), ("eyeWide", 0.8), ("mouthStretch", 0.6), ("jawOpen", 0.2)]),
    Recipe(&[("mouthSmileLeft", 0.5), ("mouthDimpleLeft", 0.5), ("browOuterUpLeft", 0.3)]),
    Recipe(&[("mouthPucker", 0.8), ("cheekSquint", 0.1)]),
    Recipe(&[("cheekPuff", 0.8), ("mouthPress", 0.3)]),
    Recipe(&[("mouthRollLower", 0.6), ("mouthPress", 0.4), ("browInnerUp", 0.3)]),
    Recipe(&[("jawOpen", 0.9), ("eyeBlink", 0.8), ("browInnerUp", 0.4), ("mouthStretch", 0.2)]),
    Recipe(&[("browOuterUpRight", 0.8), ("browDownLeft", 0.6), ("mouthRight", 0.3)]),
];

/// Mouth shapes of speech.
const VISEMES: &[Recipe] = &[
    Recipe(&[("jawOpen", 0.45), ("mouthLowerDown", 0.2), ("mouthUpperUp", 0.1)]),
    Recipe(&[("jawOpen", 0.2), ("mouthStretch", 0.4), ("mouthSmile", 0.25), ("mouthLowerDown", 0.3)]),
    Recipe(&[("jawOpen", 0.12), ("mouthSmile", 0.35), ("mouthStretch", 0.3), ("mouthUpperUp", 0.25)]),
    Recipe(&[("jawOpen", 0.3), ("mouthFunnel", 0.7)]),
    Recipe(&[("jawOpen", 0.1), ("mouthPucker", 0.75), ("mouthFunnel", 0.2)]),
    Recipe(&[("mouthPress", 0.6), ("mouthRollLower", 0.35), ("mouthRollUpper", 0.3)]),
    Recipe(&[("mouthRollLower", 0.5), ("mouthUpperUp", 0.3), ("jawOpen", 0.06)]),
    Recipe(&[("mouthFunnel", 0.5), ("jawOpen", 0.08), ("mouthUpperUp", 0.2), ("mouthLowerDown", 0.35)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_name_real_units_and_draws_stay_in_range() {
        for id in 0..40 {
            for e in 0..10 {
                let p = Performance::sample(&ExpressionConfig::default(), 3, id, e);
                assert!(p.expression.iter().all(|v| (0.0..=1.0).contains(v)));
                assert_eq!(
                    p == Performance::neutral(),
                    e == 0 || p.expression.iter().all(|v| *v == 0.0) && p.kind == "neutral"
                );
            }
        }
        for recipe in EMOTIONS.iter().chain(VISEMES) {
            recipe.0.iter().for_each(|(name, v)| Performance::neutral().set_both(name, *v));
        }
    }
}
