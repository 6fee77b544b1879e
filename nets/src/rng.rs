//! Counter-based random numbers: every number is a function of (seed, subject, …), never of thread order.
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use splat::splitmix;

/// Random numbers of one subject.
#[derive(Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The numbers that belong to `parts`, e.g. `[seed, step, image]`.
    pub fn new(parts: &[u64]) -> Self {
        Rng(ChaCha8Rng::seed_from_u64(mix(parts)))
    }

    /// Uniform in `0..1`.
    pub fn unit(&mut self) -> f32 {
        self.0.random()
    }

    /// Uniform between the two.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in the logarithm; both positive.
    pub fn log_range(&mut self, low: f32, high: f32) -> f32 {
        self.range(low.ln(), high.ln()).exp()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f32 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f32::consts::TAU * self.unit()).cos()
    }
}

/// A 64-bit number that depends on all of `parts` ([`splitmix`], chained): seeds for (run, step), (run, image)…
pub fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243f_6a88_85a3_08d3, |h: u64, &p| splitmix::mix((h ^ p).wrapping_add(splitmix::GAMMA)))
}

/// Seeds torch's generators as a function of (seed, step). Called at the head of every step, it makes the state of the
/// generators a function of the step number, so a resumed run needs no saved generator.
pub fn seed_step(seed: u64, step: u64) {
    tch::manual_seed((mix(&[seed, step]) >> 1) as i64);
}

/// `n` standard normals that belong to `seed`.
pub fn normals(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = Rng::new(&[seed]);
    (0..n).map(|_| rng.normal()).collect()
}

/// A seed from a name.
pub fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_mean_zero_and_deviation_one() {
        let x = normals(3, 40_000);
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / x.len() as f32;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        assert_eq!(normals(3, 10), x[..10]);
        assert_ne!(normals(4, 10), x[..10]);
    }
}
