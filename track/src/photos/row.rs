//! The row of one photo, in the schema of datagen's.
use super::tracked::TrackedPhoto;
use crate::picture::png;
use crate::row::Labels;
use formats::FrameRow;
use formats::image::png_from_gray8;
use head::HeadModel;

impl TrackedPhoto<'_> {
    /// Row `index` of the dataset.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn row(&self, head: &HeadModel, index: usize) -> anyhow::Result<FrameRow> {
        let frame = &self.frame;
        let size = frame.canvas.width;
        let labels = Labels {
            frame,
            found: &self.read.found,
            params: &self.params,
            landmarks: &head.landmarks_at(&self.posed.positions),
            gaze: self.posed.gaze,
            known: self.known,
        };
        Ok(FrameRow {
            frame_id: index as u64,
            expression_id: index as u32,
            light_id: index as u32,
            image: png(&frame.canvas.to_rgb8())?,
            alpha: Some(png_from_gray8(size, size, &frame.coverage())?),
            valid: Some(png_from_gray8(size, size, &frame.valid())?),
            light: r#"{"kind":"photo"}"#.into(),
            source_path: self.read.path.to_string_lossy().into_owned(),
            ..labels.row()
        })
    }
}
