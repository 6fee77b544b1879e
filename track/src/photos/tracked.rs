//! A photo whose head is known: framed, posed, its landmarks in the frame.
use super::read::ReadPhoto;
use super::{Dense, Plan};
use crate::fit::FittedView;
use crate::fitted_head::FittedHead;
use crate::frame::Frame;
use crate::overlay::{self, Overlay};
use head::{HeadModel, HeadParams, Posed};

/// A photo with everything that its row and its overlay show; world is the head's own space at rest.
pub struct TrackedPhoto<'a> {
    /// The photo and its face.
    pub read: &'a ReadPhoto,
    /// The photo as datagen's camera would see it, matted.
    pub frame: Frame,
    /// Person and expression.
    pub params: HeadParams,
    /// The head so.
    pub posed: Posed,
    /// `[L]` landmarks that were seen, pixels of the frame.
    pub points: Vec<[f32; 2]>,
    /// `[L]` 0..=1, of each of them.
    pub confidence: Vec<f32>,
    /// How many of them the head model understands.
    pub known: usize,
}

impl<'a> TrackedPhoto<'a> {
    /// Frames the photo around the fitted head.
    pub fn new(plan: &Plan, person: &FittedHead, read: &'a ReadPhoto, view: &FittedView) -> Self {
        let mut frame = Frame::new(
            &plan.networks,
            &read.pixels,
            &read.found.face,
            view,
            &read.lens,
            person.head_box,
            &plan.config.frame,
        );
        let params = person.params(view.expression);
        let posed = person.posed(&plan.head, &params);
        frame.cover_head(&plan.head, &posed.positions);
        let points: Vec<[f32; 2]> = read.found.points.iter().map(|p| frame.from_photo(*p)).collect();
        let face_px = read.found.face.size;
        let confidence = read.found.spread_px.iter().map(|spread_px| confidence(*spread_px, face_px)).collect();
        let known = Dense::of(&plan.networks, &plan.head).count(points.len());
        TrackedPhoto { read, frame, params, posed, points, confidence, known }
    }

    /// The picture for people.
    pub fn overlay(&self, head: &HeadModel) -> image::RgbImage {
        overlay::draw(&Overlay {
            frame: &self.frame,
            photo: &self.read.pixels,
            points: &self.points,
            confidence: &self.confidence,
            model: head,
            posed: &self.posed.positions,
        })
    }
}

/// Confidence 0..=1 of a landmark: one half where the expected error is 2.5 % of the face.
fn confidence(spread_px: f32, face_px: f32) -> f32 {
    1.0 / (1.0 + (spread_px / (0.025 * face_px)).powi(2))
}
