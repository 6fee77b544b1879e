//! How long a training run may take.
use std::time::{Duration, Instant};

/// How long to train: until `steps` are done or the time is up, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    steps: Option<u64>,
    time: Option<Duration>,
    started: Instant,
}

impl Budget {
    /// Starts the clock. `None` is no limit; with both `None` it trains until killed.
    pub fn start(steps: Option<u64>, minutes: Option<f64>) -> Self {
        Budget { steps, time: minutes.map(|m| Duration::from_secs_f64(m * 60.0)), started: Instant::now() }
    }

    /// True if the run should stop before doing step `step`.
    pub fn is_spent(&self, step: u64) -> bool {
        self.steps.is_some_and(|s| step >= s) || self.time.is_some_and(|t| self.started.elapsed() >= t)
    }

    /// Fraction of the budget that is used, 0..=1 (the larger of steps and time); for
    /// [`super::schedule::Schedule::at_fraction`].
    pub fn fraction(&self, step: u64) -> f64 {
        let by_steps = self.steps.map_or(0.0, |s| step as f64 / s.max(1) as f64);
        let by_time = self.time.map_or(0.0, |t| self.started.elapsed().as_secs_f64() / t.as_secs_f64().max(1e-9));
        by_steps.max(by_time).min(1.0)
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}
