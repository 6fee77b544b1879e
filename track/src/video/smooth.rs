//! Smoothing over time that delays nothing and keeps what is fast: a bilateral filter (Tomasi and Manduchi 1998) in time.
//!
//! Each frame becomes a mean of its neighbors on both sides, weighted by how near they are in time and in value. Jitter,
//! whose steps are smaller than the range of the filter, is averaged away; a blink of one frame, a plosive, or a turn of the
//! head differs from its neighbors by more than the range, gets no weight from them and stays as it is. A one-euro filter
//! keeps fast changes too, but it sees only the past: it is late by what it smooths, and a value that is back after one frame
//! leaves a trace. A file can be read ahead, so nothing need be late. Filters do not reach across frames without a face.
use glam::{DMat3, DQuat, DVec3};
use serde::{Deserialize, Serialize};

/// How far the filter reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmoothConfig {
    /// Deviation in time, seconds; 0 leaves everything as it is.
    pub seconds: f64,
    /// Deviation of the range of an ARKit unit.
    pub unit: f64,
    /// Of a rotation, radians.
    pub rotation_rad: f64,
    /// Of a shift across the view, as a fraction of the distance.
    pub across: f64,
    /// Of the logarithm of the distance.
    pub log_distance: f64,
}

impl Default for SmoothConfig {
    fn default() -> Self {
        SmoothConfig { seconds: 0.055, unit: 0.05, rotation_rad: 0.02, across: 0.004, log_distance: 0.03 }
    }
}

impl SmoothConfig {
    /// Neighbors farther away have no weight, seconds.
    pub fn reach_s(&self) -> f64 {
        2.2 * self.seconds
    }
}

/// Neighbors on either side at most, whatever the frame rate: what is read ahead is held in memory.
pub const MOST_NEIGHBORS: u64 = 8;

/// A fitted frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Of the frame, without gaps where every frame shows a face.
    pub number: u64,
    /// Time of the frame.
    pub seconds: f64,
    /// Camera from head.
    pub rotation: DMat3,
    /// Meters.
    pub translation: DVec3,
    /// `[52]` ARKit units.
    pub expression: Vec<f32>,
}

/// Sample `i` of `samples`, which are in order of their numbers, smoothed.
pub fn smoothed(samples: &[Sample], i: usize, config: &SmoothConfig) -> Sample {
    let center = &samples[i];
    if config.seconds <= 0.0 {
        return center.clone();
    }
    let joined = |k: usize, other: usize| samples[k].number.abs_diff(samples[other].number) == 1;
    let is_near = |k: usize| {
        samples[k].number.abs_diff(center.number) <= MOST_NEIGHBORS
            && (samples[k].seconds - center.seconds).abs() <= config.reach_s()
    };
    let before = (0..i).rev().take_while(|&k| joined(k, k + 1) && is_near(k));
    let after = (i + 1..samples.len()).take_while(|&k| joined(k, k - 1) && is_near(k));
    let neighbors: Vec<(&Sample, f64)> = before
        .chain(after)
        .map(|k| (&samples[k], bell((samples[k].seconds - center.seconds) / config.seconds)))
        .collect();
    let expression = (0..center.expression.len()).map(|unit| smooth_unit(center, &neighbors, unit, config));
    let (rotation, translation) = smooth_pose(center, &neighbors, config);
    Sample { expression: expression.collect(), rotation, translation, ..*center }
}

fn bell(deviations: f64) -> f64 {
    (-0.5 * deviations * deviations).exp()
}

fn smooth_unit(center: &Sample, neighbors: &[(&Sample, f64)], unit: usize, config: &SmoothConfig) -> f32 {
    let own = f64::from(center.expression[unit]);
    let (mut sum, mut norm) = (own, 1.0);
    for (neighbor, near) in neighbors {
        let value = f64::from(neighbor.expression[unit]);
        let weight = near * bell((value - own) / config.unit);
        sum += weight * value;
        norm += weight;
    }
    (sum / norm) as f32
}

/// Rotation, direction and distance have a range each.
fn smooth_pose(center: &Sample, neighbors: &[(&Sample, f64)], config: &SmoothConfig) -> (DMat3, DVec3) {
    let place = |sample: &Sample| {
        let t = sample.translation;
        DVec3::new(t.x / t.z, t.y / t.z, t.z.ln())
    };
    let own = place(center);
    let (mut turn, mut turn_norm) = (DVec3::ZERO, 1.0);
    let (mut shift, mut shift_norm) = (DVec3::ZERO, DVec3::ONE);
    for (neighbor, near) in neighbors {
        let by = DQuat::from_mat3(&(neighbor.rotation * center.rotation.transpose())).normalize();
        let by = (if by.w < 0.0 { -by } else { by }).to_scaled_axis();
        let weight = near * bell(by.length() / config.rotation_rad);
        turn += weight * by;
        turn_norm += weight;
        let by = place(neighbor) - own;
        let across = near * bell(by.truncate().length() / config.across);
        let weights = DVec3::new(across, across, near * bell(by.z / config.log_distance));
        shift += weights * by;
        shift_norm += weights;
    }
    let rotation = DMat3::from_quat(DQuat::from_scaled_axis(turn / turn_norm)) * center.rotation;
    let at = own + shift / shift_norm;
    let z = at.z.exp();
    (rotation, DVec3::new(at.x * z, at.y * z, z))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nets::rng::Rng;

    const FPS: f64 = 30.0;

    fn sample(number: u64, value: f64) -> Sample {
        let rotation = DMat3::from_rotation_y(0.2 * value) * DMat3::from_diagonal(DVec3::new(1.0, -1.0, -1.0));
        let translation = DVec3::new(0.03 * value, 0.1, 0.7 + 0.2 * value);
        Sample { number, seconds: number as f64 / FPS, rotation, translation, expression: vec![value as f32; 52] }
    }

    fn curve(n: u64, value: impl Fn(u64) -> f64) -> Vec<Sample> {
        (0..n).map(|i| sample(i, value(i))).collect()
    }

    fn smooth(samples: &[Sample]) -> Vec<Sample> {
        (0..samples.len()).map(|i| smoothed(samples, i, &SmoothConfig::default())).collect()
    }

    fn units(samples: &[Sample]) -> Vec<f64> {
        samples.iter().map(|s| f64::from(s.expression[9])).collect()
    }

    fn deviation(values: &[f64]) -> f64 {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    /// A still face whose tracker errs by 0.015 in a unit, 0.3 degrees, 0.1 % across and 0.7 % in depth.
    #[test]
    fn the_jitter_of_a_still_face_is_halved() {
        let mut rng = Rng::new(&[1]);
        let mut samples = curve(600, |_| 0.3);
        for sample in &mut samples {
            sample.expression.iter_mut().for_each(|e| *e += 0.015 * rng.normal());
            sample.rotation = DMat3::from_rotation_y(0.005 * f64::from(rng.normal())) * sample.rotation;
            let z = sample.translation.z;
            sample.translation += DVec3::new(0.001 * z, 0.0, 0.007 * z) * f64::from(rng.normal());
        }
        let smooth = smooth(&samples);
        type Channel = fn(&Sample) -> f64;
        let channels: [(&str, Channel); 4] = [
            ("unit", |s| s.expression[9].into()),
            ("rotation", |s| s.rotation.z_axis.x),
            ("across", |s| s.translation.x / s.translation.z),
            ("distance", |s| s.translation.z),
        ];
        for (name, channel) in channels {
            let [before, after] = [&samples, &smooth].map(|s| deviation(&s.iter().map(channel).collect::<Vec<_>>()));
            assert!(after < 0.5 * before, "{name}: {before} becomes {after}");
        }
    }

    #[test]
    fn a_blink_of_one_frame_keeps_its_height() {
        let mut rng = Rng::new(&[2]);
        for height in [0.3, 0.6, 0.9] {
            let noise: Vec<f64> = (0..400).map(|_| 0.02 * f64::from(rng.normal())).collect();
            let blink = |i: u64| i % 20 == 10;
            let samples = curve(400, |i| 0.05 + noise[i as usize] + if blink(i) { height } else { 0.0 });
            let smooth = units(&smooth(&samples));
            let peaks: Vec<f64> = (0..400).filter(|i| blink(*i)).map(|i| smooth[i as usize] - 0.05).collect();
            let mean = peaks.iter().sum::<f64>() / peaks.len() as f64;
            assert!(mean > 0.9 * height, "{height} becomes {mean}");
            assert!(peaks.iter().all(|peak| *peak > 0.8 * height), "{height}: {peaks:?}");
        }
    }

    /// Lips that close for two frames between open vowels, and open again.
    #[test]
    fn a_plosive_and_a_step_stay_where_they_are() {
        let plosive = |i: u64| if (30..32).contains(&i) { 0.05 } else { 0.35 };
        let smooth_plosive = units(&smooth(&curve(60, plosive)));
        assert!((30..32).all(|i| smooth_plosive[i] < 0.08), "{:?}", &smooth_plosive[27..35]);
        let step = |i: u64| if i < 30 { 0.0 } else { 0.4 };
        let smooth_step = units(&smooth(&curve(60, step)));
        assert!((0..60).all(|i| (smooth_step[i] - step(i as u64)).abs() < 0.02), "no delay, no foot before it");
    }

    /// Speech moves the jaw about five times a second; nods and turns are slower.
    #[test]
    fn motion_is_neither_damped_nor_late() {
        for (hertz, amplitude, least) in [(1.0, 0.2, 0.97), (3.0, 0.1, 0.85), (3.0, 0.2, 0.95), (5.0, 0.3, 0.95)] {
            let wave = |i: u64| (std::f64::consts::TAU * hertz * i as f64 / FPS).sin();
            let smooth = units(&smooth(&curve(300, |i| 0.5 + amplitude * wave(i))));
            let fit = |shift: usize| {
                let pairs = (20..280).map(|i| ((smooth[i] - 0.5) / amplitude, wave((i - shift) as u64)));
                let (along, norm) = pairs.fold((0.0, 0.0), |(a, n), (s, w)| (a + s * w, n + w * w));
                along / norm
            };
            assert!(fit(0) > least, "{hertz} Hz: {}", fit(0));
            assert!(fit(0) > fit(1), "{hertz} Hz is late");
        }
    }

    #[test]
    fn nothing_reaches_across_a_gap() {
        let mut samples = curve(10, |i| if i < 5 { 0.30 } else { 0.34 });
        samples[5..].iter_mut().for_each(|s| s.number += 1);
        let smooth = units(&smooth(&samples));
        assert!(smooth[..5].iter().all(|v| (v - 0.30).abs() < 1e-6) && (smooth[5] - 0.34).abs() < 1e-6, "{smooth:?}");
    }

    #[test]
    fn few_frames_a_second_are_left_alone() {
        let slow: Vec<Sample> = (0..20u64)
            .map(|i| Sample { seconds: i as f64 / 5.0, ..sample(i, if i % 2 == 0 { 0.30 } else { 0.33 }) })
            .collect();
        assert_eq!(units(&smooth(&slow)), units(&slow));
    }
}
