//! Reads one shard: its labels at once, its images one at a time by the page index.
mod pages;

use crate::columns::Columns;
use crate::exr::ExrRow;
use crate::manifest::ManifestRow;
use crate::rewritten::{self, Types};
use crate::table::Row;
use crate::{ClipRow, Error, FrameRow, IdentityRow, Provenance, digest, exit, schema};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pages::Pages;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open shard: footer and page index are in memory, the file is opened for each read.
#[derive(Clone)]
pub struct Shard {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    pairs: HashMap<String, String>,
    bytes: u64,
    /// Set for a table that another program wrote again: our types and our schema.
    rewritten: Option<(Types, SchemaRef)>,
}

/// Rows of a batch that may have images, which is held whole.
const IMAGE_ROWS: usize = 16;

/// Which columns to read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<'a> {
    /// Every column.
    All,
    /// Everything but images and float maps.
    Labels,
    /// These columns.
    Columns(&'a [&'a str]),
}

/// All rows of a `frames` file, images included.
///
/// # Errors
/// [`Error::Missing`], [`Error::Data`], [`Error::Version`] or [`Error::Io`].
pub fn read_frames(path: &Path) -> Result<Vec<FrameRow>, Error> {
    Shard::open(path)?.read(Part::All)
}

/// All rows of an `identities` file, maps included.
///
/// # Errors
/// As [`read_frames`].
pub fn read_identities(path: &Path) -> Result<Vec<IdentityRow>, Error> {
    Shard::open(path)?.read(Part::All)
}

impl Shard {
    /// Reads footer and page index and checks the version.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Data`] (no Parquet file, cut short, none of ours), [`Error::Version`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let shard = Self::load(path)?;
        shard.check_version()?;
        Ok(shard)
    }

    /// As [`Shard::open`], whatever table it is.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let file = open_file(path)?;
        let bytes = file.metadata().map_err(|e| Error::reading("shard", path, e))?.len();
        let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let metadata = guarded(path, || ArrowReaderMetadata::load(&file, options))?;
        let pairs = metadata.metadata().file_metadata().key_value_metadata().into_iter().flatten();
        let pairs = pairs.filter_map(|kv| Some((kv.key.clone(), kv.value.clone()?))).collect();
        let mut shard = Shard { path: path.into(), metadata, pairs, bytes, rewritten: None };
        if shard.table().is_empty() {
            shard.recognize()?;
        }
        Ok(shard)
    }

    /// Takes a file without our metadata for the table whose columns it has.
    fn recognize(&mut self) -> Result<(), Error> {
        let Some((table, version, fields)) = rewritten::table_of(self.metadata.schema()) else { return Ok(()) };
        let mut reader = self.reader((0..self.row_groups().min(1)).collect(), Part::All, None, 1)?;
        let rows = next_batch(&self.path, &mut reader)?;
        let rows = rows.unwrap_or_else(|| RecordBatch::new_empty(self.metadata.schema().clone()));
        let types = Types::of(fields, &rows);
        let schema = types.schema(self.metadata.schema());
        self.rewritten = Some((types, schema));
        self.pairs.insert("table".into(), table.into());
        self.pairs.insert("schema_version".into(), version.to_string());
        Ok(())
    }

    /// What the file cannot tell because another program wrote it again; `None` for a file of ours.
    pub fn lost(&self) -> Option<&'static str> {
        self.rewritten.is_some().then_some(rewritten::LOST)
    }

    /// In our types.
    fn converted(&self, batch: RecordBatch) -> Result<RecordBatch, Error> {
        match &self.rewritten {
            Some((types, _)) => types.convert(&batch).map_err(|what| Error::data(&self.path, what)),
            None => Ok(batch),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.metadata.metadata().file_metadata().num_rows() as usize
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `frames` or `identities`.
    pub fn table(&self) -> &str {
        self.pair("table")
    }

    /// A value of the file's metadata; empty when there is none.
    pub(crate) fn pair(&self, key: &str) -> &str {
        self.pairs.get(key).map_or("", String::as_str)
    }

    /// Where the rows come from.
    pub fn provenance(&self) -> Provenance {
        Provenance::from_pairs(&self.pairs)
    }

    /// The columns, with their descriptions in the field metadata.
    pub fn schema(&self) -> &SchemaRef {
        self.rewritten.as_ref().map_or(self.metadata.schema(), |(_, schema)| schema)
    }

    /// Number of row groups.
    pub fn row_groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    /// Bytes on disk of each column.
    pub fn column_bytes(&self) -> Vec<(String, u64)> {
        let schema = self.schema();
        let mut bytes: Vec<(String, u64)> = schema.fields().iter().map(|f| (f.name().clone(), 0)).collect();
        for chunk in self.metadata.metadata().row_groups().iter().flat_map(|g| g.columns()) {
            let name = &chunk.column_path().parts()[0];
            if let Some((_, sum)) = bytes.iter_mut().find(|(n, _)| n == name) {
                *sum += chunk.compressed_size() as u64;
            }
        }
        bytes
    }

    /// All columns of one row, as they are stored.
    ///
    /// # Errors
    /// As [`Shard::read`].
    pub fn row_batch(&self, row: usize) -> Result<RecordBatch, Error> {
        self.batch_of_row(row, Part::All)
    }

    /// All rows with some of the columns; the others stay at their defaults.
    ///
    /// # Errors
    /// [`Error::Data`] when a column is missing, has another type or cannot be decoded; [`Error::Io`].
    pub fn read<R: Row>(&self, part: Part) -> Result<Vec<R>, Error> {
        self.expect_table::<R>()?;
        let mut rows = Vec::with_capacity(self.rows());
        self.for_each_batch(part, |batch| {
            rows.extend(R::rows(batch).map_err(|what| Error::data(&self.path, what))?);
            Ok(())
        })?;
        Ok(rows)
    }

    /// One row with some of the columns; reads only the pages that hold it.
    ///
    /// # Errors
    /// As [`Shard::read`].
    pub fn read_row<R: Row>(&self, row: usize, part: Part) -> Result<R, Error> {
        self.expect_table::<R>()?;
        let batch = self.batch_of_row(row, part)?;
        let rows = R::rows(&batch).map_err(|what| Error::data(&self.path, what))?;
        rows.into_iter().next().ok_or_else(|| Error::data(&self.path, format!("row {row} cannot be read")))
    }

    /// The image columns `names` of one row, in that order; `None` where the row or the file has none.
    ///
    /// # Errors
    /// As [`Shard::read`].
    pub fn images_of_row(&self, row: usize, names: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let batch = self.batch_of_row(row, Part::Columns(names))?;
        let image = |name: &&str| {
            let mut images = Columns(&batch).images(name).map_err(|what| Error::data(&self.path, what))?;
            Ok(images.pop().flatten())
        };
        names.iter().map(image).collect()
    }

    /// One row of `frames` with some of its images, named as in [`crate::dataset::MAPS`]; the digest of the image is
    /// checked if it is among them.
    ///
    /// # Errors
    /// As [`Shard::read`]; [`Error::Data`] when the image is not the one that was written.
    pub fn frame(&self, row: usize, maps: &[&str]) -> Result<FrameRow, Error> {
        self.expect_table::<FrameRow>()?;
        let labels = self.schema().fields().iter().filter(|f| !schema::is_wide(f)).map(|f| f.name().as_str());
        let columns: Vec<&str> = labels.chain(maps.iter().copied()).collect();
        let batch = self.batch_of_row(row, Part::Columns(&columns))?;
        let complaint = |what: String| Error::data(&self.path, format!("row {row}: {what}"));
        let frame = FrameRow::rows(&batch).map_err(complaint)?.pop();
        let frame = frame.ok_or_else(|| complaint("cannot be read".into()))?;
        let written = Columns(&batch).binary("image_sha256").map_err(complaint)?.pop().flatten();
        let same = || written.as_deref() == Some(&digest::sha256(&frame.image)[..]);
        match !maps.contains(&"image") || same() {
            true => Ok(frame),
            false => Err(complaint("the image is not the one that was written (sha256 differs)".into())),
        }
    }

    /// Digest of each image (`image_sha256`).
    ///
    /// # Errors
    /// As [`Shard::read`].
    pub fn image_digests(&self) -> Result<Vec<[u8; 32]>, Error> {
        let mut digests = Vec::with_capacity(self.rows());
        self.for_each_batch(Part::Columns(&["image_sha256"]), |batch| {
            for bytes in Columns(batch).binary("image_sha256").map_err(|what| Error::data(&self.path, what))? {
                let digest = bytes.and_then(|b| b.try_into().ok());
                digests.push(digest.ok_or_else(|| Error::data(&self.path, "no digest in image_sha256"))?);
            }
            Ok(())
        })?;
        Ok(digests)
    }

    /// Calls `each` with the batches of the file, in order; one row group at most is in memory.
    ///
    /// # Errors
    /// As [`Shard::read`], or what `each` returns.
    pub fn for_each_batch(&self, part: Part, each: impl FnMut(&RecordBatch) -> Result<(), Error>) -> Result<(), Error> {
        self.for_each_batch_of(None, part, each)
    }

    /// As [`Shard::for_each_batch`], of the rows of a selection: pages without any of them are not read.
    ///
    /// # Errors
    /// As [`Shard::read`], or what `each` returns.
    pub fn for_each_batch_of<E: From<Error>>(
        &self,
        rows: Option<RowSelection>,
        part: Part,
        mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        // Small batches where images are read: a batch is held whole.
        let wide = self.schema().fields().iter().any(|f| is_read(f, part) && schema::is_wide(f));
        let groups = (0..self.row_groups()).collect();
        let mut reader = self.reader(groups, part, rows, if wide { IMAGE_ROWS } else { 1024 })?;
        while let Some(batch) = next_batch(&self.path, &mut reader)? {
            each(&self.converted(batch)?)?;
        }
        Ok(())
    }

    /// Footer and page index.
    pub(crate) fn metadata(&self) -> &ArrowReaderMetadata {
        &self.metadata
    }

    fn batch_of_row(&self, row: usize, part: Part) -> Result<RecordBatch, Error> {
        let batch = self.batches_of_rows(row, 1, part)?.pop();
        batch.ok_or_else(|| Error::data(&self.path, format!("row {row} cannot be read")))
    }

    /// `n` rows that follow each other, in batches; reads only the pages that hold them.
    pub(crate) fn batches_of_rows(&self, first: usize, n: usize, part: Part) -> Result<Vec<RecordBatch>, Error> {
        let (first_group, row_in_group) = self.locate(first)?;
        let (last_group, _) = self.locate(first + n.max(1) - 1)?;
        let selection = RowSelection::from(vec![RowSelector::skip(row_in_group), RowSelector::select(n)]);
        let groups = (first_group..=last_group).collect();
        let mut reader = self.reader(groups, part, Some(selection), n.min(IMAGE_ROWS))?;
        let mut batches = Vec::new();
        while let Some(batch) = next_batch(&self.path, &mut reader)? {
            batches.push(self.converted(batch)?);
        }
        match batches.iter().map(RecordBatch::num_rows).sum::<usize>() == n {
            true => Ok(batches),
            false => Err(Error::data(&self.path, format!("rows {first}..{} cannot be read", first + n))),
        }
    }

    fn reader(
        &self,
        groups: Vec<usize>,
        part: Part,
        rows: Option<RowSelection>,
        batch: usize,
    ) -> Result<ParquetRecordBatchReader, Error> {
        let (file, metadata) = (Arc::new(open_file(&self.path)?), self.metadata.metadata().clone());
        let pages = Pages { file, metadata, groups };
        guarded(&self.path, || pages.read(self.mask(part), self.metadata.schema(), rows, batch))
    }

    /// Row group and row within it.
    fn locate(&self, row: usize) -> Result<(usize, usize), Error> {
        let mut first = 0;
        for (index, group) in self.metadata.metadata().row_groups().iter().enumerate() {
            let rows = group.num_rows() as usize;
            if row < first + rows {
                return Ok((index, row - first));
            }
            first += rows;
        }
        Err(Error::data(&self.path, format!("no row {row}, the file has {}", self.rows())))
    }

    fn mask(&self, part: Part) -> ProjectionMask {
        let roots = self.schema().fields().iter().enumerate().filter(|(_, f)| is_read(f, part)).map(|(i, _)| i);
        ProjectionMask::roots(self.metadata.parquet_schema(), roots)
    }

    fn expect_table<R: Row>(&self) -> Result<(), Error> {
        match self.table() == R::TABLE {
            true => Ok(()),
            false => Err(Error::data(&self.path, format!("table {:?}, expected {:?}", self.table(), R::TABLE))),
        }
    }

    fn check_version(&self) -> Result<(), Error> {
        let newest = match self.table() {
            FrameRow::TABLE => FrameRow::VERSION,
            ClipRow::TABLE => ClipRow::VERSION,
            IdentityRow::TABLE => IdentityRow::VERSION,
            ExrRow::TABLE => ExrRow::VERSION,
            ManifestRow::TABLE => ManifestRow::VERSION,
            _ => {
                return Err(Error::data(
                    &self.path,
                    "a Parquet file, but none of our tables, neither by its metadata nor by its columns",
                ));
            }
        };
        let text = self.pair("schema_version");
        let got: u32 =
            text.parse().map_err(|_| Error::data(&self.path, format!("schema_version {text:?}, expected a number")))?;
        match got <= newest {
            true => Ok(()),
            false => Err(Error::Version { table: self.table().into(), got, newest, path: self.path.clone() }),
        }
    }
}

/// Is a column among those to read?
fn is_read(field: &arrow::datatypes::Field, part: Part) -> bool {
    match part {
        Part::All => true,
        Part::Labels => !schema::is_wide(field),
        Part::Columns(names) => names.contains(&field.name().as_str()),
    }
}

fn open_file(path: &Path) -> Result<File, Error> {
    if path.is_dir() {
        return Err(Error::data(path, "a folder, expected a Parquet file"));
    }
    File::open(path).map_err(|e| Error::reading("shard", path, e))
}

pub(crate) fn next_batch(path: &Path, reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, Error> {
    let next = guarded(path, || Ok(reader.next()))?;
    next.transpose().map_err(|e| match e {
        arrow::error::ArrowError::ExternalError(inner) => match inner.downcast::<parquet::errors::ParquetError>() {
            Ok(err) => Error::parquet("cannot read", path, *err),
            Err(other) => Error::data(path, format!("cannot read: {other}")),
        },
        other => Error::data(path, format!("cannot read: {other}")),
    })
}

/// Runs a step of the Parquet reader. The crate asserts on some damaged files; that is their fault, not ours.
pub(crate) fn guarded<T>(
    path: &Path,
    step: impl FnOnce() -> Result<T, parquet::errors::ParquetError>,
) -> Result<T, Error> {
    let result = exit::catch_panic(step).ok_or_else(|| Error::data(path, "not a readable Parquet file: damaged"))?;
    result.map_err(|e| Error::parquet("not a readable Parquet file", path, e))
}
