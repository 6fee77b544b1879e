//! Where the cameras stand.
use super::interval;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Where the cameras stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    /// Distance from the head's centre (metres), lowest and highest.
    pub distance_m: [f32; 2],
    /// Share of the picture's height that the head (chin to crown) fills.
    pub fill: [f32; 2],
    /// Yaw to either side (degrees); denser near the front.
    pub yaw_deg: f32,
    /// Pitch, from below to above (degrees).
    pub pitch_deg: [f32; 2],
    /// Standard deviation of where it looks at (metres).
    pub jitter_m: f32,
}

impl Default for CameraConfig {
    fn default() -> Self {
        CameraConfig {
            distance_m: [0.5, 1.2],
            fill: [0.6, 0.85],
            yaw_deg: 90.0,
            pitch_deg: [-20.0, 35.0],
            jitter_m: 0.006,
        }
    }
}

impl CameraConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        interval("camera.distance_m", self.distance_m, 0.25, 20.0, "[low, high] within 0.25 to 20")?;
        interval("camera.fill", self.fill, 0.05, 2.0, "[low, high] within 0.05 to 2")?;
        interval("camera.pitch_deg", self.pitch_deg, -85.0, 85.0, "[low, high] within -85 to 85")?;
        interval("camera.yaw_deg", [0.0, self.yaw_deg], 0.0, 180.0, "0 to 180")?;
        interval("camera.jitter_m", [0.0, self.jitter_m], 0.0, 0.1, "0 to 0.1")
    }
}
