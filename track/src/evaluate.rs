//! `track eval`: renders of people the networks never saw, treated as photos of unknown cameras, against their truth.
mod errors;
mod figures;

pub use figures::Figures;

use crate::Error;
use crate::config::TrackConfig;
use crate::face::Face;
use crate::finder::Found;
use crate::fit::{self, Lens, Observation, align};
use crate::fitted_head::FittedHead;
use crate::frame::Frame;
use crate::networks::Networks;
use crate::photos::{Dense, observation};
use crate::picture::{Mips, Picture};
use errors::UnitErrors;
use figures::FrameFigures;
use formats::FrameRow;
use formats::dataset::Dataset;
use formats::order::shuffled;
use formats::progress::{Progress, Talk};
use glam::Vec3;
use head::{HeadModel, ibug};
use std::collections::BTreeMap;
use std::time::Instant;

/// What is evaluated.
pub struct Subject<'a> {
    /// Detector and face network.
    pub networks: &'a Networks,
    /// The head that is fitted.
    pub head: &'a HeadModel,
    /// Search and fit.
    pub config: &'a TrackConfig,
}

/// Looks at up to `most` frames of `split`, then at up to `most` / 4 people in three pictures each.
///
/// # Errors
/// If there is no such frame, or one cannot be read.
pub fn run(data: &Dataset, split: &str, most: usize, subject: &Subject, talk: Talk) -> anyhow::Result<Figures> {
    let order: Vec<usize> = shuffled(&data.split(split), 0, 0);
    if order.is_empty() {
        return Err(Error::Data { what: format!("no frames of split `{split}`"), path: data.path().into() }.into());
    }
    let rows = &order[..most.min(order.len())];
    let groups = of_three(data, &order, most / 4);
    let progress = Progress::new("eval", (rows.len() + groups.len()) as u64, "fits", talk);
    let mut all = Vec::new();
    for &row in rows {
        all.push(one(data, row, subject)?);
        progress.add(1);
    }
    let mut threes = Vec::new();
    for group in &groups {
        threes.extend(together(data, group, subject)?);
        progress.add(1);
    }
    progress.finish();
    Ok(figures::summary(&all, &threes))
}

/// Three rows each of up to `most` people, different faces where there are.
fn of_three(data: &Dataset, order: &[usize], most: usize) -> Vec<Vec<usize>> {
    let mut people: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for &row in order {
        let label = data.labels(row);
        let own = people.entry(label.identity_id).or_default();
        if own.len() < 3 && own.iter().all(|&other| data.labels(other).expression_id != label.expression_id) {
            own.push(row);
        }
    }
    people.into_values().filter(|rows| rows.len() == 3).take(most).collect()
}

/// A frame with what was read in it.
struct Read {
    truth: FrameRow,
    photo: Mips,
    found: Found,
    is_found: bool,
    spurious: usize,
    read_ms: f64,
}

impl Read {
    fn new(data: &Dataset, row: usize, subject: &Subject) -> anyhow::Result<Self> {
        let truth = data.frame_with(row, &["image", "alpha"])?;
        let photo = Mips::new(Picture::decode(&truth.image, None)?);
        let face = Face::from_landmarks(&truth.landmarks_2d[..ibug::COUNT]);
        let config = &subject.config.find;
        let findings = subject.networks.find(&photo, config);
        let mine = findings.faces.iter().find(|f| f.face.overlap(&face) > 0.5).cloned();
        let (is_found, spurious) = (mine.is_some(), findings.faces.len() - mine.is_some() as usize);
        let started = Instant::now();
        // A face that was missed is still read where it is, so that the landmark figures have no survivors' bias.
        let again = subject.networks.read_face(&photo, &face, config);
        let read_ms = 1e3 * started.elapsed().as_secs_f64();
        Ok(Read { truth, photo, found: mine.unwrap_or(again), is_found, spurious, read_ms })
    }

    /// As a picture of a camera nobody knows.
    fn observation(&self, camera: usize, dense: Dense) -> Observation {
        let (width, height) = self.photo.size();
        Observation { camera, ..observation(&self.found, Lens::unknown(width, height), dense) }
    }
}

fn one(data: &Dataset, row: usize, subject: &Subject) -> anyhow::Result<FrameFigures> {
    let Subject { networks, head, config } = subject;
    let read = Read::new(data, row, subject)?;
    let truth = &read.truth;
    let dense = Dense::of(networks, head);
    let distances: Vec<f64> = read
        .found
        .points
        .iter()
        .zip(&truth.landmarks_2d)
        .map(|(p, q)| (p[0] - q[0]).hypot(p[1] - q[1]) as f64)
        .collect();
    let points = &truth.landmarks_2d[..ibug::COUNT];
    let face_px = Face::from_landmarks(points).size as f64;
    let corners = [ibug::RIGHT_EYE_OUTER, ibug::LEFT_EYE_OUTER].map(|l| points[l]);
    let eyes = (corners[0][0] - corners[1][0]).hypot(corners[0][1] - corners[1][1]) as f64;
    let camera = truth.camera();
    let to_camera = (camera.eye() - Vec3::from(truth.landmarks_3d[ibug::NASION])).normalize_or_zero();
    let frontal = to_camera.z > std::f32::consts::FRAC_1_SQRT_2;
    let model = dense.model(head);
    let started = Instant::now();
    let observation = read.observation(0, dense);
    let lens = observation.lens;
    let fitted = fit::fit(&model, &[observation], &config.fit);
    let fit_ms = 1e3 * started.elapsed().as_secs_f64();
    let view = &fitted.views[0];
    let space = model.points(&fitted.coefficients, &view.expression, &[Vec3::ZERO; 5]);
    let truth_space: Vec<Vec3> = truth.landmarks_3d[..ibug::COUNT].iter().map(|p| Vec3::from(*p)).collect();
    let person = FittedHead::new(head, &fitted);
    let posed = person.posed(head, &person.params(view.expression));
    let landmark_px = mean(&distances[..ibug::COUNT]);
    Ok(FrameFigures {
        found: read.is_found,
        spurious: read.spurious,
        landmark_px,
        nme_interocular: frontal.then_some(landmark_px / eyes.max(1.0)),
        nme_face: landmark_px / face_px,
        nme_dense: (dense == Dense::Known).then(|| mean(&distances[ibug::COUNT..]) / face_px),
        read: UnitErrors::new(&read.found.reading.expression, &truth.expression),
        fitted: UnitErrors::new(&view.expression, &truth.expression),
        gaze_deg: errors::gaze_deg(&posed.gaze, truth),
        reprojection_px: view.rms_px,
        landmark_mm: 1000.0 * mean(&align::distances(&space[..ibug::COUNT], &truth_space, align::Scale::Free)),
        shape_mm: true_neutral(data, truth, head).map(|t| {
            let average = head.neutral(&head.shape_from_prior(&[]));
            [face_mm(head, &person.neutral, &t), face_mm(head, &average, &t)]
        }),
        focal: (view.focal_px / camera.fx as f64).ln().abs(),
        distance: (view.translation.length() / camera.eye().length() as f64).ln().abs(),
        matte: truth.alpha.as_deref().and_then(|alpha| {
            let mut frame =
                Frame::new(networks, &read.photo, &read.found.face, view, &lens, person.head_box, &config.frame);
            frame.cover_head(head, &posed.positions);
            errors::matte(&frame, &read.photo, alpha)
        }),
        read_ms: read.read_ms,
        fit_ms,
    })
}

/// Neutral face of one person from three pictures of three cameras, millimeters.
fn together(data: &Dataset, rows: &[usize], subject: &Subject) -> anyhow::Result<Option<f64>> {
    let dense = Dense::of(subject.networks, subject.head);
    let reads: Vec<Read> = rows.iter().map(|&row| Read::new(data, row, subject)).collect::<Result<_, _>>()?;
    let observations: Vec<Observation> = reads.iter().enumerate().map(|(i, r)| r.observation(i, dense)).collect();
    let fitted = fit::fit(&dense.model(subject.head), &observations, &subject.config.fit);
    let person = FittedHead::new(subject.head, &fitted);
    Ok(true_neutral(data, &reads[0].truth, subject.head).map(|t| face_mm(subject.head, &person.neutral, &t)))
}

/// `[V]` the person at rest, if the data set is of this head.
fn true_neutral(data: &Dataset, row: &FrameRow, head: &HeadModel) -> Option<Vec<Vec3>> {
    let shape = data.identity(row.identity_id).map(|i| &i.shape)?;
    (shape.len() == head.identity.len()).then(|| head.neutral(shape))
}

/// Mean distance over the face region after alignment with scale, millimeters.
fn face_mm(head: &HeadModel, fitted: &[Vec3], truth: &[Vec3]) -> f64 {
    let Some(region) = head.regions.get("face") else { return f64::NAN };
    let inside =
        |p: &[Vec3]| -> Vec<Vec3> { p.iter().zip(region).filter(|(_, w)| **w > 0.5).map(|(v, _)| *v).collect() };
    1000.0 * mean(&align::distances(&inside(fitted), &inside(truth), align::Scale::Free))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
