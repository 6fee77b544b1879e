//! `data/part-000123-<hash16>.parquet`: rows that never change again.
use super::Spec;
use super::index::{self, Entry};
use super::layout::{self, VERSION_COLUMN};
use super::log::FileMark;
use crate::digest::DigestWriter;
use crate::publish::TempFile;
use crate::reader::Shard;
use crate::{Error, digest};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::EnabledStatistics;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A part in the making: batches with the columns of [`Spec::part_schema`], ascending in (group, position).
pub(super) struct PartWriter<'a> {
    root: &'a Path,
    spec: &'a Spec,
    version: u64,
    /// For messages until the digest gives it its name.
    path: PathBuf,
    temp: TempFile,
    writer: ArrowWriter<DigestWriter<BufWriter<File>>>,
    /// Without the file, which has no name yet.
    entries: Vec<(u64, u64, u64)>,
}

impl<'a> PartWriter<'a> {
    pub(super) fn create(root: &'a Path, spec: &'a Spec, version: u64) -> Result<Self, Error> {
        let path = layout::part_file(root, &format!("part-{version:06}.parquet"));
        let temp = TempFile::create(&path)?;
        let pairs = [
            ("table", spec.table.clone()),
            ("schema_version", spec.schema_version.to_string()),
            ("tool", spec.provenance.tool.clone()),
            ("tool_version", spec.provenance.tool_version.clone()),
            ("config_hash", spec.provenance.config_hash.clone()),
            ("part_of_version", version.to_string()),
        ];
        let pairs = pairs.map(|(k, v)| (k.to_string(), v)).to_vec();
        let schema = spec.part_schema();
        let keys = [spec.group.as_str(), spec.position.as_str()];
        // A part is a few rows: what pages of it hold needs no table.
        let properties = crate::layout::properties(&schema, &keys, pairs, EnabledStatistics::Chunk);
        let properties = properties.map_err(|what| Error::data(&path, what))?;
        let file = temp.file().map_err(|source| Error::Create { source, path: path.clone() })?;
        let sink = DigestWriter::new(BufWriter::with_capacity(1 << 20, file));
        let writer = ArrowWriter::try_new(sink, schema, Some(properties));
        let writer = writer.map_err(|e| Error::parquet("cannot write", &path, e))?;
        Ok(PartWriter { root, spec, version, path, temp, writer, entries: Vec::new() })
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let bad = |what| Error::data(&self.path, what);
        let groups = index::keys(batch, &self.spec.group).map_err(bad)?;
        let positions = index::keys(batch, &self.spec.position).map_err(bad)?;
        let versions = batch.column_by_name(VERSION_COLUMN).and_then(|c| c.as_primitive_opt::<UInt64Type>());
        let versions = versions.ok_or_else(|| bad(format!("no column {VERSION_COLUMN:?}")))?.values();
        self.entries.extend((0..batch.num_rows()).map(|i| (groups[i], positions[i], versions[i])));
        let write = |e| Error::parquet("cannot write", &self.path, e);
        self.writer.write(batch).map_err(write)?;
        match self.writer.in_progress_size() >= crate::layout::GROUP_BYTES {
            true => self.writer.flush().map_err(write),
            false => Ok(()),
        }
    }

    /// Gives the part its name, not synced yet: nothing speaks of it before the log does.
    pub(super) fn finish(self) -> Result<NewPart, Error> {
        let (buffer, bytes, sha256) =
            self.writer.into_inner().map_err(|e| Error::parquet("cannot write", &self.path, e))?.finish();
        buffer.into_inner().map_err(|e| cannot_write(&self.path, e.into_error()))?;
        let name = layout::part_name(self.version, &sha256);
        let path = layout::part_file(self.root, &name);
        let rows = self.entries.len() as u64;
        let back = Shard::load(self.temp.path())?;
        let read = (back.rows() as u64, back.bytes(), digest::sha256_of_file(self.temp.path())?);
        if read != (rows, bytes, sha256.clone()) {
            return Err(cannot_write(&path, std::io::Error::other("the file read back is not the file written")));
        }
        // Another writer may have made the same bytes; either's file will do.
        let open_file = self.temp.rename(&path)?;
        let file: Arc<str> = name.as_str().into();
        let entry =
            |(row, (group, position, version))| Entry { group, position, version, file: file.clone(), row: row as u32 };
        let entries = self.entries.into_iter().enumerate().map(entry).collect();
        Ok(NewPart { mark: FileMark { file: name, rows, bytes, sha256 }, path, open_file, entries })
    }
}

/// A part that has its name and is not synced yet.
pub(super) struct NewPart {
    pub(super) mark: FileMark,
    pub(super) path: PathBuf,
    pub(super) open_file: File,
    /// Where its rows lie.
    pub(super) entries: Vec<Entry>,
}

fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    Error::Io { what: "cannot write", source, path: path.into() }
}
