//! Learning rates over a run: warm-up, then constant or cosine.

/// A learning-rate curve: linear warm-up from 0, then `lr`, falling along half a cosine to `floor` if `total` is set.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Peak learning rate.
    pub lr: f64,
    /// Steps of linear warm-up.
    #[serde(default)]
    pub warmup: u64,
    /// Step at which the cosine reaches `floor`; 0 stays at `lr`.
    #[serde(default)]
    pub total: u64,
    /// Last learning rate.
    #[serde(default)]
    pub floor: f64,
}

impl Schedule {
    /// The same rate forever.
    pub fn constant(lr: f64) -> Self {
        Schedule { lr, warmup: 0, total: 0, floor: lr }
    }

    /// Warm-up, then half a cosine from `lr` to `floor` at step `total`.
    pub fn cosine(lr: f64, warmup: u64, total: u64, floor: f64) -> Self {
        Schedule { lr, warmup, total, floor }
    }

    /// Learning rate of step `step` (from 0).
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.lr * (step + 1) as f64 / self.warmup as f64;
        }
        if self.total <= self.warmup {
            return self.lr;
        }
        let done = (step - self.warmup) as f64 / (self.total - self.warmup) as f64;
        self.at_fraction(done)
    }

    /// Learning rate when a share `done` (0..=1, clamped) of the steps after the warm-up lies behind: for runs that are
    /// bounded by time rather than by steps.
    pub fn at_fraction(&self, done: f64) -> f64 {
        let falling = 0.5 * (1.0 + (std::f64::consts::PI * done.clamp(0.0, 1.0)).cos());
        self.floor + (self.lr - self.floor) * falling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_falls_and_stays() {
        let s = Schedule::cosine(1.0, 10, 110, 0.1);
        assert!((s.at(0) - 0.1).abs() < 1e-12 && (s.at(9) - 1.0).abs() < 1e-12);
        assert!((s.at(60) - 0.55).abs() < 1e-12, "half way along the cosine");
        assert!((s.at(110) - 0.1).abs() < 1e-12 && s.at(10_000) == s.at(110));
        assert_eq!(Schedule::constant(0.3).at(123_456), 0.3);
    }
}
