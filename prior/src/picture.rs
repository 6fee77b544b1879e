//! Drawing a batch of heads, each with its own camera and background.
use crate::model::HeadGaussians;
use anyhow::Result;
use nets::bridge::render::GaussianTensors;
use nets::view::{Drawn, draw_one};
use splat::Camera;
use tch::Tensor;

impl HeadGaussians {
    /// Head `b` alone.
    pub fn head(&self, b: i64) -> GaussianTensors {
        GaussianTensors {
            means: self.means.select(0, b).contiguous(),
            quats: self.quats.select(0, b).contiguous(),
            log_scales: self.log_scales.select(0, b).contiguous(),
            opacity_logits: self.opacity_logits.select(0, b).contiguous(),
            colors: self.colors.select(0, b).contiguous(),
            kind: self.kind,
        }
    }
}

/// Head `b` through camera `b`, over background `b` (display RGB).
///
/// # Errors
/// A camera no picture can be made with.
pub fn draw(heads: &HeadGaussians, cameras: &[Camera], backgrounds: &[[f32; 3]]) -> Result<Drawn> {
    let mut pictures = Vec::with_capacity(cameras.len());
    for (b, (camera, background)) in cameras.iter().zip(backgrounds).enumerate() {
        pictures.push(draw_one(&heads.head(b as i64), camera, *background)?);
    }
    let cat = |of: fn(&Drawn) -> &Tensor| Tensor::cat(&pictures.iter().map(of).collect::<Vec<_>>(), 0);
    Ok(Drawn { color: cat(|d| &d.color), alpha: cat(|d| &d.alpha) })
}
