//! Environments.
use super::range;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Environments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LightConfig {
    /// How many different environments the dataset holds.
    pub count: u32,
    /// What shares one environment.
    pub per: LightPer,
    /// Fraction of the draws that give light 0, a neutral studio that is the same in every dataset: what a prior that
    /// bakes the light into its colors learns from (SynShot uses one environment for all).
    pub studio_share: f32,
    /// Width of the latitude-longitude map (its height is half of it).
    pub width: u32,
    /// Files (`.exr`, `.hdr`; latitude-longitude, the zenith on top, what the head faces in the middle) that are the last of
    /// the `count` environments.
    pub maps: Vec<PathBuf>,
}

/// What shares one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LightPer {
    /// Every frame of an identity.
    Identity,
    /// Every camera of an expression (in a sequence: of a clip).
    Expression,
    /// Nothing: each frame draws its own (in a sequence each clip of each camera).
    Frame,
}

impl Default for LightConfig {
    fn default() -> Self {
        LightConfig { count: 256, per: LightPer::Frame, studio_share: 0.5, width: 256, maps: Vec::new() }
    }
}

impl LightConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("light.count", self.count, 1, 1 << 15, "1 to 32768")?;
        range("light.width", self.width, 16, 4096, "16 to 4096")?;
        if self.maps.len() as u32 >= self.count {
            let (maps, count) = (self.maps.len(), self.count);
            return Err(Failure::config(format!(
                "light.maps has {maps} files; expected fewer than light.count, {count}"
            )));
        }
        Ok(())
    }
}
