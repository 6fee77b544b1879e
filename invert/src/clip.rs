//! Motions to drive an avatar with: a shard's rows, or a short performance made of formulas.
use anyhow::{Context, Result};
use formats::{AvatarCard, Dataset};
use head::params::unit;
use std::path::Path;

/// Expressions over time.
pub struct Clip {
    /// Frames a second.
    pub fps: f32,
    /// 52 ARKit weights a frame.
    pub frames: Vec<[f32; 52]>,
}

/// A motion by name or path: `performance`; `photo`, the expression of the avatar's first input picture held for the
/// same time; or a shard whose rows are taken in order of `frame_id`.
///
/// # Errors
/// A shard that cannot be read.
pub fn open(asked: &str, fps: f32, card: &AvatarCard) -> Result<Clip> {
    match asked {
        "performance" => return Ok(performance(fps)),
        "photo" => {
            let expression = card.expressions.first().and_then(|e| e.as_slice().try_into().ok());
            let expression: [f32; 52] = expression.context("the avatar's card lists no input image")?;
            return Ok(Clip { fps, frames: vec![expression; (SECONDS * fps).round().max(1.0) as usize] });
        }
        _ => (),
    }
    let dataset = Dataset::open(Path::new(asked))?;
    let mut rows: Vec<_> = dataset.all_labels().iter().collect();
    rows.sort_by_key(|r| r.frame_id);
    Ok(Clip { fps, frames: rows.iter().map(|r| r.expression).collect() })
}

/// One unit's share of the performance: name, start and end (seconds), height.
type Beat = (&'static str, f32, f32, f32);

/// A smile, surprise, speech, a frown and blinks, six seconds, back to rest: each unit swells and fades by a raised
/// cosine, so that the clip loops without a jump.
pub const PERFORMANCE: [Beat; 46] = [
    ("eyeBlinkLeft", 0.3, 0.6, 1.0),
    ("eyeBlinkRight", 0.3, 0.6, 1.0),
    ("mouthSmileLeft", 0.5, 2.0, 0.9),
    ("mouthSmileRight", 0.5, 2.0, 0.9),
    ("cheekSquintLeft", 0.6, 1.9, 0.5),
    ("cheekSquintRight", 0.6, 1.9, 0.5),
    ("eyeSquintLeft", 0.6, 1.9, 0.3),
    ("eyeSquintRight", 0.6, 1.9, 0.3),
    ("browInnerUp", 1.8, 3.0, 0.9),
    ("browOuterUpLeft", 1.8, 3.0, 0.8),
    ("browOuterUpRight", 1.8, 3.0, 0.8),
    ("eyeWideLeft", 1.9, 3.0, 0.8),
    ("eyeWideRight", 1.9, 3.0, 0.8),
    ("jawOpen", 2.0, 3.0, 0.55),
    ("eyeLookOutLeft", 2.8, 3.6, 0.6),
    ("eyeLookInRight", 2.8, 3.6, 0.6),
    ("eyeBlinkLeft", 3.0, 3.3, 1.0),
    ("eyeBlinkRight", 3.0, 3.3, 1.0),
    ("jawOpen", 3.1, 3.5, 0.3),
    ("mouthFunnel", 3.3, 3.7, 0.6),
    ("mouthPucker", 3.5, 3.9, 0.7),
    ("jawOpen", 3.7, 4.1, 0.35),
    ("mouthLowerDownLeft", 3.7, 4.1, 0.4),
    ("mouthLowerDownRight", 3.7, 4.1, 0.4),
    ("mouthStretchLeft", 3.9, 4.3, 0.5),
    ("mouthStretchRight", 3.9, 4.3, 0.5),
    ("mouthRollLower", 4.1, 4.4, 0.4),
    ("mouthPressLeft", 4.1, 4.4, 0.4),
    ("mouthPressRight", 4.1, 4.4, 0.4),
    ("jawOpen", 4.3, 4.7, 0.25),
    ("browDownLeft", 4.4, 5.5, 0.9),
    ("browDownRight", 4.4, 5.5, 0.9),
    ("noseSneerLeft", 4.5, 5.4, 0.4),
    ("noseSneerRight", 4.5, 5.4, 0.4),
    ("mouthFrownLeft", 4.6, 5.5, 0.7),
    ("mouthFrownRight", 4.6, 5.5, 0.7),
    ("mouthShrugLower", 4.7, 5.4, 0.4),
    ("eyeLookDownLeft", 4.6, 5.4, 0.4),
    ("eyeLookDownRight", 4.6, 5.4, 0.4),
    ("eyeBlinkLeft", 5.3, 5.6, 1.0),
    ("eyeBlinkRight", 5.3, 5.6, 1.0),
    ("mouthSmileLeft", 5.2, 6.0, 0.3),
    ("mouthSmileRight", 5.2, 6.0, 0.3),
    ("cheekPuff", 4.2, 4.5, 0.1),
    ("mouthDimpleLeft", 0.9, 1.8, 0.3),
    ("mouthDimpleRight", 0.9, 1.8, 0.3),
];

const SECONDS: f32 = 6.0;

/// The built-in clip at any frame rate.
pub fn performance(fps: f32) -> Clip {
    let n = (SECONDS * fps).round().max(1.0) as usize;
    let frames = (0..n)
        .map(|i| {
            let t = i as f32 * SECONDS / n as f32;
            let mut weights = [0f32; 52];
            for (name, start, end, height) in PERFORMANCE {
                let phase = ((t - start) / (end - start)).clamp(0.0, 1.0);
                let value = height * (0.5 - 0.5 * (std::f32::consts::TAU * phase).cos());
                if let Some(k) = unit(name) {
                    weights[k] = weights[k].max(value);
                }
            }
            weights
        })
        .collect();
    Clip { fps, frames }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_performance_names_real_units_and_loops() {
        assert!(PERFORMANCE.iter().all(|(name, ..)| unit(name).is_some()));
        let clip = performance(12.5);
        assert_eq!(clip.frames.len(), 75);
        assert!(
            clip.frames[0].iter().all(|w| *w < 1e-3) && clip.frames.iter().flatten().all(|w| (0.0..=1.0).contains(w))
        );
        assert!(clip.frames.iter().any(|f| f[unit("jawOpen").unwrap()] > 0.5));
    }
}
