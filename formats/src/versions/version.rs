//! One version: which rows it has, and their columns, read one at a time or all in order.
use super::Spec;
use super::index::Entry;
use super::log::LogEntry;
use super::set::Shared;
use crate::columns::Columns;
use crate::filter::Filter;
use crate::reader::Part;
use crate::scan::ScanError;
use crate::table::Row;
use crate::{Error, digest, order};
use arrow::array::RecordBatch;
use std::ops::Range;
use std::sync::Arc;

/// Digest column that is compared with what the column `image` gives, where a table has both.
const DIGEST_COLUMN: &str = "image_sha256";

/// A version of a set; cheap to clone. Its rows ascend in (group, position) and never change.
#[derive(Clone)]
pub struct Version(Arc<Inner>);

struct Inner {
    set: Arc<Shared>,
    log: LogEntry,
    digest: String,
    entries: Vec<Entry>,
}

impl Version {
    pub(super) fn new(set: Arc<Shared>, log: LogEntry, digest: String, entries: Vec<Entry>) -> Self {
        Version(Arc::new(Inner { set, log, digest, entries }))
    }

    /// From 1; 0 is the empty set before the first commit.
    pub fn number(&self) -> u64 {
        self.0.log.version
    }

    /// What its commit did.
    pub fn log(&self) -> &LogEntry {
        &self.0.log
    }

    /// Hexadecimal digest that stands for the version and all before it.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// Columns and grouping of the set.
    pub fn spec(&self) -> &Spec {
        &self.0.set.spec
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// No row at all?
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// Where the rows lie, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.0.entries
    }

    /// The groups, ascending, and the rows of each.
    pub fn groups(&self) -> Vec<(u64, Range<usize>)> {
        let mut first = 0;
        let runs = self.0.entries.chunk_by(|a, b| a.group == b.group);
        let run = |rows: &[Entry]| {
            first += rows.len();
            (rows[0].group, first - rows.len()..first)
        };
        runs.map(run).collect()
    }

    /// The rows of a group; `None` when the version does not have it.
    pub fn group(&self, group: u64) -> Option<Range<usize>> {
        let first = self.0.entries.partition_point(|e| e.group < group);
        let end = self.0.entries.partition_point(|e| e.group <= group);
        (first < end).then_some(first..end)
    }

    /// All rows in the order of an epoch: a function of (seed, epoch, version) alone, so that a run resumed at any step
    /// continues exactly.
    pub fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let rows: Vec<usize> = (0..self.len()).collect();
        order::shuffled_at(&rows, seed, epoch, self.number())
    }

    /// The rows of which a condition is true, ascending. Reads only the columns it names.
    ///
    /// # Errors
    /// A condition that does not fit the columns; as [`Version::batches`].
    pub fn matching(&self, filter: &Filter) -> Result<Vec<usize>, ScanError> {
        let columns = self.spec().part_schema();
        filter.check(&columns)?;
        let names: Vec<&str> = filter.columns().into_iter().collect();
        let (mut rows, mut first) = (Vec::new(), 0);
        for batch in self.batches(0..self.len(), Part::Columns(&names))? {
            let mask = filter.mask(&batch)?;
            rows.extend((first..).zip(&mask).filter(|(_, yes)| *yes == Some(true)).map(|(row, _)| row));
            first += batch.num_rows();
        }
        Ok(rows)
    }

    /// Some rows with some columns (the set's and `version`), in order. Reads only their pages; where `image` is read
    /// of a table with `image_sha256`, every image is compared with its digest.
    ///
    /// # Errors
    /// [`Error::Collected`] when `gc` has taken the version away, [`Error::Data`] when bytes are not those that were
    /// written, [`Error::Io`].
    ///
    /// # Panics
    /// If `rows` reaches beyond [`Version::len`].
    pub fn batches(&self, rows: Range<usize>, part: Part) -> Result<Vec<RecordBatch>, Error> {
        let names = self.with_digest(part);
        let names: Option<Vec<&str>> = names.as_ref().map(|names| names.iter().map(String::as_str).collect());
        let part = names.as_deref().map_or(part, Part::Columns);
        let follows = |a: &Entry, b: &Entry| a.file == b.file && a.row + 1 == b.row;
        let mut batches = Vec::new();
        for run in self.0.entries[rows].chunk_by(follows) {
            batches.extend(self.run(run, part).map_err(|e| self.unless_collected(e))?);
        }
        Ok(batches)
    }

    /// One row of the table the set was made for; columns that are not read stay at their defaults.
    ///
    /// # Errors
    /// As [`Version::batches`].
    ///
    /// # Panics
    /// As [`Version::batches`].
    pub fn row<R: Row>(&self, row: usize, part: Part) -> Result<R, Error> {
        let mut rows = self.rows(row..row + 1, part)?;
        rows.pop().ok_or_else(|| Error::data(&self.0.set.root, format!("row {row} cannot be read")))
    }

    /// Rows of the table the set was made for, as `version.rows::<ClipRow>(version.group(3)?, Part::All)`.
    ///
    /// # Errors
    /// As [`Version::batches`].
    ///
    /// # Panics
    /// As [`Version::batches`].
    pub fn rows<R: Row>(&self, rows: Range<usize>, part: Part) -> Result<Vec<R>, Error> {
        let (spec, root) = (self.spec(), &self.0.set.root);
        if spec.table != R::TABLE {
            return Err(Error::data(root, format!("a set of {:?}, expected {:?}", spec.table, R::TABLE)));
        }
        if spec.schema_version > R::VERSION {
            let table = spec.table.clone();
            return Err(Error::Version { table, got: spec.schema_version, newest: R::VERSION, path: root.clone() });
        }
        let mut all = Vec::with_capacity(rows.len());
        for batch in self.batches(rows, part)? {
            all.extend(R::rows(&batch).map_err(|what| Error::data(root, what))?);
        }
        Ok(all)
    }

    /// Rows that follow each other in one part.
    fn run(&self, run: &[Entry], part: Part) -> Result<Vec<RecordBatch>, Error> {
        let shard = self.0.set.part(&run[0].file)?;
        let batches = shard.batches_of_rows(run[0].row as usize, run.len(), part)?;
        for batch in &batches {
            check_images(batch).map_err(|what| Error::data(shard.path(), what))?;
        }
        Ok(batches)
    }

    /// The names of the columns with the digest beside the image; `None` when they need no change.
    fn with_digest(&self, part: Part) -> Option<Vec<String>> {
        let Part::Columns(names) = part else { return None };
        let has_digest = self.spec().schema.field_with_name(DIGEST_COLUMN).is_ok();
        let wanted = has_digest && names.contains(&"image") && !names.contains(&DIGEST_COLUMN);
        wanted.then(|| names.iter().chain(&[DIGEST_COLUMN]).map(|n| n.to_string()).collect())
    }

    /// A file that is not there any more was taken by `gc`, or lost.
    fn unless_collected(&self, err: Error) -> Error {
        let gone = matches!(err, Error::Missing { .. });
        match gone && super::gc::is_collected(&self.0.set.root, self.number()).unwrap_or(false) {
            true => self.0.set.collected(self.number()),
            false => err,
        }
    }
}

fn check_images(batch: &RecordBatch) -> Result<(), String> {
    if batch.column_by_name("image").is_none() || batch.column_by_name(DIGEST_COLUMN).is_none() {
        return Ok(());
    }
    let columns = Columns(batch);
    let pairs = columns.images("image")?.into_iter().zip(columns.binary(DIGEST_COLUMN)?);
    let differs = |(image, digest): &(Option<Vec<u8>>, Option<Vec<u8>>)| {
        image.as_ref().is_some_and(|image| digest.as_deref() != Some(&digest::sha256(image)[..]))
    };
    match pairs.into_iter().any(|pair| differs(&pair)) {
        true => Err("an image is not the one that was written (sha256 differs)".into()),
        false => Ok(()),
    }
}
