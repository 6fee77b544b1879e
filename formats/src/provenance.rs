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

    /// As the table `source` of the plan of a tool that only chooses and reduces rows: [`Provenance::source`] finds it.
    pub fn as_source(&self) -> toml::Table {
        let text = |value: &str| toml::Value::String(value.into());
        toml::Table::from_iter([
            ("tool".to_string(), text(&self.tool)),
            ("tool_version".to_string(), text(&self.tool_version)),
            ("git_commit".to_string(), text(&self.git_commit)),
            // Text, because TOML's numbers end at 63 bits.
            ("seed".to_string(), text(&self.seed.to_string())),
            ("plan".to_string(), text(&self.config_toml)),
        ])
    }

    /// What the rows were chosen from, if the plan tells by a table `source`.
    pub fn source(&self) -> Option<Provenance> {
        let plan: toml::Table = self.config_toml.parse().ok()?;
        let source = plan.get("source")?.as_table()?;
        let text = |key: &str| source.get(key).and_then(toml::Value::as_str);
        let mut found =
            Provenance::new(text("tool")?, text("tool_version")?, text("plan")?, text("seed")?.parse().ok()?);
        found.git_commit = text("git_commit")?.into();
        Some(found)
    }

    /// The provenance of the first of a chain of sources; of this itself where there is none.
    pub fn origin(&self) -> Provenance {
        self.source().map_or_else(|| self.clone(), |source| source.origin())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_found_through_a_chain() {
        let first = Provenance::new("datagen", "0.1.0", "head_source = \"makehuman\"\n# ''' \"\"\"\n", u64::MAX);
        let of = |source: &Provenance| {
            let mut plan = toml::Table::from_iter([("rows".to_string(), toml::Value::Integer(3))]);
            plan.insert("source".into(), toml::Value::Table(source.as_source()));
            Provenance::new("shards", "0.1.0", &plan.to_string(), 1)
        };
        assert_eq!(first.source(), None);
        assert_eq!(of(&first).source(), Some(first.clone()));
        assert_eq!(of(&of(&first)).origin(), first);
    }
}
