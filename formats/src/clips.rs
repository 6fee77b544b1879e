//! The table `clips`: frames that belong to short clips, remade clip by clip while an avatar is trained on them.
use crate::columns::{self, Columns, Complaint};
use crate::table::Row;
use crate::{FrameRow, schema};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// A frame of a clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClipRow {
    /// The clip.
    pub clip_id: u32,
    /// Index within the clip, from 0.
    pub frame_in_clip: u32,
    /// What made the image: `video-model`, `render`, a model and its digest.
    pub made_by: String,
    /// Training iteration at which it was made.
    pub iteration: u64,
    /// Image, pose, camera and everything else a frame has.
    pub frame: FrameRow,
}

impl ClipRow {
    /// The column that groups rows in a versioned set.
    pub const GROUP: &'static str = "clip_id";
    /// The column that orders them within.
    pub const POSITION: &'static str = "frame_in_clip";
}

/// Columns before those of the frame.
const OWN: usize = 4;

impl Row for ClipRow {
    const TABLE: &'static str = "clips";
    const VERSION: u32 = FrameRow::VERSION;
    const SORTED_BY: &'static [&'static str] = &[Self::GROUP, Self::POSITION];

    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![
            schema::scalar(Self::GROUP, DataType::UInt32, "clip the frame belongs to; replaced as a whole", ""),
            schema::scalar(Self::POSITION, DataType::UInt32, "index within the clip", ""),
            schema::scalar("made_by", DataType::Utf8, "what made the image", ""),
            schema::scalar("iteration", DataType::UInt64, "training iteration at which it was made", ""),
        ];
        fields.extend(self.frame.fields());
        fields
    }

    fn key(&self) -> [u64; 4] {
        [self.clip_id.into(), self.frame_in_clip.into(), 0, 0]
    }

    fn wide_bytes(&self) -> usize {
        self.frame.wide_bytes()
    }

    fn check(&self, schema: &SchemaRef) -> Result<(), Complaint> {
        self.frame.check(schema)
    }

    fn batch(rows: &[Self], schema: &SchemaRef) -> Result<RecordBatch, Complaint> {
        let frames: Vec<FrameRow> = rows.iter().map(|r| r.frame.clone()).collect();
        let frame_schema = Arc::new(Schema::new(schema.fields()[OWN..].to_vec()));
        let frames = FrameRow::batch(&frames, &frame_schema)?;
        let mut columns: Vec<ArrayRef> = vec![
            columns::of_u32(rows.iter().map(|r| r.clip_id)),
            columns::of_u32(rows.iter().map(|r| r.frame_in_clip)),
            columns::of_text(rows.iter().map(|r| r.made_by.as_str())),
            columns::of_u64(rows.iter().map(|r| r.iteration)),
        ];
        columns.extend(frames.columns().iter().cloned());
        RecordBatch::try_new(schema.clone(), columns).map_err(|e| e.to_string())
    }

    fn rows(batch: &RecordBatch) -> Result<Vec<Self>, Complaint> {
        let frames = FrameRow::rows(batch)?;
        let columns = Columns(batch);
        let (clips, positions) = (columns.u32(Self::GROUP)?, columns.u32(Self::POSITION)?);
        let (made_by, iterations) = (columns.text("made_by")?, columns.u64("iteration")?);
        let row = |(i, frame): (usize, FrameRow)| ClipRow {
            clip_id: clips[i],
            frame_in_clip: positions[i],
            made_by: made_by[i].clone(),
            iteration: iterations[i],
            frame,
        };
        Ok(frames.into_iter().enumerate().map(row).collect())
    }
}
