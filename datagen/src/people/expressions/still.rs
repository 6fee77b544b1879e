//! A still face: mouth and brows, then lids, gaze and asymmetry, each drawn on its own, and a turn of neck and head.
//!
//! Made to be learned from: every unit of the head reaches its full range often enough (see the test), alone and in company,
//! and gaze, lids and head turn are independent of the rest.
//!
//! Constants, and where they come from:
//!
//! | constants                                    | source                                                  |
//! | -------------------------------------------- | ------------------------------------------------------- |
//! | weights of kinds, numbers of units           | set so that every unit reaches its range (see the test) |
//! | strengths and their spread                   | chosen by eye                                           |
//! | lids: 14 % shut, 12 % half shut, 6 % winking | chosen by eye                                           |
//! | asymmetry ± 8 %, lopsided 12 %               | chosen by eye                                           |
use super::recipes::{self, EMOTIONS, Recipe, VISEMES};
use super::{Performance, gaze};
use crate::config::Config;
use crate::stream::{Stream, Subject};
use glam::Vec3;
use head::model::ARKIT;

/// Units by their stem. Left out: `eyeLook*` and `eyeBlink`, which gaze and lids draw.
const STEMS: [&str; 30] = [
    "browDown",
    "browInnerUp",
    "browOuterUp",
    "cheekPuff",
    "cheekSquint",
    "eyeSquint",
    "eyeWide",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    // Twice, since no named face has it.
    "mouthClose",
    "mouthClose",
    "mouthDimple",
    "mouthFrown",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDown",
    "mouthPress",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmile",
    "mouthStretch",
    "mouthUpperUp",
    "noseSneer",
    "tongueOut",
];

/// Stems that nobody shows together.
const EXCLUSIVE: &[(&str, &str)] = &[
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    ("mouthPucker", "mouthStretch"),
    ("mouthPucker", "mouthSmile"),
    ("mouthFunnel", "mouthStretch"),
    ("mouthFunnel", "mouthPress"),
    ("mouthFunnel", "mouthRollLower"),
    ("mouthFunnel", "mouthRollUpper"),
    ("mouthRollUpper", "mouthUpperUp"),
    ("mouthRollLower", "mouthLowerDown"),
    ("mouthPress", "mouthUpperUp"),
    ("mouthPress", "mouthLowerDown"),
    ("mouthClose", "mouthUpperUp"),
    ("mouthClose", "mouthLowerDown"),
    ("mouthClose", "mouthFunnel"),
    ("mouthClose", "jawOpen"),
    ("tongueOut", "mouthClose"),
    ("tongueOut", "mouthPress"),
    ("tongueOut", "mouthPucker"),
    ("tongueOut", "mouthRollLower"),
    ("tongueOut", "mouthRollUpper"),
    ("cheekPuff", "jawOpen"),
    ("eyeSquint", "eyeWide"),
    ("browDown", "browOuterUp"),
];

/// Draws the face of a frame that is not the neutral one.
pub fn draw(config: &Config, identity_id: u32, expression_id: u32) -> Performance {
    let mut s = Stream::new(config.seed, Subject::Expression, &[identity_id.into(), expression_id.into()]);
    let mut p = Performance::neutral();
    let kind = s.pick(&[0.07, 0.48, 0.25, 0.2]);
    p.action.kind = ["rest", "units", "emotion", "viseme"][kind];
    match kind {
        0 => {}
        1 => p.add_units(&mut s),
        2 => p.add_recipe(&mut s, EMOTIONS),
        _ => {
            p.add_recipe(&mut s, VISEMES);
            if s.chance(0.4) {
                p.add_upper_face(&mut s);
            }
        }
    }
    if s.chance(0.07) {
        p.open_wide(&mut s);
    }
    p.add_asymmetry(&mut s);
    p.add_lids(&mut s);
    for value in &mut p.expression {
        *value = (*value * config.expression.intensity).clamp(0.0, 1.0);
    }
    p.add_head_turn(&mut s, config.expression.pose_deg.to_radians());
    let name = gaze::add(&mut p.expression, &mut s, config, [identity_id, expression_id], [p.pose[0], p.pose[1]]);
    p.action.names.push(name);
    p
}

impl Performance {
    fn set(&mut self, name: &str, value: f32) {
        recipes::add(&mut self.expression, name, value);
    }

    /// Sets `name`, or both `nameLeft` and `nameRight`.
    fn set_both(&mut self, name: &str, value: f32) {
        recipes::add_both(&mut self.expression, name, value);
    }

    fn value(&self, name: &str) -> f32 {
        ARKIT.iter().position(|n| *n == name).map_or(0.0, |i| self.expression[i])
    }

    fn scale(&mut self, name: &str, by: f32) {
        if let Some(i) = ARKIT.iter().position(|n| *n == name) {
            self.expression[i] *= by;
        }
    }

    /// One to four units that go together.
    fn add_units(&mut self, s: &mut Stream) {
        let wanted = 1 + s.pick(&[0.25, 0.3, 0.27, 0.18]);
        let mut chosen: Vec<&'static str> = Vec::new();
        for _ in 0..4 * wanted {
            let stem = STEMS[(s.uniform(0.0, STEMS.len() as f32) as usize).min(STEMS.len() - 1)];
            let apart = |other: &&str| {
                *other == stem || EXCLUSIVE.iter().any(|&(a, b)| (a, b) == (stem, other) || (b, a) == (stem, other))
            };
            if chosen.len() < wanted && !chosen.iter().any(apart) {
                chosen.push(stem);
                self.add_unit(s, stem);
            }
        }
        self.action.names.extend(chosen);
    }

    fn add_unit(&mut self, s: &mut Stream, stem: &str) {
        // Above one is held at one: the end of the range is seen as often as the rest.
        let value = s.uniform(0.25, 1.15);
        // People rarely move one side alone.
        let sides = s.pick(&[0.7, 0.15, 0.15]);
        if stem == "mouthClose" {
            // Lips that close over an open jaw only make sense together with it.
            let jaw = value.min(1.0);
            self.set("jawOpen", jaw);
            self.set("mouthClose", jaw * s.uniform(0.85, 1.0));
        } else if stem == "tongueOut" {
            // It leaves the mouth between the teeth.
            self.set("jawOpen", s.uniform(0.3, 0.7));
            self.set("tongueOut", value);
        } else if ARKIT.contains(&stem) {
            self.set(stem, value);
        } else {
            match sides {
                0 => self.set_both(stem, value),
                1 => self.set(&format!("{stem}Left"), value),
                _ => self.set(&format!("{stem}Right"), value),
            }
        }
    }

    fn add_recipe(&mut self, s: &mut Stream, recipes: &[Recipe]) {
        let recipe = pick(s, recipes);
        self.action.names.push(recipe.name);
        let strength = s.uniform(0.6, 1.25);
        for (name, value) in recipe.units {
            let own = s.normal_within(1.0, 0.2, [0.3, 1.6]);
            self.set_both(name, (value * strength * own).clamp(0.0, 1.0));
        }
    }

    /// Brows, eyes and nose of an emotion, over a mouth that does something else.
    fn add_upper_face(&mut self, s: &mut Stream) {
        let recipe = pick(s, EMOTIONS);
        let strength = s.uniform(0.6, 1.25);
        for (name, value) in
            recipe.units.iter().filter(|(n, _)| ["brow", "eye", "nose"].iter().any(|p| n.starts_with(p)))
        {
            self.set_both(name, (value * strength).clamp(0.0, 1.0));
        }
    }

    /// A jaw that hangs wide open under whatever the lips do.
    fn open_wide(&mut self, s: &mut Stream) {
        let jaw = s.uniform(0.6, 1.1) - self.value("jawOpen");
        if self.value("mouthClose") == 0.0 && jaw > 0.0 {
            self.set("jawOpen", jaw);
            for name in ["mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper"] {
                self.scale(name, 0.3);
            }
            self.action.names.push("wide open");
        }
    }

    /// Shut, half shut, one shut, narrowed or wide; mostly as the rest of the face has them.
    fn add_lids(&mut self, s: &mut Stream) {
        let kind = s.pick(&[0.6, 0.14, 0.12, 0.06, 0.08]);
        let shut = 1.0 - 0.15 * s.uniform(0.0, 1.0).powi(2);
        let half = s.uniform(0.15, 0.8);
        let (one, other) = if s.chance(0.5) { ("Left", "Right") } else { ("Right", "Left") };
        match kind {
            1 => self.set_both("eyeBlink", shut),
            2 => self.set_both("eyeBlink", half),
            3 => {
                self.set(&format!("eyeBlink{one}"), shut);
                self.set(&format!("eyeBlink{other}"), 0.4 * half);
                self.set(&format!("cheekSquint{one}"), s.uniform(0.0, 0.7));
            }
            4 => self.set_both(if s.chance(0.5) { "eyeWide" } else { "eyeSquint" }, s.uniform(0.4, 1.1)),
            _ => {}
        }
        if kind > 0 {
            self.action.names.push(["shut", "half shut", "wink", "lids"][kind - 1]);
        }
        for side in ["Left", "Right"] {
            let open = 1.0 - self.value(&format!("eyeBlink{side}"));
            self.scale(&format!("eyeWide{side}"), open);
        }
    }

    /// Small on every face; now and then one side does much less than the other.
    fn add_asymmetry(&mut self, s: &mut Stream) {
        let lopsided = s.chance(0.12).then(|| if s.chance(0.5) { "Left" } else { "Right" });
        let less = s.uniform(0.1, 0.7);
        for (value, name) in self.expression.iter_mut().zip(ARKIT).filter(|(v, _)| **v > 0.0) {
            let pair = !matches!(name, "jawLeft" | "jawRight" | "mouthLeft" | "mouthRight");
            if pair && lopsided.is_some_and(|side| name.ends_with(side)) {
                *value *= less;
            }
            *value = (*value * s.normal_within(1.0, 0.08, [0.7, 1.3])).min(1.0);
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

fn pick<'a>(s: &mut Stream, list: &'a [Recipe]) -> &'a Recipe {
    &list[(s.uniform(0.0, list.len() as f32) as usize).min(list.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a regressor needs to see of every unit; `--nocapture` prints the table.
    #[test]
    fn every_unit_reaches_its_full_range_often() {
        let config = Config::default();
        let faces: Vec<_> = (0..10_000).map(|i| draw(&config, i / 7, 1 + i % 7).expression).collect();
        println!("{:<20} {:>6} {:>6} {:>6}  share of {} faces above 0.1, 0.5, 0.8", "unit", 0.1, 0.5, 0.8, faces.len());
        for (k, name) in ARKIT.iter().enumerate() {
            let above = |t: f32| faces.iter().filter(|f| f[k] > t).count() as f32 / faces.len() as f32;
            let shares = [0.1, 0.5, 0.8].map(above);
            println!("{name:<20} {:>6.3} {:>6.3} {:>6.3}", shares[0], shares[1], shares[2]);
            let least = [0.03, 0.02, 0.01];
            assert!(shares.iter().zip(least).all(|(share, least)| *share >= least), "{name}: {shares:?}");
        }
    }

    #[test]
    fn gaze_does_not_follow_the_head() {
        let config = Config::default();
        let pairs = (0..2000).map(|i| draw(&config, i / 7, 1 + i % 7)).filter_map(|p| {
            let look = head::rig::looks(&p.expression)[0];
            p.action.names.contains(&"anywhere").then_some((look.yaw, p.pose[1].y))
        });
        let pairs: Vec<(f32, f32)> = pairs.collect();
        let sum = |f: &dyn Fn(&(f32, f32)) -> f32| pairs.iter().map(f).sum::<f32>();
        let correlation = sum(&|p| p.0 * p.1) / (sum(&|p| p.0 * p.0) * sum(&|p| p.1 * p.1)).sqrt();
        assert!(pairs.len() > 600 && correlation.abs() < 0.1, "{} gazes, {correlation}", pairs.len());
    }
}
