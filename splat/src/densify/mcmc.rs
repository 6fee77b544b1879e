//! 3D Gaussian splatting as Markov chain Monte Carlo (Kheradmand et al. 2024).
use super::{Random, stretched};
use crate::rasterize::sigmoid;
use crate::{Gaussians, Gradients};

/// The paper's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mcmc {
    /// Opacity up to which a Gaussian is dead.
    pub least_opacity: f32,
    /// How many more there may be after a round, of those there are.
    pub growth: f32,
    /// Most Gaussians there may be.
    pub most: usize,
    /// Size of the noise, in step sizes of the means.
    pub noise: f32,
    /// Weight of the mean opacity in the loss.
    pub opacity_weight: f32,
    /// Weight of the mean scale (meters) in the loss.
    pub scale_weight: f32,
    /// Of all randomness.
    pub seed: u64,
}

impl Default for Mcmc {
    fn default() -> Self {
        Mcmc {
            least_opacity: 0.005,
            growth: 0.05,
            most: 1_000_000,
            noise: 5e5,
            opacity_weight: 0.01,
            scale_weight: 0.01,
            seed: 0,
        }
    }
}

/// Copies at one place that the paper's sum is taken for; more are treated as so many.
const MOST_COPIES: usize = 51;

impl Mcmc {
    /// Moves dead Gaussians onto living ones drawn by opacity, then adds more, so that the picture stays as it is
    /// (eq. 9). Returns for each Gaussian the old one whose optimizer state it carries: none for those that came,
    /// and for those they came to, see [`crate::adam::Adam::follow`]. `step` numbers the round.
    pub fn relocate(&self, gaussians: &mut Gaussians, step: u64) -> Vec<Option<u32>> {
        let n = gaussians.len();
        let opacity: Vec<f64> = gaussians
            .opacity_logits
            .iter()
            .map(|&logit| if logit.is_finite() { sigmoid(logit) as f64 } else { 0.0 })
            .collect();
        let dead: Vec<usize> = (0..n).filter(|&i| opacity[i] <= self.least_opacity as f64).collect();
        let mut total = 0.0;
        let sums: Vec<f64> = opacity
            .iter()
            .map(|&o| {
                total += if o > self.least_opacity as f64 { o } else { 0.0 };
                total
            })
            .collect();
        let mut origin: Vec<Option<u32>> = (0..n as u32).map(Some).collect();
        if total == 0.0 {
            return origin;
        }
        let grown = ((n as f64 * (1.0 + self.growth as f64)) as usize).min(self.most).max(n);
        let places: Vec<usize> = dead.iter().copied().chain(n..grown).collect();
        let mut random = Random::new(self.seed, step, 0);
        let sources: Vec<usize> = places
            .iter()
            .map(|_| {
                let at = random.uniform() * total;
                sums.partition_point(|&sum| sum <= at).min(n - 1)
            })
            .collect();
        let mut copies = vec![1usize; n];
        sources.iter().for_each(|&source| copies[source] += 1);
        let mut indices: Vec<usize> = (0..grown).map(|i| i.min(n - 1)).collect();
        places.iter().zip(&sources).for_each(|(&place, &source)| indices[place] = source);
        let mut out = gaussians.select(&indices);
        origin.resize(grown, None);
        for (i, &source) in indices.iter().enumerate().filter(|(_, source)| copies[**source] > 1) {
            let (logit, shrink) = shared(opacity[source], copies[source].min(MOST_COPIES), self.least_opacity as f64);
            out.opacity_logits[i] = logit as f32;
            out.log_scales[3 * i..3 * i + 3].iter_mut().for_each(|s| *s += shrink as f32);
            origin[i] = None;
        }
        *gaussians = out;
        origin
    }

    /// Stirs the means of faint Gaussians, each along its own shape (eq. 8). `rate_m` is the means' step size.
    pub fn stir(&self, gaussians: &mut Gaussians, rate_m: f32, step: u64) {
        for n in 0..gaussians.len() {
            let opacity = sigmoid(gaussians.opacity_logits[n]);
            let faintness = 1.0 / (1.0 + (100.0 * (opacity - self.least_opacity)).exp());
            let noise = Random::new(self.seed ^ 0x5717, step, n as u64).normals();
            // Σ ε = R S (S Rᵀ ε), and Rᵀ ε is as normal as ε.
            let scaled = [0, 1, 2].map(|i| gaussians.log_scales[3 * n + i].exp() * noise[i]);
            let by = stretched(gaussians, n, scaled) * (rate_m * self.noise * faintness);
            if by.is_finite() {
                gaussians.means[3 * n..3 * n + 3].iter_mut().zip(by.to_array()).for_each(|(m, by)| *m += by);
            }
        }
    }

    /// Adds the gradients of the mean opacity and the mean scale, which let what is not needed fade (eq. 10).
    pub fn regularize(&self, gaussians: &Gaussians, gradients: &mut Gradients) {
        let n = gaussians.len() as f32;
        for (by, &logit) in gradients.opacity_logits.iter_mut().zip(&gaussians.opacity_logits) {
            let opacity = sigmoid(logit);
            *by += self.opacity_weight / n * opacity * (1.0 - opacity);
        }
        for (by, s) in gradients.log_scales.iter_mut().zip(&gaussians.log_scales) {
            *by += self.scale_weight / (3.0 * n) * s.exp();
        }
    }
}

/// Of each of `copies` Gaussians that look like one of `opacity` together: logit, and what is added to the log scales.
fn shared(opacity: f64, copies: usize, least_opacity: f64) -> (f64, f64) {
    let old = opacity.min(1.0 - 1e-7);
    let each = 1.0 - (1.0 - old).powf(1.0 / copies as f64);
    // Σ_{i=1..N} Σ_{k<i} C(i−1, k) (−1)ᵏ eachᵏ⁺¹ / √(k+1)
    let mut sum = 0.0;
    for i in 1..=copies {
        let mut binomial = 1.0;
        for k in 0..i {
            sum += binomial * each.powi(k as i32 + 1) * if k % 2 == 0 { 1.0 } else { -1.0 } / ((k + 1) as f64).sqrt();
            binomial *= (i - 1 - k) as f64 / (k + 1) as f64;
        }
    }
    let each = each.clamp(least_opacity, 1.0 - 1e-7);
    ((each / (1.0 - each)).ln(), (old / sum).ln())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Camera, Colors, Settings};
    use glam::Vec3;

    fn some(n: usize) -> Gaussians {
        let number = |i: usize| ((i * 2654435761) % 1013) as f32 / 506.5 - 1.0;
        Gaussians {
            means: (0..3 * n).map(|i| 0.1 * number(i)).collect(),
            quats: (0..4 * n).map(|i| number(i + 1000)).collect(),
            log_scales: (0..3 * n).map(|i| -3.5 + 0.3 * number(i + 2000)).collect(),
            opacity_logits: (0..n).map(|i| if i % 5 == 0 { -9.0 } else { 0.5 + number(i + 3000) }).collect(),
            colors: vec![1.0; n],
            kind: Colors::Features { channels: 1 },
        }
    }

    /// Eq. 9 keeps the sum over a line through the middle: opacity along it, as one Gaussian and as three.
    #[test]
    fn copies_look_like_the_one() {
        for (opacity, copies) in [(0.9f64, 3usize), (0.3, 2), (0.6, 7)] {
            let (logit, shrink) = shared(opacity, copies, 0.005);
            let (each, scale) = (1.0 / (1.0 + (-logit).exp()), shrink.exp());
            let (mut one, mut many) = (0.0, 0.0);
            for i in -4000..4000 {
                let x = i as f64 * 2e-3;
                one += opacity * (-0.5 * x * x).exp();
                many += 1.0 - (1.0 - each * (-0.5 * x * x / (scale * scale)).exp()).powi(copies as i32);
            }
            assert!((many / one - 1.0).abs() < 1e-3, "{opacity} {copies}: {many} against {one}");
        }
    }

    #[test]
    fn the_dead_come_back_and_the_picture_stays() {
        let mut g = some(200);
        let camera = [Camera::look_at(Vec3::new(0.0, 0.0, 0.7), Vec3::ZERO, Vec3::Y, 90.0, 48, 48)];
        let draw = |g: &Gaussians| crate::forward(g.slices(), &camera, &Settings::default()).unwrap().0.remove(0);
        let before = draw(&g);
        let origin = Mcmc::default().relocate(&mut g, 1);
        assert_eq!((g.len(), origin.len()), (210, 210));
        assert!(g.opacity_logits.iter().all(|o| sigmoid(*o) > 0.0049));
        assert!(origin.iter().filter(|o| o.is_none()).count() >= 50 && origin.iter().flatten().count() > 90);
        let after = draw(&g);
        let apart: f32 = before.alpha.iter().zip(&after.alpha).map(|(a, b)| (a - b).abs()).sum();
        let all: f32 = before.alpha.iter().sum();
        assert!(apart < 0.05 * all, "{apart} of {all}");
    }

    #[test]
    fn none_alive_or_no_room_changes_nothing() {
        let mut g = some(5);
        g.opacity_logits.fill(-9.0);
        let old = g.clone();
        assert_eq!(Mcmc::default().relocate(&mut g, 0).len(), 5);
        assert_eq!(g, old);
        let mut full = some(9);
        Mcmc { most: 9, ..Mcmc::default() }.relocate(&mut full, 0);
        assert_eq!(full.len(), 9);
    }

    #[test]
    fn the_faint_are_stirred() {
        let mut g = some(50);
        let old = g.clone();
        Mcmc::default().stir(&mut g, 1e-4, 7);
        let moved = |n: usize| (0..3).map(|i| (g.means[3 * n + i] - old.means[3 * n + i]).abs()).fold(0.0, f32::max);
        assert!(moved(0) > 1e-4 && moved(1) < 1e-6, "{} {}", moved(0), moved(1));
    }

    #[test]
    fn regularizer_matches_a_finite_difference() {
        let g = some(10);
        let mut by = Gradients { opacity_logits: vec![0.0; 10], log_scales: vec![0.0; 30], ..Gradients::default() };
        let mcmc = Mcmc::default();
        mcmc.regularize(&g, &mut by);
        let cost = |g: &Gaussians| -> f64 {
            let opacity: f64 = g.opacity_logits.iter().map(|&o| 1.0 / (1.0 + (-o as f64).exp())).sum();
            let scale: f64 = g.log_scales.iter().map(|&s| (s as f64).exp()).sum();
            0.01 * opacity / 10.0 + 0.01 * scale / 30.0
        };
        let mut up = g.clone();
        up.opacity_logits[3] += 1e-2;
        up.log_scales[4] += 1e-2;
        let numeric = (cost(&up) - cost(&g)) / 1e-2;
        assert!(((by.opacity_logits[3] + by.log_scales[4]) as f64 / numeric - 1.0).abs() < 0.02);
    }
}
