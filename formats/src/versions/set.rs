//! The set itself: opened, asked for its versions.
use super::index::{self, Entry};
use super::layout;
use super::log::{FileMark, Kind, LogEntry};
use super::{Spec, Version};
use crate::reader::Shard;
use crate::{Error, digest, publish};
use serde_json::Map;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Footers of parts that are kept in memory.
const PARTS_OPEN: usize = 1024;

/// A folder of versions. Readers and writers need no lock; it can be shared by threads.
pub struct VersionedSet {
    shared: Arc<Shared>,
    /// The newest version seen, so that a run of commits reads nothing again.
    newest: Mutex<Option<Version>>,
}

/// What the set and its versions have in common.
pub(super) struct Shared {
    pub(super) root: PathBuf,
    pub(super) spec: Spec,
    /// Digest of `set.toml`, where the chain of the log begins.
    digest: String,
    parts: Mutex<HashMap<Arc<str>, Arc<Shard>>>,
}

impl VersionedSet {
    /// Makes a set in the folder `root`, or opens it when the same one is there. Its version is 0, without rows.
    ///
    /// # Errors
    /// [`Error::Differs`] when another set is there, [`Error::Data`] for a `spec` without its key columns,
    /// [`Error::Create`], [`Error::Io`].
    pub fn create(root: &Path, spec: &Spec) -> Result<Self, Error> {
        spec.check(&layout::set_file(root))?;
        // `set.toml` comes last: where it is, the set is whole.
        for folder in ["data", "index", "log"] {
            publish::create_folder_of(&root.join(folder).join("file"))?;
        }
        spec.write(root)?;
        Self::open(root)
    }

    /// Opens a set.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none, [`Error::Data`], [`Error::Version`], [`Error::Io`].
    pub fn open(root: &Path) -> Result<Self, Error> {
        let (spec, digest) = Spec::read(root)?;
        let shared = Shared { root: root.into(), spec, digest, parts: Mutex::default() };
        Ok(VersionedSet { shared: Arc::new(shared), newest: Mutex::default() })
    }

    /// Is there a versioned set in this folder?
    pub fn is_at(root: &Path) -> bool {
        layout::set_file(root).is_file()
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Columns and grouping.
    pub fn spec(&self) -> &Spec {
        &self.shared.spec
    }

    /// Number of the latest version; 0 when nothing was committed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn latest_number(&self) -> Result<u64, Error> {
        let there = |number: u64| number == 0 || layout::log_file(self.root(), number).exists();
        let advice = std::fs::read_to_string(layout::latest_file(self.root())).ok();
        let advice = advice.and_then(|text| text.trim().parse::<u64>().ok()).filter(|&n| n > 0 && there(n));
        let known = lock(&self.newest).as_ref().map(Version::number);
        let mut latest = match advice.max(known) {
            Some(number) => number,
            None => self.listed()?,
        };
        while there(latest + 1) {
            latest += 1;
        }
        Ok(latest)
    }

    /// The highest number in the log.
    fn listed(&self) -> Result<u64, Error> {
        Ok(self.numbers()?.last().copied().unwrap_or(0))
    }

    /// All numbers in the log.
    pub(super) fn numbers(&self) -> Result<BTreeSet<u64>, Error> {
        let folder = self.root().join("log");
        let mut numbers = BTreeSet::new();
        for entry in std::fs::read_dir(&folder).map_err(|e| Error::reading("log", &folder, e))? {
            let name = entry.map_err(|e| Error::reading("log", &folder, e))?.file_name();
            numbers.extend(name.to_str().and_then(layout::version_of));
        }
        Ok(numbers)
    }

    /// The latest version.
    ///
    /// # Errors
    /// As [`VersionedSet::version`].
    pub fn latest(&self) -> Result<Version, Error> {
        let number = self.latest_number()?;
        let known = lock(&self.newest).clone().filter(|v| v.number() == number);
        if let Some(version) = known {
            return Ok(version);
        }
        let version = self.version(number)?;
        self.keep_newest(&version);
        Ok(version)
    }

    /// A version by its number. What it holds never changes, whoever commits; `gc` may take it away.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is none of this number, [`Error::Collected`] when there was, [`Error::Data`] when
    /// its log or index is damaged, [`Error::Io`].
    pub fn version(&self, number: u64) -> Result<Version, Error> {
        if number == 0 {
            return Ok(self.empty());
        }
        let (log, digest) = LogEntry::read(self.root(), number).map_err(|e| match e {
            Error::Missing { .. } => Error::Missing { what: "version", path: layout::log_file(self.root(), number) },
            other => other,
        })?;
        let entries = self.read_index(&log)?;
        Ok(Version::new(self.shared.clone(), log, digest, entries))
    }

    /// A part, its footer read once.
    pub(super) fn part(&self, file: &Arc<str>) -> Result<Arc<Shard>, Error> {
        self.shared.part(file)
    }

    /// What the commit of a version did; collected versions keep theirs.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Data`], [`Error::Io`].
    pub fn log(&self, number: u64) -> Result<LogEntry, Error> {
        LogEntry::read(self.root(), number).map(|(entry, _)| entry)
    }

    /// Digest of `set.toml`.
    pub(super) fn digest(&self) -> &str {
        &self.shared.digest
    }

    /// The version that was just committed.
    pub(super) fn remember(&self, log: LogEntry, digest: String, entries: Vec<Entry>) -> Version {
        let version = Version::new(self.shared.clone(), log, digest, entries);
        self.keep_newest(&version);
        version
    }

    fn keep_newest(&self, version: &Version) {
        let mut newest = lock(&self.newest);
        if newest.as_ref().is_none_or(|known| known.number() < version.number()) {
            *newest = Some(version.clone());
        }
    }

    fn empty(&self) -> Version {
        let log = LogEntry {
            version: 0,
            kind: Kind::Commit,
            parent: String::new(),
            index: FileMark::default(),
            added: Vec::new(),
            put: Vec::new(),
            removed: Vec::new(),
            groups: 0,
            note: Map::new(),
        };
        Version::new(self.shared.clone(), log, self.shared.digest.clone(), Vec::new())
    }

    pub(super) fn read_index(&self, log: &LogEntry) -> Result<Vec<Entry>, Error> {
        let path = layout::index_file(self.root(), log.version);
        let draft = layout::index_draft(self.root(), log.version, &log.index.sha256);
        // It may get its lasting name between two looks.
        let bytes = [&path, &draft, &path].into_iter().find_map(|p| match std::fs::read(p) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            found => Some(found.map_err(|e| Error::reading("index", p, e))),
        });
        let bytes = match bytes {
            Some(bytes) => bytes?,
            None if self.is_collected(log.version)? => return Err(self.shared.collected(log.version)),
            None => return Err(Error::Missing { what: "index", path }),
        };
        if digest::hex(&digest::sha256(&bytes)) != log.index.sha256 {
            return Err(Error::data(&path, "not the bytes that were written (sha256 differs)"));
        }
        let entries = index::from_bytes(self.spec(), log.version, bytes, &path)?;
        match entries.len() as u64 == log.index.rows {
            true => Ok(entries),
            false => Err(Error::data(&path, format!("{} rows, expected {}", entries.len(), log.index.rows))),
        }
    }
}

impl Shared {
    /// A part, its footer read once.
    pub(super) fn part(&self, file: &Arc<str>) -> Result<Arc<Shard>, Error> {
        if let Some(part) = lock(&self.parts).get(file) {
            return Ok(part.clone());
        }
        let part = Arc::new(Shard::load(&layout::part_file(&self.root, file))?);
        let mut parts = lock(&self.parts);
        if parts.len() >= PARTS_OPEN {
            parts.clear();
        }
        parts.insert(file.clone(), part.clone());
        Ok(part)
    }

    pub(super) fn collected(&self, version: u64) -> Error {
        Error::Collected { version, path: self.root.clone() }
    }
}

/// A panic of another thread does not spoil a cache.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
