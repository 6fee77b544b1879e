//! `log/v000123.json`: what a commit did. Only what a log names is part of the set.
//!
//! Each entry holds the digest of the one before it, the first that of `set.toml`: a chain that shows a missing or
//! edited version.
use super::layout;
use super::sealed;
use crate::Error;
use serde_json::{Map, Value};
use std::path::Path;

/// One commit.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LogEntry {
    /// From 1.
    pub version: u64,
    /// What kind of commit.
    pub kind: Kind,
    /// Digest of the entry before, of `set.toml` for the first.
    pub parent: String,
    /// The rows of this version.
    pub index: FileMark,
    /// Parts that came with it.
    pub added: Vec<FileMark>,
    /// Groups that were added or replaced, ascending.
    pub put: Vec<u64>,
    /// Groups that were removed, ascending.
    pub removed: Vec<u64>,
    /// Groups of this version.
    pub groups: u64,
    /// What the writer wanted to say: iteration, configuration, losses.
    pub note: Map<String, Value>,
}

/// Kind of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Groups were put or removed.
    Commit,
    /// The same rows in fewer files.
    Compact,
}

/// A file as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileMark {
    /// Name without folder.
    pub file: String,
    /// Rows.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// Hexadecimal digest.
    pub sha256: String,
}

impl LogEntry {
    /// Reads an entry; gives its digest too.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Io`]; [`Error::Data`] when a byte is not the one that was written.
    pub(super) fn read(root: &Path, version: u64) -> Result<(Self, String), Error> {
        let path = layout::log_file(root, version);
        let (entry, digest) = sealed::read::<LogEntry>("log entry", &path)?;
        let named = |mark: &FileMark| layout::version_of(&mark.file) == Some(version);
        match entry.version == version && named(&entry.index) && entry.added.iter().all(named) {
            true => Ok((entry, digest)),
            false => Err(Error::data(&path, format!("the entry of version {}, expected {version}", entry.version))),
        }
    }
}
