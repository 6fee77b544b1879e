//! A condition on a batch, by Arrow's kernels.
use super::{Expr, Name, Op, Test, Value, entry_names};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, Scalar, StringArray,
    UInt64Array,
};
use arrow::compute::kernels::{boolean, cmp};
use arrow::compute::{cast, like, nlike, take};
use arrow::datatypes::{DataType, Float32Type};
use arrow::error::ArrowError;
use std::collections::HashMap;
use std::sync::Arc;

/// True, false or unknown for each row.
pub fn mask(expr: &Expr, batch: &RecordBatch) -> Result<BooleanArray, String> {
    walk(expr, &mut |name, test| {
        let column = column_of(name, test, batch)?;
        leaf(&column, test).map_err(|e| e.to_string())
    })
}

/// Joins what `leaf` says of the leaves.
pub fn walk(
    expr: &Expr,
    leaf: &mut impl FnMut(&Name, &Test) -> Result<BooleanArray, String>,
) -> Result<BooleanArray, String> {
    type Join = fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>;
    let (parts, join): (_, Join) = match expr {
        Expr::Leaf(name, test) => return leaf(name, test),
        Expr::And(parts) => (parts, boolean::and_kleene),
        Expr::Or(parts) => (parts, boolean::or_kleene),
    };
    let mut masks = parts.iter().map(|part| walk(part, leaf));
    let first = masks.next().ok_or("an empty list of conditions")??;
    masks.try_fold(first, |all, mask| join(&all, &mask?).map_err(|e| e.to_string()))
}

fn leaf(column: &ArrayRef, test: &Test) -> Result<BooleanArray, ArrowError> {
    match test {
        Test::Compare(op, value) => compare(column, *op, value),
        Test::Like { pattern, negated } => {
            let pattern = StringArray::new_scalar(pattern);
            if *negated { nlike(column, &pattern) } else { like(column, &pattern) }
        }
        Test::Null { negated: false } => boolean::is_null(column),
        Test::Null { negated: true } => boolean::is_not_null(column),
    }
}

/// Numbers are compared in the column's own type where the value fits into it, else as `f64`.
pub fn compare(column: &ArrayRef, op: Op, value: &Value) -> Result<BooleanArray, ArrowError> {
    let (column, value): (ArrayRef, ArrayRef) = match (column.data_type(), value) {
        (_, Value::Text(text)) => (column.clone(), Arc::new(StringArray::from(vec![text.as_str()]))),
        (DataType::Float32, value) => (column.clone(), Arc::new(Float32Array::from(vec![real(value) as f32]))),
        (data_type, value) => match whole(value, data_type) {
            Some(value) => (column.clone(), value),
            None => (cast(column, &DataType::Float64)?, Arc::new(Float64Array::from(vec![real(value)]))),
        },
    };
    let value = Scalar::new(value);
    match op {
        Op::Equal => cmp::eq(&column, &value),
        Op::NotEqual => cmp::neq(&column, &value),
        Op::Less => cmp::lt(&column, &value),
        Op::LessEqual => cmp::lt_eq(&column, &value),
        Op::Greater => cmp::gt(&column, &value),
        Op::GreaterEqual => cmp::gt_eq(&column, &value),
    }
}

fn real(value: &Value) -> f64 {
    match value {
        Value::Whole(value) => *value as f64,
        Value::Real(value) => *value,
        Value::Text(_) => f64::NAN,
    }
}

/// A whole number as one of the column's type, if it is within its range.
fn whole(value: &Value, data_type: &DataType) -> Option<ArrayRef> {
    let Value::Whole(value) = value else { return None };
    let wide: ArrayRef = match data_type {
        DataType::UInt64 | DataType::UInt32 | DataType::UInt16 | DataType::UInt8 => {
            Arc::new(UInt64Array::from(vec![u64::try_from(*value).ok()?]))
        }
        DataType::Int64 | DataType::Int32 | DataType::Int16 | DataType::Int8 => {
            Arc::new(Int64Array::from(vec![i64::try_from(*value).ok()?]))
        }
        _ => return None,
    };
    cast(&wide, data_type).ok().filter(|narrow| narrow.null_count() == 0)
}

fn column_of(name: &Name, test: &Test, batch: &RecordBatch) -> Result<ArrayRef, String> {
    let column = batch.column_by_name(&name.column).ok_or_else(|| format!("no column {:?}", name.column))?;
    match (column.data_type(), name.keys.as_slice()) {
        (_, []) => Ok(column.clone()),
        (DataType::Utf8, keys) => Ok(json_column(column.as_string(), keys, test)),
        (_, [key, ..]) => {
            let schema = batch.schema();
            let field = schema.field_with_name(&name.column).map_err(|e| e.to_string())?;
            let index = entry_names(field).iter().position(|n| n == key);
            entry(column, index.ok_or_else(|| format!("{} has no entry {key:?}", name.column))?)
        }
    }
}

/// Entry `index` of each row's array.
fn entry(column: &ArrayRef, index: usize) -> Result<ArrayRef, String> {
    let list = column.as_fixed_size_list_opt().ok_or("no array")?;
    let length = list.value_length() as usize;
    let values = list.values().as_primitive_opt::<Float32Type>().ok_or("no array of f32")?;
    let first = list.offset() * length;
    let indices = (0..list.len()).map(|row| (first + row * length + index) as u64);
    take(values, &UInt64Array::from_iter_values(indices), None).map_err(|e| e.to_string())
}

/// What stands at `keys` in the JSON of each row: numbers or texts, as `test` compares them; else null.
fn json_column(column: &StringArray, keys: &[String], test: &Test) -> ArrayRef {
    let numbers = matches!(test, Test::Compare(_, Value::Whole(_) | Value::Real(_)));
    // A few lights serve many rows.
    let mut known: HashMap<&str, Option<serde_json::Value>> = HashMap::new();
    let mut at = |text| known.entry(text).or_insert_with(|| json_at(text, keys)).clone();
    let rows: Vec<Option<serde_json::Value>> = column.iter().map(|row| row.and_then(&mut at)).collect();
    match numbers {
        true => Arc::new(Float64Array::from_iter(rows.iter().map(|v| v.as_ref()?.as_f64()))),
        false => {
            let text = |v: &serde_json::Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            Arc::new(StringArray::from_iter(rows.iter().map(|v| v.as_ref().map(text))))
        }
    }
}

fn json_at(text: &str, keys: &[String]) -> Option<serde_json::Value> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let value = keys.iter().try_fold(&json, |value, key| value.get(key))?;
    (!value.is_null()).then(|| value.clone())
}
