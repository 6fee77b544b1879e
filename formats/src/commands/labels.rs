//! A stored row as JSON.
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, UInt32Type, UInt64Type};
use formats::digest;
use serde_json::{Map, Value, json};

/// Every column of row `i` but the images; of big binaries the size alone.
pub fn of_row(batch: &RecordBatch, i: usize) -> Map<String, Value> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let labels = columns.filter(|(field, _)| !matches!(field.data_type(), DataType::Struct(_)));
    labels.map(|(field, column)| (field.name().clone(), value_of(column, i))).collect()
}

/// A stored value; text that is JSON itself is nested.
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
        DataType::FixedSizeBinary(n) if *n > 64 => json!(format!("{n} bytes")),
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
