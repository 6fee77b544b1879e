//! How a table lies in a Parquet file, so that one image can be read alone and a curator can filter.
//!
//! Row groups of at most 256 rows or 64 MiB; image bytes uncompressed, one image a data page; arrays plain; scalars zstd
//! with statistics; page index on.
use crate::columns::Complaint;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Rows of a row group.
pub(crate) const GROUP_ROWS: usize = 256;
/// Bytes of images of a row group.
pub(crate) const GROUP_BYTES: usize = 64 << 20;

/// Layout of a file with these columns, sorted by `sorted_by`, with `pairs` in its metadata; scalars get `statistics`.
///
/// # Errors
/// In words: a column that Parquet has no type for.
pub(crate) fn properties(
    schema: &SchemaRef,
    sorted_by: &[&str],
    pairs: Vec<(String, String)>,
    statistics: EnabledStatistics,
) -> Result<WriterProperties, Complaint> {
    let leaves = ArrowSchemaConverter::new().convert(schema).map_err(|e| e.to_string())?;
    let zstd = Compression::ZSTD(ZstdLevel::try_new(1).map_err(|e| e.to_string())?);
    let mut properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_compression(zstd)
        .set_statistics_enabled(statistics)
        .set_key_value_metadata(Some(pairs.into_iter().map(|(k, v)| KeyValue::new(k, v)).collect()));
    let mut sorted = Vec::new();
    for (index, leaf) in leaves.columns().iter().enumerate() {
        let parts = leaf.path().parts();
        let field = schema.field_with_name(&parts[0]).map_err(|e| e.to_string())?;
        if sorted_by.contains(&parts[0].as_str()) {
            sorted.push(SortingColumn { column_idx: index as i32, descending: false, nulls_first: false });
        }
        let path = leaf.path().clone();
        properties = match field.data_type() {
            DataType::Binary => image_bytes(properties, path),
            DataType::Struct(_) if parts[1] == "bytes" => image_bytes(properties, path),
            DataType::FixedSizeBinary(n) if *n > 64 => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
                .set_column_data_page_row_count_limit(path, 1),
            DataType::FixedSizeList(..) | DataType::FixedSizeBinary(_) => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None),
            DataType::Struct(_) => properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None),
            _ => properties,
        };
    }
    Ok(properties.set_sorting_columns(Some(sorted)).build())
}

/// Encoded images: as they are, each alone in a page.
fn image_bytes(properties: WriterPropertiesBuilder, path: ColumnPath) -> WriterPropertiesBuilder {
    properties
        .set_column_compression(path.clone(), Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(path.clone(), false)
        .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
        .set_column_data_page_row_count_limit(path, 1)
}
