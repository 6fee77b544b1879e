//! Drawing a batch of heads, each with its own camera and background.
use crate::model::HeadGaussians;
use anyhow::Result;
use nets::bridge::render::{GaussianTensors, Settings, render};
use splat::Camera;
use tch::{Device, Kind, Tensor};

/// `B` pictures.
pub struct Drawn {
    /// `[B, 3, H, W]` display RGB over the background.
    pub color: Tensor,
    /// `[B, 1, H, W]`
    pub alpha: Tensor,
}

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

/// One head through one camera, `B` = 1.
///
/// # Errors
/// As [`draw`].
pub fn draw_one(head: &GaussianTensors, camera: &Camera, background: [f32; 3]) -> Result<Drawn> {
    let settings = Settings { background: background.to_vec(), ..Default::default() };
    let picture = render(head, std::slice::from_ref(camera), &settings)?;
    Ok(Drawn { color: picture.color_chw(), alpha: picture.alpha.unsqueeze(1) })
}

/// Straight pictures `[B, 3, H, W]` over their backgrounds.
pub fn composite(images: &Tensor, alphas: &Tensor, backgrounds: &[[f32; 3]]) -> Tensor {
    let flat: Vec<f32> = backgrounds.iter().flatten().copied().collect();
    let behind = Tensor::from_slice(&flat).view([backgrounds.len() as i64, 3, 1, 1]).to_device(images.device());
    images * alphas + behind * (1.0 - alphas)
}

/// A sheet of pictures: each row of `columns` side by side, 8-bit RGB, as PNG.
///
/// # Errors
/// Encoding.
pub fn sheet_png(rows: &[Vec<Tensor>]) -> Result<Vec<u8>> {
    let lines: Vec<Tensor> = rows.iter().map(|row| Tensor::cat(row, 2)).collect();
    let sheet = Tensor::cat(&lines, 1); // [3, H, W]
    let (height, width) = (sheet.size()[1] as usize, sheet.size()[2] as usize);
    let bytes = (sheet.clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8).permute([1, 2, 0]).contiguous();
    let rgb: Vec<u8> = Vec::try_from(bytes.flatten(0, -1).to_device(Device::Cpu))?;
    Ok(formats::image::png_from_rgb8(width, height, &rgb)?)
}
