//! The table `exr`: linear half-float layers beside `frames`, same shards, same rows, same order.
//!
//! Apart from the labels, because no viewer decodes them and browsing must not pull them.
use crate::columns::{self, Columns, Complaint};
use crate::schema;
use crate::table::Row;
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, SchemaRef};

/// The layers of one frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExrRow {
    /// The row of `frames` it belongs to.
    pub frame_id: u64,
    /// A multi-layer OpenEXR file.
    pub exr: Vec<u8>,
}

impl Row for ExrRow {
    const TABLE: &'static str = "exr";
    const VERSION: u32 = 1;
    const SORTED_BY: &'static [&'static str] = &["frame_id"];

    fn fields(&self) -> Vec<Field> {
        vec![
            schema::scalar("frame_id", DataType::UInt64, "the row of frames it belongs to", ""),
            schema::scalar("exr", DataType::Binary, "OpenEXR file, linear half floats, one layer a map", ""),
        ]
    }

    fn key(&self) -> [u64; 4] {
        [self.frame_id, 0, 0, 0]
    }

    fn wide_bytes(&self) -> usize {
        self.exr.len()
    }

    fn check(&self, _: &SchemaRef) -> Result<(), Complaint> {
        match self.exr.starts_with(&[0x76, 0x2f, 0x31, 0x01]) {
            true => Ok(()),
            false => Err("exr: no OpenEXR file".into()),
        }
    }

    fn batch(rows: &[Self], schema: &SchemaRef) -> Result<RecordBatch, Complaint> {
        let columns: Vec<ArrayRef> =
            vec![columns::of_u64(rows.iter().map(|r| r.frame_id)), columns::of_bytes(rows.iter().map(|r| &r.exr[..]))];
        RecordBatch::try_new(schema.clone(), columns).map_err(|e| e.to_string())
    }

    fn rows(batch: &RecordBatch) -> Result<Vec<Self>, Complaint> {
        let batch = Columns(batch);
        let rows = batch.u64("frame_id")?.into_iter().zip(batch.bytes_or_empty("exr")?);
        Ok(rows.map(|(frame_id, exr)| ExrRow { frame_id, exr }).collect())
    }
}
