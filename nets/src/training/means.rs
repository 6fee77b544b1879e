//! Running means of losses, which stop a run whose loss is not finite.
use crate::Error;
use std::collections::BTreeMap;
use tch::Tensor;

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

    /// All means, sorted by name; then resets.
    pub fn take(&mut self) -> BTreeMap<String, f64> {
        std::mem::take(&mut self.sums).into_iter().map(|(k, (sum, n))| (k, sum / n as f64)).collect()
    }
}

/// `l1 0.0123  ssim 0.456`: means on one line.
pub fn line(means: &BTreeMap<String, f64>) -> String {
    means.iter().map(|(k, v)| format!("{k} {v:.4}")).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_no_number_stops_the_run() {
        let mut means = Means::default();
        means.add("l1", &Tensor::from(2.0), 0).unwrap();
        let error = means.add("l1", &Tensor::from(f64::NAN), 9).unwrap_err().to_string();
        assert_eq!(error, "l1 is not finite at step 9");
        assert_eq!(means.take()["l1"], 2.0);
    }
}
