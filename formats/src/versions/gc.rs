//! Takes old versions away, never one that is tagged or among the newest, and never what a commit under way needs.
//!
//! No clock is asked. A file that no log names is litter once another log has taken the version in its name; before
//! that its writer may still be at work. Versions are taken away in two steps: a record in `gc/` says which, and only
//! then are files deleted, so that a reader who misses one can be told why. Log entries stay, and with them the chain.
use super::{VersionedSet, layout, sealed};
use crate::{Error, publish, ranges};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What `gc` keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The newest versions; at least one is always kept.
    pub newest: u64,
}

/// What `gc` took away, or would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Versions that can no longer be read.
    pub versions: Vec<u64>,
    /// Files.
    pub files: Vec<PathBuf>,
    /// Their size.
    pub bytes: u64,
}

/// `gc/g000003.json`: all that was ever taken away, as ranges first..=last.
#[derive(Default, PartialEq, serde::Serialize, serde::Deserialize)]
struct Record {
    collected: Vec<(u64, u64)>,
}

impl VersionedSet {
    /// Takes away the versions that are neither tagged nor among the newest, the parts only they had, and litter.
    ///
    /// A reader who holds such a version gets [`Error::Collected`] from then on; a commit under way is not disturbed.
    ///
    /// # Errors
    /// [`Error::Data`] when a log, a tag or an index that must be kept is damaged: nothing is deleted then;
    /// [`Error::Io`].
    pub fn gc(&self, keep: Keep) -> Result<Collected, Error> {
        let (latest, going) = loop {
            let latest = self.latest_number()?;
            let wanted = self.unwanted(latest, keep)?;
            match self.record(&wanted)? {
                // Tags set while the record was being published are seen in the next round.
                true => continue,
                false => break (latest, wanted),
            }
        };
        let collected = self.list(latest, &going)?;
        publish::remove_all(&collected.files);
        for folder in ["data", "index", "log", "tags", "gc", ""] {
            publish::sweep(&self.root().join(folder));
        }
        Ok(collected)
    }

    /// What [`VersionedSet::gc`] would take away now.
    ///
    /// # Errors
    /// As [`VersionedSet::gc`].
    pub fn gc_preview(&self, keep: Keep) -> Result<Collected, Error> {
        let latest = self.latest_number()?;
        self.list(latest, &self.unwanted(latest, keep)?)
    }

    /// Was this version taken away?
    ///
    /// # Errors
    /// [`Error::Data`] when the record is damaged, [`Error::Io`].
    pub fn is_collected(&self, version: u64) -> Result<bool, Error> {
        is_collected(self.root(), version)
    }

    /// All versions to be gone: those that are already, and those neither tagged nor new.
    fn unwanted(&self, latest: u64, keep: Keep) -> Result<BTreeSet<u64>, Error> {
        let tagged: BTreeSet<u64> = self.tags()?.into_iter().map(|(_, version)| version).collect();
        let first_kept = (latest + 1).saturating_sub(keep.newest.max(1));
        let gone = newest_record(self.root())?.1;
        let gone = gone.collected.into_iter().flat_map(|(first, last)| first..=last);
        Ok((1..first_kept).chain(gone).filter(|v| !tagged.contains(v)).collect())
    }

    /// Makes the record say `versions`; `false` when it does already.
    fn record(&self, versions: &BTreeSet<u64>) -> Result<bool, Error> {
        let (number, there) = newest_record(self.root())?;
        let record = Record { collected: ranges::runs(versions) };
        if record == there {
            return Ok(false);
        }
        let path = record_file(self.root(), number + 1);
        publish::create_folder_of(&path)?;
        let (text, _) = sealed::seal(&record, &path)?;
        publish::write_first(&path, &text).map(|_| true)
    }

    /// The files of `going` that nothing else needs, and litter.
    fn list(&self, latest: u64, going: &BTreeSet<u64>) -> Result<Collected, Error> {
        let mut needed: BTreeSet<String> = BTreeSet::new();
        // Parts that a log names, by the version that brought them: others of that version are litter.
        let mut named: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for version in 1..=latest {
            let log = self.log(version)?;
            if !going.contains(&version) {
                needed.extend(self.read_index(&log)?.into_iter().map(|e| e.file.to_string()));
            }
            named.insert(version, log.added.into_iter().map(|p| p.file).collect());
        }
        let mut found = Collected::default();
        for (path, version) in files_of(&self.root().join("data"))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if version <= latest && !needed.contains(&name) {
                found.bytes += path.metadata().map_or(0, |m| m.len());
                found.files.push(path);
            }
        }
        for (path, version) in files_of(&self.root().join("index"))? {
            let draft = path != layout::index_file(self.root(), version);
            // The draft of a version whose index has its name is litter; else it may be that index.
            let litter = draft && version <= latest && layout::index_file(self.root(), version).exists();
            if litter || going.contains(&version) {
                found.bytes += path.metadata().map_or(0, |m| m.len());
                found.files.push(path);
            }
        }
        found.versions = going.iter().copied().collect();
        Ok(found)
    }
}

pub(super) fn is_collected(root: &Path, version: u64) -> Result<bool, Error> {
    let (_, record) = newest_record(root)?;
    Ok(record.collected.iter().any(|&(first, last)| (first..=last).contains(&version)))
}

fn record_file(root: &Path, number: u64) -> PathBuf {
    root.join(format!("gc/g{number:06}.json"))
}

/// The newest record and its number; 0 when there is none.
fn newest_record(root: &Path) -> Result<(u64, Record), Error> {
    let folder = root.join("gc");
    let mut newest = 0;
    let entries = match std::fs::read_dir(&folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((0, Record::default())),
        entries => entries.map_err(|e| Error::reading("gc records", &folder, e))?,
    };
    for entry in entries {
        let name = entry.map_err(|e| Error::reading("gc records", &folder, e))?.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix('g')?.strip_suffix(".json")?.parse().ok());
        newest = newest.max(number.unwrap_or(0));
    }
    match newest {
        0 => Ok((0, Record::default())),
        _ => sealed::read("gc record", &record_file(root, newest)).map(|(record, _)| (newest, record)),
    }
}

/// Files of ours in a folder and the versions in their names.
fn files_of(folder: &Path) -> Result<Vec<(PathBuf, u64)>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::reading("folder", folder, e))? {
        let path = entry.map_err(|e| Error::reading("folder", folder, e))?.path();
        let version = path.file_name().and_then(|n| n.to_str()).and_then(layout::version_of);
        files.extend(version.map(|version| (path, version)));
    }
    files.sort();
    Ok(files)
}
