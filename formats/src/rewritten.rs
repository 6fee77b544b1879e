//! Tables of ours that another program read and wrote again: pyarrow, Polars, DuckDB and Spark keep the columns and lose the
//! file's metadata, so that no key says which table it is, and they have types of their own (large text, lists of any
//! length, signed numbers, bytes of any length).
//!
//! Such a table is recognized by its columns ([`table_of`]); batches are converted to our types ([`Types::convert`]).
use crate::columns::Complaint;
use crate::exr::ExrRow;
use crate::manifest::ManifestRow;
use crate::schema::{array_type, image_fields};
use crate::table::Row;
use crate::{ClipRow, FrameRow, IdentityRow};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;

/// What such a file cannot tell, for messages.
pub(crate) const LOST: &str = "recognized by its columns; its metadata is lost: tool, plan, seed and digests of the inputs, units, names of expressions";

/// Columns that a table of an older version may lack.
const LATER: [&str; 2] = ["action", "capture"];

/// The table of ours with these columns, and its fields as a row of defaults has them: (name, version, fields).
pub(crate) fn table_of(schema: &Schema) -> Option<(&'static str, u32, Vec<Field>)> {
    fn candidate<R: Row>() -> (&'static str, u32, Vec<Field>) {
        (R::TABLE, R::VERSION, R::default().fields())
    }
    // A clip has the columns of a frame and more.
    let tables = [
        candidate::<ClipRow>(),
        candidate::<FrameRow>(),
        candidate::<IdentityRow>(),
        candidate::<ExrRow>(),
        candidate::<ManifestRow>(),
    ];
    tables.into_iter().find(|(_, _, fields)| {
        fields.iter().filter(|field| !LATER.contains(&field.name().as_str())).all(|field| {
            schema.field_with_name(field.name()).is_ok_and(|found| is_like(field.data_type(), found.data_type()))
        })
    })
}

/// Can a column of type `found` hold what one of type `ours` holds?
fn is_like(ours: &DataType, found: &DataType) -> bool {
    use DataType::*;
    let found = match found {
        Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    match ours {
        UInt32 | UInt64 => found.is_integer(),
        Float32 => found.is_floating(),
        Utf8 => matches!(found, Utf8 | LargeUtf8 | Utf8View),
        Binary | FixedSizeBinary(_) => matches!(found, Binary | LargeBinary | BinaryView | FixedSizeBinary(_)),
        FixedSizeList(..) => matches!(found, FixedSizeList(..) | List(_) | LargeList(_) | ListView(_)),
        Struct(_) => matches!(found, Struct(parts) if parts.iter().any(|part| part.name() == "bytes")),
        _ => ours == found,
    }
}

/// Our types of the columns of one file.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    fields: HashMap<String, Field>,
}

impl Types {
    /// From the fields of [`table_of`] and a few rows of the file, which tell the lengths of lists.
    pub(crate) fn of(table: Vec<Field>, rows: &RecordBatch) -> Self {
        let known: HashMap<&str, &Field> = table.iter().map(|field| (field.name().as_str(), field)).collect();
        let field = |(field, column): (&Arc<Field>, &ArrayRef)| {
            let known = known.get(field.name().as_str()).copied();
            let data_type = match known.map(Field::data_type) {
                Some(known) => known.clone(),
                None => our_type(field.data_type(), column),
            };
            let mut ours = field.as_ref().clone().with_data_type(data_type);
            if let Some(known) = known {
                ours = ours.with_metadata(known.metadata().clone());
            } else if field.name() == "position"
                && let Some((bytes, shape)) = square_map(column)
            {
                ours = ours.with_data_type(DataType::FixedSizeBinary(bytes));
                ours.metadata_mut().insert("shape".to_string(), format!("{shape:?}"));
            }
            (field.name().clone(), ours)
        };
        let schema = rows.schema();
        Types { fields: schema.fields().iter().zip(rows.columns()).map(field).collect() }
    }

    /// The columns in our types, in the order of the file.
    pub(crate) fn schema(&self, file: &Schema) -> SchemaRef {
        let ours = |field: &Arc<Field>| self.fields.get(field.name()).cloned().map_or(field.clone(), Arc::new);
        Arc::new(Schema::new_with_metadata(file.fields().iter().map(ours).collect::<Vec<_>>(), file.metadata().clone()))
    }

    /// A batch of the file in our types.
    ///
    /// # Errors
    /// In words: a column whose values do not fit.
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, Complaint> {
        let schema = self.schema(&batch.schema());
        let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
            converted(column, field.data_type()).map_err(|e| format!("column {:?}: {e}", field.name()))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        RecordBatch::try_new(schema, columns).map_err(|e| e.to_string())
    }
}

/// As [`cast`], which has no way from lists with nulls allowed to lists without; values that do not fit are errors.
fn converted(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, Complaint> {
    if column.data_type() == to {
        return Ok(column.clone());
    }
    if let DataType::FixedSizeList(..) = to {
        return as_fixed_lists(column, to);
    }
    let nulls = column.logical_null_count();
    let cast = cast(column, to).map_err(|e| e.to_string())?;
    match cast.logical_null_count() == nulls {
        true => Ok(cast),
        false => Err(format!("a value does not fit into {to}")),
    }
}

/// The values of all rows one after another, rebuilt in the shape of `to`.
fn as_fixed_lists(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, Complaint> {
    let expected: Vec<usize> = crate::schema::shape_of(to);
    let (mut values, mut rows) = (column.clone(), column.len());
    for &n in &expected {
        let (inner, even) = match values.data_type() {
            DataType::List(_) => {
                let list = values.as_list::<i32>();
                let (from, to) = (list.offsets()[0] as usize, list.offsets()[list.len()] as usize);
                let even = list.offsets().windows(2).all(|w| (w[1] - w[0]) as usize == n);
                (list.values().slice(from, to - from), even)
            }
            DataType::LargeList(_) => {
                let list = values.as_list::<i64>();
                let (from, to) = (list.offsets()[0] as usize, list.offsets()[list.len()] as usize);
                let even = list.offsets().windows(2).all(|w| (w[1] - w[0]) as usize == n);
                (list.values().slice(from, to - from), even)
            }
            DataType::FixedSizeList(_, length) => {
                let list = values.as_fixed_size_list();
                let length = *length as usize;
                (list.values().slice(list.value_offset_at(0), list.len() * length), length == n)
            }
            other => return Err(format!("type {other}, expected lists of shape {expected:?}")),
        };
        if !even || inner.len() != rows * n {
            return Err(format!("lists of several lengths, expected shape {expected:?} in every row"));
        }
        (values, rows) = (inner, rows * n);
    }
    let values = cast(&values, &DataType::Float32).map_err(|e| e.to_string())?;
    if values.null_count() > 0 {
        return Err("an empty entry in a list of numbers".into());
    }
    let values = values.as_primitive::<arrow::datatypes::Float32Type>().values().to_vec();
    crate::columns::of_array(&Field::new("", to.clone(), false), values)
}

/// Bytes and shape of the UV map of positions in the first row, which is square and holds three floats per texel.
fn square_map(column: &ArrayRef) -> Option<(i32, [usize; 3])> {
    let bytes = cast(&column.slice(0, column.len().min(1)), &DataType::Binary).ok()?;
    let bytes = bytes.as_binary_opt::<i32>().filter(|b| b.len() == 1 && !b.is_null(0))?.value(0).len();
    let side = (bytes / 12).isqrt();
    (side > 0 && side * side * 12 == bytes).then_some((bytes as i32, [side, side, 3]))
}

/// Our type for a column that every row of the table need not have.
fn our_type(found: &DataType, column: &ArrayRef) -> DataType {
    use DataType::*;
    match found {
        Dictionary(_, values) => our_type(values, column),
        LargeUtf8 | Utf8View => Utf8,
        LargeBinary | BinaryView => Binary,
        Struct(parts) if parts.iter().any(|part| part.name() == "bytes") => Struct(image_fields()),
        List(_) | LargeList(_) | FixedSizeList(..) => match shape_of(column) {
            shape if shape.is_empty() => found.clone(),
            shape => array_type(&shape),
        },
        other => other.clone(),
    }
}

/// Shape of the lists in the first row; empty where there is none.
fn shape_of(column: &ArrayRef) -> Vec<usize> {
    if column.is_empty() || column.is_null(0) {
        return Vec::new();
    }
    let first = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value(0),
        DataType::LargeList(_) => column.as_list::<i64>().value(0),
        DataType::FixedSizeList(..) => column.as_fixed_size_list().value(0),
        _ => return Vec::new(),
    };
    let mut shape = vec![first.len()];
    shape.extend(shape_of(&first));
    shape
}
