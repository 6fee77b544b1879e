//! Random numbers that depend on what they are for, never on when they are drawn.
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A 64-bit seed for the subject `words` under `seed`: SplitMix64 (Steele, Lea, Flood 2014) folded over the words.
pub fn derive(seed: u64, words: &[u64]) -> u64 {
    words.iter().fold(mix(seed ^ 0x6566_6667_7969_5f31), |h, &w| mix(h ^ mix(w.wrapping_add(0x9e37_79b9_7f4a_7c15))))
}

/// The numbers of one subject: ChaCha8, which gives the same on every machine.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The numbers for the subject `words` under `seed`.
    pub fn new(seed: u64, words: &[u64]) -> Self {
        Stream(ChaCha8Rng::seed_from_u64(derive(seed, words)))
    }

    /// Uniform in `low..high`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.random::<f32>()
    }

    /// Normal with `mean` and standard deviation `sd`.
    pub fn normal(&mut self, mean: f32, sd: f32) -> f32 {
        let z: f32 = StandardNormal.sample(&mut self.0);
        mean + sd * z
    }

    /// Normal, held within `range`.
    pub fn normal_within(&mut self, mean: f32, sd: f32, range: [f32; 2]) -> f32 {
        self.normal(mean, sd).clamp(range[0], range[1])
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.0.random::<f32>() < p
    }

    /// An index, drawn by weight.
    pub fn pick(&mut self, weights: &[f32]) -> usize {
        let mut left = self.uniform(0.0, weights.iter().sum());
        let chosen = weights.iter().position(|&w| {
            left -= w;
            left < 0.0
        });
        chosen.unwrap_or(weights.len() - 1)
    }

    /// -1 or 1.
    pub fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// The generator itself, for distributions of other crates.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}

/// Stream labels, so that two subjects never share numbers.
pub mod subject {
    /// Who somebody is.
    pub const PERSON: u64 = 1;
    /// The face they make.
    pub const EXPRESSION: u64 = 2;
    /// Where the camera stands.
    pub const CAMERA: u64 = 3;
    /// The environment.
    pub const LIGHT: u64 = 4;
    /// Monte-Carlo samples.
    pub const RENDER: u64 = 5;
    /// Which environment a frame takes.
    pub const LIGHT_CHOICE: u64 = 6;
    /// Strands of scalp, brows, lashes, beard.
    pub const HAIR: u64 = 7;
    /// Skin detail.
    pub const SKIN: u64 = 8;
    /// What happens in a clip of consecutive frames.
    pub const SEQUENCE: u64 = 9;
    /// A camera's sensor and its curve.
    pub const SENSOR: u64 = 10;
    /// What a sheet to look at shows that no dataset holds.
    pub const PREVIEW: u64 = 11;
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number in 0..1 from a lattice point: the building block of the noises.
pub fn lattice(seed: u64, x: i32, y: i32, z: i32) -> f32 {
    let h = mix(seed ^ (x as u32 as u64) ^ mix((y as u32 as u64) << 1 ^ mix((z as u32 as u64) << 2 ^ 0x51)));
    (h >> 40) as f32 / (1u64 << 24) as f32
}

/// Smooth value noise in -1..1 with one feature per unit of `p`.
pub fn noise(seed: u64, p: glam::Vec3) -> f32 {
    let cell = p.floor();
    let f = p - cell;
    let s = f * f * (glam::Vec3::splat(3.0) - 2.0 * f);
    let (x, y, z) = (cell.x as i32, cell.y as i32, cell.z as i32);
    let lerp = |a: f32, b: f32, t: f32| a + (b - a) * t;
    let edge = |dy: i32, dz: i32| lerp(lattice(seed, x, y + dy, z + dz), lattice(seed, x + 1, y + dy, z + dz), s.x);
    2.0 * lerp(lerp(edge(0, 0), edge(1, 0), s.y), lerp(edge(0, 1), edge(1, 1), s.y), s.z) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_do_not_share_numbers() {
        let a = derive(1, &[subject::PERSON, 0]);
        assert_ne!(a, derive(1, &[subject::PERSON, 1]));
        assert_ne!(a, derive(2, &[subject::PERSON, 0]));
        assert_eq!(a, derive(1, &[subject::PERSON, 0]));
    }

    #[test]
    fn noise_is_continuous_and_bounded() {
        for i in 0..200 {
            let p = glam::Vec3::new(i as f32 * 0.037, 1.3, -0.4);
            let (a, b) = (noise(7, p), noise(7, p + glam::Vec3::X * 1e-3));
            assert!(a.abs() <= 1.0 && (a - b).abs() < 0.02, "{a} {b}");
        }
    }
}
