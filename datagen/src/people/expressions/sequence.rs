//! Faces in motion: clips of consecutive frames, from which video can be cut.
//!
//! A clip is a sum of layers, each a row of faces at given times with eased ways between them: speech, eyes, lids,
//! emotion; and a slow sway of head and neck. Times of blinks and saccades follow what people show: a blink closes in
//! about 0.1 s and opens in 0.16 s (VanderWerf et al. 2003), eyes rest 0.15 to 0.6 s between jumps of 0.04 to 0.08 s,
//! speech changes its shape some seven times a second.
//!
//! Constants, and where they come from:
//!
//! | constants                                   | source                                |
//! | ------------------------------------------- | ------------------------------------- |
//! | closing and opening of a blink              | VanderWerf et al. 2003                |
//! | pauses between blinks, heights of brows     | chosen by eye                         |
//! | rests and jumps of the eyes, rate of speech | chosen by eye within what people show |
//! | sway of neck and head                       | chosen by eye                         |
use super::recipes::{self, EMOTIONS, Face, Recipe, VISEMES};
use super::{Action, ClipFrame, Performance};
use crate::config::{Config, SequenceKind};
use crate::stream::{Stream, Subject};
use crate::tracer::elementary::smoothstep;
use glam::Vec3;
use std::f32::consts::TAU;

/// Kinds of clips by name; [`SequenceKind::Any`] draws one of them.
const KINDS: [(SequenceKind, &str); 5] = [
    (SequenceKind::Blink, "blink"),
    (SequenceKind::Speech, "speech"),
    (SequenceKind::Gaze, "gaze"),
    (SequenceKind::Mixed, "mixed"),
    (SequenceKind::Exaggerated, "exaggerated"),
];

/// One person's doings over some consecutive frames.
pub struct Clip {
    number: u32,
    kind: &'static str,
    names: Vec<&'static str>,
    frames: u32,
    fps: f32,
    layers: Vec<Layer>,
    sway: [Sway; 2],
}

/// Faces at times, eased in between, held before the first and after the last.
#[derive(Default)]
struct Layer {
    keys: Vec<(f32, Face)>,
}

/// A slow turn: an angle at rest and two waves about each axis.
struct Sway {
    rest: Vec3,
    /// Amplitude (radians), turns a second, phase (radians).
    waves: [(Vec3, f32, f32); 2],
}

impl Clip {
    /// Clip `number` of an identity.
    pub fn sample(config: &Config, identity_id: u32, number: u32) -> Self {
        let (sequence, style) = (&config.sequence, &config.expression);
        let mut s = Stream::new(config.seed, Subject::Sequence, &[identity_id.into(), number.into()]);
        let drawn = KINDS[(s.uniform(0.0, KINDS.len() as f32) as usize).min(KINDS.len() - 1)];
        let (kind, name) = KINDS.into_iter().find(|(k, _)| *k == sequence.kind).unwrap_or(drawn);
        let sd_rad = style.pose_deg.to_radians();
        let sway = [Sway::sample(&mut s, 0.6 * sd_rad), Sway::sample(&mut s, sd_rad)];
        let mut clip = Clip {
            number,
            kind: name,
            names: Vec::new(),
            frames: sequence.frames,
            fps: sequence.fps,
            layers: Vec::new(),
            sway,
        };
        match kind {
            SequenceKind::Blink => clip.blink(&mut s),
            SequenceKind::Speech => clip.speak(&mut s, 1.0),
            SequenceKind::Gaze => clip.look(&mut s, 0.75),
            SequenceKind::Exaggerated => {
                clip.feel(&mut s, [1.25, 1.7], [0.16, 0.3]);
                clip.look(&mut s, 0.5);
            }
            _ => {
                clip.feel(&mut s, [0.3, 0.9], [0.25, 0.5]);
                clip.speak(&mut s, 0.8);
                clip.look(&mut s, 0.35);
                clip.blink(&mut s);
            }
        }
        if matches!(kind, SequenceKind::Blink | SequenceKind::Speech) {
            clip.look(&mut s, 0.15);
        }
        clip.layers.iter_mut().for_each(|l| l.scale(style.intensity));
        clip
    }

    /// Its frame number `frame`.
    pub fn frame(&self, frame: u32) -> Performance {
        let secs = frame as f32 / self.fps;
        let mut expression = [0.0; 52];
        for layer in &self.layers {
            expression.iter_mut().zip(layer.at(secs)).for_each(|(sum, v)| *sum += v);
        }
        let moment = ClipFrame { clip: self.number, frame, fps: self.fps };
        let [neck, head] = [&self.sway[0], &self.sway[1]].map(|s| s.at(secs));
        Performance {
            action: Action { kind: self.kind, names: self.names.clone(), moment: Some(moment) },
            expression: expression.map(|v| v.clamp(0.0, 1.0)),
            pose: [neck, head, Vec3::ZERO, Vec3::ZERO, Vec3::ZERO],
        }
    }

    /// Time of the last frame (seconds).
    fn end(&self) -> f32 {
        (self.frames - 1) as f32 / self.fps
    }

    /// Longer than a frame, so that what is held is seen.
    fn held(&self, secs: f32) -> f32 {
        secs.max(1.02 / self.fps)
    }

    /// Blinks that close and open again within the clip, the first as early as its length asks for.
    fn blink(&mut self, s: &mut Stream) {
        let mut layer = Layer::default();
        let hold = self.held(0.05);
        let shrink = ((self.end() - hold) / 0.30).clamp(0.3, 1.0);
        let mut start = 0.0;
        loop {
            let closing = s.uniform(0.085, 0.115) * shrink;
            let opening = s.uniform(0.14, 0.18) * shrink;
            let length = closing + hold + opening;
            let free = self.end() - start - length;
            if free < 0.0 {
                break;
            }
            start += s.uniform(0.0, free.min(1.5));
            let mut closed = [0.0; 52];
            recipes::add_both(&mut closed, "eyeBlink", s.uniform(0.93, 1.0));
            recipes::add_both(&mut closed, "cheekSquint", s.uniform(0.0, 0.12));
            recipes::add_both(&mut closed, "browDown", s.uniform(0.0, 0.08));
            layer.keys.push((start, [0.0; 52]));
            layer.keys.push((start + closing, closed));
            layer.keys.push((start + closing + hold, closed));
            layer.keys.push((start + length, [0.0; 52]));
            self.names.push("blink");
            start += length + s.uniform(0.6, 4.0);
        }
        self.layers.push(layer);
    }

    /// One mouth shape after another, each held for a moment; now and then a pause; brows that stress a word.
    fn speak(&mut self, s: &mut Stream, loudness: f32) {
        let mut mouth = Layer::default();
        let loudness = loudness * s.uniform(0.85, 1.15);
        let mut secs = -s.uniform(0.0, 0.15);
        while secs < self.end() {
            let pause = s.chance(0.08);
            let face = if pause { [0.0; 52] } else { self.named(s, VISEMES).face(loudness * s.uniform(0.85, 1.1)) };
            let hold = self.held(if pause { s.uniform(0.1, 0.3) } else { s.uniform(0.03, 0.07) });
            mouth.keys.push((secs, face));
            mouth.keys.push((secs + hold, face));
            secs += hold + s.uniform(0.10, 0.14);
        }
        let mut stress = Layer::default();
        let mut secs = s.uniform(-0.5, 0.5);
        while secs < self.end() {
            let mut raised = [0.0; 52];
            recipes::add(&mut raised, "browInnerUp", s.uniform(0.05, 0.35));
            recipes::add_both(&mut raised, "browOuterUp", s.uniform(0.0, 0.3));
            stress.keys.push((secs, [0.0; 52]));
            stress.keys.push((secs + 0.18, raised));
            stress.keys.push((secs + 0.45, [0.0; 52]));
            secs += 0.45 + s.uniform(0.2, 1.5);
        }
        self.layers.extend([mouth, stress]);
    }

    /// Fixations and jumps; `reach` is the share of the eyes' range that is used.
    fn look(&mut self, s: &mut Stream, reach: f32) {
        let mut eyes = Layer::default();
        let mut secs = -s.uniform(0.0, 0.4);
        while secs < self.end() {
            let [x, y] = [0.55 * reach, 0.4 * reach].map(|sd| s.normal_within(0.0, sd, [-0.85 * reach, 0.85 * reach]));
            let mut gaze = [0.0; 52];
            recipes::add_gaze(&mut gaze, x, y);
            let rest = self.held(s.uniform(0.15, 0.6));
            eyes.keys.push((secs, gaze));
            eyes.keys.push((secs + rest, gaze));
            secs += rest + s.uniform(0.04, 0.08);
        }
        self.layers.push(eyes);
    }

    /// Emotions of a strength that come and go within `ease_secs`, begun before the clip.
    fn feel(&mut self, s: &mut Stream, strength: [f32; 2], ease_secs: [f32; 2]) {
        let mut mood = Layer::default();
        let mut secs = -s.uniform(0.0, 0.6);
        while secs < self.end() {
            let rest = s.chance(0.2);
            let strength = s.uniform(strength[0], strength[1]);
            let face = if rest { [0.0; 52] } else { self.named(s, EMOTIONS).face(strength) };
            let hold = self.held(s.uniform(0.1, 0.7));
            mood.keys.push((secs, face));
            mood.keys.push((secs + hold, face));
            secs += hold + s.uniform(ease_secs[0], ease_secs[1]);
        }
        self.layers.push(mood);
    }

    /// Draws one of `list` and notes its name.
    fn named<'a>(&mut self, s: &mut Stream, list: &'a [Recipe]) -> &'a Recipe {
        let recipe = &list[(s.uniform(0.0, list.len() as f32) as usize).min(list.len() - 1)];
        self.names.push(recipe.name);
        recipe
    }
}

impl Layer {
    fn at(&self, secs: f32) -> Face {
        let after = self.keys.partition_point(|(t, _)| *t <= secs);
        let (Some((a, from)), Some((b, to))) = (after.checked_sub(1).map(|i| &self.keys[i]), self.keys.get(after))
        else {
            return self.keys.get(after.saturating_sub(1)).map_or([0.0; 52], |k| k.1);
        };
        let k = smoothstep(*a, *b, secs);
        std::array::from_fn(|i| from[i] + (to[i] - from[i]) * k)
    }

    fn scale(&mut self, by: f32) {
        self.keys.iter_mut().flat_map(|k| &mut k.1).for_each(|v| *v *= by);
    }
}

impl Sway {
    fn sample(s: &mut Stream, sd_rad: f32) -> Self {
        let mut turn = |sd: f32| {
            let mut one = |sd: f32| s.normal_within(0.0, sd, [-2.5 * sd, 2.5 * sd]);
            Vec3::new(one(sd), one(sd), one(0.5 * sd))
        };
        let (rest, slow, fast) = (turn(0.8 * sd_rad), turn(0.6 * sd_rad), turn(0.2 * sd_rad));
        let waves =
            [(slow, s.uniform(0.15, 0.5), s.uniform(0.0, TAU)), (fast, s.uniform(0.6, 1.4), s.uniform(0.0, TAU))];
        Sway { rest, waves }
    }

    fn at(&self, secs: f32) -> Vec3 {
        self.rest
            + self
                .waves
                .iter()
                .map(|(amplitude, rate, phase)| amplitude * (TAU * rate * secs + phase).sin())
                .sum::<Vec3>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::model::ARKIT;

    fn config(kind: SequenceKind, frames: u32) -> Config {
        let mut config = Config::default();
        (config.sequence.kind, config.sequence.frames) = (kind, frames);
        config
    }

    fn unit(name: &str) -> usize {
        ARKIT.iter().position(|n| *n == name).unwrap()
    }

    #[test]
    fn no_unit_jumps_and_no_head_jerks() {
        // Eyes jump within a frame or two, lids close in two and a half; nothing else is as fast.
        for kind in KINDS.map(|k| k.0) {
            for number in 0..40 {
                let clip = Clip::sample(&config(kind, 32), 5, number);
                let played: Vec<Performance> = (0..32).map(|f| clip.frame(f)).collect();
                for pair in played.windows(2) {
                    for (i, name) in ARKIT.iter().enumerate() {
                        let limit = match *name {
                            n if n.starts_with("eyeLook") => 0.7,
                            n if n.starts_with("eyeBlink") => 0.75,
                            _ => 0.5,
                        };
                        let step = (pair[1].expression[i] - pair[0].expression[i]).abs();
                        assert!(step <= limit, "{kind:?} {number}: {name} moves by {step} in a frame");
                    }
                    let turn = (0..2).map(|j| pair[0].pose[j].distance(pair[1].pose[j])).fold(0.0, f32::max);
                    assert!(turn < 0.05, "{kind:?} {number}: {turn} rad in a frame");
                }
            }
        }
    }

    #[test]
    fn a_blink_closes_and_opens_within_eight_frames() {
        let lid = unit("eyeBlinkLeft");
        for number in 0..100 {
            let clip = Clip::sample(&config(SequenceKind::Blink, 8), 2, number);
            let lids: Vec<f32> = (0..8).map(|f| clip.frame(f).expression[lid]).collect();
            assert!(lids.iter().any(|v| *v > 0.9), "never closed: {lids:?}");
            assert!(lids[0] < 0.05 && lids[7] < 0.05, "open before and after: {lids:?}");
        }
    }

    #[test]
    fn every_sound_reaches_its_shape() {
        let clip = Clip::sample(&config(SequenceKind::Speech, 100), 1, 0);
        let mouth = &clip.layers[0];
        assert!(clip.names.len() > 15, "four seconds have many sounds: {}", clip.names.len());
        let faces: Vec<Face> = (0..100).map(|f| mouth.at(f as f32 / clip.fps)).collect();
        for (secs, face) in mouth.keys.iter().filter(|k| k.0 >= 0.0 && k.0 + 1.0 / clip.fps < clip.end()) {
            let off = |f: &Face| f.iter().zip(face).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let nearest = faces.iter().map(off).fold(f32::MAX, f32::min);
            assert!(nearest < 1e-3, "the shape at {secs} s is missed by {nearest}");
        }
        for name in ["aa", "oo"] {
            let recipe = VISEMES.iter().find(|r| r.name == name).unwrap().face(0.7);
            let near = |f: &Face| recipe.iter().zip(f).all(|(r, v)| *v >= *r - 1e-3);
            assert!(faces.iter().any(near), "{name} is spoken within four seconds");
        }
    }

    #[test]
    fn a_frame_depends_on_its_ids_alone() {
        let config = config(SequenceKind::Any, 16);
        let direct = Performance::sample(&config, 3, 37);
        assert_eq!(direct, Clip::sample(&config, 3, 2).frame(5));
        assert_eq!(direct.action.moment, Some(ClipFrame { clip: 2, frame: 5, fps: 25.0 }));
        assert_ne!(direct.expression, Performance::sample(&config, 4, 37).expression);
    }
}
