//! A photo whose head is known: framed, posed, its landmarks in the frame.
use super::read::ReadPhoto;
use crate::fit::FittedView;
use crate::fitted_head::FittedHead;
use crate::frame::Frame;
use crate::overlay::{self, Overlay};
use crate::row;
use crate::tracker::Tracker;
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
    pub fn new(tracker: &Tracker, person: &FittedHead, read: &'a ReadPhoto, view: &FittedView) -> Self {
        let mut frame = Frame::new(
            &tracker.networks,
            &read.pixels,
            &read.found.face,
            view,
            &read.lens,
            person.head_box,
            &tracker.config.frame,
        );
        let params = person.params(view.expression);
        let posed = person.posed(&tracker.head, &params);
        frame.cover_head(&tracker.head, &posed.positions);
        let points = row::points(&frame, &read.found);
        let confidence = row::confidence(&read.found);
        let known = tracker.dense().count(points.len());
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
