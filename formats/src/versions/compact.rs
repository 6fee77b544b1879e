//! Fewer, bigger parts: thousands of small ones cost a network file system dearly.
use super::commit::Change;
use super::index::Entry;
use super::log::Kind;
use super::part::{NewPart, PartWriter};
use super::{Version, VersionedSet};
use crate::Error;
use crate::reader::Part;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Parts below this are put together.
pub const SMALL_BYTES: u64 = 4 << 20;
/// A part made by compacting ends when it has this much.
const FULL_BYTES: u64 = 256 << 20;

/// What became of the parts of the latest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The version that has the new parts; the latest as it was when there was nothing to do.
    pub version: u64,
    /// Small parts that no row of it lies in any more; they stay for the versions before, until `gc`.
    pub from_parts: usize,
    /// Parts that took their rows.
    pub into_parts: usize,
}

impl VersionedSet {
    /// Copies the rows of the latest version that lie in small parts (below `small_bytes`) into few big ones and commits
    /// that as a version with the same rows and note. Older versions keep their parts until [`VersionedSet::gc`].
    ///
    /// # Errors
    /// As [`VersionedSet::commit`], but never a conflict; [`Error::Data`] when a row to be copied is damaged.
    pub fn compact(&self, small_bytes: u64) -> Result<Compacted, Error> {
        loop {
            let parent = self.latest()?;
            let small = self.small_parts(&parent, small_bytes)?;
            if small.len() < 2 {
                return Ok(Compacted { version: parent.number(), from_parts: 0, into_parts: 0 });
            }
            let change = self.compacted(&parent, &small)?;
            let into_parts = change.added.len();
            if let Some(version) = self.publish_version(&parent, change)? {
                return Ok(Compacted { version: version.number(), from_parts: small.len(), into_parts });
            }
        }
    }

    /// The small parts that the version has rows in, and their bytes a row.
    fn small_parts(&self, version: &Version, small_bytes: u64) -> Result<BTreeMap<Arc<str>, u64>, Error> {
        let files: BTreeSet<Arc<str>> = version.entries().iter().map(|e| e.file.clone()).collect();
        let mut small = BTreeMap::new();
        for file in files {
            let part = self.part(&file)?;
            if part.bytes() < small_bytes {
                small.insert(file, part.bytes() / (part.rows() as u64).max(1));
            }
        }
        Ok(small)
    }

    fn compacted(&self, parent: &Version, small: &BTreeMap<Arc<str>, u64>) -> Result<Change, Error> {
        let number = parent.number() + 1;
        let (mut untouched, mut added): (Vec<Entry>, Vec<NewPart>) = (Vec::new(), Vec::new());
        let (mut open, mut open_bytes): (Option<PartWriter>, u64) = (None, 0);
        for (i, entry) in parent.entries().iter().enumerate() {
            let Some(row_bytes) = small.get(&entry.file) else {
                untouched.push(entry.clone());
                continue;
            };
            let writer = match &mut open {
                Some(writer) => writer,
                none => none.insert(PartWriter::create(self.root(), self.spec(), number)?),
            };
            for batch in parent.batches(i..i + 1, Part::All)? {
                writer.push(
                    &batch
                        .with_schema(self.spec().part_schema())
                        .map_err(|e| Error::data(self.root(), e.to_string()))?,
                )?;
            }
            open_bytes += row_bytes;
            if open_bytes >= FULL_BYTES {
                added.extend(open.take().map(PartWriter::finish).transpose()?);
                open_bytes = 0;
            }
        }
        added.extend(open.map(PartWriter::finish).transpose()?);
        // What the parent said of itself holds on: a run that resumes from here reads it.
        let (put, removed, note) = (Vec::new(), Vec::new(), parent.log().note.clone());
        Ok(Change { kind: Kind::Compact, put, removed, added, untouched, note })
    }
}
