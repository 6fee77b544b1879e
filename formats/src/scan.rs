//! A dataset, or the rows of it that a condition leaves, shard by shard.
use crate::columns::Columns;
use crate::filter::{self, Filter, FilterError};
use crate::reader::{Part, Shard};
use crate::{Error, dataset, order};
use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Field, Schema};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of one table, in order, and which rows of them are meant.
pub struct Scan {
    files: Vec<PathBuf>,
    filter: Option<Filter>,
    people: Option<People>,
}

/// The rows of one shard that are meant.
pub struct Selection {
    /// The shard.
    pub shard: Shard,
    /// Ascending row numbers.
    pub rows: Vec<usize>,
}

/// What goes wrong when a condition is applied.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// A shard.
    #[error(transparent)]
    File(#[from] Error),
    /// The condition.
    #[error("--where: {0}")]
    Filter(#[from] FilterError),
}

/// The scalar columns of `identities`, to be joined to `frames`.
struct People {
    columns: RecordBatch,
    row_of: HashMap<u32, u32>,
}

impl Scan {
    /// The `frames` of a dataset folder, or one shard of any table; `condition` as [`Filter::parse`] takes it.
    ///
    /// # Errors
    /// Nothing to read, or a condition that does not fit the table.
    pub fn open(path: &Path, condition: Option<&str>) -> Result<Self, ScanError> {
        let files = dataset::frame_files(path)?;
        let filter = condition.map(Filter::parse).transpose()?;
        let mut scan = Scan { files, filter, people: None };
        if let Some(filter) = &scan.filter {
            let first = Shard::open(&scan.files[0])?;
            let known = |name: &&str| first.schema().field_with_name(name).is_ok();
            if !filter.columns().iter().all(known) {
                scan.people = People::of_dataset(path)?;
            }
            filter.check(&joined_schema(first.schema(), scan.people.as_ref()))?;
        }
        Ok(scan)
    }

    /// The files, by name.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Is a part of the rows left out?
    pub fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// Each shard with the rows that are meant, opened one after the other.
    pub fn selections(&self) -> impl Iterator<Item = Result<Selection, ScanError>> + '_ {
        self.files.iter().map(|file| self.select(Shard::open(file)?))
    }

    /// The rows of `shard` that are meant.
    ///
    /// # Errors
    /// A shard that cannot be read, or has other columns than the first.
    pub fn select(&self, shard: Shard) -> Result<Selection, ScanError> {
        let Some(filter) = &self.filter else {
            let rows = (0..shard.rows()).collect();
            return Ok(Selection { shard, rows });
        };
        let schema = joined_schema(shard.schema(), self.people.as_ref());
        filter.check(&schema)?;
        let mut names: Vec<&str> = filter.columns().into_iter().collect();
        names.push("identity_id");
        let candidates = rows_of_groups(&shard, &filter::groups(filter.root(), shard.metadata()));
        let (mut rows, mut seen) = (Vec::new(), 0);
        shard.for_each_batch_of(Some(selection_of(&candidates)), Part::Columns(&names), |batch| {
            let joined = joined(batch, self.people.as_ref(), &names).map_err(|what| Error::data(shard.path(), what))?;
            let mask = filter.mask(&joined)?;
            let here = &candidates[seen..seen + batch.num_rows()];
            rows.extend(here.iter().zip(&mask).filter(|(_, yes)| *yes == Some(true)).map(|(row, _)| *row));
            seen += batch.num_rows();
            Ok::<_, ScanError>(())
        })?;
        Ok(Selection { shard, rows })
    }

    /// `n` of the rows, sampled at random by `seed`, in their order in the dataset: (index of the file, row in it).
    ///
    /// # Errors
    /// As [`Scan::select`].
    pub fn draw_lots(&self, n: usize, seed: u64) -> Result<Vec<(usize, usize)>, ScanError> {
        let mut places = Vec::new();
        for (file, selection) in self.selections().enumerate() {
            places.extend(selection?.rows.into_iter().map(|row| (file as u32, row as u32)));
        }
        let lots = order::drawn(places.len(), n, seed).into_iter();
        Ok(lots.map(|lot| (places[lot].0 as usize, places[lot].1 as usize)).collect())
    }
}

impl Selection {
    /// Calls `each` with the columns `part` of the rows, a batch at a time, and their row numbers.
    ///
    /// # Errors
    /// As [`Shard::read`], or what `each` returns.
    pub fn for_each_batch<E: From<Error>>(
        &self,
        part: Part,
        mut each: impl FnMut(&RecordBatch, &[usize]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut seen = 0;
        let all = self.rows.len() == self.shard.rows();
        let selection = (!all).then(|| selection_of(&self.rows));
        self.shard.for_each_batch_of(selection, part, |batch| {
            let rows = self.rows.get(seen..seen + batch.num_rows()).unwrap_or_default();
            seen += batch.num_rows();
            each(batch, rows)
        })
    }
}

impl People {
    /// None when the dataset has no table of identities.
    fn of_dataset(path: &Path) -> Result<Option<Self>, Error> {
        let files = match path.is_dir() {
            true => dataset::parquet_files(&path.join("identities"))?,
            false => Vec::new(),
        };
        let mut batches: Vec<RecordBatch> = Vec::new();
        for file in &files {
            Shard::open(file)?.for_each_batch(Part::Labels, |batch| {
                batches.push(batch.clone());
                Ok(())
            })?;
        }
        let Some(first) = batches.first() else { return Ok(None) };
        let complaint = |what: String| Error::data(&files[0], what);
        let columns = concat_batches(&first.schema(), &batches).map_err(|e| complaint(e.to_string()))?;
        let ids = Columns(&columns).u32("identity_id").map_err(complaint)?;
        let row_of = ids.into_iter().enumerate().map(|(row, id)| (id, row as u32)).collect();
        Ok(Some(People { columns, row_of }))
    }
}

/// The columns of a table, then those of `people` that it has not itself.
fn joined_schema(table: &Schema, people: Option<&People>) -> Schema {
    let mut fields: Vec<Arc<Field>> = table.fields().iter().cloned().collect();
    if let Some(people) = people {
        let new = |f: &&Arc<Field>| table.field_with_name(f.name()).is_err();
        let nullable = |f: &Arc<Field>| Arc::new(f.as_ref().clone().with_nullable(true));
        fields.extend(people.columns.schema().fields().iter().filter(new).map(nullable));
    }
    Schema::new(fields)
}

/// A batch of `frames` with those of the columns `wanted` that it has not itself; null where a person is not in the table.
fn joined(batch: &RecordBatch, people: Option<&People>, wanted: &[&str]) -> Result<RecordBatch, String> {
    let Some(people) = people else { return Ok(batch.clone()) };
    let ids = Columns(batch).u32("identity_id")?;
    let places = UInt32Array::from_iter(ids.iter().map(|id| people.row_of.get(id).copied()));
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let mut fields: Vec<Arc<Field>> = batch.schema().fields().iter().cloned().collect();
    for (field, column) in people.columns.schema().fields().iter().zip(people.columns.columns()) {
        if wanted.contains(&field.name().as_str()) && batch.column_by_name(field.name()).is_none() {
            columns.push(take(column, &places, None).map_err(|e| e.to_string())?);
            fields.push(Arc::new(field.as_ref().clone().with_nullable(true)));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| e.to_string())
}

fn rows_of_groups(shard: &Shard, groups: &[usize]) -> Vec<usize> {
    let (mut rows, mut first) = (Vec::new(), 0);
    for (index, group) in shard.metadata().metadata().row_groups().iter().enumerate() {
        let end = first + group.num_rows() as usize;
        if groups.contains(&index) {
            rows.extend(first..end);
        }
        first = end;
    }
    rows
}

/// Ascending row numbers as runs of skipping and reading.
fn selection_of(rows: &[usize]) -> RowSelection {
    let (mut selectors, mut next) = (Vec::new(), 0);
    for run in rows.chunk_by(|a, b| a + 1 == *b) {
        selectors.push(RowSelector::skip(run[0] - next));
        selectors.push(RowSelector::select(run.len()));
        next = run[0] + run.len();
    }
    RowSelection::from(selectors)
}
