//! Adam (Kingma & Ba 2015, algorithm 1) for Gaussians that are fitted without torch.

/// What all arrays of a step share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    /// Decay of the running mean of the gradient.
    pub beta1: f32,
    /// Decay of the running mean of its square.
    pub beta2: f32,
    /// Added to the root, so that it never divides by 0.
    pub epsilon: f32,
}

impl Default for Momentum {
    /// As fitted Gaussians have it: gradients by metres are small, so epsilon is too (Kerbl et al. 2023, code).
    fn default() -> Self {
        Momentum { beta1: 0.9, beta2: 0.999, epsilon: 1e-15 }
    }
}

impl Momentum {
    /// 1 / (1 − beta1ᵗ) and 1 / (1 − beta2ᵗ) for the step `t`, counted from 1.
    pub fn corrections(&self, step: u32) -> [f32; 2] {
        [self.beta1, self.beta2].map(|beta| (1.0 / (1.0 - (beta as f64).powi(step as i32))) as f32)
    }

    /// Moves `values` against `gradient`; `mean` and `square` are Adam's memory, all of one length, `step` counts from 1.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn step(&self, values: &mut [f32], gradient: &[f32], [mean, square]: [&mut [f32]; 2], rate: f32, step: u32) {
        let n = values.len();
        assert!(gradient.len() == n && mean.len() == n && square.len() == n, "arrays of one length");
        let [mean_scale, square_scale] = self.corrections(step);
        for i in 0..n {
            mean[i] = self.beta1 * mean[i] + (1.0 - self.beta1) * gradient[i];
            square[i] = self.beta2 * square[i] + (1.0 - self.beta2) * gradient[i] * gradient[i];
            values[i] -= rate * mean[i] * mean_scale / ((square[i] * square_scale).sqrt() + self.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first step is as long as the rate, whatever the gradient's size; then a parabola is descended.
    #[test]
    fn finds_the_bottom() {
        let (mut v, mut mean, mut square) = ([3.0f32, -2.0], [0.0; 2], [0.0; 2]);
        let adam = Momentum::default();
        adam.step(&mut v, &[2e-4, -7e3], [&mut mean, &mut square], 0.1, 1);
        assert!((v[0] - 2.9).abs() < 1e-5 && (v[1] + 1.9).abs() < 1e-5, "{v:?}");
        (mean, square) = ([0.0; 2], [0.0; 2]);
        for step in 1..=400 {
            let gradient = [2.0 * (v[0] - 1.0), 8.0 * (v[1] - 0.5)];
            adam.step(&mut v, &gradient, [&mut mean, &mut square], 0.05, step);
        }
        assert!((v[0] - 1.0).abs() < 1e-2 && (v[1] - 0.5).abs() < 1e-2, "{v:?}");
    }
}
