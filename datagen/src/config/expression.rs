//! Faces people make.
use super::interval;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Faces people make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpressionConfig {
    /// Scales every drawn unit.
    pub intensity: f32,
    /// Standard deviation of head and neck turns (degrees).
    pub pose_deg: f32,
}

impl Default for ExpressionConfig {
    fn default() -> Self {
        ExpressionConfig { intensity: 1.0, pose_deg: 5.0 }
    }
}

impl ExpressionConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        interval("expression.intensity", [0.0, self.intensity], 0.0, 2.0, "0 to 2")?;
        interval("expression.pose_deg", [0.0, self.pose_deg], 0.0, 45.0, "0 to 45")
    }
}
