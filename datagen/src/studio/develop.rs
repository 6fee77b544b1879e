//! From light to a picture as a camera gives it: white balance, exposure, noise of the sensor, curve, 8 bits.
//! Labels stay as traced; what was drawn is recorded in the row.
//!
//! Constants, and where they come from:
//!
//! | constants                                      | source                          |
//! | ---------------------------------------------- | ------------------------------- |
//! | exposure ± 0.25 stops, white balance, contrast | chosen by eye                   |
//! | read noise 2 to 8 electrons                    | chosen by eye                   |
//! | shot noise                                     | Poisson statistics of electrons |
//! | middle gray 0.18                               | photographic standard           |
//! | knee of the shoulder 0.8                       | chosen by eye                   |
use crate::config::{ImageConfig, Tone};
use crate::stream::{Stream, Subject};
use formats::image::srgb8_from_linear;
use glam::Vec3;
use serde::Serialize;

/// How a picture is developed. Its JSON is part of the `capture` column of `frames`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Development {
    /// Multiplies red, green and blue: exposure and white balance.
    pub gain: Vec3,
    /// Exponent about middle gray, 1: none.
    pub contrast: f32,
    /// Electrons that a white pixel collects; 0: no noise.
    pub full_well: f32,
    /// Standard deviation of the read noise in electrons.
    pub read_noise: f32,
    /// Of the noise.
    #[serde(skip)]
    seed: u64,
}

/// Middle gray, which contrast leaves where it is.
const GRAY: f32 = 0.18;

impl Development {
    /// As traced.
    pub fn plain() -> Self {
        Development { gain: Vec3::ONE, contrast: 1.0, full_well: 0.0, read_noise: 0.0, seed: 0 }
    }

    /// Draws that of a shot (identity, shot, camera), with noise of each frame's own; what the config switches off stays plain.
    pub fn sample(config: &ImageConfig, dataset_seed: u64, shot: &[u64; 3], seed: u64) -> Self {
        let mut s = Stream::new(dataset_seed, Subject::Development, shot);
        let stops = s.normal_within(0.0, 0.25, [-0.6, 0.6]);
        let [warm, green] = [s.normal_within(0.0, 0.05, [-0.12, 0.12]), s.normal_within(0.0, 0.015, [-0.04, 0.04])];
        let contrast = s.normal_within(1.05, 0.1, [0.85, 1.3]);
        let (share, read_noise) = (s.uniform(0.25, 1.0), s.uniform(2.0, 8.0));
        let mut drawn = Development { seed, ..Self::plain() };
        if config.tone == Tone::Varied {
            drawn.gain = Vec3::new(1.0 + warm, 1.0 + green, 1.0 - warm) * stops.exp2();
            drawn.contrast = contrast;
        }
        if config.full_well > 0.0 {
            (drawn.full_well, drawn.read_noise) = (share * config.full_well, read_noise);
        }
        drawn
    }

    /// Linear RGB → 8-bit sRGB, row by row.
    pub fn develop(&self, light: &[Vec3]) -> Vec<u8> {
        let mut s = Stream::new(self.seed, Subject::SensorNoise, &[]);
        let mut one = |v: f32| {
            let v = self.noisy(v, &mut s);
            let curved = if self.contrast == 1.0 { v } else { GRAY * (v.max(0.0) / GRAY).powf(self.contrast) };
            srgb8_from_linear(shoulder(curved))
        };
        light.iter().flat_map(|c| (*c * self.gain).to_array()).map(&mut one).collect()
    }

    /// Shot noise (its variance is the number of electrons) and read noise.
    fn noisy(&self, v: f32, s: &mut Stream) -> f32 {
        if self.full_well <= 0.0 {
            return v;
        }
        let electrons = v.max(0.0) * self.full_well;
        s.normal(electrons, (electrons + self.read_noise * self.read_noise).sqrt()) / self.full_well
    }
}

/// Keeps highlights from clipping hard: linear up to 0.8, smoothly towards 1 above.
fn shoulder(x: f32) -> f32 {
    const KNEE: f32 = 0.8;
    if x <= KNEE { x.max(0.0) } else { 1.0 - (1.0 - KNEE) * (-(x - KNEE) / (1.0 - KNEE)).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_shoulder_is_monotone() {
        assert!((0..400).map(|i| shoulder(i as f32 * 0.01)).collect::<Vec<_>>().windows(2).all(|w| w[1] >= w[0]));
        assert!(shoulder(100.0) <= 1.0 && (shoulder(0.8001) - 0.8001).abs() < 1e-6);
    }

    #[test]
    fn noise_has_the_variance_of_its_electrons_and_no_bias() {
        let mut config = Config::default().image;
        assert_eq!(Development::sample(&config, 7, &[1, 2, 3], 4), Development { seed: 4, ..Development::plain() });
        config.full_well = 2000.0;
        let d = Development::sample(&config, 7, &[1, 2, 3], 4);
        let mut s = Stream::new(1, Subject::SensorNoise, &[]);
        let n = 20_000;
        let drawn: Vec<f32> = (0..n).map(|_| d.noisy(0.3, &mut s)).collect();
        let mean = drawn.iter().sum::<f32>() / n as f32;
        let variance = drawn.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n as f32;
        let wanted = (0.3 * d.full_well + d.read_noise.powi(2)) / d.full_well.powi(2);
        assert!((mean - 0.3).abs() < 1e-3 && (variance / wanted - 1.0).abs() < 0.05, "{mean} {variance} {wanted}");
        let grey = vec![Vec3::splat(0.3); 64];
        assert_eq!(d.develop(&grey), d.develop(&grey), "the same noise each time");
    }
}
