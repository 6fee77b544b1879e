//! Strands.
use super::range;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Strands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HairConfig {
    /// Strands of a full scalp; fewer are drawn thicker.
    pub strands: u32,
}

impl Default for HairConfig {
    fn default() -> Self {
        HairConfig { strands: 12_000 }
    }
}

impl HairConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("hair.strands", self.strands, 0, 1_000_000, "0 to 1000000")
    }
}
