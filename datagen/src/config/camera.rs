//! Where the cameras stand, and what they are.
use super::interval;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Where the cameras stand, and what they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    /// What kind of camera takes the pictures.
    pub kind: CameraKind,
    /// Distance from the head's center (meters), lowest and highest; of `kind = "crop"` only.
    pub distance_m: [f32; 2],
    /// Fraction of the picture's height that the head (chin to crown) fills; of `kind = "crop"` and `"mix"`.
    pub fill: [f32; 2],
    /// Yaw to either side (degrees); denser near the front.
    pub yaw_deg: f32,
    /// Pitch, from below to above (degrees).
    pub pitch_deg: [f32; 2],
    /// Largest roll to either side (degrees): four in five cameras are level but for an eighth of it, one in five stands at
    /// any angle.
    pub roll_deg: f32,
    /// Standard deviation of where it looks at (meters).
    pub jitter_m: f32,
    /// Depth of field: diameter of the entrance pupil, which is focal length by f-number (meters), lowest and highest;
    /// focused on the nearer eye. `[0, 0]`: a pinhole. A phone's f/1.8 has 0.004, an 85 mm lens at f/2.8 0.030.
    pub aperture_m: [f32; 2],
    /// Motion blur: time the shutter is open (seconds), lowest and highest. `[0, 0]`: none.
    pub shutter_secs: [f32; 2],
    /// Standard deviation of how fast a hand turns the camera about each axis (degrees a second), and of how fast camera
    /// and head move against each other along each (meters a second); they blur while the shutter is open.
    pub turn_deg_per_sec: f32,
    /// See `turn_deg_per_sec`.
    pub move_m_per_sec: f32,
}

/// Kinds of cameras. Focal lengths are those of a frame 24 mm high that show as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraKind {
    /// A picture cut to the head: `distance_m` gives the perspective, `fill` the size.
    Crop,
    /// A phone in one's own hand: 24 to 28 mm from 0.4 to 0.6 m.
    Selfie,
    /// A phone's portrait lens: 50 to 77 mm from 1.0 to 1.5 m.
    Portrait,
    /// A studio camera: 85 mm from 1.5 to 2.5 m.
    Studio,
    /// A desk's webcam: 26 to 32 mm from 0.5 to 0.8 m.
    Webcam,
    /// A phone or camera across a room: 26 to 35 mm from 0.8 to 2.5 m.
    Room,
    /// Selfie, portrait, studio or webcam, drawn for each shot.
    Any,
    /// What a face tracker cuts from photos: one of the five, cropped to the head (`fill`), which in two of three photos
    /// stands beside the middle, so that the principal point of the crop is off its center.
    Mix,
}

impl Default for CameraConfig {
    fn default() -> Self {
        CameraConfig {
            kind: CameraKind::Crop,
            distance_m: [0.5, 1.2],
            fill: [0.6, 0.85],
            yaw_deg: 90.0,
            pitch_deg: [-20.0, 35.0],
            roll_deg: 8.0,
            jitter_m: 0.006,
            aperture_m: [0.0, 0.0],
            shutter_secs: [0.0, 0.0],
            turn_deg_per_sec: 4.0,
            move_m_per_sec: 0.03,
        }
    }
}

impl CameraConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        interval("camera.distance_m", self.distance_m, 0.25, 20.0, "[low, high] within 0.25 to 20")?;
        interval("camera.fill", self.fill, 0.05, 2.0, "[low, high] within 0.05 to 2")?;
        interval("camera.pitch_deg", self.pitch_deg, -85.0, 85.0, "[low, high] within -85 to 85")?;
        interval("camera.yaw_deg", [0.0, self.yaw_deg], 0.0, 180.0, "0 to 180")?;
        interval("camera.roll_deg", [0.0, self.roll_deg], 0.0, 180.0, "0 to 180")?;
        interval("camera.jitter_m", [0.0, self.jitter_m], 0.0, 0.1, "0 to 0.1")?;
        interval("camera.aperture_m", self.aperture_m, 0.0, 0.2, "[low, high] within 0 to 0.2")?;
        interval("camera.shutter_secs", self.shutter_secs, 0.0, 0.25, "[low, high] within 0 to 0.25")?;
        interval("camera.turn_deg_per_sec", [0.0, self.turn_deg_per_sec], 0.0, 60.0, "0 to 60")?;
        interval("camera.move_m_per_sec", [0.0, self.move_m_per_sec], 0.0, 2.0, "0 to 2")
    }
}
