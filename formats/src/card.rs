//! The card of a file of weights: what it is, where it comes from and what it may be used for.
use crate::{Error, Provenance, publish};
use std::path::{Path, PathBuf};

/// The card of a file of weights, `NAME.json` beside `NAME.safetensors`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct WeightsCard {
    /// `prior`, `track`, …
    pub name: String,
    /// One sentence: what the net gives and takes.
    pub what: String,
    /// Version of the layout of the arrays.
    pub schema_version: u32,
    /// Hexadecimal digest of the weights file.
    pub sha256: String,
    /// Numbers that the net is built from.
    pub architecture: serde_json::Value,
    /// What it was trained on.
    pub data: String,
    /// Optimization steps.
    pub steps: u64,
    /// Measured values, with their protocol: `{"psnr_db": {"value": 31.2, "protocol": "val split, 256 px"}}`.
    pub metrics: serde_json::Value,
    /// License of the weights.
    pub license: String,
    /// How it was made.
    pub provenance: Provenance,
}

impl WeightsCard {
    /// Where the card of a weights file lies.
    pub fn path_of(weights: &Path) -> PathBuf {
        weights.with_extension("json")
    }

    /// Reads the card of a weights file.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Io`] or [`Error::Data`].
    pub fn read(weights: &Path) -> Result<Self, Error> {
        read_json(&Self::path_of(weights), "card")
    }

    /// Writes the card of a weights file, which must be there already: its digest is taken.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Create`] or [`Error::Io`].
    pub fn write(&mut self, weights: &Path) -> Result<(), Error> {
        self.sha256 = crate::digest::sha256_of_file(weights)?;
        write_json(&Self::path_of(weights), self)
    }

    /// Adds measured values to the card beside a weights file; those of the same names are replaced.
    ///
    /// # Errors
    /// As [`WeightsCard::read`] and [`WeightsCard::write`]; [`Error::Data`] if the card is of other weights.
    pub fn add_metrics(weights: &Path, figures: serde_json::Map<String, serde_json::Value>) -> Result<(), Error> {
        let mut card = Self::read(weights)?;
        if card.sha256 != crate::digest::sha256_of_file(weights)? {
            return Err(Error::data(&Self::path_of(weights), "the card is of other weights (sha256 differs)"));
        }
        match &mut card.metrics {
            serde_json::Value::Object(metrics) => metrics.extend(figures),
            nothing => *nothing = figures.into(),
        }
        write_json(&Self::path_of(weights), &card)
    }
}

/// Reads a JSON file of ours.
///
/// # Errors
/// [`Error::Missing`], [`Error::Io`] or [`Error::Data`].
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(|e| Error::reading(what, path, e))?;
    serde_json::from_slice(&text).map_err(|e| Error::data(path, format!("not a {what}: {e}")))
}

/// Writes a JSON file in one step, keys in the order of the struct.
///
/// # Errors
/// [`Error::Create`] or [`Error::Io`].
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::data(path, e.to_string()))?;
    publish::write_atomically(path, format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_join_the_card_of_their_own_weights_alone() {
        let folder = std::env::temp_dir().join(format!("formats-card-{}", std::process::id()));
        let weights = folder.join("net.safetensors");
        publish::write_atomically(&weights, b"weights").unwrap();
        let figures = |value: serde_json::Value| value.as_object().unwrap().clone();
        let mut card = WeightsCard { name: "net".into(), ..Default::default() };
        card.write(&weights).unwrap();
        for psnr in [20, 21] {
            WeightsCard::add_metrics(&weights, figures(json!({ "psnr": psnr }))).unwrap();
        }
        WeightsCard::add_metrics(&weights, figures(json!({ "ssim": 0.5 }))).unwrap();
        assert_eq!(WeightsCard::read(&weights).unwrap().metrics, json!({ "psnr": 21, "ssim": 0.5 }));
        std::fs::write(&weights, b"others").unwrap();
        let refused = WeightsCard::add_metrics(&weights, figures(json!({ "psnr": 22 })));
        assert!(matches!(refused, Err(Error::Data { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
