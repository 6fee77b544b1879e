//! The noise levels that a clip passes through, up by inversion and down by sampling.
use super::VideoModel;
use nets::blocks::diffusion::{angle, trailing_timesteps};

/// How a clip is noised and denoised.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainConfig {
    /// Levels of the whole chain.
    pub steps: usize,
    /// Share of the chain that is gone through, 0..=1: 1 reaches noise alone, 0.5 the level in the middle.
    pub strength: f64,
    /// Classifier-free guidance while sampling; 1 is none; by default the model's own. Inversion is never guided.
    pub guidance: Option<f64>,
    /// Frames that neighbouring windows share, in clips longer than the model's window.
    pub overlap: i64,
    /// Fixed-point passes that make each step of the inversion the exact inverse of the sampling step; 0 is plain DDIM
    /// inversion. Each costs one more evaluation of the model a step.
    pub refinements: usize,
}

impl ChainConfig {
    /// The published sampler from noise alone: 25 steps, windows that share 4 frames.
    pub const WHOLE: Self = ChainConfig { steps: 25, strength: 1.0, guidance: None, overlap: 4, refinements: 0 };
}

impl Default for ChainConfig {
    /// Half of [`ChainConfig::WHOLE`]: the chain that clips are regenerated along.
    fn default() -> Self {
        ChainConfig { strength: 0.5, ..Self::WHOLE }
    }
}

/// A noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// What the model is asked at.
    pub timestep: i64,
    /// φ, radians; see [`nets::blocks::diffusion`].
    pub angle: f64,
}

impl ChainConfig {
    /// The guidance that `model` is sampled with.
    pub fn guidance_of(&self, model: &dyn VideoModel) -> f64 {
        self.guidance.unwrap_or_else(|| model.guidance())
    }

    /// The levels of the chain as far as `strength` reaches, noisiest first; what is clean lies below the last.
    pub fn levels(&self, model: &dyn VideoModel) -> Vec<Level> {
        let alphas = model.alphas_cumprod();
        let reached = (self.steps as f64 * self.strength).round().clamp(0.0, self.steps as f64) as usize;
        trailing_timesteps(alphas.len(), self.steps)
            .into_iter()
            .skip(self.steps - reached)
            .map(|timestep| Level { timestep, angle: angle(alphas[timestep as usize]) })
            .collect()
    }
}
