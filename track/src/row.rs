//! The labels of a row, from what was read and fitted: for photos and for frames of a video.
use crate::finder::Found;
use crate::frame::Frame;
use formats::FrameRow;
use glam::Vec3;
use head::HeadParams;

/// A face that was read, with the head fitted to it, in its frame.
pub struct Labels<'a> {
    /// The frame.
    pub frame: &'a Frame,
    /// What was read.
    pub found: &'a Found,
    /// Person and expression.
    pub params: &'a HeadParams,
    /// `[L]` landmarks of the fitted head, world (meters).
    pub landmarks: &'a [Vec3],
    /// Unit gaze directions of the left and the right eye in the world.
    pub gaze: [Vec3; 2],
    /// How many landmarks of the network the head model understands.
    pub known: usize,
}

impl Labels<'_> {
    /// A row without ids and images: landmarks as they were seen with their confidence, those that the network does not
    /// know where the fitted head has them with confidence 0.
    pub fn row(&self) -> FrameRow {
        let Labels { frame, found, landmarks, known, .. } = *self;
        let mut landmarks_2d: Vec<[f32; 2]> = landmarks.iter().map(|p| frame.camera.project(*p).0.to_array()).collect();
        landmarks_2d[..known].copy_from_slice(&points(frame, found)[..known]);
        let mut landmark_visible = vec![0.0; landmarks.len()];
        landmark_visible[..known].copy_from_slice(&confidence(found)[..known]);
        let frame_per_photo = 1.0 / frame.scale();
        let mut landmark_spread = vec![0.0; landmarks.len()];
        landmark_spread.iter_mut().zip(&found.spread_px[..known]).for_each(|(s, px)| *s = px * frame_per_photo);
        let mut row = FrameRow {
            split: "train".into(),
            landmarks_2d,
            landmarks_3d: landmarks.iter().map(|p| p.to_array()).collect(),
            landmark_visible,
            landmark_spread,
            expression_spread: found.reading.expression_spread.to_vec(),
            gaze: self.gaze.map(|g| g.to_array()),
            ..Default::default()
        };
        row.set_camera(&frame.camera);
        row.set_head_params(self.params);
        row
    }
}

/// `[L]` landmarks that were seen, pixels of the frame.
pub fn points(frame: &Frame, found: &Found) -> Vec<[f32; 2]> {
    found.points.iter().map(|p| frame.from_photo(*p)).collect()
}

/// `[L]` confidence 0..=1 of each: one half where the expected error is 2.5 % of the face.
pub fn confidence(found: &Found) -> Vec<f32> {
    let knee_px = 0.025 * found.face.size;
    found.spread_px.iter().map(|spread_px| 1.0 / (1.0 + (spread_px / knee_px).powi(2))).collect()
}
