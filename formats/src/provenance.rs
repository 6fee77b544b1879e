//! Where a file comes from: enough to make it again, and nothing that changes from run to run (no time, no host).
use crate::{Error, digest};
use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

/// Goes into the key-value metadata of every shard and the card of every model.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Provenance {
    /// `datagen`, `track`, …
    pub tool: String,
    /// Its version.
    pub tool_version: String,
    /// Commit the tool was built from, or `unknown`.
    pub git_commit: String,
    /// The resolved plan.
    pub config_toml: String,
    /// Hexadecimal sha256 of `config_toml`.
    pub config_hash: String,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Names and hexadecimal sha256 of the inputs.
    pub inputs: Vec<(String, String)>,
}

impl Provenance {
    /// Of `tool` at `tool_version` (`env!("CARGO_PKG_VERSION")`), running the resolved plan `config_toml`.
    pub fn new(tool: &str, tool_version: &str, config_toml: &str, seed: u64) -> Self {
        Provenance {
            tool: tool.into(),
            tool_version: tool_version.into(),
            git_commit: git_commit().into(),
            config_toml: config_toml.into(),
            config_hash: digest::hex(&digest::sha256(config_toml.as_bytes())),
            seed,
            inputs: Vec::new(),
        }
    }

    /// Adds the digest of an input file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn with_input(mut self, name: &str, path: &Path) -> Result<Self, Error> {
        self.inputs.push((name.into(), digest::sha256_of_file(path)?));
        Ok(self)
    }

    /// As metadata pairs, in a fixed order.
    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        let inputs = serde_json::to_string(&self.inputs).unwrap_or_default();
        [
            ("tool", self.tool.clone()),
            ("tool_version", self.tool_version.clone()),
            ("git_commit", self.git_commit.clone()),
            ("config_toml", self.config_toml.clone()),
            ("config_hash", self.config_hash.clone()),
            ("seed", self.seed.to_string()),
            ("inputs", inputs),
        ]
        .map(|(k, v)| (k.to_string(), v))
        .to_vec()
    }

    /// From metadata pairs; what is absent stays empty.
    pub(crate) fn from_pairs(pairs: &HashMap<String, String>) -> Self {
        let text = |key: &str| pairs.get(key).cloned().unwrap_or_default();
        Provenance {
            tool: text("tool"),
            tool_version: text("tool_version"),
            git_commit: text("git_commit"),
            config_toml: text("config_toml"),
            config_hash: text("config_hash"),
            seed: text("seed").parse().unwrap_or_default(),
            inputs: serde_json::from_str(&text("inputs")).unwrap_or_default(),
        }
    }
}

static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Says which commit a program was built from: `built_from(option_env!("EFFIGY_COMMIT"))`, first thing in `main`. Only
/// the programs know it, so that a new commit relinks them and compiles no library.
pub fn built_from(commit: Option<&'static str>) {
    COMMIT.set(commit.unwrap_or(UNKNOWN)).ok();
}

const UNKNOWN: &str = "unknown";

/// The commit this program was built from, as [`built_from`] was told.
pub fn git_commit() -> &'static str {
    COMMIT.get().unwrap_or(&UNKNOWN)
}
