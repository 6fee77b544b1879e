//! `shards show`: one row, labels as JSON, images as files.
use super::labels;
use anyhow::Context;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use formats::exit::{ExitCode, Failure};
use formats::{Scan, Shard, publish};
use serde_json::{Value, json};
use std::path::Path;

/// Prints row `row` of those that match `condition`; writes its images into the folder `out`.
pub fn run(path: &Path, row: usize, condition: Option<&str>, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (shard, row) = find(path, row, condition)?;
    let batch = shard.row_batch(row)?;
    print_row(&batch, out)
}

/// Prints the only row of a batch; writes its images into the folder `out`.
pub fn print_row(batch: &RecordBatch, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut labels = labels::of_row(batch, 0);
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if matches!(field.data_type(), DataType::Struct(_)) {
            labels.insert(field.name().clone(), image(field.name(), column, out)?);
        }
    }
    println!("{:#}", Value::Object(labels));
    Ok(ExitCode::Done)
}

/// The shard and the row in it.
fn find(path: &Path, row: usize, condition: Option<&str>) -> anyhow::Result<(Shard, usize)> {
    let scan = Scan::open(path, condition)?;
    let mut before = 0;
    for selection in scan.selections() {
        let selection = selection?;
        if let Some(&found) = selection.rows.get(row - before) {
            return Ok((selection.shard, found));
        }
        before += selection.rows.len();
    }
    let which = if scan.is_filtered() { "rows match" } else { "rows are here" };
    Err(Failure::usage(format!("--row {row}: {before} {which}: {path:?}")).into())
}

/// The path and size of an image, which is written into `out` when asked for.
fn image(name: &str, column: &dyn Array, out: Option<&Path>) -> anyhow::Result<Value> {
    let parts = column.as_struct();
    let (Some(bytes), Some(paths)) = (parts.column_by_name("bytes"), parts.column_by_name("path")) else {
        return Err(Failure::bad_data(format!("column {name:?} is not an image")).into());
    };
    if parts.is_null(0) || bytes.is_null(0) {
        return Ok(Value::Null);
    }
    let bytes = bytes.as_binary::<i32>().value(0);
    let stored = if paths.is_null(0) { "" } else { paths.as_string::<i32>().value(0) };
    // Both names come from the file: only a last part may decide where we write.
    let last = |name: &str| Path::new(name).file_name().map(|n| n.to_os_string());
    let file_name = last(stored).or_else(|| last(&format!("{name}.bin"))).unwrap_or_else(|| "image.bin".into());
    if let Some(out) = out {
        let target = out.join(&file_name);
        publish::write_atomically(&target, bytes).with_context(|| format!("image {name:?}"))?;
    }
    Ok(json!({"path": file_name.to_string_lossy(), "bytes": bytes.len()}))
}
