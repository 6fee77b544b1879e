//! `index/v000123.parquet`: where each row of a version lies; small, and a table any reader can join with.
use super::Spec;
use super::layout::{self, FILE_COLUMN, ROW_COLUMN, VERSION_COLUMN};
use crate::columns::{Columns, Complaint};
use crate::{Error, reader};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A row of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its group.
    pub group: u64,
    /// Its position in the group.
    pub position: u64,
    /// The version that put it.
    pub version: u64,
    /// The part it lies in, a name in `data/`.
    pub file: Arc<str>,
    /// Its row in that part, from 0.
    pub row: u32,
}

/// The index as a Parquet file.
pub(super) fn to_bytes(spec: &Spec, entries: &[Entry], path: &Path) -> Result<Vec<u8>, Error> {
    let batch = batch_of(spec, entries).map_err(|what| Error::data(path, what))?;
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties =
        WriterProperties::builder().set_compression(zstd).set_statistics_enabled(EnabledStatistics::None).build();
    let write = || {
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
        writer.write(&batch)?;
        writer.into_inner()
    };
    write().map_err(|e| Error::parquet("cannot write", path, e))
}

/// Reads an index; its entries ascend in (group, position) and name parts of versions up to `version` only.
pub(super) fn from_bytes(spec: &Spec, version: u64, bytes: Vec<u8>, path: &Path) -> Result<Vec<Entry>, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut names = HashMap::new();
    let reader = || ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))?.build();
    let mut reader = reader::guarded(path, reader)?;
    while let Some(batch) = reader::next_batch(path, &mut reader)? {
        let rows = entries_of(spec, &batch, &mut names).map_err(|what| Error::data(path, what))?;
        for entry in rows {
            check(&entry, entries.last(), version).map_err(|what| Error::data(path, what))?;
            entries.push(entry);
        }
    }
    Ok(entries)
}

fn check(entry: &Entry, last: Option<&Entry>, version: u64) -> Result<(), Complaint> {
    if last.is_some_and(|last| (last.group, last.position) >= (entry.group, entry.position)) {
        return Err(format!("group {}, position {}: not in ascending order", entry.group, entry.position));
    }
    match layout::version_of(&entry.file) {
        Some(made) if made <= version && entry.version <= made && entry.file.starts_with("part-") => Ok(()),
        _ => Err(format!("{:?} for a row of version {}: no part of this version", entry.file, entry.version)),
    }
}

fn schema(spec: &Spec) -> Result<SchemaRef, Complaint> {
    let key = |name: &str| {
        let field = spec.schema.field_with_name(name).map_err(|e| e.to_string())?;
        Ok::<_, Complaint>(Field::new(name, field.data_type().clone(), false))
    };
    Ok(Arc::new(Schema::new(vec![
        key(&spec.group)?,
        key(&spec.position)?,
        Field::new(VERSION_COLUMN, DataType::UInt64, false),
        Field::new(FILE_COLUMN, DataType::Utf8, false),
        Field::new(ROW_COLUMN, DataType::UInt32, false),
    ])))
}

fn batch_of(spec: &Spec, entries: &[Entry]) -> Result<RecordBatch, Complaint> {
    let schema = schema(spec)?;
    let of =
        |value: fn(&Entry) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(entries.iter().map(value))) };
    let keyed =
        |index: usize, array: ArrayRef| cast(&array, schema.field(index).data_type()).map_err(|e| e.to_string());
    let columns: Vec<ArrayRef> = vec![
        keyed(0, of(|e| e.group))?,
        keyed(1, of(|e| e.position))?,
        of(|e| e.version),
        Arc::new(StringArray::from_iter_values(entries.iter().map(|e| e.file.as_ref()))),
        Arc::new(UInt32Array::from_iter_values(entries.iter().map(|e| e.row))),
    ];
    RecordBatch::try_new(schema, columns).map_err(|e| e.to_string())
}

fn entries_of(
    spec: &Spec,
    batch: &RecordBatch,
    names: &mut HashMap<String, Arc<str>>,
) -> Result<Vec<Entry>, Complaint> {
    let (groups, positions) = (keys(batch, &spec.group)?, keys(batch, &spec.position)?);
    let columns = Columns(batch);
    let (versions, files) = (columns.u64(VERSION_COLUMN)?, columns.text(FILE_COLUMN)?);
    let rows = columns.u32(ROW_COLUMN)?;
    let mut shared = |file: String| names.entry(file).or_insert_with_key(|name| name.as_str().into()).clone();
    let entry = |(i, file)| Entry {
        group: groups[i],
        position: positions[i],
        version: versions[i],
        file: shared(file),
        row: rows[i],
    };
    Ok(files.into_iter().enumerate().map(entry).collect())
}

/// A key column, `u32` or `u64`.
pub(super) fn keys(batch: &RecordBatch, name: &str) -> Result<Vec<u64>, Complaint> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("no column {name:?}"))?;
    if !matches!(column.data_type(), DataType::UInt32 | DataType::UInt64) || column.null_count() > 0 {
        return Err(format!("column {name:?} is {}, expected u32 or u64 without nulls", column.data_type()));
    }
    let wide = cast(column, &DataType::UInt64).map_err(|e| e.to_string())?;
    Ok(wide.as_primitive::<UInt64Type>().values().to_vec())
}
