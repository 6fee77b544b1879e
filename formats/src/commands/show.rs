//! `shards show`: one row, labels as JSON, images as files.
use anyhow::Context;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, UInt32Type, UInt64Type};
use formats::exit::{ExitCode, Failure};
use formats::versions::{Spec, Version};
use formats::{Part, Shard, VersionedSet, digest, publish};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Prints a row of a shard or of a version, and writes its images into the folder `out`; without a row, what a version
/// is and how to read it.
pub fn run(path: &Path, version: Option<&str>, row: Option<usize>, out: Option<&Path>) -> anyhow::Result<ExitCode> {
    if !VersionedSet::is_at(path) {
        if let Some(version) = version {
            return Err(Failure::usage(format!("--version {version}: no versioned set: {path:?}")).into());
        }
        let shard = Shard::open(path)?;
        let row = checked(row.unwrap_or(0), "shard", shard.rows(), path)?;
        return print_row(&shard.row_batch(row)?, out);
    }
    let set = VersionedSet::open(path)?;
    let version = set.version(set.resolve(version.unwrap_or("latest"))?)?;
    let Some(row) = row else {
        describe(&version, path);
        return Ok(ExitCode::Done);
    };
    let row = checked(row, "version", version.len(), path)?;
    for batch in version.batches(row..row + 1, Part::All)? {
        print_row(&batch, out)?;
    }
    Ok(ExitCode::Done)
}

fn checked(row: usize, of: &str, rows: usize, path: &Path) -> Result<usize, Failure> {
    match row < rows {
        true => Ok(row),
        false => Err(Failure::usage(format!("--row {row}: the {of} has {rows} rows: {path:?}"))),
    }
}

fn describe(version: &Version, path: &Path) {
    let (spec, number) = (version.spec(), version.number());
    let made = &spec.provenance;
    println!("version {number} of {}", path.display());
    println!("  {} rows in {} groups of {}", version.len(), version.log().groups, spec.group);
    println!("  table {:?} by {} {}, plan {:.12}", spec.table, made.tool, made.tool_version, made.config_hash);
    println!("  digest {}", version.digest());
    if number > 0 {
        println!("\n{}", recipes(spec, number));
    }
}

/// How other tools read a version; run in the folder of the set.
fn recipes(spec: &Spec, number: u64) -> String {
    let (group, position, index) = (&spec.group, &spec.position, format!("index/v{number:06}.parquet"));
    let keys = format!("{group}, {position}, version");
    let names = [group.as_str(), position.as_str(), "version"].map(|n| format!("'{n}'")).join(", ");
    format!(
        "DuckDB, in the folder of the set:\n  \
         SET VARIABLE parts = (SELECT list(DISTINCT 'data/' || file) FROM '{index}');\n  \
         FROM read_parquet(getvariable('parts')) SEMI JOIN '{index}' USING ({keys});\n\
         Polars:\n  \
         index = pl.read_parquet('{index}')\n  \
         pl.scan_parquet(['data/' + f for f in index['file'].unique()]).join(index.lazy(), on=[{names}], how='semi')"
    )
}

fn print_row(batch: &RecordBatch, out: Option<&Path>) -> anyhow::Result<ExitCode> {
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
    // The name comes from the file: only its last part may decide where we write.
    let file_name = Path::new(stored).file_name().map_or_else(|| format!("{name}.bin").into(), |n| n.to_os_string());
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
