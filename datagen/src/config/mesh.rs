//! Mesh detail.
use super::range;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Mesh detail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Catmull–Clark steps before tracing.
    pub subdivision: u32,
    /// Side of the albedo texture the tracer reads, in texels.
    pub texture_size: u32,
}

impl Default for MeshConfig {
    fn default() -> Self {
        MeshConfig { subdivision: 1, texture_size: 1024 }
    }
}

impl MeshConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("mesh.subdivision", self.subdivision, 0, 4, "0 to 4")?;
        range("mesh.texture_size", self.texture_size, 16, 8192, "16 to 8192 texels")
    }
}
