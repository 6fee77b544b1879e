//! What was seen against where it should land: landmarks, and the distances between lids and between lips.
use super::Problem;
use crate::fit::{FitConfig, Observation};
use head::ibug::{self, LEFT_EYE, LOWER_LIP_INNER, RIGHT_EYE, UPPER_LIP_INNER};

/// Upper and lower point of each gap: two on either eye, three between the lips.
const GAPS: [[usize; 2]; 7] = [
    [RIGHT_EYE.start + 1, RIGHT_EYE.start + 5],
    [RIGHT_EYE.start + 2, RIGHT_EYE.start + 4],
    [LEFT_EYE.start + 1, LEFT_EYE.start + 5],
    [LEFT_EYE.start + 2, LEFT_EYE.start + 4],
    [UPPER_LIP_INNER - 1, LOWER_LIP_INNER + 1],
    [UPPER_LIP_INNER, LOWER_LIP_INNER],
    [UPPER_LIP_INNER + 1, LOWER_LIP_INNER - 1],
];

/// A landmark's error, or the error of the distance between two, in deviations.
pub struct Residual {
    /// x and y.
    pub value: [f64; 2],
    /// The landmark, or the upper one of two.
    pub upper: usize,
    /// The lower one of two.
    pub lower: Option<usize>,
    /// Inverse deviation, 1/pixels.
    pub weight: f64,
}

impl Residual {
    pub fn squared(&self) -> f64 {
        self.value[0] * self.value[0] + self.value[1] * self.value[1]
    }
}

/// 1/σ with the shares of contour and dense landmarks.
pub fn inverse_deviations(seen: &Observation, config: &FitConfig) -> Vec<f64> {
    let weight = |(i, sigma): (usize, &f64)| {
        let share = match i {
            _ if ibug::JAW.contains(&i) => config.contour_weight,
            _ if i < ibug::COUNT => 1.0,
            _ => config.dense_weight,
        };
        if sigma.is_finite() { share / sigma.max(1e-3) } else { 0.0 }
    };
    seen.sigma_px.iter().enumerate().map(weight).collect()
}

impl Problem<'_> {
    /// Where every landmark of picture `i` lands, with what was seen: residuals times inverse deviations, `[L]`, 0 where
    /// nothing is known; then those of the gaps.
    pub fn residuals(&self, places: &[[f64; 2]], i: usize) -> impl Iterator<Item = Residual> {
        let (seen, weights) = (&self.seen[i].points, &self.weights[i]);
        let point = |l: usize| Residual {
            value: [0, 1].map(|x| weights[l] * (places[l][x] - seen[l][x])),
            upper: l,
            lower: None,
            weight: weights[l],
        };
        let gap = |[upper, lower]: [usize; 2]| {
            let weight = self.config.gap_weight * weights[upper].min(weights[lower]);
            let off = |l: usize, x: usize| places[l][x] - seen[l][x];
            Residual {
                value: [0, 1].map(|x| weight * (off(upper, x) - off(lower, x))),
                upper,
                lower: Some(lower),
                weight,
            }
        };
        let points: Vec<Residual> = (0..places.len()).map(point).collect();
        let gaps: Vec<Residual> =
            GAPS.into_iter().filter(|g| g[0] < places.len() && g[1] < places.len()).map(gap).collect();
        points.into_iter().chain(gaps).filter(|r| r.weight > 0.0)
    }
}
