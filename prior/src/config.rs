//! Everything a prior depends on, as TOML; unknown keys are errors.
use serde::{Deserialize, Serialize};

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriorConfig {
    /// Shape of the network; stored with the weights.
    pub model: ModelConfig,
    /// Weights of the losses.
    pub loss: LossConfig,
    /// How it is trained.
    pub train: TrainConfig,
}

/// Shape of the network (synshot: sections 3 to 5 of the paper's method; sizes are ours).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Side of the UV maps in texels: a power of two times `id_grid`.
    pub uv_size: i64,
    /// Side of the identity code grid.
    pub id_grid: i64,
    /// Side of the expression code grid; divides `id_grid`.
    pub expr_grid: i64,
    /// Width of a code.
    pub code_dim: i64,
    /// Codes of the identity quantizer.
    pub id_codes: i64,
    /// Codes of the expression quantizer.
    pub expr_codes: i64,
    /// A code that nothing chose for so many steps is placed again.
    pub reseed_after: u64,
    /// F, channels of the feature map that the regressors read (paper: 128).
    pub feature_channels: i64,
    /// Channels of the decoders' finest level; doubled at each coarser one up to 128.
    pub decoder_channels: i64,
    /// Hidden width of the regressors.
    pub hidden: i64,
    /// Texels a side of the face's sampling grid.
    pub face_grid: i64,
    /// Texels a side of the scalp's sampling grid (denser: hair needs it).
    pub scalp_grid: i64,
    /// Texels a side of the sampling grid of eyes, lids and mouth; 0: they belong to the face's.
    pub detail_grid: i64,
    /// Spherical-harmonics degree of the colors, 0 to 3.
    pub sh_degree: i64,
    /// Farthest a scalp Gaussian may leave its base position (meters).
    pub hair_reach_m: f64,
    /// Farthest a face Gaussian may leave its base position (meters).
    pub skin_reach_m: f64,
    /// The same for lids, lips and eyes where they have a grid of their own (meters).
    pub detail_reach_m: f64,
    /// Ablation: quantize the codes (paper row "no VQ" when false).
    pub quantise: bool,
    /// Ablation: per-region sampling grids (row "no sampling" when false: one Gaussian a texel of the feature map).
    pub sampling: bool,
    /// Ablation: separate regressors for face and scalp (row "single layer" when false).
    pub two_layers: bool,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            uv_size: 128,
            id_grid: 16,
            expr_grid: 8,
            code_dim: 64,
            id_codes: 1024,
            expr_codes: 512,
            reseed_after: 1000,
            feature_channels: 32,
            decoder_channels: 32,
            hidden: 64,
            face_grid: 112,
            scalp_grid: 144,
            detail_grid: 0,
            sh_degree: 0,
            hair_reach_m: 0.15,
            skin_reach_m: 0.02,
            detail_reach_m: 0.02,
            quantise: true,
            sampling: true,
            two_layers: true,
        }
    }
}

/// Weights of `L = L_color + L_geom + L_reg` and of what a VQ autoencoder adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// α: L1 of the image.
    pub l1: f64,
    /// By how much more than elsewhere L1 counts at eyes and mouth: they are small, and what people look at.
    pub focus: f64,
    /// β: 1 − SSIM.
    pub ssim: f64,
    /// γ: perceptual distance, from `perceptual_from` of the steps on.
    pub perceptual: f64,
    /// Fraction of the steps after which γ counts.
    pub perceptual_from: f64,
    /// δ: L1 of the position and expression maps in units of 1 cm.
    pub geometry: f64,
    /// L1 of the texture map.
    pub texture: f64,
    /// L1 of the alpha matte.
    pub alpha: f64,
    /// Mean squared corrections of position (in units of the region's reach), scale and rotation.
    pub corrections: f64,
    /// Commitment and codebook terms.
    pub vq: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        LossConfig {
            l1: 0.8,
            focus: 4.0,
            ssim: 0.2,
            perceptual: 0.1,
            perceptual_from: 0.2,
            geometry: 1.0,
            texture: 0.5,
            alpha: 0.2,
            corrections: 1e-2,
            vq: 1.0,
        }
    }
}

/// How it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Optimizer steps.
    pub steps: u64,
    /// Stop after this many minutes even if steps are left; the schedule follows the clock then. 0: no limit.
    pub minutes: f64,
    /// Images a step.
    pub batch: usize,
    /// People a step of whom only the maps are learned, beside the images: anyone with identity maps, rendered or not.
    pub people: usize,
    /// Convolutions in bf16: faster on processors with AMX (a third of the time), slower on those without bf16.
    pub bf16: bool,
    /// Peak learning rate of Adam.
    pub lr: f64,
    /// Steps on geometry and codes alone before the first image is drawn (positions must be sane first).
    pub warmup_steps: u64,
    /// Fraction of the run before the quantizers start. A codebook filled from an untrained encoder holds places on the
    /// atlas, not people; one filled from a trained encoder starts where the people are.
    pub quantise_from: f64,
    /// The surface under the Gaussians of an image.
    pub surface: Surface,
    /// Side of the training images in pixels.
    pub image_size: usize,
    /// Draw only rows under this light (datagen's light 0 is one studio for all); negative: every light, each image
    /// seen through the affine color transform that fits it best, but for the studio's.
    pub light_id: i64,
    /// Validate on rows under this light; negative: every light.
    pub val_light_id: i64,
    /// Seed of weights, batches and backgrounds.
    pub seed: u64,
    /// Steps between validations and checkpoints.
    pub validate_every: u64,
}

/// The surface under the Gaussians while a prior is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// What the network decodes, as in SynShot.
    #[default]
    Decoded,
    /// The head model's, as avatars on a rig have it: what the network decodes wrongly blurs no image.
    Exact,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            steps: 300_000,
            minutes: 0.0,
            batch: 4,
            people: 0,
            bf16: false,
            lr: 5e-4,
            warmup_steps: 500,
            quantise_from: 0.2,
            surface: Surface::Decoded,
            image_size: 128,
            light_id: 0,
            val_light_id: 0,
            seed: 1,
            validate_every: 500,
        }
    }
}

/// A configuration that cannot be: which key, what was expected.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{key} = {value}: expected {expected}")]
pub struct ConfigError {
    key: &'static str,
    value: String,
    expected: &'static str,
}

impl ModelConfig {
    /// # Errors
    /// [`ConfigError`] naming the first key that does not fit the others.
    pub fn check(&self) -> Result<(), ConfigError> {
        let power = |n: i64| n > 0 && n & (n - 1) == 0;
        let fail = |key, value: i64, expected| Err(ConfigError { key, value: value.to_string(), expected });
        if self.id_grid < 2 || self.uv_size % self.id_grid != 0 || !power(self.uv_size / self.id_grid) {
            return fail("model.uv_size", self.uv_size, "a power of two times model.id_grid");
        }
        if self.expr_grid < 2 || self.id_grid % self.expr_grid != 0 || !power(self.id_grid / self.expr_grid) {
            return fail("model.expr_grid", self.expr_grid, "model.id_grid divided by a power of two");
        }
        if !(0..=3).contains(&self.sh_degree) {
            return fail("model.sh_degree", self.sh_degree, "0 to 3");
        }
        for (key, value) in [
            ("model.code_dim", self.code_dim),
            ("model.id_codes", self.id_codes),
            ("model.expr_codes", self.expr_codes),
            ("model.feature_channels", self.feature_channels),
            ("model.decoder_channels", self.decoder_channels),
            ("model.hidden", self.hidden),
            ("model.face_grid", self.face_grid),
            ("model.scalp_grid", self.scalp_grid),
        ] {
            if value < 1 {
                return fail(key, value, "at least 1");
            }
        }
        if self.detail_grid < 0 {
            return fail("model.detail_grid", self.detail_grid, "at least 0");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named() {
        let e = toml::from_str::<PriorConfig>("[model]\nuv_sise = 64").unwrap_err().to_string();
        assert!(e.contains("uv_sise"), "{e}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let odd = ModelConfig { uv_size: 96, ..Default::default() };
        assert_eq!(
            odd.check().unwrap_err().to_string(),
            "model.uv_size = 96: expected a power of two times model.id_grid"
        );
        assert!(ModelConfig::default().check().is_ok());
    }
}
