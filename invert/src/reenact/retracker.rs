//! The tracker on rendered frames: each face found and read, one identity fitted to some of them, then each frame with that
//! identity. Frames do not smooth each other, so that nothing hides jitter.
use super::choice::evenly;
use formats::image::Decoded;
use head::ibug;
use splat::Camera;
use track::face::Face;
use track::finder::Found;
use track::fit::{self, Lens, Observation};
use track::photos::observation;
use track::picture::{Mips, Picture};
use track::tracker::Tracker;

/// A fit with more error than this fraction of the face does not count as a face.
const WORST_FIT: f64 = 0.15;

/// A frame with a face.
pub struct Tracked {
    /// Its place in the clip.
    pub frame: usize,
    /// `[68]` iBUG landmarks as the network reads them, pixels.
    pub points: Vec<[f32; 2]>,
    /// Coefficients of the fit.
    pub expression: [f32; 52],
}

/// A frame whose face was read.
struct Read {
    frame: usize,
    points: Vec<[f32; 2]>,
    face_px: f64,
    observation: Observation,
}

/// Reads frames in order, then fits them.
pub struct Retracker<'a> {
    tracker: &'a Tracker,
    /// Where the face was last.
    last: Option<Face>,
    read: Vec<Read>,
}

impl<'a> Retracker<'a> {
    /// Nothing read yet.
    pub fn new(tracker: &'a Tracker) -> Self {
        Retracker { tracker, last: None, read: Vec::new() }
    }

    /// Reads frame number `frame` of the clip, `[H, W, 3]`, rendered by `camera`.
    pub fn read(&mut self, frame: usize, image: &Decoded<u8>, camera: &Camera) {
        let Some(found) = self.find(&mips(image)) else { return };
        self.last = Some(found.face);
        let lens = Lens {
            focal_px: f64::from(camera.fx),
            focal_spread: 0.0,
            centre: [f64::from(camera.cx), f64::from(camera.cy)],
        };
        self.read.push(Read {
            frame,
            points: found.points[..ibug::COUNT].to_vec(),
            face_px: f64::from(found.face.size),
            // Each frame has its own camera: with `--pose camera`, focal lengths differ.
            observation: Observation { camera: frame, ..observation(&found, lens, self.tracker.dense()) },
        });
    }

    /// Near where the face was last, else anywhere.
    fn find(&self, pixels: &Mips) -> Option<Found> {
        let (networks, config) = (&self.tracker.networks, &self.tracker.config.find);
        let near = self.last.map(|face| networks.read_near(pixels, &face, config));
        near.filter(|found| found.face.score >= config.threshold)
            .or_else(|| networks.find_turned(pixels, config, 0).faces.into_iter().next())
    }

    /// The frames that show a face which the head model fits.
    pub fn finish(self) -> Vec<Tracked> {
        if self.read.is_empty() {
            return Vec::new();
        }
        let config = &self.tracker.config;
        let model = self.tracker.dense().model(&self.tracker.head);
        let few = evenly(self.read.len(), config.video.person_frames.max(1), 1);
        let few: Vec<Observation> = few.into_iter().map(|k| self.read[k].observation.clone()).collect();
        let person = model.of_person(&fit::fit(&model, &few, &config.fit).coefficients);
        let tracked = |read: Read| {
            let fitted = fit::fit(&person, std::slice::from_ref(&read.observation), &config.fit);
            let view = fitted.views.into_iter().next()?;
            let Read { frame, points, face_px, .. } = read;
            (view.rms_px <= WORST_FIT * face_px).then_some(Tracked { frame, points, expression: view.expression })
        };
        self.read.into_iter().filter_map(tracked).collect()
    }
}

/// For the tracker.
fn mips(image: &Decoded<u8>) -> Mips {
    let rgba = image.data.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    Mips::new(Picture { width: image.width, height: image.height, rgba })
}
