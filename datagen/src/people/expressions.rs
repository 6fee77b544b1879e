//! Faces people make: single units, emotions, visemes, blinks and gazes, with small turns of head and neck; drawn one
//! by one, or frame after frame as a [`sequence`].
mod recipes;
pub mod sequence;

use crate::config::{Config, ExpressionConfig, SequenceKind};
use crate::stream::{Stream, subject};
use glam::Vec3;
use head::model::ARKIT;
use recipes::{EMOTIONS, Face, Recipe, VISEMES};
use sequence::Clip;
use serde::Serialize;

/// What poses a head besides its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// What it was drawn as.
    pub action: Action,
    /// ARKit units, 0..=1, order of [`ARKIT`].
    pub expression: Face,
    /// Axis-angle (radians): neck, head, jaw, left eye, right eye.
    pub pose: [Vec3; 5],
}

/// What somebody does. Its JSON is the `action` column of `frames`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// `neutral`, `unit`, `emotion`, `viseme`, `eyes`; in a sequence its kind.
    pub kind: &'static str,
    /// Units or recipes drawn; in a sequence those of the whole clip, in order.
    pub names: Vec<&'static str>,
    /// Where in a sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moment: Option<Moment>,
}

/// A frame of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moment {
    /// Number of the clip within the identity.
    pub clip: u32,
    /// Number of the frame within the clip.
    pub frame: u32,
    /// Frames a second.
    pub fps: f32,
}

impl Performance {
    /// At rest.
    pub fn neutral() -> Self {
        let action = Action { kind: "neutral", names: Vec::new(), moment: None };
        Performance { action, expression: [0.0; 52], pose: [Vec3::ZERO; 5] }
    }

    /// One unit, fully on.
    pub fn unit(index: usize) -> Self {
        let mut performance = Self::neutral();
        performance.action = Action { kind: "unit", names: vec![ARKIT[index]], moment: None };
        performance.expression[index] = 1.0;
        performance
    }

    /// Expression `expression_id` of an identity: a frame of a clip where the config asks for sequences, else number 0
    /// is neutral and the others are drawn.
    pub fn sample(config: &Config, identity_id: u32, expression_id: u32) -> Self {
        if config.sequence.kind != SequenceKind::Single {
            let frames = config.sequence.frames;
            return Clip::sample(config, identity_id, expression_id / frames).frame(expression_id % frames);
        }
        Self::single(&config.expression, config.seed, identity_id, expression_id)
    }

    fn single(config: &ExpressionConfig, seed: u64, identity_id: u32, expression_id: u32) -> Self {
        if expression_id == 0 {
            return Self::neutral();
        }
        let mut s = Stream::new(seed, &[subject::EXPRESSION, identity_id as u64, expression_id as u64]);
        let mut p = Self::neutral();
        let list = s.pick(&[0.2, 0.4, 0.25, 0.15]);
        p.action.kind = ["unit", "emotion", "viseme", "eyes"][list];
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
        recipes::add(&mut self.expression, name, value);
    }

    /// Sets `name`, or both `nameLeft` and `nameRight`.
    fn set_both(&mut self, name: &str, value: f32) {
        recipes::add_both(&mut self.expression, name, value);
    }

    fn add_single_unit(&mut self, s: &mut Stream) {
        let index = (s.uniform(0.0, 52.0) as usize).min(51);
        let name = ARKIT[index];
        let value = s.uniform(0.4, 1.0);
        self.action.names.push(name);
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
        self.action.names.push(recipe.name);
        let strength = s.uniform(0.6, 1.25);
        for (name, value) in recipe.units {
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
            self.action.names.push("wink");
        } else {
            self.set_both("eyeBlink", close);
            self.action.names.push("blink");
        }
        if s.chance(0.4) {
            self.add_recipe(s, EMOTIONS);
        }
    }

    /// Both eyes look the same way; the lids follow.
    fn add_gaze(&mut self, s: &mut Stream) {
        let wide = if s.chance(0.3) { 1.0 } else { 0.35 };
        let (x, y) = (s.normal_within(0.0, 0.4 * wide, [-0.8, 0.8]), s.normal_within(0.0, 0.3 * wide, [-0.6, 0.6]));
        recipes::add_gaze(&mut self.expression, x, y);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_range_and_only_the_first_is_neutral() {
        for id in 0..40 {
            for e in 0..10 {
                let p = Performance::single(&ExpressionConfig::default(), 3, id, e);
                assert!(p.expression.iter().all(|v| (0.0..=1.0).contains(v)));
                assert_eq!(
                    p == Performance::neutral(),
                    e == 0 || p.expression.iter().all(|v| *v == 0.0) && p.action.kind == "neutral"
                );
            }
        }
    }
}
