//! Motions to drive an avatar with: an ARKit recording, a dataset's rows, or a short performance made of formulas.
use anyhow::{Context, Result};
use formats::live_link::{self, Take};
pub use formats::motion::{Angles, CHANNELS, Frame, HEAD_JOINT_M};
use formats::{AvatarCard, Dataset, FrameRow};
use head::params::unit;
use std::path::Path;

/// A driver over time.
pub struct Clip {
    /// Frames a second.
    pub fps: f32,
    /// In order.
    pub frames: Vec<Frame>,
    /// Whose motion it is.
    pub driver: Driver,
    /// Frames of the recording in which the tracker saw no face: interpolated in a `.csv`, held in a tracked video.
    pub lost: usize,
}

/// Whose motion a clip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Nobody's: weights that are exact for every avatar, and the avatar's own photo.
    BuiltIn,
    /// A recorded person's, whose face at rest has weights of its own.
    Person,
}

/// A motion by name or path: `performance`; `photo`, the expression of the avatar's first input picture held for the
/// same time; a `.csv` of the Live Link Face app or a dataset tracked from a video, resampled to `fps`; or another dataset,
/// whose rows are taken one by one in order of `frame_id`. `timecode_fps` as in [`live_link::read`].
///
/// # Errors
/// A file that cannot be read; exit code 65 for a dataset without rows.
pub fn open(asked: &str, fps: f32, timecode_fps: Option<f32>, card: &AvatarCard) -> Result<Clip> {
    match asked {
        "performance" => return Ok(performance(fps)),
        "photo" => {
            let expression = card.expressions.first().and_then(|e| e.as_slice().try_into().ok());
            let expression: [f32; 52] = expression.context("the avatar's card lists no input image")?;
            let frames = vec![Frame::of_expression(expression); (SECONDS * fps).round().max(1.0) as usize];
            return Ok(Clip { fps, frames, driver: Driver::BuiltIn, lost: 0 });
        }
        _ => (),
    }
    let path = Path::new(asked);
    if is_recording(path) {
        let take = live_link::read(path, timecode_fps)?;
        return Ok(Clip { fps, frames: take.resampled(fps), driver: Driver::Person, lost: take.lost });
    }
    let dataset = Dataset::open(path)?;
    let mut rows: Vec<_> = dataset.all_labels().iter().collect();
    rows.sort_by_key(|r| r.frame_id);
    if let Some(take) = by_time(&rows) {
        return Ok(Clip { fps, frames: take.resampled(fps), driver: Driver::Person, lost: take.lost });
    }
    Ok(Clip { fps, frames: rows.into_iter().map(Frame::of_row).collect(), driver: Driver::Person, lost: 0 })
}

/// Does a name mean a dataset to [`open`]?
pub fn is_dataset(asked: &str) -> bool {
    !matches!(asked, "performance" | "photo") && !is_recording(Path::new(asked))
}

fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"))
}

/// The rows of a tracked video by their times; where frames without a face are missing, the one before is held until one
/// frame before the next. `None` for rows without times.
fn by_time(rows: &[&FrameRow]) -> Option<Take> {
    let times: Vec<f64> = rows.iter().map(|row| row.frame_time).collect::<Option<_>>()?;
    let first_s = *times.first()?;
    let mut take = Take { seconds: Vec::new(), frames: Vec::new(), lost: 0 };
    for (i, (row, seconds)) in rows.iter().zip(&times).enumerate() {
        let before = i.checked_sub(1).map(|k| (rows[k].frame_id, times[k]));
        if let Some((id, before_s)) = before.filter(|(id, _)| row.frame_id > id + 1) {
            let steps = row.frame_id - id;
            let held = take.frames.last().cloned()?;
            take.frames.push(held);
            take.seconds.push(seconds - (seconds - before_s) / steps as f64 - first_s);
            take.lost += steps as usize - 1;
        }
        take.frames.push(Frame::of_row(row));
        take.seconds.push(seconds - first_s);
    }
    Some(take)
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
            Frame::of_expression(weights)
        })
        .collect();
    Clip { fps, frames, driver: Driver::BuiltIn, lost: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_performance_names_real_units_and_loops() {
        assert!(PERFORMANCE.iter().all(|(name, ..)| unit(name).is_some()));
        let clip = performance(12.5);
        assert_eq!(clip.frames.len(), 75);
        let weights: Vec<[f32; 52]> = clip.frames.iter().map(|f| f.expression).collect();
        assert!(weights[0].iter().all(|w| *w < 1e-3) && weights.iter().flatten().all(|w| (0.0..=1.0).contains(w)));
        assert!(weights.iter().any(|w| w[unit("jawOpen").unwrap()] > 0.5));
    }

    /// Frame 3 of 0 to 5 shows no face: its pose is that of frame 2, and frame 4 is reached in time.
    #[test]
    fn a_tracked_video_is_played_by_time_and_held_in_gaps() {
        let jaw = unit("jawOpen").unwrap();
        let row = |id: u64| {
            let mut row = FrameRow { frame_id: id, frame_time: Some(2.0 + id as f64 * 0.04), ..Default::default() };
            row.expression[jaw] = 0.1 * id as f32;
            row
        };
        let rows = [0, 1, 2, 4, 5].map(row);
        let take = by_time(&rows.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(take.lost, 1);
        let jaws: Vec<f32> = take.resampled(25.0).iter().map(|f| f.expression[jaw]).collect();
        let expected = [0.0, 0.1, 0.2, 0.2, 0.4, 0.5];
        assert!(jaws.len() == 6 && jaws.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{jaws:?}");
        assert_eq!(take.resampled(50.0).len(), 11, "twice the rate, the same time");
        assert!(by_time(&[&FrameRow::default()]).is_none(), "rows without times are played one by one");
        assert!(by_time(&[]).is_none());
    }
}
