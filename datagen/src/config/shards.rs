//! Files.
use super::range;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardsConfig {
    /// Frames a shard.
    pub frames: u32,
    /// Identities a shard.
    pub identities: u32,
}

impl Default for ShardsConfig {
    fn default() -> Self {
        ShardsConfig { frames: 1024, identities: 100 }
    }
}

impl ShardsConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("shards.frames", self.frames, 1, 1 << 16, "1 to 65536")?;
        range("shards.identities", self.identities, 1, 1 << 16, "1 to 65536")
    }
}
