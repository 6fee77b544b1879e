//! Is every version that should be readable what was committed?
use super::index::Entry;
use super::log::{FileMark, LogEntry};
use super::{VersionedSet, layout};
use crate::reader::{Part, Shard};
use crate::verify::{Depth, Finding, damaged_images};
use crate::{Error, digest};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

struct Check<'a> {
    set: &'a VersionedSet,
    depth: Depth,
    findings: Vec<Finding>,
    /// Every part a log names.
    parts: BTreeMap<String, FileMark>,
    /// Those with rows of a version that is there.
    needed: BTreeSet<Arc<str>>,
}

impl VersionedSet {
    /// Checks the chain of the log, every index and part, tags and records; `each` is called with every file done.
    /// [`Depth::Deep`] digests every byte and decodes every image.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be read. Damage is no error but a finding.
    pub fn verify(&self, depth: Depth, each: &mut dyn FnMut(&Path)) -> Result<Vec<Finding>, Error> {
        let findings = Vec::new();
        let mut check = Check { set: self, depth, findings, parts: BTreeMap::new(), needed: BTreeSet::new() };
        check.versions(each)?;
        check.parts(each);
        if let Err(err) = self.tags() {
            check.find(&self.root().join("tags"), err);
        }
        Ok(check.findings)
    }
}

impl Check<'_> {
    fn find(&mut self, path: &Path, what: impl ToString) {
        let what = what.to_string();
        // The path stands beside the finding already.
        let what = what.strip_suffix(&format!(": {path:?}")).unwrap_or(&what).to_string();
        self.findings.push(Finding { path: path.into(), what });
    }

    fn versions(&mut self, each: &mut dyn FnMut(&Path)) -> Result<(), Error> {
        let root = self.set.root();
        let advice = std::fs::read_to_string(layout::latest_file(root)).ok().and_then(|t| t.trim().parse::<u64>().ok());
        let mut numbers = self.set.numbers()?;
        // A number out of a damaged file may be any: what is missing is looked for once a gap.
        numbers.extend(advice);
        let after = numbers.clone().into_iter().map(|number| number.saturating_add(1));
        let last = numbers.last().copied().unwrap_or(0);
        numbers.extend(std::iter::once(1).chain(after).filter(|number| *number <= last));
        let mut parent = Some(self.set.digest().to_string());
        for number in numbers.into_iter().filter(|number| *number > 0) {
            let path = layout::log_file(root, number);
            match LogEntry::read(root, number) {
                Ok((log, digest)) => {
                    if parent.is_some_and(|parent| parent != log.parent) {
                        self.find(&path, "does not follow the entry before it: one of them was changed");
                    }
                    parent = Some(digest);
                    self.index(&log);
                }
                Err(err) => {
                    self.find(&path, err);
                    parent = None;
                }
            }
            each(&path);
        }
        Ok(())
    }

    fn index(&mut self, log: &LogEntry) {
        for part in &log.added {
            self.parts.insert(part.file.clone(), part.clone());
        }
        let path = layout::index_file(self.set.root(), log.version);
        let entries = match self.set.read_index(log) {
            Ok(entries) => entries,
            Err(Error::Collected { .. }) => return,
            Err(err) => return self.find(&path, err),
        };
        let mut last: Option<&Entry> = None;
        for entry in &entries {
            let known = self.parts.get(&*entry.file);
            if known.is_none_or(|part| u64::from(entry.row) >= part.rows) {
                return self.find(&path, format!("row {} of {:?}, which no log entry has", entry.row, entry.file));
            }
            if last.is_none_or(|last| last.file != entry.file) {
                self.needed.insert(entry.file.clone());
            }
            last = Some(entry);
        }
    }

    fn parts(&mut self, each: &mut dyn FnMut(&Path)) {
        for file in std::mem::take(&mut self.needed) {
            let path = layout::part_file(self.set.root(), &file);
            // Every needed part passed through `index`, which found its mark.
            let mark = self.parts[&*file].clone();
            if let Err(err) = self.part(&path, &mark) {
                self.find(&path, err);
            }
            each(&path);
        }
    }

    fn part(&mut self, path: &Path, mark: &FileMark) -> Result<(), Error> {
        let shard = Shard::load(path)?;
        let version = layout::version_of(&mark.file).unwrap_or(0).to_string();
        if (shard.rows() as u64, shard.bytes()) != (mark.rows, mark.bytes) || shard.pair("part_of_version") != version {
            let (rows, bytes) = (shard.rows(), shard.bytes());
            let what =
                format!("{rows} rows in {bytes} bytes, but {} rows in {} bytes were written", mark.rows, mark.bytes);
            self.find(path, what);
            return Ok(());
        }
        if self.depth == Depth::Quick {
            return Ok(());
        }
        if digest::sha256_of_file(path)? != mark.sha256 {
            self.find(path, "not the bytes that were written (sha256 differs)");
            return Ok(());
        }
        let images = ["image_sha256", "width", "height"].iter().all(|c| shard.schema().field_with_name(c).is_ok());
        let mut first_row = 0;
        shard.for_each_batch(Part::All, |batch| {
            if images {
                for (row, what) in damaged_images(batch).map_err(|what| Error::data(path, what))? {
                    self.find(path, format!("row {}: {what}", first_row + row));
                }
            }
            first_row += batch.num_rows();
            Ok(())
        })
    }
}
