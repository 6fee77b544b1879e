//! Which optional maps are written.
use super::range;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// Optional maps of a row, and maps of an identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapsConfig {
    /// Coverage.
    pub alpha: bool,
    /// Class ids.
    pub segmentation: bool,
    /// Depth along z.
    pub depth: bool,
    /// World normals.
    pub normal: bool,
    /// Texture coordinates and part.
    pub uv: bool,
    /// Color without light, of every frame.
    pub frame_albedo: bool,
    /// World positions, of every frame.
    pub frame_position: bool,
    /// Linear layers of every frame, as OpenEXR in shards of their own.
    pub exr: bool,
    /// UV albedo of the identity.
    pub albedo: bool,
    /// UV image of what the identity shows from outside: skin, and hair and cloth before it.
    pub appearance: bool,
    /// UV position map of the identity.
    pub position: bool,
    /// Side of the identity's UV maps, in texels.
    pub uv_size: u32,
}

impl Default for MapsConfig {
    fn default() -> Self {
        MapsConfig {
            alpha: true,
            segmentation: true,
            depth: true,
            normal: true,
            uv: true,
            frame_albedo: false,
            frame_position: false,
            exr: false,
            albedo: true,
            appearance: true,
            position: true,
            uv_size: 256,
        }
    }
}

impl MapsConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("maps.uv_size", self.uv_size, 8, 4096, "8 to 4096 texels")
    }
}
