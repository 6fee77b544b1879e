//! How a person is fitted, as TOML; unknown keys are errors.
use serde::{Deserialize, Serialize};

/// Pivotal tuning (SynShot §3.5 after Roich et al. 2022, "Pivotal Tuning"): first the pivot, then the network around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitConfig {
    /// Stage 1: everything frozen but the identity code (or its encoder).
    pub pivot: PivotConfig,
    /// Stage 2: the code frozen, decoders and regressors free; the expression encoder stays as it is.
    pub tuning: TuningConfig,
    /// Weights of the losses of both stages.
    pub loss: FitLoss,
    /// Side of the pictures it is fitted to (pixels).
    pub image_size: usize,
    /// Seed of backgrounds and order.
    pub seed: u64,
}

/// Stage 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PivotConfig {
    /// What is optimised.
    pub variable: PivotVariable,
    /// Optimiser steps.
    pub steps: u64,
    /// Peak learning rate; 5 % linear ramp-up, cosine ramp-down over the last quarter.
    pub lr: f64,
    /// Pull of the code towards the encoder's first guess, in units of the code's own spread.
    pub stay: f64,
    /// Whether the pictures' expressions are refined too; for photos, not for rows whose expressions are the truth.
    pub refine_expressions: bool,
    /// Pull of the expressions towards the tracker's, per squared weight.
    pub trust_expressions: f64,
}

/// What stage 1 optimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PivotVariable {
    /// z_id itself.
    Code,
    /// The weights of E_id.
    Encoder,
}

/// Stage 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TuningConfig {
    /// Optimiser steps.
    pub steps: u64,
    /// Learning rate of Adam.
    pub lr: f64,
    /// Pull of the Gaussians on random other expressions towards what stage 1 made of them: keeps the avatar drivable.
    pub drift: f64,
}

/// Weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitLoss {
    /// L1 of the picture.
    pub l1: f64,
    /// By how much more than elsewhere L1 counts at eyes and mouth.
    pub focus: f64,
    /// 1 − SSIM.
    pub ssim: f64,
    /// Perceptual distance.
    pub perceptual: f64,
    /// L1 of the matte.
    pub alpha: f64,
    /// L_id: 1 − cosine of the recogniser's embeddings.
    pub identity: f64,
    /// L_arc: mean absolute difference of the recogniser's stages.
    pub identity_features: f64,
    /// Mean squared corrections.
    pub corrections: f64,
}

impl Default for PivotConfig {
    fn default() -> Self {
        PivotConfig {
            variable: PivotVariable::Code,
            steps: 150,
            lr: 0.02,
            stay: 5e-3,
            refine_expressions: true,
            trust_expressions: 0.1,
        }
    }
}

impl Default for TuningConfig {
    fn default() -> Self {
        TuningConfig { steps: 50, lr: 3e-4, drift: 0.5 }
    }
}

impl Default for FitLoss {
    fn default() -> Self {
        FitLoss {
            l1: 0.8,
            focus: 4.0,
            ssim: 0.2,
            perceptual: 0.1,
            alpha: 0.2,
            identity: 0.1,
            identity_features: 0.01,
            corrections: 1e-2,
        }
    }
}

impl Default for FitConfig {
    fn default() -> Self {
        FitConfig {
            pivot: Default::default(),
            tuning: Default::default(),
            loss: Default::default(),
            image_size: 256,
            seed: 1,
        }
    }
}

impl FitConfig {
    /// Learning rate of stage 1 at a step.
    pub fn pivot_lr(&self, step: u64) -> f64 {
        let done = (step as f64 + 1.0) / self.pivot.steps.max(1) as f64;
        let up = (done / 0.05).min(1.0);
        let down = 0.5 - 0.5 * (std::f64::consts::PI * ((1.0 - done) / 0.25).clamp(0.0, 1.0)).cos();
        self.pivot.lr * up * down
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_ramps_up_and_comes_down() {
        let c = FitConfig::default();
        assert!(c.pivot_lr(0) < c.pivot_lr(20) && (c.pivot_lr(60) - c.pivot.lr).abs() < 1e-9);
        assert!(c.pivot_lr(c.pivot.steps - 1) < 1e-6);
    }
}
