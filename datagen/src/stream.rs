//! Random numbers that depend on what they are for, never on when they are drawn.
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use splat::splitmix::{GAMMA, mix};

/// A 64-bit seed for `subject` number `indices` under `seed`: SplitMix64 (Steele, Lea, Flood 2014) folded over the words.
pub fn derive(seed: u64, subject: Subject, indices: &[u64]) -> u64 {
    let start = mix(seed ^ 0x6566_6667_7969_5f31);
    let words = std::iter::once(subject as u64).chain(indices.iter().copied());
    words.fold(start, |h, w| mix(h ^ mix(w.wrapping_add(GAMMA))))
}

/// The numbers of one subject: ChaCha8, which gives the same on every machine.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The numbers for `subject` number `indices` under `seed`.
    pub fn new(seed: u64, subject: Subject, indices: &[u64]) -> Self {
        Stream(ChaCha8Rng::seed_from_u64(derive(seed, subject, indices)))
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

macro_rules! subjects {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a stream is for. Each purpose has a variant of its own and is drawn in one file only, which a test checks: two
        /// uses that share a subject would be correlated. A number is never used again for another purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum Subject {
            $($(#[$doc])* $name = $number,)*
        }

        impl Subject {
            /// All of them.
            pub const ALL: &[Subject] = &[$(Subject::$name,)*];
        }
    };
}

subjects! {
    /// Seed of a person, by identity.
    Person = 1,
    /// The face in a frame, by identity and expression.
    Expression = 2,
    /// Where a camera stands, by identity, shot and camera.
    Camera = 3,
    /// An environment, by its number.
    Light = 4,
    /// Monte Carlo samples, by identity, expression and camera.
    Render = 5,
    /// Which environment a frame takes.
    LightChoice = 6,
    /// Preview: other hair.
    PreviewHair = 7,
    /// Preview: other glasses and hats.
    PreviewWear = 8,
    /// What happens in a clip, by identity and clip.
    Sequence = 9,
    /// A camera's exposure, contrast, white balance and noise level.
    Development = 10,
    /// Noise of one picture's pixels.
    SensorNoise = 11,
    /// A camera's kind, lens and motion, and where in the full photo the head stands; indices as for [`Subject::Camera`].
    CameraBody = 12,
    /// Mottle of an environment's radiance.
    LightMottle = 13,
    /// Skin, eyes, hair, brows, beard and the color of the teeth.
    Looks = 20,
    /// Garment.
    Garment = 21,
    /// Skin relief.
    SkinRelief = 22,
    /// Makeup.
    Makeup = 23,
    /// Lashes: how they look.
    LashLooks = 24,
    /// Glasses: whether, and which.
    Glasses = 25,
    /// Headwear: whether, and which.
    Headwear = 26,
    /// Size, wear, gaps and loss of teeth.
    Teeth = 27,
    /// How each tooth of a jaw stands, by jaw.
    ToothPose = 28,
    /// How long the teeth of a place are, by jaw and steps from the middle.
    ToothLength = 29,
    /// Pattern of an iris and its veins, by side.
    Iris = 30,
    /// Strands on the scalp.
    ScalpStrands = 40,
    /// Strands of the brows.
    BrowStrands = 41,
    /// Strands of the lashes.
    LashStrands = 42,
    /// Strands of the beard.
    BeardStrands = 43,
    /// Locks, by lock.
    Lock = 44,
    /// Strands of a lock, by number.
    LockStrand = 45,
    /// Moles and marks of the skin.
    SkinMarks = 50,
    /// Rays of a texel of the appearance map.
    AppearanceRays = 51,
    /// Wrinkles.
    Grooves = 52,
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
    fn streams_never_coincide() {
        let mut seen = std::collections::BTreeMap::new();
        let indices: [&[u64]; 8] = [&[], &[0], &[1], &[2], &[0, 0], &[0, 1], &[1, 0], &[0, 0, 0]];
        for seed in [0, 1, 2, u64::MAX] {
            for &subject in Subject::ALL {
                for index in indices {
                    let before = seen.insert(derive(seed, subject, index), (seed, subject, index));
                    assert_eq!(before, None, "shared with {:?}", (seed, subject, index));
                }
            }
        }
        assert_eq!(derive(1, Subject::Person, &[0]), derive(1, Subject::Person, &[0]));
    }

    /// Without this, two modules could draw from one variant, as teeth and glasses once did from one number.
    #[test]
    fn every_subject_is_drawn_in_one_file() {
        let mut sources = Vec::new();
        let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !path.ends_with("stream.rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                    sources.push((path, code));
                }
            }
        }
        for subject in Subject::ALL {
            let name = format!("Subject::{subject:?}");
            let names = |code: &str| {
                let ends = |at: usize| !code[at + name.len()..].starts_with(|c: char| c.is_alphanumeric());
                code.match_indices(&name).any(|(at, _)| ends(at))
            };
            let users: Vec<_> = sources.iter().filter(|(_, code)| names(code)).map(|(path, _)| path).collect();
            assert_eq!(users.len(), 1, "{name} is drawn in {users:?}");
        }
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
