//! What every training loop needs beside the model: seeds by counter, a budget, running means.
use crate::Error;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tch::Tensor;

/// A 64-bit number that depends on all of `parts` (splitmix64 finaliser, chained): seeds for (run, step), (run, image)…
pub fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x243f_6a88_85a3_08d3, |h: u64, &p| {
        let mut z = (h ^ p).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Seeds torch's generators as a function of (seed, step). Called at the head of every step, it makes the state of the
/// generators a function of the step number, so a resumed run needs no saved generator.
pub fn seed_step(seed: u64, step: u64) {
    tch::manual_seed((mix(&[seed, step]) >> 1) as i64);
}

/// How long to train: until `steps` are done or the time is up, whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    steps: Option<u64>,
    time: Option<Duration>,
    started: Instant,
}

impl Budget {
    /// Starts the clock. `None` is no bound; both `None` trains until killed.
    pub fn start(steps: Option<u64>, minutes: Option<f64>) -> Self {
        Budget { steps, time: minutes.map(|m| Duration::from_secs_f64(m * 60.0)), started: Instant::now() }
    }

    /// True if the run should stop before doing step `step`.
    pub fn is_spent(&self, step: u64) -> bool {
        self.steps.is_some_and(|s| step >= s) || self.time.is_some_and(|t| self.started.elapsed() >= t)
    }

    /// Share of the budget that is used, 0..=1 (the larger of steps and time): feeds [`crate::schedule::Schedule::at_fraction`].
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

/// Means of named losses since the last report.
#[derive(Debug, Default)]
pub struct Means {
    sums: BTreeMap<String, (f64, u64)>,
}

impl Means {
    /// Adds a scalar tensor's value and returns it.
    ///
    /// # Errors
    /// [`Error::NotFinite`], so that a run stops at the step that went wrong.
    pub fn add(&mut self, name: &str, value: &Tensor, step: u64) -> Result<f64, Error> {
        self.add_value(name, value.double_value(&[]), step)
    }

    /// The same for a number.
    ///
    /// # Errors
    /// [`Error::NotFinite`]
    pub fn add_value(&mut self, name: &str, value: f64, step: u64) -> Result<f64, Error> {
        if !value.is_finite() {
            return Err(Error::NotFinite { what: name.into(), step });
        }
        let entry = self.sums.entry(name.into()).or_default();
        *entry = (entry.0 + value, entry.1 + 1);
        Ok(value)
    }

    /// The mean of one, if it was added since the last [`Means::take`].
    pub fn mean(&self, name: &str) -> Option<f64> {
        self.sums.get(name).map(|(sum, n)| sum / *n as f64)
    }

    /// All means, sorted by name; starts anew.
    pub fn take(&mut self) -> BTreeMap<String, f64> {
        std::mem::take(&mut self.sums).into_iter().map(|(k, (sum, n))| (k, sum / n as f64)).collect()
    }
}

/// `l1 0.0123  ssim 0.456`: means on one line.
pub fn line(means: &BTreeMap<String, f64>) -> String {
    means.iter().map(|(k, v)| format!("{k} {v:.4}")).collect::<Vec<_>>().join("  ")
}

/// Which items step `step` takes, `batch` at a time, walking through one shuffled epoch after another.
pub fn batch_at(n: usize, batch: usize, seed: u64, step: u64) -> Vec<usize> {
    let all: Vec<usize> = (0..n).collect();
    batch_of_epochs(n, batch, step, |epoch| formats::order::shuffled(&all, seed, epoch))
}

/// As [`batch_at`] with epochs of `n` items in the order that `order` gives.
pub fn batch_of_epochs(n: usize, batch: usize, step: u64, order: impl Fn(u64) -> Vec<usize>) -> Vec<usize> {
    assert!(n > 0, "a batch from no items");
    let first = step * batch as u64;
    let mut epoch = u64::MAX;
    let mut items = Vec::new();
    (first..first + batch as u64)
        .map(|i| {
            if i / n as u64 != epoch {
                epoch = i / n as u64;
                items = order(epoch);
            }
            items[(i % n as u64) as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_takes_every_item_once() {
        let mut seen: Vec<usize> = (0..7).flat_map(|step| batch_at(21, 3, 5, step)).collect();
        assert_ne!(seen, (0..21).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..21).collect::<Vec<_>>());
        assert_ne!(batch_at(21, 3, 5, 0), batch_at(21, 3, 5, 7), "the next epoch has another order");
    }

    #[test]
    fn a_loss_that_is_no_number_stops_the_run() {
        let mut means = Means::default();
        means.add("l1", &Tensor::from(2.0), 0).unwrap();
        let error = means.add("l1", &Tensor::from(f64::NAN), 9).unwrap_err().to_string();
        assert_eq!(error, "l1 is not finite at step 9");
        assert_eq!(means.take()["l1"], 2.0);
    }
}
