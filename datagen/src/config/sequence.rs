//! Clips.
use super::{interval, range};
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Clips: expressions `k · frames ..` of an identity are consecutive frames of clip `k`, under one light, each camera on a
/// path of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceConfig {
    /// What happens in a clip.
    pub kind: SequenceKind,
    /// Frames a clip; `dataset.expressions` is a multiple of it.
    pub frames: u32,
    /// Frames a second.
    pub fps: f32,
    /// How the cameras move.
    pub camera: CameraPath,
}

/// What happens in a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SequenceKind {
    /// No clips: every expression is a draw of its own.
    Single,
    /// Lids close and open again.
    Blink,
    /// Mouth shapes of speech.
    Speech,
    /// Eyes rest and jump.
    Gaze,
    /// Speech, eyes, lids and a mood at once.
    Mixed,
    /// Strong, fast changing faces.
    Exaggerated,
    /// One of these, drawn clip by clip.
    Any,
}

/// How a camera moves during a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraPath {
    /// Not at all.
    Still,
    /// Around the head, from the front to a side within `camera.yaw_deg`.
    Orbit,
}

impl Default for SequenceConfig {
    fn default() -> Self {
        SequenceConfig { kind: SequenceKind::Single, frames: 16, fps: 25.0, camera: CameraPath::Still }
    }
}

impl SequenceConfig {
    /// `expressions`: of an identity.
    pub(super) fn check(&self, expressions: u32) -> Result<(), Failure> {
        range("sequence.frames", self.frames, 8, 1 << 14, "8 to 16384")?;
        interval("sequence.fps", [self.fps, self.fps], 10.0, 240.0, "10 to 240")?;
        if self.kind != SequenceKind::Single && !expressions.is_multiple_of(self.frames) {
            let frames = self.frames;
            return Err(Failure::config(format!(
                "dataset.expressions is {expressions}; expected a multiple of sequence.frames, which is {frames}"
            )));
        }
        Ok(())
    }
}
