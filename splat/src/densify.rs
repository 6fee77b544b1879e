//! Where Gaussians are added and taken away while a scene is fitted: the two usual ways.
//!
//! [`Adaptive`] clones, splits and prunes by gradients (Kerbl et al. 2023); [`Mcmc`] keeps a given number, moves the
//! dead to where the living are, and stirs (Kheradmand et al. 2024). Both are functions of their seed alone.
use crate::splitmix;

mod adaptive;
mod mcmc;

pub use adaptive::{Adaptive, Change, GradientSums};
pub use mcmc::Mcmc;

/// Random numbers from (seed, step, index): [`splitmix`].
struct Random(u64);

impl Random {
    fn new(seed: u64, step: u64, index: u64) -> Self {
        let mut mixed = Random(seed);
        for part in [step, index] {
            mixed = Random(mixed.next() ^ part);
        }
        mixed
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(splitmix::GAMMA);
        splitmix::mix(self.0)
    }

    /// In 0..1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Three normal numbers (Box & Muller 1958).
    fn normals(&mut self) -> [f32; 3] {
        let mut pair = || {
            let (radius, angle) = ((-2.0 * (1.0 - self.uniform()).ln()).sqrt(), std::f64::consts::TAU * self.uniform());
            [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
        };
        let ([a, b], [c, _]) = (pair(), pair());
        [a, b, c]
    }
}

/// `rotation · (scale ⊙ v)` of a Gaussian: a point of its own normal distribution from one of the standard one.
fn stretched(gaussians: &crate::Gaussians, n: usize, v: [f32; 3]) -> glam::Vec3 {
    let [w, x, y, z] = crate::files::unit(&gaussians.quats[4 * n..4 * n + 4]);
    let scale = |i: usize| gaussians.log_scales[3 * n + i].exp();
    glam::Quat::from_xyzw(x, y, z, w) * glam::Vec3::new(scale(0) * v[0], scale(1) * v[1], scale(2) * v[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_are_normal() {
        let (mut sum, mut squares) = ([0.0f64; 3], [0.0f64; 3]);
        let n = 20_000;
        for index in 0..n {
            for (i, v) in Random::new(1, 2, index).normals().into_iter().enumerate() {
                sum[i] += v as f64;
                squares[i] += (v * v) as f64;
            }
        }
        for i in 0..3 {
            let (mean, variance) = (sum[i] / n as f64, squares[i] / n as f64);
            assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
        }
    }
}
