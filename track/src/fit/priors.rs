//! What is believed before the landmarks are looked at: identity, expression, gaze, distance.
use super::{FitConfig, Observation};
use crate::reading::Reading;
use glam::DMat3;
use head::model::ARKIT;
use head::rig::{LOOK_UNITS, Look};

/// Standard deviation over the scale of a Laplace distribution.
const DEVIATION_OF_SCALE: f64 = std::f64::consts::SQRT_2;

/// What the network reads beside landmarks.
#[derive(Clone, Debug)]
pub struct Beliefs {
    /// ARKit units, 0..=1: mean and deviation.
    pub expression: [[f64; 2]; 52],
    /// Camera ← head.
    pub rotation: DMat3,
    /// Logarithm of the distance (meters): mean and deviation.
    pub log_distance: [f64; 2],
    /// `[K]` identity coefficients: mean and deviation.
    pub identity: Vec<[f64; 2]>,
}

impl Beliefs {
    /// From a reading of a crop; `photo_from_crop` is the rotation of a camera that looks at the middle of the crop, upright
    /// as the crop is, into the photo's camera.
    pub fn new(reading: &Reading, photo_from_crop: DMat3) -> Self {
        let deviation = |scale: f32| DEVIATION_OF_SCALE * f64::from(scale);
        let mut expression: [[f64; 2]; 52] =
            std::array::from_fn(|k| [f64::from(reading.expression[k]), deviation(reading.expression_spread[k])]);
        // The looks are read twice; gaze knows better.
        for (unit, eye, reach) in LOOK_UNITS {
            let [yaw, pitch] = reading.gaze[eye];
            let Look { yaw: side, pitch: height } = reach;
            let (angle, reach) = if side != 0.0 { (yaw, side) } else { (pitch, height) };
            let mean = f64::from(angle / reach).clamp(0.0, 1.0);
            expression[unit] = [mean, deviation(reading.gaze_spread[eye]) / f64::from(reach.abs())];
        }
        let identity = reading.identity.iter().zip(&reading.identity_spread);
        Beliefs {
            expression,
            rotation: photo_from_crop * reading.rotation.as_dmat3(),
            log_distance: [f64::from(reading.log_distance[0]), deviation(reading.log_distance[1])],
            identity: identity.map(|(mean, spread)| [f64::from(*mean), deviation(*spread)]).collect(),
        }
    }
}

/// A Gaussian: mean and inverse variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gaussian {
    pub mean: f64,
    pub precision: f64,
}

impl Gaussian {
    fn new(mean: f64, deviation: f64) -> Self {
        Gaussian { mean, precision: 1.0 / (deviation * deviation) }
    }

    /// Negative logarithm, up to a constant.
    pub fn cost(&self, value: f64) -> f64 {
        0.5 * self.precision * (value - self.mean).powi(2)
    }

    /// Derivative of the cost.
    pub fn gradient(&self, value: f64) -> f64 {
        self.precision * (value - self.mean)
    }
}

/// `[Kc]` of one person in all pictures.
///
/// What the network reads is a posterior under `N(0, 1)`: its likelihood has precision `1/σ² − 1`. The pictures' errors are
/// alike, so `N` of them count as `√N`.
pub(super) fn identity(seen: &[Observation], kc: usize, config: &FitConfig) -> Vec<Gaussian> {
    let own = 1.0 / (config.identity_spread * config.identity_spread);
    let beliefs: Vec<&Beliefs> = seen.iter().filter_map(|o| o.beliefs.as_ref()).collect();
    let share = 1.0 / (beliefs.len().max(1) as f64).sqrt();
    let of = |k: usize| {
        let (mut precision, mut weighted) = (own, 0.0);
        for [mean, deviation] in beliefs.iter().filter_map(|b| b.identity.get(k)) {
            let posterior = (config.trust * deviation).powi(-2);
            // A spread beyond the prior's says nothing.
            if posterior > 1.0 {
                precision += share * (posterior - 1.0);
                weighted += share * posterior * mean;
            }
        }
        Gaussian { mean: weighted / precision, precision }
    };
    (0..kc).map(of).collect()
}

/// `[52]` of one picture.
pub(super) fn expression(seen: &Observation, config: &FitConfig) -> [Gaussian; 52] {
    std::array::from_fn(|k| match &seen.beliefs {
        Some(beliefs) => {
            let [mean, deviation] = beliefs.expression[k];
            Gaussian::new(mean, (config.trust * deviation).max(config.expression_floor))
        }
        // As an L2 and an L1 prior on values that are not negative: a Gaussian whose middle lies below 0.
        None => {
            let variance = config.expression_spread * config.expression_spread;
            Gaussian::new(-config.expression_sparsity * variance, config.expression_spread)
        }
    })
}

/// Of the logarithm of the distance in one picture: what is usual, times what the network reads.
pub(super) fn log_distance(seen: &Observation, config: &FitConfig) -> Gaussian {
    let [median_m, spread] = config.distance_m;
    let usual = Gaussian::new(median_m.ln(), spread);
    let Some(beliefs) = &seen.beliefs else { return usual };
    let [mean, deviation] = beliefs.log_distance;
    let read = Gaussian::new(mean, (config.trust * deviation).max(0.1));
    let precision = usual.precision + read.precision;
    Gaussian { mean: (usual.mean * usual.precision + read.mean * read.precision) / precision, precision }
}

/// Units that landmarks alone say nothing of.
pub(super) fn is_idle(unit: usize, reach_m: f32) -> bool {
    reach_m < 2e-4 || ARKIT[unit].starts_with("eyeLook") || ARKIT[unit] == "tongueOut"
}
