//! Cross-reenactment: an avatar driven by somebody else, for which there is no ground truth.
//!
//! Each chosen frame is rendered and compared with the avatar at rest (`identity`), and the tracker reads it as it would a
//! photo (`retracker`): its coefficients against those used to drive (`expression`), its landmarks over time against those of
//! the driving motion (`jitter`). `flicker` is the change of color where the driver hardly moves.
mod choice;
mod expected;
mod expression;
mod flicker;
mod footage;
mod identity;
mod jitter;
mod retracker;
mod sheet;

pub use expression::ExpressionError;
pub use flicker::Flicker;
pub use footage::{Footage, Order};
pub use identity::Identity;
pub use jitter::Jitter;

use crate::avatar::Avatar;
use crate::clip::Frame;
use crate::drive::BACKDROP;
use anyhow::Result;
use choice::evenly;
use expected::ExpectedLandmarks;
use formats::progress::Progress;
use identity::Comparison;
use nets::GaussianTensors;
use nets::losses::recognizer::Recognizer;
use nets::pictures::data::rgb8_from_tensor;
use nets::view::{Drawn, draw_one};
use retracker::{Retracker, Tracked};
use sheet::Sheet;
use splat::Camera;
use track::tracker::Tracker;

/// Columns of the contact sheet.
const COLUMNS: usize = 8;
/// Consecutive frames that are measured together: as many as a second difference takes.
pub const RUN: usize = 3;

/// A driven clip, in order.
pub struct Motion<'a> {
    /// `[N]` coefficients and angles as the avatar gets them.
    pub frames: &'a [Frame],
    /// `[N]` in head space.
    pub cameras: &'a [Camera],
    /// The driver's own images.
    pub footage: Option<&'a Footage>,
}

/// The networks that measure.
pub struct Instruments<'a> {
    /// For `csim-self`.
    pub recognizer: Option<&'a Recognizer>,
    /// For expression error and jitter.
    pub tracker: &'a Tracker,
}

/// What was measured; a figure that could not be measured is `null`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    /// Frames of the clip.
    pub clip_frames: usize,
    /// Frames that were rendered and measured.
    pub frames: usize,
    /// Identity kept: cosine of our own recognizer's embeddings; not the public CSIM.
    #[serde(rename = "csim-self")]
    pub csim_self: Option<Identity>,
    /// Coefficients tracked again against those used to drive.
    pub expression_error: Option<ExpressionError>,
    /// Places in the clip of the measured frames in which the tracker finds no face.
    pub frames_without_face: Vec<usize>,
    /// Change of color where the driver hardly moves.
    pub flicker: Option<Flicker>,
    /// Second differences of landmarks.
    pub jitter: Option<Jitter>,
}

impl Report {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let none = || "not measured".to_string();
        let lost = match self.frames_without_face.as_slice() {
            [] => "a face in every frame".to_string(),
            places => format!("no face in {} of {} frames ({places:?})", places.len(), self.frames),
        };
        vec![
            format!("{} of {} frames of the clip", self.frames, self.clip_frames),
            format!("identity kept (csim-self): {}", self.csim_self.as_ref().map_or_else(none, ToString::to_string)),
            format!(
                "expression error: {}; {lost}",
                self.expression_error.as_ref().map_or_else(none, ToString::to_string)
            ),
            format!("flicker: {}", self.flicker.as_ref().map_or_else(none, ToString::to_string)),
            format!("jitter: {}", self.jitter.as_ref().map_or_else(none, ToString::to_string)),
        ]
    }
}

/// Drives the avatar and measures `most` frames: all of a shorter clip, otherwise runs of [`RUN`] consecutive frames that
/// are evenly spread (single frames if the clip has no order in time). Also gives the contact sheet (PNG): the driver's
/// images, if there are any, above the avatar's.
///
/// # Errors
/// A camera no picture can be made with; an image of the driver that cannot be read.
pub fn evaluate(
    avatar: &mut Avatar,
    motion: &Motion,
    instruments: &Instruments,
    most: usize,
    progress: &Progress,
) -> Result<(Report, Vec<u8>)> {
    let order = motion.footage.map_or(Order::InTime, |footage| footage.order);
    let expected = ExpectedLandmarks::of(avatar, &instruments.tracker.head);
    let chosen = evenly(motion.frames.len(), most, if order == Order::InTime { RUN } else { 1 });
    let shown = evenly(chosen.len(), COLUMNS, 1);
    let mut comparison = instruments.recognizer.map(|net| Comparison::new(net, avatar, &expected));
    let (mut retracker, mut sheet) = (Retracker::new(instruments.tracker), Sheet::default());
    for (k, &i) in chosen.iter().enumerate() {
        let camera = &motion.cameras[i];
        let drawn = draw(&avatar.moved(&motion.frames[i].params()), camera)?;
        if let Some(comparison) = &mut comparison {
            comparison.add(i, &drawn.color, camera)?;
        }
        let image = rgb8_from_tensor(&drawn.color.select(0, 0));
        retracker.read(i, &image, camera);
        if shown.contains(&k) {
            sheet.add(motion.footage.map(|footage| footage.image(i)).transpose()?.as_ref(), &image);
        }
        progress.add(1);
    }
    let tracked = retracker.finish();
    let is_tracked = |i: &usize| tracked.iter().any(|t| t.frame == *i);
    let is_timed = order == Order::InTime;
    let report = Report {
        clip_frames: motion.frames.len(),
        frames: chosen.len(),
        csim_self: comparison.and_then(Comparison::finish),
        expression_error: expression_error(&tracked, motion.frames),
        frames_without_face: chosen.iter().copied().filter(|i| !is_tracked(i)).collect(),
        flicker: if is_timed { flicker(avatar, motion, &expected)? } else { None },
        jitter: if is_timed { jitter(&tracked, motion, &expected) } else { None },
    };
    Ok((report, sheet.png()?))
}

fn expression_error(tracked: &[Tracked], frames: &[Frame]) -> Option<ExpressionError> {
    let pairs: Vec<_> = tracked.iter().map(|t| (frames[t.frame].expression, t.expression)).collect();
    ExpressionError::of(&pairs)
}

fn jitter(tracked: &[Tracked], motion: &Motion, expected: &ExpectedLandmarks) -> Option<Jitter> {
    let driven = |t: &Tracked| expected.project(&motion.frames[t.frame].params(), &motion.cameras[t.frame]);
    let driven: Vec<_> = tracked.iter().map(|t| (t.frame, driven(t))).collect();
    let seen: Vec<_> = tracked.iter().map(|t| (t.frame, t.points.clone())).collect();
    Jitter::of(&seen, &driven)
}

/// Over calm pairs of the whole clip. Both frames of a pair are seen by the first one's camera, so that a turn of the head
/// changes nothing.
fn flicker(avatar: &mut Avatar, motion: &Motion, expected: &ExpectedLandmarks) -> Result<Option<Flicker>> {
    let mut changes = Vec::new();
    for i in flicker::calm_pairs(motion.frames) {
        let camera = &motion.cameras[i];
        let params = [motion.frames[i].params(), motion.frames[i + 1].params()];
        let before = draw(&avatar.moved(&params[0]), camera)?;
        let after = draw(&avatar.moved(&params[1]), camera)?;
        changes.extend(flicker::change(&before, &after, &expected.project(&params[0], camera)));
    }
    Ok(Flicker::of(&changes))
}

/// Before the backdrop of a driven avatar; no gradient.
fn draw(gaussians: &GaussianTensors, camera: &Camera) -> Result<Drawn> {
    tch::no_grad(|| draw_one(gaussians, camera, BACKDROP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_null_and_told() {
        let report = Report {
            clip_frames: 180,
            frames: 48,
            csim_self: None,
            expression_error: None,
            frames_without_face: vec![3, 17],
            flicker: None,
            jitter: None,
        };
        let json = serde_json::to_value(&report).unwrap();
        assert!(json["csim-self"].is_null() && json["frames_without_face"][1] == 17);
        let lines = report.lines();
        assert_eq!(lines[2], "expression error: not measured; no face in 2 of 48 frames ([3, 17])");
    }
}
