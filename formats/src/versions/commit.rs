//! A change to a set in the making, and how it becomes a version.
use super::index::{self, Entry};
use super::layout::{self, VERSION_COLUMN};
use super::log::{FileMark, Kind, LogEntry};
use super::part::{NewPart, PartWriter};
use super::{Spec, Version, VersionedSet, sealed};
use crate::publish::{self, TempFile};
use crate::table::Row;
use crate::{Error, digest};
use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::SchemaRef;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Groups to put and to remove. Nothing touches the disk before [`VersionedSet::commit`].
pub struct Commit {
    base: u64,
    spec: Spec,
    /// `None` removes the group.
    changes: BTreeMap<u64, Option<Vec<RecordBatch>>>,
    note: Map<String, Value>,
}

/// What becomes of the groups a commit names.
pub(super) struct Change {
    pub(super) kind: Kind,
    pub(super) put: Vec<u64>,
    pub(super) removed: Vec<u64>,
    pub(super) added: Vec<NewPart>,
    /// The rows of the new version that stay where they are.
    pub(super) untouched: Vec<Entry>,
    pub(super) note: Map<String, Value>,
}

impl Commit {
    /// A change to `base`. If others commit meanwhile it is put upon theirs, unless they touched the same groups.
    pub fn on(base: &Version) -> Self {
        Commit { base: base.number(), spec: base.spec().clone(), changes: BTreeMap::new(), note: Map::new() }
    }

    /// Adds a group, or replaces it whole. The rows have the columns of the set, `group` in the group column and
    /// strictly ascending positions. A second call for the same group wins.
    ///
    /// # Errors
    /// [`Error::Row`] for rows that are not so, or none.
    pub fn put(&mut self, group: u64, batches: Vec<RecordBatch>) -> Result<(), Error> {
        self.check(group, &batches).map_err(|(row, what)| Error::Row { row, what, path: "commit".into() })?;
        self.changes.insert(group, Some(batches));
        Ok(())
    }

    /// As [`Commit::put`], with rows of the table the set was made for.
    ///
    /// # Errors
    /// As [`Commit::put`].
    pub fn put_rows<R: Row>(&mut self, group: u64, rows: &[R]) -> Result<(), Error> {
        let bad = |row, what| Error::Row { row, what, path: "commit".into() };
        for (i, row) in rows.iter().enumerate() {
            row.check(&self.spec.schema).map_err(|what| bad(i, what))?;
        }
        let batch = R::batch(rows, &self.spec.schema).map_err(|what| bad(0, what))?;
        self.put(group, vec![batch])
    }

    /// Removes a group; that it is not there is no error.
    pub fn remove(&mut self, group: u64) {
        self.changes.insert(group, None);
    }

    /// Says something about the commit in its log entry: `iteration`, a loss, a digest of the configuration.
    pub fn note(&mut self, key: &str, value: impl Into<Value>) {
        self.note.insert(key.into(), value.into());
    }

    /// Nothing to put and nothing to remove?
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn check(&self, group: u64, batches: &[RecordBatch]) -> Result<(), (usize, String)> {
        let (mut row, mut last) = (0, None);
        for batch in batches {
            same_columns(&self.spec.schema, &batch.schema()).map_err(|what| (row, what))?;
            let groups = index::keys(batch, &self.spec.group).map_err(|what| (row, what))?;
            let positions = index::keys(batch, &self.spec.position).map_err(|what| (row, what))?;
            for (got, position) in groups.into_iter().zip(positions) {
                if got != group {
                    return Err((row, format!("{} = {got}, expected {group}", self.spec.group)));
                }
                if last.is_some_and(|last| last >= position) {
                    return Err((row, format!("{} = {position}, expected ascending rows", self.spec.position)));
                }
                last = Some(position);
                row += 1;
            }
        }
        if row == 0 {
            return Err((0, format!("no rows for group {group}; remove it to have it empty")));
        }
        Ok(())
    }
}

impl VersionedSet {
    /// Makes a commit the next version; when this returns it survives a power cut.
    ///
    /// Any number of writers may try at once; no lock is held. The loser of a race puts its change upon the winner's.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another writer touched one of the groups since the commit's base; [`Error::Create`] or
    /// [`Error::Io`] when the disk does not take it: the version may be there then, but is not known to last.
    pub fn commit(&self, commit: &Commit) -> Result<Version, Error> {
        loop {
            let parent = self.latest()?;
            self.check_untouched(commit, parent.number())?;
            let change = self.change(commit, &parent)?;
            if let Some(version) = self.publish_version(&parent, change)? {
                return Ok(version);
            }
        }
    }

    fn check_untouched(&self, commit: &Commit, latest: u64) -> Result<(), Error> {
        for version in commit.base + 1..=latest {
            let entry = self.log(version)?;
            let touched = entry.put.iter().chain(&entry.removed);
            if let Some(&group) = touched.into_iter().find(|&group| commit.changes.contains_key(group)) {
                return Err(Error::Conflict { version, group, path: self.root().into() });
            }
        }
        Ok(())
    }

    /// Writes the rows of a commit and lists those of the version it makes of `parent`.
    fn change(&self, commit: &Commit, parent: &Version) -> Result<Change, Error> {
        let version = parent.number() + 1;
        let put: Vec<u64> = commit.changes.iter().filter(|(_, c)| c.is_some()).map(|(&g, _)| g).collect();
        let there = |group: &u64| parent.group(*group).is_some();
        let gone = commit.changes.iter().filter(|(_, c)| c.is_none()).map(|(&g, _)| g);
        let removed: Vec<u64> = gone.filter(there).collect();
        let untouched = parent.entries().iter().filter(|e| !commit.changes.contains_key(&e.group));
        let untouched: Vec<Entry> = untouched.cloned().collect();
        let mut added = Vec::new();
        if !put.is_empty() {
            let mut part = PartWriter::create(self.root(), self.spec(), version)?;
            let schema = self.spec().part_schema();
            for batch in commit.changes.values().flatten().flatten() {
                part.push(&with_version(batch, version, &schema, self.root())?)?;
            }
            added.push(part.finish()?);
        }
        Ok(Change { kind: Kind::Commit, put, removed, added, untouched, note: commit.note.clone() })
    }

    /// Publishes a version after `parent`; `None` when another writer was faster.
    pub(super) fn publish_version(&self, parent: &Version, change: Change) -> Result<Option<Version>, Error> {
        let (root, number) = (self.root(), parent.number() + 1);
        self.settle_index(parent.number())?;
        let mut entries = change.untouched;
        entries.extend(change.added.iter().flat_map(|part| part.entries.iter().cloned()));
        entries.sort_unstable_by_key(|e| (e.group, e.position));
        let mut groups: Vec<u64> = entries.iter().map(|e| e.group).collect();
        groups.dedup();

        let index_path = layout::index_file(root, number);
        let bytes = index::to_bytes(self.spec(), &entries, &index_path)?;
        let sha256 = digest::hex(&digest::sha256(&bytes));
        let draft = layout::index_draft(root, number, &sha256);
        let file = index_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let entry = LogEntry {
            version: number,
            kind: change.kind,
            parent: parent.digest().into(),
            index: FileMark { file, rows: entries.len() as u64, bytes: bytes.len() as u64, sha256 },
            added: change.added.iter().map(|part| part.mark.clone()).collect(),
            put: change.put,
            removed: change.removed,
            groups: groups.len() as u64,
            note: change.note,
        };
        let log_path = layout::log_file(root, number);
        let (text, digest) = sealed::seal(&entry, &log_path)?;

        // All that the log entry speaks of is durable before the entry can be found.
        let index_file = TempFile::with_bytes(&draft, &bytes)?.rename(&draft)?;
        let log_temp = TempFile::with_bytes(&log_path, &text)?;
        let mut files: Vec<(&Path, &File)> = change.added.iter().map(|p| (p.path.as_path(), &p.open_file)).collect();
        files.extend([(draft.as_path(), &index_file), log_temp.open_file()]);
        publish::sync_together(&files, &[&root.join("data"), &root.join("index")])?;
        // This link is the commit.
        if !log_temp.take_name(&log_path)? {
            self.discard(number, &draft, &entry)?;
            return Ok(None);
        }
        // From here on nothing can fail the commit: both are put right by whoever comes next.
        self.settle_index(number).ok();
        self.advise(number);
        Ok(Some(self.remember(entry, digest, entries)))
    }

    /// Gives the index of a version, which its log names, the name that readers compute.
    fn settle_index(&self, number: u64) -> Result<(), Error> {
        let target = layout::index_file(self.root(), number);
        if number == 0 || target.exists() || self.is_collected(number)? {
            return Ok(());
        }
        let draft = layout::index_draft(self.root(), number, &self.log(number)?.index.sha256);
        match std::fs::rename(&draft, &target) {
            // Another writer may have done it.
            Err(_) if target.exists() => Ok(()),
            done => done.map_err(|source| Error::Io { what: "cannot rename", source, path: draft }),
        }
    }

    /// Removes the files of a commit that lost the race for `number`, except those the winner has too.
    fn discard(&self, number: u64, draft: &Path, ours: &LogEntry) -> Result<(), Error> {
        let winner = self.log(number)?;
        if winner.index.sha256 != ours.index.sha256 {
            publish::remove(draft);
        }
        for part in ours.added.iter().filter(|part| !winner.added.contains(part)) {
            publish::remove(&layout::part_file(self.root(), &part.file));
        }
        Ok(())
    }

    /// Updates `LATEST`, which readers take as advice: in place and not synced, since replacing it would cost a flush.
    fn advise(&self, number: u64) {
        let file = File::options().write(true).create(true).truncate(false).open(layout::latest_file(self.root()));
        // Without it the latest version is found by listing the log.
        file.and_then(|mut file| file.write_all(format!("{number:06}\n").as_bytes())).ok();
    }
}

/// The rows with the version that puts them.
fn with_version(batch: &RecordBatch, version: u64, schema: &SchemaRef, root: &Path) -> Result<RecordBatch, Error> {
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns.push(Arc::new(UInt64Array::from_value(version, batch.num_rows())));
    debug_assert_eq!(schema.fields().last().map(|f| f.name().as_str()), Some(VERSION_COLUMN));
    RecordBatch::try_new(schema.clone(), columns).map_err(|e| Error::data(root, e.to_string()))
}

fn same_columns(expected: &SchemaRef, got: &SchemaRef) -> Result<(), String> {
    let plain = |schema: &SchemaRef| {
        let fields = schema.fields().iter();
        fields.map(|f| (f.name().clone(), f.data_type().clone(), f.is_nullable())).collect::<Vec<_>>()
    };
    let (expected, got) = (plain(expected), plain(got));
    match expected.iter().zip(&got).find(|(e, g)| e != g) {
        Some((e, g)) => Err(format!("column {:?} of type {}, expected {:?} of type {}", g.0, g.1, e.0, e.1)),
        None if expected.len() != got.len() => Err(format!("{} columns, expected {}", got.len(), expected.len())),
        None => Ok(()),
    }
}
