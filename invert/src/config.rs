//! How a person is fitted, as TOML; unknown keys are errors.
use prior::regions::Grids;
use serde::{Deserialize, Serialize};

/// Pivotal tuning (SynShot §3.5 after Roich et al. 2022, "Pivotal Tuning") in three stages, each anchored to the one
/// before: the code, the network around it, the Gaussians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitConfig {
    /// What moves the avatar.
    pub geometry: Geometry,
    /// What the network's appearance depends on; of `geometry = "rig"` only.
    pub appearance: Appearance,
    /// Density of the Gaussians, region by region; of `geometry = "rig"` only.
    pub grids: Grids,
    /// Stage A: everything frozen but the identity code (or its encoder), and what belongs to each picture.
    pub pivot: PivotConfig,
    /// Stage B: the code frozen, decoders and regressors free; the expression encoder stays as it is.
    pub tuning: TuningConfig,
    /// Stage C: the network frozen, the Gaussians free; of `geometry = "rig"` only.
    pub gaussians: GaussiansConfig,
    /// Weights of the losses of all stages.
    pub loss: FitLoss,
    /// Side of the pictures that stage C is fitted to (pixels); stages A and B see at most `coarse_size`.
    pub image_size: usize,
    /// Side of the pictures of stages A and B (pixels).
    pub coarse_size: usize,
    /// Seed of backgrounds and order.
    pub seed: u64,
}

/// What moves an avatar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Geometry {
    /// The head model: blendshapes, joints and correctives, exact. The network adds appearance.
    Rig,
    /// The network's decoded expression map, as SynShot has it.
    Decoded,
}

/// What the appearance of an avatar on a rig depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Appearance {
    /// The face at rest, whatever it does: one to three photos say nothing of other expressions, and a network tuned to
    /// them invents there.
    #[default]
    Rest,
    /// The expression, by the network's expression code: wrinkles and shading as the prior knows them.
    Expression,
}

/// Stage A.
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
    /// Whether what belongs to each picture is refined too, in stages A and C: expression, camera, color. For photos, not
    /// for rows whose expressions are the truth.
    pub refine_expressions: bool,
    /// Pull of the expressions towards the tracker's, per squared weight.
    pub trust_expressions: f64,
    /// Pull of the cameras towards the tracker's, per squared centimeter and 10 mrad.
    pub trust_cameras: f64,
}

/// What stage A optimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PivotVariable {
    /// z_id itself.
    Code,
    /// The weights of E_id.
    Encoder,
}

/// Stage B.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TuningConfig {
    /// Optimiser steps.
    pub steps: u64,
    /// Learning rate of Adam.
    pub lr: f64,
    /// Pull of the Gaussians on random other expressions towards what stage A made of them: keeps the avatar drivable.
    pub drift: f64,
}

/// Stage C. Rates are per step at its start and fall to a tenth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GaussiansConfig {
    /// Optimiser steps; 0 leaves the stage out.
    pub steps: u64,
    /// Positions (metres).
    pub position: f64,
    /// Rotations (half-angle vectors).
    pub rotation: f64,
    /// ln of the scales.
    pub scale: f64,
    /// Opacity logits.
    pub opacity: f64,
    /// Colors, as harmonics' coefficients.
    pub color: f64,
    /// Pull towards what stage B made, in units of 1 mm, 0.2, 0.5, 2 and 0.5.
    pub anchor: f64,
    /// Pull of each Gaussian's color and opacity residual towards its neighbors' mean, in the anchor's units: what hardly
    /// shows follows its neighbors, and is no speck where the face moves off it.
    pub smooth: f64,
    /// By how much more than elsewhere positions and scales are held at lids and lips.
    pub hold_lids_and_lips: f64,
    /// Pixels of a Gaussian over all pictures (of 512 px) at which it counts as a quarter seen.
    pub seen_px: f64,
    /// Whether the face's other side completes the colors of what no picture shows; what neither shows continues its
    /// neighbors.
    pub symmetry: bool,
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
    /// Perceptual distance; in stages A and B.
    pub perceptual: f64,
    /// L1 of the matte.
    pub alpha: f64,
    /// L_id: 1 − cosine of the recognizer's embeddings; in stages A and B.
    pub identity: f64,
    /// L_arc: mean absolute difference of the recognizer's stages; in stages A and B.
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
            trust_expressions: 0.3,
            trust_cameras: 1e-3,
        }
    }
}

impl Default for TuningConfig {
    fn default() -> Self {
        TuningConfig { steps: 50, lr: 3e-4, drift: 0.5 }
    }
}

impl Default for GaussiansConfig {
    fn default() -> Self {
        GaussiansConfig {
            steps: 350,
            position: 5e-5,
            rotation: 2e-3,
            scale: 1e-2,
            opacity: 2e-2,
            color: 1e-2,
            anchor: 5e-3,
            smooth: 0.03,
            hold_lids_and_lips: 4.0,
            seen_px: 0.7,
            symmetry: true,
        }
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
            geometry: Geometry::Rig,
            appearance: Appearance::Rest,
            grids: Default::default(),
            pivot: Default::default(),
            tuning: Default::default(),
            gaussians: Default::default(),
            loss: Default::default(),
            image_size: 512,
            coarse_size: 256,
            seed: 1,
        }
    }
}

/// Settings of the fast fit, in place of the defaults: fewer steps, smaller images.
pub const FAST: [&str; 5] =
    ["pivot.steps=80", "tuning.steps=25", "gaussians.steps=160", "coarse_size=192", "image_size=384"];

impl FitConfig {
    /// Learning rate of stage A at a step.
    pub fn pivot_lr(&self, step: u64) -> f64 {
        let done = (step as f64 + 1.0) / self.pivot.steps.max(1) as f64;
        let up = (done / 0.05).min(1.0);
        let down = 0.5 - 0.5 * (std::f64::consts::PI * ((1.0 - done) / 0.25).clamp(0.0, 1.0)).cos();
        self.pivot.lr * up * down
    }

    /// Side of the pictures of stages A and B (pixels).
    pub fn coarse(&self) -> usize {
        self.coarse_size.min(self.image_size)
    }

    /// Grids of stage A, which only needs the shape, and of stages B and C, whose pictures may be smaller than 512 pixels. A
    /// network that B tunes on a coarser grid is wrong between its points.
    pub fn grids_of_stages(&self) -> (Grids, Grids) {
        let share = (self.image_size as f64 / 512.0).clamp(0.5, 1.0);
        (scaled(&self.grids, 0.5), scaled(&self.grids, share))
    }
}

/// The same regions, `share` as many texels a side.
fn scaled(grids: &Grids, share: f64) -> Grids {
    let scale = |g: i64| ((g as f64 * share).round() as i64).max(8);
    Grids {
        face: scale(grids.face),
        scalp: scale(grids.scalp),
        detail: scale(grids.detail),
        eyes: scale(grids.eyes),
        teeth: scale(grids.teeth),
        tongue: scale(grids.tongue),
        mouth: scale(grids.mouth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_plan_takes_less_and_changes_nothing_else() {
        let sets = FAST.map(String::from);
        let (fast, full): (FitConfig, FitConfig) = (formats::config::load(None, &sets).unwrap(), Default::default());
        // Cost of a step grows with the pixels; a step of A is taken for one of C.
        let cost = |c: &FitConfig| {
            let pixels = |size: usize| (size * size) as u64;
            (c.pivot.steps + c.tuning.steps) * pixels(c.coarse()) + c.gaussians.steps * pixels(c.image_size)
        };
        assert!(2 * cost(&fast) < cost(&full), "{} and {}", cost(&fast), cost(&full));
        for size in [fast.image_size, fast.coarse_size] {
            assert!(size.is_multiple_of(8) && size >= 16, "{size}");
        }
        let mut same = fast.clone();
        (same.pivot.steps, same.tuning.steps) = (full.pivot.steps, full.tuning.steps);
        (same.gaussians.steps, same.coarse_size) = (full.gaussians.steps, full.coarse_size);
        assert_eq!(FitConfig { image_size: full.image_size, ..same }, full);
        // What is set by hand wins.
        let sets: Vec<String> = sets.into_iter().chain(["image_size=256".into()]).collect();
        assert_eq!(formats::config::load::<FitConfig>(None, &sets).unwrap().image_size, 256);
    }

    #[test]
    fn the_rate_ramps_up_and_comes_down() {
        let c = FitConfig::default();
        assert!(c.pivot_lr(0) < c.pivot_lr(20) && (c.pivot_lr(60) - c.pivot.lr).abs() < 1e-9);
        assert!(c.pivot_lr(c.pivot.steps - 1) < 1e-6);
    }
}
