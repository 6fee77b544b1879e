//! Row groups that cannot hold a match, by the statistics in the footer.
use super::eval::{compare, walk};
use super::{Expr, Name, Op, Test, Value};
use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::kernels::boolean;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

/// Indices of the row groups that may hold a match. Where statistics say nothing, a group may.
pub(crate) fn groups(expr: &Expr, metadata: &ArrowReaderMetadata) -> Vec<usize> {
    let all = metadata.metadata().num_row_groups();
    let unknown = || BooleanArray::from(vec![None::<bool>; all]);
    let may = walk(expr, &mut |name, test| Ok(leaf(name, test, metadata).unwrap_or_else(unknown)));
    let may = may.unwrap_or_else(|_| unknown());
    (0..all).filter(|&group| may.is_null(group) || may.value(group)).collect()
}

/// May each group hold a row of which the test is true? `None` or null: unknown.
fn leaf(name: &Name, test: &Test, metadata: &ArrowReaderMetadata) -> Option<BooleanArray> {
    let Test::Compare(op, value) = test else { return None };
    if !name.keys.is_empty() {
        return None;
    }
    let converter = StatisticsConverter::try_new(&name.column, metadata.schema(), metadata.parquet_schema()).ok()?;
    let groups = metadata.metadata().row_groups();
    let (low, high) = (converter.row_group_mins(groups).ok()?, converter.row_group_maxes(groups).ok()?);
    // Statistics leave out NaN, which is above every number when rows are compared.
    (!low.data_type().is_floating()).then(|| within(&low, &high, *op, value).ok())?
}

fn within(low: &ArrayRef, high: &ArrayRef, op: Op, value: &Value) -> Result<BooleanArray, ArrowError> {
    match op {
        Op::Less | Op::LessEqual => compare(low, op, value),
        Op::Greater | Op::GreaterEqual => compare(high, op, value),
        Op::Equal => {
            boolean::and_kleene(&compare(low, Op::LessEqual, value)?, &compare(high, Op::GreaterEqual, value)?)
        }
        // Long texts are cut in the statistics: equal bounds need not be the rows' own values.
        Op::NotEqual => match value {
            Value::Text(_) => Ok(BooleanArray::from(vec![None::<bool>; low.len()])),
            _ => boolean::or_kleene(&compare(low, Op::NotEqual, value)?, &compare(high, Op::NotEqual, value)?),
        },
    }
}
