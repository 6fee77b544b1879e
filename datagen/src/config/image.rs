//! The picture itself: size, samples, skin, noise, tone.
use super::{interval, range};
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// The picture itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageConfig {
    /// Width and height in pixels.
    pub size: u32,
    /// Paths a pixel.
    pub samples: u32,
    /// Noise that is good enough: blocks of 4 × 4 pixels whose standard error (display brightness, 0 to 1) after half of
    /// `samples` is no greater take no more; 0: all take all.
    pub tolerance: f32,
    /// Longest path, in bounces.
    pub bounces: u32,
    /// Skin's way of scattering.
    pub skin: SkinModel,
    /// Denoiser after tracing.
    pub denoise: Denoise,
    /// What stands behind the head.
    pub background: Background,
    /// Noise of a sensor, at most this many electrons' worth of light are collected by a white pixel; 0: none. Drawn per
    /// frame between a quarter of it and all of it.
    pub full_well: f32,
    /// Curve from light to picture.
    pub tone: Tone,
    /// How finely partial coverage is sampled. Not written when it is the default, so that the plans of datasets that were
    /// begun without this key, and the digests of their shards, stay as they are.
    #[serde(skip_serializing_if = "Coverage::is_fast")]
    pub coverage: Coverage,
}

/// How finely the coverage of a pixel is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// 16 × 64 positions per pixel: thin hair is off by up to 0.06 in its worst pixel, by less than 1/255 on average.
    Fast,
    /// 16 × 256 positions per pixel: off by less than 0.01 in the worst pixel.
    Fine,
}

impl Coverage {
    fn is_fast(&self) -> bool {
        *self == Coverage::Fast
    }
}

/// Curve from light to picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Straight, with a soft shoulder.
    Plain,
    /// Exposure, contrast and white balance drawn per frame, as cameras differ.
    Varied,
}

/// Skin's way of scattering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkinModel {
    /// Diffuse under two specular lobes: fast.
    Diffuse,
    /// Random walk under the skin: soft, about twice the time.
    Subsurface,
}

/// Denoiser after tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Denoise {
    /// None; the noise stays.
    Off,
    /// Open Image Denoise, fast filter.
    Fast,
    /// Open Image Denoise, high quality.
    High,
}

/// What stands behind the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// A plain tone drawn per light, written into the row's light JSON.
    Plain,
    /// Black.
    Black,
    /// White.
    White,
}

impl Default for ImageConfig {
    fn default() -> Self {
        ImageConfig {
            size: 256,
            samples: 16,
            tolerance: 0.0,
            bounces: 4,
            skin: SkinModel::Diffuse,
            denoise: Denoise::Fast,
            background: Background::Plain,
            full_well: 0.0,
            tone: Tone::Plain,
            coverage: Coverage::Fast,
        }
    }
}

impl ImageConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("image.size", self.size, 8, 4096, "8 to 4096 pixels")?;
        range("image.samples", self.samples, 1, 1 << 16, "1 to 65536")?;
        interval("image.tolerance", [0.0, self.tolerance], 0.0, 1.0, "0 to 1")?;
        range("image.bounces", self.bounces, 1, 32, "1 to 32")?;
        interval("image.full_well", [0.0, self.full_well], 0.0, 1e6, "0 to 1000000 electrons")
    }
}
