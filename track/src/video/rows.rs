//! The row of one frame: cut around the fitted head, encoded, described as datagen would have.
use super::person::Person;
use super::{Matte, Plan};
use crate::config::TrackConfig;
use crate::finder::Found;
use crate::fit::{FittedView, Lens};
use crate::fitted_head::FittedHead;
use crate::frame::{CoarseMatte, Frame};
use crate::overlay::{self, Overlay};
use crate::picture::{Mips, png};
use crate::row::{self, Labels};
use formats::FrameRow;
use formats::image::{jpeg_from_rgb8, png_from_gray8};
use formats::publish::write_atomically;
use glam::{DMat3, DVec3, Vec3};
use head::model::Joint;
use head::rig::world_from_rest;
use head::{HeadModel, HeadParams, LandmarkModel};
use std::path::PathBuf;

/// A frame with everything its row is made of.
pub struct Ready {
    /// Counted within the cut.
    pub number: u64,
    /// Since the start of the video.
    pub seconds: f64,
    /// The frame.
    pub pixels: Mips,
    /// What was read.
    pub found: Found,
    /// The fit, smoothed.
    pub view: FittedView,
    /// Where it is wanted.
    pub matte: Option<CoarseMatte>,
}

impl Ready {
    /// Neither smoothed nor matted yet.
    pub fn new(number: u64, seconds: f64, pixels: Mips, found: Found) -> Self {
        let (rotation, translation) = (DMat3::IDENTITY, DVec3::ZERO);
        let view = FittedView { rotation, translation, focal_px: 0.0, expression: [0.0; 52], rms_px: 0.0 };
        Ready { number, seconds, pixels, found, view, matte: None }
    }
}

/// What all rows share. Knows no network, so that it works in a thread of its own.
pub struct Rows<'a> {
    head: &'a HeadModel,
    config: &'a TrackConfig,
    matte: Matte,
    lens: Lens,
    person: FittedHead,
    /// All landmarks of the head, of this person.
    landmarks: LandmarkModel,
    known: usize,
    source_path: String,
    /// Frames whose overlay is drawn, and where.
    shown: Vec<u64>,
    overlays: PathBuf,
    /// PNG of a frame that the video covers.
    all_valid: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// Of a person in a video.
    pub fn new(plan: &'a Plan, person: &Person) -> Self {
        let head = &plan.tracker.head;
        let all: Vec<usize> = (0..head.landmarks.len()).collect();
        let size = plan.tracker.config.frame.size;
        Rows {
            head,
            config: &plan.tracker.config,
            matte: plan.matte,
            lens: person.lens(),
            person: FittedHead::of(head, &person.coefficients),
            landmarks: head.landmark_model(&all).of_person(&person.coefficients),
            known: plan.tracker.dense().count(all.len()),
            source_path: plan.source.path.to_string_lossy().into_owned(),
            shown: person.frames.clone(),
            overlays: plan.out.join("overlay"),
            all_valid: png_from_gray8(size, size, &vec![255; size * size]).expect("a plain picture"),
        }
    }

    /// Cuts and encodes; draws the overlay of a frame that the person was fitted to.
    ///
    /// # Errors
    /// A picture that cannot be encoded or written.
    pub fn row(&self, ready: &Ready) -> anyhow::Result<FrameRow> {
        let view = FittedView { focal_px: self.lens.focal_px, ..ready.view.clone() };
        let mut frame =
            Frame::without_matte(&ready.pixels, &view, &self.lens, self.person.head_box, &self.config.frame);
        let params = self.person.params(view.expression);
        if let Some(coarse) = &ready.matte {
            frame.matte(coarse);
            let posed = self.person.posed(self.head, &params).positions;
            frame.cover_head(self.head, &posed);
            if self.shown.contains(&ready.number) {
                self.show(ready, &frame, &posed)?;
            }
        }
        let size = frame.canvas.width;
        let labels = Labels {
            frame: &frame,
            found: &ready.found,
            params: &params,
            landmarks: &self.landmarks.points(&[], &view.expression, &params.pose),
            gaze: self.gaze(&params),
            known: self.known,
        };
        let coverage = (self.matte == Matte::Read).then(|| png_from_gray8(size, size, &frame.coverage())).transpose();
        let valid = frame.valid();
        Ok(FrameRow {
            frame_id: ready.number,
            expression_id: ready.number as u32,
            image: jpeg_from_rgb8(size, size, &frame.canvas.to_rgb8(), self.config.video.quality)?,
            alpha: coverage?,
            valid: Some(match valid.iter().all(|v| *v == 255) {
                true => self.all_valid.clone(),
                false => png_from_gray8(size, size, &valid)?,
            }),
            light: r#"{"kind":"video"}"#.into(),
            frame_time: Some(ready.seconds),
            source_path: self.source_path.clone(),
            ..labels.row()
        })
    }

    /// Unit directions of the left and the right eye.
    fn gaze(&self, params: &HeadParams) -> [Vec3; 2] {
        let world_from_rest = world_from_rest(&self.landmarks.joint_mean, &params.expression, &params.pose);
        [Joint::EyeLeft, Joint::EyeRight].map(|joint| world_from_rest[joint as usize].transform_vector3(Vec3::Z))
    }

    fn show(&self, ready: &Ready, frame: &Frame, posed: &[Vec3]) -> anyhow::Result<()> {
        let drawn = overlay::draw(&Overlay {
            frame,
            photo: &ready.pixels,
            points: &row::points(frame, &ready.found),
            confidence: &row::confidence(&ready.found),
            model: self.head,
            posed,
        });
        let name = format!("{:06}-{:.2}s.png", ready.number, ready.seconds);
        Ok(write_atomically(&self.overlays.join(name), &png(&drawn)?)?)
    }
}
