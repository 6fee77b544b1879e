//! Writes one shard: rows in, a published Parquet file out, the same bytes for the same rows and provenance.
//!
//! Only one row group is held in memory.
use crate::columns::Complaint;
use crate::digest::{self, DigestWriter};
use crate::publish::{self, Existing, Published, TempFile};
use crate::table::Row;
use crate::{Error, FrameRow, IdentityRow, Provenance, layout, reader, schema, side};
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::EnabledStatistics;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Bytes of images that are handed to the Parquet writer at once; bounds the copies in memory.
const BATCH_BYTES: usize = 8 << 20;

/// A shard that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its final name.
    pub path: PathBuf,
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Hexadecimal digest of the file.
    pub sha256: String,
    /// The same bytes had been there before.
    pub published: Published,
}

/// Writes a shard of `frames`.
pub type FrameWriter = ShardWriter<FrameRow>;
/// Writes a shard of `identities`.
pub type IdentityWriter = ShardWriter<IdentityRow>;

/// Writes rows in ascending order of their ids; nothing is visible before [`ShardWriter::finish`], and nothing remains
/// of a writer that is dropped. The first row decides which optional columns the file has and how long its arrays are.
pub struct ShardWriter<R: Row> {
    path: PathBuf,
    provenance: Provenance,
    existing: Existing,
    temp: TempFile,
    open: Option<Open>,
    pending: Vec<R>,
    pending_bytes: usize,
    group_rows: usize,
    group_bytes: usize,
    rows: usize,
    last_key: Option<[u64; 4]>,
    started: Instant,
}

/// The Parquet writer, once the first row has decided the columns.
struct Open {
    schema: SchemaRef,
    writer: ArrowWriter<DigestWriter<BufWriter<std::fs::File>>>,
}

/// Writes all `rows` (ascending ids) to `path`.
///
/// # Errors
/// As [`ShardWriter::push`] and [`ShardWriter::finish`], and the first error among the rows.
pub fn write_frames<E: From<Error>>(
    path: &Path,
    rows: impl IntoIterator<Item = Result<FrameRow, E>>,
    provenance: &Provenance,
    existing: Existing,
) -> Result<Written, E> {
    write_rows(path, rows, provenance, existing)
}

/// Writes all `rows` (ascending ids) to `path`.
///
/// # Errors
/// As [`write_frames`].
pub fn write_identities<E: From<Error>>(
    path: &Path,
    rows: impl IntoIterator<Item = Result<IdentityRow, E>>,
    provenance: &Provenance,
    existing: Existing,
) -> Result<Written, E> {
    write_rows(path, rows, provenance, existing)
}

fn write_rows<R: Row, E: From<Error>>(
    path: &Path,
    rows: impl IntoIterator<Item = Result<R, E>>,
    provenance: &Provenance,
    existing: Existing,
) -> Result<Written, E> {
    let mut writer = ShardWriter::create(path, provenance, existing)?;
    for row in rows {
        writer.push(row?)?;
    }
    Ok(writer.finish()?)
}

/// Is the shard there already, whole and made from this plan? Removes what dead writers left beside it, and makes the
/// side file when a writer was stopped before it could.
///
/// # Errors
/// [`Error::Data`] when it is damaged or was made from another plan.
pub fn finished(path: &Path, provenance: &Provenance) -> Result<Option<Written>, Error> {
    path.parent().into_iter().for_each(publish::sweep_once);
    if !path.exists() {
        return Ok(None);
    }
    let shard = reader::Shard::open(path)?;
    let (there, planned) = (shard.provenance().config_hash, &provenance.config_hash);
    if there != *planned {
        return Err(Error::data(path, format!("made from another plan (config hash {there:.12}, not {planned:.12})")));
    }
    let (rows, bytes) = (shard.rows() as u64, shard.bytes());
    let side = side::read(path)?;
    if side.as_ref().is_some_and(|s| (s.rows, s.bytes) != (rows, bytes)) {
        return Err(Error::data(path, "not the size that was written; remove it to make it again"));
    }
    let sha256 = match &side {
        Some(side) => side.sha256.clone(),
        None => digest::sha256_of_file(path)?,
    };
    let written = Written { path: path.into(), rows, bytes, sha256, published: Published::Same };
    side::write(&written, provenance, std::time::Duration::ZERO)?;
    Ok(Some(written))
}

impl<R: Row> ShardWriter<R> {
    /// Starts a shard that will become `path`; missing folders are made.
    ///
    /// # Errors
    /// [`Error::Create`].
    pub fn create(path: &Path, provenance: &Provenance, existing: Existing) -> Result<Self, Error> {
        publish::create_folder_of(path)?;
        Ok(ShardWriter {
            path: path.into(),
            provenance: provenance.clone(),
            existing,
            temp: TempFile::create(path)?,
            open: None,
            pending: Vec::new(),
            pending_bytes: 0,
            group_rows: 0,
            group_bytes: 0,
            rows: 0,
            last_key: None,
            started: Instant::now(),
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Row`] when it is out of order or does not have the shape of the first row, [`Error::Io`] when the disk
    /// does not take it.
    pub fn push(&mut self, row: R) -> Result<(), Error> {
        self.open(&row)?;
        let Some(open) = &self.open else { unreachable!("opened above") };
        row.check(&open.schema).map_err(|what| self.complaint(what))?;
        let key = row.key();
        if let Some(last) = self.last_key.filter(|&last| last >= key) {
            let columns = R::SORTED_BY.join(", ");
            return Err(self.complaint(format!("({columns}) = {key:?} after {last:?}, expected ascending rows")));
        }
        self.last_key = Some(key);
        self.rows += 1;
        self.pending_bytes += row.wide_bytes();
        self.pending.push(row);
        let group_bytes = self.group_bytes + self.pending_bytes;
        let group_full =
            self.group_rows + self.pending.len() >= layout::GROUP_ROWS || group_bytes >= layout::GROUP_BYTES;
        if group_full || self.pending_bytes >= BATCH_BYTES {
            self.write_pending()?;
        }
        if group_full {
            self.end_group()?;
        }
        Ok(())
    }

    /// Ends the file, checks it and gives it its name, with a side file in `../meta/` when it lies in a dataset.
    ///
    /// # Errors
    /// [`Error::Differs`] when the name is taken by other bytes and [`Existing::Keep`] was asked for, else [`Error::Io`].
    pub fn finish(mut self) -> Result<Written, Error> {
        self.open(&R::default())?;
        self.write_pending()?;
        let Some(Open { writer, .. }) = self.open.take() else { unreachable!("opened above") };
        let doing = "cannot write";
        let (buffer, bytes, sha256) = writer.into_inner().map_err(|e| Error::parquet(doing, &self.path, e))?.finish();
        let file = buffer.into_inner().map_err(|e| self.io_error(e.into_error()))?;
        file.sync_all().map_err(|e| self.io_error(e))?;
        self.check_written(bytes, &sha256)?;
        let published = self.temp.publish(&self.path, self.existing)?;
        let written = Written { path: self.path, rows: self.rows as u64, bytes, sha256, published };
        side::write(&written, &self.provenance, self.started.elapsed())?;
        Ok(written)
    }

    /// Rows pushed so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// No row pushed so far?
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Starts the Parquet file, with the columns of `first`.
    fn open(&mut self, first: &R) -> Result<(), Error> {
        if self.open.is_some() {
            return Ok(());
        }
        // pyarrow, when it finds an Arrow schema, looks into that one's metadata only.
        let mut schema = Schema::new(first.fields());
        schema.metadata.insert("huggingface".to_string(), schema::huggingface(&schema.fields));
        let schema = Arc::new(schema);
        let file = self.temp.file().map_err(|e| self.io_error(e))?;
        let sink = DigestWriter::new(BufWriter::with_capacity(1 << 20, file));
        let pairs = pairs::<R>(&schema, &self.provenance);
        let properties = layout::properties(&schema, R::SORTED_BY, pairs, EnabledStatistics::Page);
        let properties = properties.map_err(|what| self.complaint(what))?;
        let writer = ArrowWriter::try_new(sink, schema.clone(), Some(properties));
        let writer = writer.map_err(|e| Error::parquet("cannot write", &self.path, e))?;
        self.open = Some(Open { schema, writer });
        Ok(())
    }

    fn write_pending(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.pending);
        if rows.is_empty() {
            return Ok(());
        }
        let Some(Open { schema, writer }) = &mut self.open else { unreachable!("opened with the first row") };
        let path = &self.path;
        let batch = R::batch(&rows, schema).map_err(|what| Error::Row { row: self.rows, what, path: path.clone() })?;
        self.group_rows += rows.len();
        self.group_bytes += std::mem::take(&mut self.pending_bytes);
        writer.write(&batch).map_err(|e| Error::parquet("cannot write", path, e))
    }

    fn end_group(&mut self) -> Result<(), Error> {
        (self.group_rows, self.group_bytes) = (0, 0);
        let Some(Open { writer, .. }) = &mut self.open else { unreachable!("opened with the first row") };
        writer.flush().map_err(|e| Error::parquet("cannot write", &self.path, e))
    }

    /// Reads the finished file back: footer, rows and digest.
    fn check_written(&self, bytes: u64, sha256: &str) -> Result<(), Error> {
        let shard = reader::Shard::open(self.temp.path())?;
        let on_disk = digest::sha256_of_file(self.temp.path())?;
        match shard.rows() == self.rows && shard.bytes() == bytes && on_disk == sha256 {
            true => Ok(()),
            false => {
                let source = std::io::Error::other("the file read back is not the file written");
                Err(self.io_error(source))
            }
        }
    }

    fn complaint(&self, what: Complaint) -> Error {
        Error::Row { row: self.rows, what, path: self.path.clone() }
    }

    fn io_error(&self, source: std::io::Error) -> Error {
        Error::Io { what: "cannot write", source, path: self.path.clone() }
    }
}

fn pairs<R: Row>(schema: &SchemaRef, provenance: &Provenance) -> Vec<(String, String)> {
    let mut pairs =
        vec![("table".to_string(), R::TABLE.to_string()), ("schema_version".to_string(), R::VERSION.to_string())];
    pairs.extend(provenance.pairs());
    pairs.push(("huggingface".to_string(), schema::huggingface(schema.fields())));
    pairs
}
