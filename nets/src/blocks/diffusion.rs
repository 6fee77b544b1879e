//! The noise schedule of a diffusion model, and DDIM steps from one noise level to another as rotations.
//!
//! A noisy sample is `x = cos φ · x0 + sin φ · ε`, where `cos² φ = ᾱ` (the schedule's cumulated α). A model that predicts
//! `v = cos φ · ε − sin φ · x0` (Salimans and Ho 2022) predicts the direction in which `x` turns: a step of DDIM without
//! added noise (Song et al. 2021, eq. 12) from level `φ` to level `ψ` is the rotation [`ddim_step`] by `ψ − φ`, up or down.
use tch::Tensor;

/// ᾱ by timestep: decreasing from nearly 1.
#[derive(Clone, Debug, PartialEq)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f64>,
}

/// How β grows from the first timestep to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Betas {
    /// β itself is a line.
    Linear,
    /// √β is a line.
    ScaledLinear,
}

impl NoiseSchedule {
    /// `timesteps` of them, β from `start` to `end`.
    pub fn new(betas: Betas, start: f64, end: f64, timesteps: usize) -> Self {
        let line = |from: f64, to: f64, i: usize| from + (to - from) * i as f64 / (timesteps - 1) as f64;
        let beta = |i: usize| match betas {
            Betas::Linear => line(start, end, i),
            Betas::ScaledLinear => line(start.sqrt(), end.sqrt(), i).powi(2),
        };
        let mut product = 1.0;
        let alphas_cumprod = (0..timesteps)
            .map(|i| {
                product *= 1.0 - beta(i);
                product
            })
            .collect();
        NoiseSchedule { alphas_cumprod }
    }

    /// √ᾱ stretched so that the last timestep is noise alone and the first stays (Lin et al. 2024, "Common Diffusion
    /// Noise Schedules and Sample Steps Are Flawed", algorithm 1).
    pub fn with_zero_terminal_snr(mut self) -> Self {
        let first = self.alphas_cumprod[0].sqrt();
        let last = self.alphas_cumprod[self.alphas_cumprod.len() - 1].sqrt();
        for alpha in &mut self.alphas_cumprod {
            *alpha = ((alpha.sqrt() - last) * first / (first - last)).powi(2);
        }
        self
    }

    /// ᾱ by timestep.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// φ of a timestep, radians: 0 is clean, π/2 noise alone.
    pub fn angle(&self, timestep: i64) -> f64 {
        angle(self.alphas_cumprod[timestep as usize])
    }
}

/// φ of an ᾱ, radians.
pub fn angle(alpha_cumprod: f64) -> f64 {
    (1.0 - alpha_cumprod).sqrt().atan2(alpha_cumprod.sqrt())
}

/// The timesteps of a sampler with `steps` steps, noisiest first, evenly spaced back from the last trained timestep
/// ("trailing": the first is always noise alone under zero terminal SNR).
pub fn trailing_timesteps(timesteps: usize, steps: usize) -> Vec<i64> {
    let stride = timesteps as f64 / steps as f64;
    (0..steps).map(|i| (timesteps as f64 - i as f64 * stride).round_ties_even() as i64 - 1).collect()
}

/// A noisy sample: `cos φ · x0 + sin φ · ε`.
pub fn add_noise(x0: &Tensor, noise: &Tensor, angle: f64) -> Tensor {
    x0 * angle.cos() + noise * angle.sin()
}

/// The target of v-prediction: `cos φ · ε − sin φ · x0`.
pub fn velocity(x0: &Tensor, noise: &Tensor, angle: f64) -> Tensor {
    noise * angle.cos() - x0 * angle.sin()
}

/// The denoised estimate x̂₀ from a noisy sample and its predicted v.
pub fn x0_from_v(x: &Tensor, v: &Tensor, angle: f64) -> Tensor {
    x * angle.cos() - v * angle.sin()
}

/// The noise estimate ε̂ from a noisy sample and its predicted v.
pub fn noise_from_v(x: &Tensor, v: &Tensor, angle: f64) -> Tensor {
    v * angle.cos() + x * angle.sin()
}

/// One DDIM step: rotates `x` along `v` by `by` radians; negative denoises, positive adds noise (inversion).
pub fn ddim_step(x: &Tensor, v: &Tensor, by: f64) -> Tensor {
    x * by.cos() + v * by.sin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_2;
    use tch::{Device, Kind};

    fn portrait() -> NoiseSchedule {
        NoiseSchedule::new(Betas::Linear, 8.5e-4, 0.012, 1000).with_zero_terminal_snr()
    }

    #[test]
    fn falls_from_nearly_clean_to_noise_alone() {
        let plain = NoiseSchedule::new(Betas::ScaledLinear, 8.5e-4, 0.012, 1000);
        let stretched = plain.clone().with_zero_terminal_snr();
        for s in [&plain, &stretched] {
            assert!((s.alphas_cumprod()[0] - (1.0 - 8.5e-4)).abs() < 1e-12);
            assert!(s.alphas_cumprod().windows(2).all(|w| w[1] < w[0]));
        }
        assert!(plain.alphas_cumprod()[999] > 4e-3);
        assert_eq!((stretched.alphas_cumprod()[999], stretched.angle(999)), (0.0, FRAC_PI_2));
    }

    #[test]
    fn a_chain_starts_at_the_last_timestep() {
        let twenty_five = trailing_timesteps(1000, 25);
        assert_eq!((twenty_five[0], twenty_five[1], twenty_five[24]), (999, 959, 39));
        assert_eq!(trailing_timesteps(1000, 3), [999, 666, 332]);
        assert_eq!(trailing_timesteps(1000, 1), [999]);
    }

    #[test]
    fn a_ddim_step_leads_from_level_to_level() {
        tch::manual_seed(3);
        let draw = || Tensor::randn([2, 5], (Kind::Double, Device::Cpu));
        let (x0, eps) = (draw(), draw());
        let s = portrait();
        let (a, b) = (s.angle(700), s.angle(120));
        let x = add_noise(&x0, &eps, a);
        let v = velocity(&x0, &eps, a);
        assert!(x0_from_v(&x, &v, a).allclose(&x0, 0.0, 1e-12, false));
        assert!(noise_from_v(&x, &v, a).allclose(&eps, 0.0, 1e-12, false));
        assert!(ddim_step(&x, &v, b - a).allclose(&add_noise(&x0, &eps, b), 0.0, 1e-12, false));
    }
}
