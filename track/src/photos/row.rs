//! The row of one photo, in the schema of datagen's.
use super::tracked::TrackedPhoto;
use crate::picture::png;
use formats::FrameRow;
use formats::image::png_from_gray8;
use head::HeadModel;

impl TrackedPhoto<'_> {
    /// Row `index` of the dataset: landmarks as they were seen with their confidence, those that the network does not know
    /// where the fitted head has them with confidence 0.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn row(&self, head: &HeadModel, index: usize) -> anyhow::Result<FrameRow> {
        let TrackedPhoto { read, frame, posed, .. } = self;
        let known = self.known;
        let size = frame.canvas.width;
        let landmarks = head.landmarks_at(&posed.positions);
        let mut landmarks_2d: Vec<[f32; 2]> = landmarks.iter().map(|p| frame.camera.project(*p).0.to_array()).collect();
        landmarks_2d[..known].copy_from_slice(&self.points[..known]);
        let mut landmark_visible = vec![0.0; landmarks.len()];
        landmark_visible[..known].copy_from_slice(&self.confidence[..known]);
        let frame_per_photo = 1.0 / frame.scale();
        let mut landmark_spread = vec![0.0; landmarks.len()];
        landmark_spread.iter_mut().zip(&read.found.spread_px[..known]).for_each(|(s, px)| *s = px * frame_per_photo);
        let alpha: Vec<u8> = frame.canvas.planes[3].iter().map(|a| (a * 255.0 + 0.5) as u8).collect();
        let mut row = FrameRow {
            frame_id: index as u64,
            expression_id: index as u32,
            light_id: index as u32,
            split: "train".into(),
            image: png(&frame.canvas.to_rgb8())?,
            alpha: Some(png_from_gray8(size, size, &alpha)?),
            landmarks_2d,
            landmarks_3d: landmarks.iter().map(|p| p.to_array()).collect(),
            landmark_visible,
            landmark_spread,
            expression_spread: read.found.reading.expression_spread.to_vec(),
            valid: Some(png_from_gray8(size, size, &frame.valid())?),
            gaze: posed.gaze.map(|g| g.to_array()),
            light: r#"{"kind":"photo"}"#.into(),
            source_path: read.path.to_string_lossy().into_owned(),
            ..Default::default()
        };
        row.set_camera(&frame.camera);
        row.set_head_params(&self.params);
        Ok(row)
    }
}
