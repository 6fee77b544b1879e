//! How well the expression arrives: the coefficients that the tracker reads against those used to drive.
use head::model::ARKIT;
use std::fmt;

/// Mean absolute differences of coefficients, over frames and units.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ExpressionError {
    /// All 52.
    pub mean: f64,
    /// `eyeBlinkLeft` and `eyeBlinkRight`.
    #[serde(rename = "eyeBlink")]
    pub eye_blink: f64,
    /// `jawOpen`.
    #[serde(rename = "jawOpen")]
    pub jaw_open: f64,
    /// The five units of the brows.
    pub brows: f64,
    /// The 23 units of the mouth.
    pub lips: f64,
    /// Frames in which the tracker finds a face.
    pub frames: usize,
}

impl ExpressionError {
    /// Of pairs: used to drive, tracked again. None without a pair.
    pub fn of(pairs: &[([f32; 52], [f32; 52])]) -> Option<Self> {
        (!pairs.is_empty()).then(|| ExpressionError {
            mean: group_mean(pairs, ""),
            eye_blink: group_mean(pairs, "eyeBlink"),
            jaw_open: group_mean(pairs, "jawOpen"),
            brows: group_mean(pairs, "brow"),
            lips: group_mean(pairs, "mouth"),
            frames: pairs.len(),
        })
    }
}

/// Over the units whose names begin so.
fn group_mean(pairs: &[([f32; 52], [f32; 52])], prefix: &str) -> f64 {
    let units: Vec<usize> = (0..ARKIT.len()).filter(|&k| ARKIT[k].starts_with(prefix)).collect();
    let mut sum = 0.0;
    for (used, tracked) in pairs {
        sum += units.iter().map(|&k| f64::from((used[k] - tracked[k]).abs())).sum::<f64>();
    }
    sum / (units.len() * pairs.len()) as f64
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ExpressionError { mean, eye_blink, jaw_open, brows, lips, .. } = self;
        write!(f, "{mean:.3} (eyeBlink {eye_blink:.3}, jawOpen {jaw_open:.3}, brows {brows:.3}, lips {lips:.3})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::params::unit;

    #[test]
    fn groups_hold_their_own_units() {
        let mut tracked = [0.0; 52];
        for (name, off) in [("eyeBlinkLeft", 0.4), ("jawOpen", 0.2), ("browInnerUp", 0.5), ("mouthSmileLeft", 0.23)] {
            tracked[unit(name).unwrap()] = off;
        }
        let pairs = [([0.0; 52], tracked), ([0.0; 52], [0.0; 52])];
        let error = ExpressionError::of(&pairs).unwrap();
        let groups = [error.eye_blink, error.jaw_open, error.brows, error.lips, error.mean];
        let expected = [0.1, 0.1, 0.05, 0.005, 1.33 / 104.0];
        assert!(groups.iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-6), "{groups:?}");
        assert_eq!((error.frames, ExpressionError::of(&[])), (2, None));
    }
}
