//! How many people, faces and pictures.
use super::range;
use formats::exit::Failure;
use serde::{Deserialize, Serialize};

/// How many of what; frames = identities × expressions × cameras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetConfig {
    /// People in all.
    pub identities: u32,
    /// Of these, the last but `test` are `val`.
    pub val: u32,
    /// Of these, the last are `test`.
    pub test: u32,
    /// Per identity; number 0 is neutral. With a sequence: its frames, clip after clip.
    pub expressions: u32,
    /// Per expression.
    pub cameras: u32,
}

impl Default for DatasetConfig {
    fn default() -> Self {
        DatasetConfig { identities: 64, val: 4, test: 4, expressions: 8, cameras: 3 }
    }
}

impl DatasetConfig {
    pub(super) fn check(&self) -> Result<(), Failure> {
        range("dataset.identities", self.identities, 1, 1 << 23, "1 to 8388608")?;
        range("dataset.expressions", self.expressions, 1, 1 << 14, "1 to 16384")?;
        range("dataset.cameras", self.cameras, 1, 1 << 10, "1 to 1024")?;
        if self.val as u64 + self.test as u64 >= self.identities as u64 {
            let got = format!("{} + {} of {} identities", self.val, self.test, self.identities);
            return Err(Failure::config(format!(
                "dataset.val + dataset.test is {got}; expected fewer than identities"
            )));
        }
        Ok(())
    }
}
