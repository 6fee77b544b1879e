//! The face from one frame to the next: read near where it was, searched for where it was lost, fitted with the person
//! known.
use super::person::Person;
use super::smooth::Sample;
use crate::face::Face;
use crate::finder::{FindConfig, Found};
use crate::fit::{self, FittedView, Lens, Observation};
use crate::photos::observation;
use crate::picture::Mips;
use crate::tracker::Tracker;
use head::LandmarkModel;
use serde::{Deserialize, Serialize};

/// What the next frame starts from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where the face was last.
    face: Option<Face>,
    /// How it was fitted then, if that was in the frame before.
    fitted: Option<Sample>,
}

/// A frame with a face.
pub struct Followed {
    /// What was read.
    pub found: Found,
    /// How it was fitted, not smoothed.
    pub view: FittedView,
}

/// Follows one face.
pub struct Follower<'a> {
    tracker: &'a Tracker,
    lens: Lens,
    person: LandmarkModel,
    quarter_turns: usize,
    /// Of the frame before.
    pub state: State,
}

impl<'a> Follower<'a> {
    /// Of this person, from this state on.
    pub fn new(tracker: &'a Tracker, person: &Person, state: State) -> Self {
        let model = tracker.dense().model(&tracker.head).of_person(&person.coefficients);
        Follower { tracker, lens: person.lens(), person: model, quarter_turns: person.quarter_turns, state }
    }

    /// The face in the next frame; `None` where there is none.
    pub fn next(&mut self, number: u64, seconds: f64, pixels: &Mips) -> Option<Followed> {
        let followed = self.read(pixels).and_then(|found| self.fit(found));
        self.state.fitted = followed.as_ref().map(|f| sample_of(&f.view, number, seconds));
        if let Some(followed) = &followed {
            self.state.face = Some(followed.found.face);
        }
        followed
    }

    fn read(&self, pixels: &Mips) -> Option<Found> {
        let config = &self.tracker.config.find;
        let is_face = |found: &Found| found.face.score >= config.threshold;
        if let (Some(face), Some(_)) = (&self.state.face, &self.state.fitted) {
            let found = self.tracker.networks.read_near(pixels, face, config);
            if is_face(&found) {
                return Some(found);
            }
        }
        let search = self.state.face.map_or(*config, |last| near_in_size(config, &last, pixels));
        let faces = self.tracker.networks.find_turned(pixels, &search, self.quarter_turns).faces;
        let Some(last) = &self.state.face else { return faces.into_iter().next() };
        let distance = |face: &Face| (face.centre[0] - last.centre[0]).hypot(face.centre[1] - last.centre[1]);
        faces.into_iter().min_by(|a, b| distance(&a.face).total_cmp(&distance(&b.face)))
    }

    fn fit(&self, found: Found) -> Option<Followed> {
        let config = &self.tracker.config.fit;
        let seen = observation(&found, self.lens, self.tracker.dense());
        let is_good = |view: &FittedView| view.rms_px <= 0.15 * f64::from(found.face.size);
        let before = self.state.fitted.as_ref().map(|sample| view_of(sample, self.lens.focal_px));
        let continued = before.map(|before| fit::follow(&self.person, &seen, &before, config)).filter(is_good);
        let view = continued.or_else(|| Some(self.anew(&seen)).filter(is_good))?;
        Some(Followed { found, view })
    }

    /// Without a frame before.
    fn anew(&self, seen: &Observation) -> FittedView {
        let fitted = fit::fit(&self.person, std::slice::from_ref(seen), &self.tracker.config.fit);
        fitted.views.into_iter().next().expect("one picture, one view")
    }
}

/// A search for a face that was there before: not for much smaller ones, and among few candidates, so that frames without a
/// face take little time.
fn near_in_size(config: &FindConfig, last: &Face, pixels: &Mips) -> FindConfig {
    let (width, height) = pixels.size();
    let smallest_px = 0.4 * last.size;
    FindConfig { smallest: smallest_px / width.max(height) as f32, smallest_px, most: config.most.min(6), ..*config }
}

/// A fitted frame as it is smoothed and stored.
pub fn sample_of(view: &FittedView, number: u64, seconds: f64) -> Sample {
    let expression = view.expression.to_vec();
    Sample { number, seconds, rotation: view.rotation, translation: view.translation, expression }
}

/// And back.
pub fn view_of(sample: &Sample, focal_px: f64) -> FittedView {
    let mut expression = [0.0; 52];
    expression.iter_mut().zip(&sample.expression).for_each(|(to, from)| *to = *from);
    FittedView { rotation: sample.rotation, translation: sample.translation, focal_px, expression, rms_px: 0.0 }
}
