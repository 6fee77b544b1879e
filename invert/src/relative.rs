//! Motion of one person for the face of another: changes against the driver's own face at rest.
//!
//! A tracker gives everybody weights at rest: low brows read as `browDown`, heavy lids as `eyeBlink`, and a phone on the
//! desk sees the head turned up. The driver's neutral is taken from the clip itself. The floor of a unit is its 10th
//! percentile over the clip. A frame is calm where its weights stand least above their floors in sum; the calmest quarter
//! of the frames counts, and the neutral of each channel is its median over these frames.
use crate::clip::{CHANNELS, Driver, Frame};

/// Fraction of the frames that are calm.
const CALM: f32 = 0.25;
/// Percentile (as a fraction) that is a unit's floor.
const FLOOR: f32 = 0.1;
/// Least range that is left to a unit above its neutral.
const LEAST_RANGE: f32 = 0.5;

/// How the driver's motion becomes the avatar's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// Changes against the driver's neutral.
    Relative,
    /// Weights and angles as they are.
    Absolute,
}

impl Transfer {
    /// What is best for a driver unless a user says otherwise.
    pub fn of(driver: Driver) -> Self {
        match driver {
            Driver::Person => Transfer::Relative,
            Driver::BuiltIn => Transfer::Absolute,
        }
    }

    /// Turns the frames of a whole clip into those that drive.
    pub fn apply(self, frames: &mut [Frame]) {
        if self == Transfer::Relative {
            let neutral = neutral(frames);
            frames.iter_mut().for_each(|frame| *frame = change(frame, &neutral));
        }
    }
}

/// `[61]` the driver's neutral: medians over the calm frames of a clip. Zeros for a clip without frames.
pub fn neutral(frames: &[Frame]) -> [f32; CHANNELS] {
    let channels: Vec<[f32; CHANNELS]> = frames.iter().map(Frame::channels).collect();
    let floors: [f32; 52] = std::array::from_fn(|k| quantile(channels.iter().map(|c| c[k]), FLOOR));
    let above = |c: &[f32; CHANNELS]| c.iter().zip(floors).map(|(w, floor)| (w - floor).max(0.0)).sum::<f32>();
    let mut by_calm: Vec<(f32, usize)> = channels.iter().enumerate().map(|(i, c)| (above(c), i)).collect();
    by_calm.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    by_calm.truncate(((channels.len() as f32 * CALM).ceil() as usize).max(1));
    std::array::from_fn(|k| quantile(by_calm.iter().map(|&(_, i)| channels[i][k]), 0.5))
}

/// The frame as a change against the driver's neutral.
///
/// A weight `w` with neutral `n` becomes `(w − n) / max(1 − n, 0.5)`, between 0 and 1: a closed eye stays closed though the
/// driver's lids are never wide open. Angles of head and eyes become `a − n`.
pub fn change(frame: &Frame, neutral: &[f32; CHANNELS]) -> Frame {
    let mut channels = frame.channels();
    for (k, (value, n)) in channels.iter_mut().zip(neutral).enumerate() {
        *value = if k < 52 { ((*value - n) / (1.0 - n).max(LEAST_RANGE)).clamp(0.0, 1.0) } else { *value - n };
    }
    frame.with_channels(&channels)
}

/// The value below which a fraction of the values lies; 0 without values.
fn quantile(values: impl Iterator<Item = f32>, fraction: f32) -> f32 {
    let mut sorted: Vec<f32> = values.collect();
    sorted.sort_by(f32::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f32 * fraction).round() as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::Angles;
    use head::params::unit;

    /// A driver with lids at 0.2 and a head that looks up, who blinks and opens the mouth in a third of the frames.
    fn clip() -> Vec<Frame> {
        let [blink, jaw] = ["eyeBlinkLeft", "jawOpen"].map(|name| unit(name).unwrap());
        (0..30)
            .map(|i| {
                let mut frame = Frame::of_expression([0.0; 52]);
                frame.expression[blink] = if i % 3 == 0 { 1.0 } else { 0.2 };
                frame.expression[jaw] = if i % 3 == 0 { 0.6 } else { 0.0 };
                frame.head = Angles { yaw: if i % 3 == 0 { 0.5 } else { 0.1 }, pitch: -0.3, roll: 0.0 };
                frame
            })
            .collect()
    }

    #[test]
    fn the_neutral_is_the_calm_face() {
        let frames = clip();
        let neutral = neutral(&frames);
        let [blink, jaw] = ["eyeBlinkLeft", "jawOpen"].map(|name| unit(name).unwrap());
        assert_eq!((neutral[blink], neutral[jaw], neutral[52], neutral[53]), (0.2, 0.0, 0.1, -0.3));
        let at_rest = change(&frames[1], &neutral);
        assert!(at_rest.channels().iter().all(|v| v.abs() < 1e-6), "the calm face is the avatar's own at rest");
        let moved = change(&frames[0], &neutral);
        assert!((moved.expression[blink] - 1.0).abs() < 1e-6, "a closed eye stays closed");
        assert!((moved.expression[jaw] - 0.6).abs() < 1e-6);
        assert!((moved.head.yaw - 0.4).abs() < 1e-6 && moved.head.pitch.abs() < 1e-6);
    }

    #[test]
    fn weights_stay_weights() {
        let mut neutral = [0.0; CHANNELS];
        (neutral[0], neutral[1]) = (0.9, 0.3);
        let mut frame = Frame::of_expression([0.0; 52]);
        (frame.expression[0], frame.expression[1]) = (1.0, 0.1);
        let changed = change(&frame, &neutral);
        assert!((changed.expression[0] - 0.2).abs() < 1e-6, "a held expression is not blown up");
        assert_eq!(changed.expression[1], 0.0, "below the neutral is the neutral");
    }

    #[test]
    fn only_a_relative_transfer_changes_the_frames() {
        let (mut relative, mut absolute) = (clip(), clip());
        Transfer::of(Driver::Person).apply(&mut relative);
        Transfer::of(Driver::BuiltIn).apply(&mut absolute);
        assert!(relative[1].channels().iter().all(|v| v.abs() < 1e-6));
        assert_eq!(absolute, clip());
    }

    #[test]
    fn no_frames_are_no_defect() {
        assert_eq!(super::neutral(&[]), [0.0; CHANNELS]);
    }
}
