//! Expressions over time for temporal clips: relaxed ones, and exaggerated ones as talk shows have them.
//!
//! Each is a function of its seed. A clip of sixteen frames is two thirds of a second: one movement, there and back.
use head::params::{mirrored_unit, unit};
use nets::rng::Rng;

/// 52 ARKit weights.
pub type Expression = [f32; 52];

/// Frames a second that the movements are made for.
pub const FPS: f32 = 25.0;

/// Strong faces: units, or stems of a left and a right one, at full strength.
const STRONG: [&[(&str, f32)]; 10] = [
    &[("mouthSmile", 1.0), ("cheekSquint", 0.6), ("jawOpen", 0.25)],
    &[("jawOpen", 0.6), ("mouthSmile", 0.7), ("cheekSquint", 0.6), ("eyeSquint", 0.5)],
    &[("browInnerUp", 1.0), ("browOuterUp", 0.9), ("eyeWide", 0.9), ("jawOpen", 0.55)],
    &[("browDown", 1.0), ("noseSneer", 0.6), ("mouthFrown", 0.7), ("mouthPress", 0.5)],
    &[("jawOpen", 0.75), ("mouthFunnel", 0.4)],
    &[("mouthPucker", 0.9), ("browInnerUp", 0.4)],
    &[("mouthStretch", 0.7), ("jawOpen", 0.2), ("mouthLowerDown", 0.6)],
    &[("eyeBlink", 1.0), ("cheekSquint", 0.3)],
    &[("mouthFunnel", 0.8), ("jawOpen", 0.35)],
    &[("mouthUpperUp", 0.6), ("noseSneer", 0.7), ("browDown", 0.6)],
];

/// Units that relaxed faces do not use alone.
const NEVER_RELAXED: [&str; 3] = ["tongueOut", "mouthClose", "jawForward"];

/// One unit (and its other side) at a moderate weight: the held face of a spatial clip.
pub fn held(seed: u64) -> Expression {
    let mut rng = Rng::new(&[seed, 0x6865]);
    let mut face = [0.0; 52];
    add_pair(&mut face, relaxed_unit(&mut rng), rng.range(0.3, 0.8));
    face
}

/// Two or three units that swell and fade slowly, each by its own curve, up to four tenths.
pub fn relaxed(seed: u64, frames: usize) -> Vec<Expression> {
    let mut rng = Rng::new(&[seed, 0x7265]);
    let curves: Vec<(usize, f32, f32, f32)> = (0..2 + rng.below(2))
        .map(|_| (relaxed_unit(&mut rng), rng.range(0.15, 0.4), rng.range(0.5, 1.2), rng.range(0.0, 1.0)))
        .collect();
    (0..frames)
        .map(|i| {
            let mut face = [0.0; 52];
            for (k, height, hertz, phase) in &curves {
                let turn = std::f32::consts::TAU * (hertz * i as f32 / FPS + phase);
                add_pair(&mut face, *k, height * (0.5 - 0.5 * turn.cos()));
            }
            face
        })
        .collect()
}

/// From one strong face to another and to a third, with eased ways between them.
pub fn exaggerated(seed: u64, frames: usize) -> Vec<Expression> {
    let mut rng = Rng::new(&[seed, 0x6578]);
    let faces: Vec<Expression> = (0..3).map(|_| strong(rng.below(STRONG.len()), rng.range(0.7, 1.0))).collect();
    (0..frames)
        .map(|i| {
            let at = 2.0 * i as f32 / (frames.max(2) - 1) as f32;
            let (from, t) = (at.floor().min(1.0) as usize, at - at.floor().min(1.0));
            let eased = t * t * (3.0 - 2.0 * t);
            std::array::from_fn(|k| faces[from][k] + eased * (faces[from + 1][k] - faces[from][k]))
        })
        .collect()
}

fn relaxed_unit(rng: &mut Rng) -> usize {
    loop {
        let k = rng.below(52);
        if !NEVER_RELAXED.contains(&head::model::ARKIT[k]) {
            return k;
        }
    }
}

/// Both sides; the eyes look the same way, which is in for one and out for the other.
fn add_pair(face: &mut Expression, k: usize, value: f32) {
    let name = head::model::ARKIT[k];
    let other = match () {
        () if name.contains("LookIn") => unit(&name.replace("LookIn", "LookOut")).map(mirrored_unit),
        () if name.contains("LookOut") => unit(&name.replace("LookOut", "LookIn")).map(mirrored_unit),
        // Jaw and lips go to one side, not to both.
        () if matches!(name, "jawLeft" | "jawRight" | "mouthLeft" | "mouthRight") => Some(k),
        () => Some(mirrored_unit(k)),
    };
    for k in [Some(k), other].into_iter().flatten().collect::<std::collections::BTreeSet<_>>() {
        face[k] = (face[k] + value).clamp(0.0, 1.0);
    }
}

fn strong(which: usize, strength: f32) -> Expression {
    let mut face = [0.0; 52];
    for (name, value) in STRONG[which] {
        let units = [name.to_string(), format!("{name}Left"), format!("{name}Right")];
        for k in units.iter().filter_map(|name| unit(name)) {
            face[k] = value * strength;
        }
    }
    face
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_faces_name_real_units() {
        for (which, parts) in STRONG.iter().enumerate() {
            let face = strong(which, 1.0);
            let set = face.iter().filter(|v| **v > 0.0).count();
            assert!(set >= parts.len(), "face {which}: {set} units of {parts:?}");
        }
    }

    #[test]
    fn relaxed_is_less_than_exaggerated_and_both_move() {
        let most = |clip: &[Expression]| clip.iter().flatten().fold(0.0f32, |a, &b| a.max(b));
        let moves = |clip: &[Expression]| (0..52).any(|k| (clip[0][k] - clip[12][k]).abs() > 0.02);
        for seed in 0..20 {
            let (calm, wild) = (relaxed(seed, 16), exaggerated(seed, 16));
            assert!(calm.iter().chain(&wild).flatten().all(|v| (0.0..=1.0).contains(v)));
            assert!(most(&calm) <= 0.81 && most(&wild) > 0.5, "{seed}: {} {}", most(&calm), most(&wild));
            assert!(moves(&calm), "{seed}");
            assert_eq!(wild, exaggerated(seed, 16));
        }
        assert!((0..20).filter(|s| moves(&exaggerated(*s, 16))).count() > 15, "now and then a face is drawn twice");
    }

    #[test]
    fn eyes_look_one_way() {
        let mut face = [0.0; 52];
        add_pair(&mut face, unit("eyeLookInLeft").unwrap(), 0.5);
        assert_eq!((face[unit("eyeLookOutRight").unwrap()], face.iter().filter(|v| **v > 0.0).count()), (0.5, 2));
        let held = held(3);
        assert!((1..=2).contains(&held.iter().filter(|v| **v > 0.0).count()));
    }
}
