//! `shards show`: one row, labels as JSON, images as files.
use anyhow::Context;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, UInt32Type, UInt64Type};
use formats::exit::{ExitCode, Failure};
use formats::{Scan, Shard, digest, publish};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Prints row `row` of those that match `condition`; writes its images into the folder `out`.
pub fn run(path: &Path, row: usize, condition: Option<&str>, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (shard, row) = find(path, row, condition)?;
    let batch = shard.row_batch(row)?;
    print_row(&batch, out)
}

/// Prints the only row of a batch; writes its images into the folder `out`.
pub fn print_row(batch: &RecordBatch, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut labels = Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = match (field.data_type(), out) {
            (DataType::Struct(_), _) => image(field.name(), column, out)?,
            (DataType::FixedSizeBinary(n), _) if *n > 64 => json!(format!("{n} bytes")),
            _ => value_of(column, 0),
        };
        labels.insert(field.name().clone(), value);
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
        return Err(Failure::bad_data(format!("column {name:?} is no image")).into());
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

/// A stored value as JSON; text that is JSON itself is nested.
fn value_of(column: &dyn Array, i: usize) -> Value {
    if column.is_null(i) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::UInt64 => json!(column.as_primitive::<UInt64Type>().value(i)),
        DataType::UInt32 => json!(column.as_primitive::<UInt32Type>().value(i)),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(i)),
        DataType::Utf8 => {
            let text = column.as_string::<i32>().value(i);
            let nested = text.starts_with(['{', '[']).then(|| serde_json::from_str(text).ok()).flatten();
            nested.unwrap_or_else(|| json!(text))
        }
        DataType::FixedSizeBinary(_) => json!(digest::hex(column.as_fixed_size_binary().value(i))),
        DataType::FixedSizeList(..) => {
            let items = column.as_fixed_size_list().value(i);
            Value::Array((0..items.len()).map(|k| value_of(&items, k)).collect())
        }
        other => json!(format!("({other})")),
    }
}

/// The shortest decimal that is this float; text for what JSON has no number for.
fn float(value: f32) -> Value {
    match value.to_string().parse::<f64>() {
        Ok(short) if short.is_finite() => json!(short),
        _ => json!(value.to_string()),
    }
}
