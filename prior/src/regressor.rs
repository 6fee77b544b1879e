//! R_color and R_gauss: what is sampled at a Gaussian's place → its color and its corrections.
use crate::config::ModelConfig;
use nets::blocks::mlp::{Last, Mlp};
use splat::gaussians::SH_C0;
use tch::{Tensor, nn};

/// Opacity before training: logit(0.7).
const OPACITY_LOGIT: f64 = 0.847_297_860_387_203_4;

/// Base values of one region's Gaussians, sampled from the maps.
pub struct Base {
    /// `[B, N, F]`
    pub features: Tensor,
    /// `[B, N, 3]` texture, display RGB in 0..=1.
    pub texture: Tensor,
    /// `[B, N, 3]` φ (meters).
    pub means: Tensor,
    /// `[N, 1]` ln σ: nearest-neighbor distance on the mean head.
    pub log_scales: Tensor,
    /// `[B, N, 4]` θ, w x y z.
    pub quats: Tensor,
}

/// Gaussians of one region, with the corrections that made them (for L_reg).
pub struct Regressed {
    /// `[B, N, 3]`
    pub means: Tensor,
    /// `[B, N, 4]`
    pub quats: Tensor,
    /// `[B, N, 3]`
    pub log_scales: Tensor,
    /// `[B, N]`
    pub opacity_logits: Tensor,
    /// `[B, N, K · 3]`
    pub colors: Tensor,
    /// Mean squared correction: position in units of the reach, ln scale, rotation.
    pub penalty: Tensor,
}

/// The two regressors of a region.
#[derive(Debug)]
pub struct Regressor {
    color: Mlp,
    gauss: Mlp,
    reach_m: f64,
    sh_coefficients: i64,
    /// Fraction of the position correction in the penalty: the scalp's hair may leave its base 100 times more freely (GASP).
    position_penalty: f64,
}

impl Regressor {
    /// `reach_m`: farthest a Gaussian of the region may leave its base position.
    pub fn new(p: nn::Path, c: &ModelConfig, reach_m: f64, position_penalty: f64) -> Self {
        let k = (c.sh_degree + 1) * (c.sh_degree + 1);
        Regressor {
            color: Mlp::new(&p / "color", &[c.feature_channels + 3, c.hidden, c.hidden, 3 * k], Last::Zero),
            gauss: Mlp::new(&p / "gauss", &[c.feature_channels, c.hidden, c.hidden, 11], Last::Zero),
            reach_m,
            sh_coefficients: k,
            position_penalty,
        }
    }

    /// `SH = R_color(g, texture)`, `(δφ, δσ, δθ, o) = R_gauss(g)`.
    pub fn forward(&self, base: &Base) -> Regressed {
        let out = base.features.apply(&self.gauss);
        let shift = out.narrow(-1, 0, 3).tanh();
        let stretch = out.narrow(-1, 3, 3).tanh() * 2.0;
        let turn = out.narrow(-1, 6, 4);
        // The mean over no Gaussians, of a region that a coarse grid misses, is no number.
        let mean_square = |t: &Tensor| t.square().sum(tch::Kind::Float) / t.numel().max(1) as f64;
        let penalty = mean_square(&shift) * self.position_penalty + mean_square(&stretch) + mean_square(&turn);
        Regressed {
            means: &base.means + shift * self.reach_m,
            quats: &base.quats + turn,
            log_scales: &base.log_scales + stretch,
            opacity_logits: out.select(-1, 10) + OPACITY_LOGIT,
            colors: self.colors(base),
            penalty,
        }
    }

    /// The texture is the start of the DC term; the regressor adds to it and fills the higher terms.
    fn colors(&self, base: &Base) -> Tensor {
        let input = Tensor::cat(&[base.features.shallow_clone(), &base.texture * 2.0 - 1.0], -1);
        let sh = input.apply(&self.color);
        let dc = sh.narrow(-1, 0, 3) + (&base.texture - 0.5) / SH_C0;
        let rest = 3 * (self.sh_coefficients - 1);
        if rest == 0 { dc } else { Tensor::cat(&[dc, sh.narrow(-1, 3, rest)], -1) }
    }
}
