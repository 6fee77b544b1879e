//! How a column is declared: its Arrow type, what it means and in which unit, for any reader to see.
//!
//! Images are `struct<bytes, path>` as the `datasets` library knows them; matrices are nested fixed-size lists, which
//! every stock reader takes (the tensor extension type is refused by some); big float maps are fixed-size binaries.
use arrow::datatypes::{DataType, Field, Fields, Metadata};
use std::sync::Arc;

/// A plain value per row.
pub(crate) fn scalar(name: &str, data_type: DataType, description: &str, unit: &str) -> Field {
    Field::new(name, data_type, false).with_metadata(described(description, unit))
}

/// An `f32` array of fixed shape per row.
pub(crate) fn array(name: &str, shape: &[usize], description: &str, unit: &str) -> Field {
    let mut metadata = described(description, unit);
    metadata.insert("shape".to_string(), format!("{shape:?}"));
    Field::new(name, array_type(shape), false).with_metadata(metadata)
}

/// An encoded image per row.
pub(crate) fn image(name: &str, description: &str, unit: &str) -> Field {
    Field::new(name, DataType::Struct(image_fields()), true).with_metadata(described(description, unit))
}

/// A fixed number of bytes per row; `shape` and `dtype` tell what they hold.
pub(crate) fn binary(name: &str, bytes: usize, shape: &[usize], dtype: &str, description: &str, unit: &str) -> Field {
    let mut metadata = described(description, unit);
    metadata.insert("shape".to_string(), format!("{shape:?}"));
    metadata.insert("dtype".to_string(), dtype.to_string());
    Field::new(name, DataType::FixedSizeBinary(bytes as i32), true).with_metadata(metadata)
}

/// The parts of an image column. Nullable, because `datasets` compares the types literally.
pub(crate) fn image_fields() -> Fields {
    Fields::from(vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)])
}

/// `[2, 3]` becomes a list of 2 lists of 3.
pub(crate) fn array_type(shape: &[usize]) -> DataType {
    shape.iter().rev().fold(DataType::Float32, |inner, &n| {
        DataType::FixedSizeList(Arc::new(Field::new("item", inner, false)), n as i32)
    })
}

/// The shape of a column made by [`array`].
pub(crate) fn shape_of(data_type: &DataType) -> Vec<usize> {
    match data_type {
        DataType::FixedSizeList(item, n) => {
            let mut shape = vec![*n as usize];
            shape.extend(shape_of(item.data_type()));
            shape
        }
        _ => Vec::new(),
    }
}

/// `f32[4, 4]`, `image`, `u64`.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::FixedSizeList(..) => format!("f32{:?}", shape_of(data_type)),
        DataType::Struct(_) => "image".into(),
        DataType::FixedSizeBinary(n) => format!("{n} bytes"),
        DataType::Utf8 => "text".into(),
        DataType::UInt32 => "u32".into(),
        DataType::UInt64 => "u64".into(),
        DataType::Float32 => "f32".into(),
        DataType::Float64 => "f64".into(),
        other => other.to_string(),
    }
}

/// Is this an image column?
pub(crate) fn is_image(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Struct(_))
}

/// Is this a column that a reader of labels leaves out?
pub(crate) fn is_wide(field: &Field) -> bool {
    let big = |n: i32| n > 64;
    is_image(field)
        || matches!(field.data_type(), DataType::Binary)
        || matches!(field.data_type(), DataType::FixedSizeBinary(n) if big(*n))
}

/// The value of the `huggingface` metadata key: which columns are images.
pub(crate) fn huggingface(fields: &Fields) -> String {
    let images = fields.iter().filter(|f| is_image(f));
    let features: serde_json::Map<String, serde_json::Value> =
        images.map(|f| (f.name().clone(), serde_json::json!({"_type": "Image"}))).collect();
    serde_json::json!({"info": {"features": features}}).to_string()
}

fn described(description: &str, unit: &str) -> Metadata {
    let mut metadata = Metadata::from([("description", description)]);
    if !unit.is_empty() {
        metadata.insert("unit".to_string(), unit.to_string());
    }
    metadata
}
