//! What is worn on the head.
use super::interval;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// What is worn on the head. Off by default: a prior learns a face's colors by its texture, where frames of glasses have
/// no place, and the shipped one has seen neither glasses nor hats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WearConfig {
    /// Fraction of people with glasses.
    pub glasses: f32,
    /// Fraction of people with a cap, a beanie or a headscarf.
    pub headwear: f32,
}

impl WearConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        interval("wear.glasses", [0.0, self.glasses], 0.0, 1.0, "0 to 1")?;
        interval("wear.headwear", [0.0, self.headwear], 0.0, 1.0, "0 to 1")
    }
}
