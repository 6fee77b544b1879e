//! Who is in the video and through which lens: identity and focal length from a few frames that are spread over it.
//!
//! Frames are chosen for how well the face was read, for sharpness, and for poses that differ, because a head is known from
//! its sides.
use super::Plan;
use super::source::{Source, VideoFrame};
use crate::Error;
use crate::finder::Found;
use crate::fit::{self, Lens, Observation};
use crate::photos::{choose, observation};
use crate::picture::{Canvas, Mips};
use formats::progress::Progress;
use glam::{Mat3, Vec3};
use serde::{Deserialize, Serialize};

/// What all frames share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// `[Kc]` coefficients of the head model's identity prior.
    pub coefficients: Vec<f32>,
    /// Pixels of the frames as they are decoded.
    pub focal_px: f64,
    /// `[width, height]` of the frames as they are decoded.
    pub size: [usize; 2],
    /// Quarter turns, clockwise, after which the face is upright.
    pub quarter_turns: usize,
    /// Numbers of the frames it was fitted to.
    pub frames: Vec<u64>,
    /// Reprojection error in them, percent of the face.
    pub rms_percent: f64,
    /// Distance of the camera in them, meters.
    pub distance_m: f64,
}

impl Person {
    /// The camera of every frame.
    pub fn lens(&self) -> Lens {
        Lens { focal_px: self.focal_px, focal_spread: 0.0, ..Lens::unknown(self.size[0], self.size[1]) }
    }
}

/// A frame in which a face was found.
struct Candidate {
    number: u64,
    found: Found,
    size: [usize; 2],
    shrink: f64,
    /// Mean size of the second derivative of brightness over its deviation.
    sharpness: f32,
}

/// Searches frames all over the video and fits identity and focal length to the best.
///
/// # Errors
/// [`Error::NoFaceInVideo`], [`Error::SeveralFaces`], [`Error::BadFit`]; what [`Source::frames`] says.
pub fn find(source: &Source, plan: &Plan) -> anyhow::Result<Person> {
    let candidates = candidates(source, plan)?;
    let chosen = chosen(&candidates, plan.tracker.config.video.person_frames);
    fitted(&chosen, source, plan)
}

fn candidates(source: &Source, plan: &Plan) -> anyhow::Result<Vec<Candidate>> {
    let config = &plan.tracker.config;
    let wanted = config.video.candidates.max(1) as u64;
    // A container that does not say how long it is: from the first minute or so.
    let stride = source.frames.map_or(50, |n| n.div_ceil(wanted)).max(1);
    let progress = Progress::new("search", source.frames.map_or(wanted, |n| n.div_ceil(stride)), "frames", plan.talk);
    let (mut candidates, mut looked, mut best): (Vec<Candidate>, _, _) = (Vec::new(), 0, 0.0f32);
    for frame in source.frames(0, stride)?.take(2 * wanted as usize) {
        formats::stop::check()?;
        let VideoFrame { number, picture, shrink, .. } = frame?;
        let size = [picture.width, picture.height];
        let pixels = Mips::new(picture);
        looked += 1;
        // A search takes many times as long as a look at where the face was in the candidate before.
        let last = candidates.last().map(|candidate| candidate.found.face);
        let near = last.map(|face| plan.tracker.networks.read_near(&pixels, &face, &config.find));
        let found = match near.filter(|found| found.face.score >= config.find.threshold) {
            Some(found) => Ok(found),
            None => choose(&plan.tracker, plan.choice, &pixels, &source.path, plan.talk),
        };
        match found {
            Ok(found) => {
                let sharpness = sharpness(&pixels, &found);
                candidates.push(Candidate { number, found, size, shrink, sharpness });
            }
            Err(Error::NoFace { best: score, .. }) => best = best.max(score),
            Err(other) => return Err(other.into()),
        }
        progress.add(1);
    }
    progress.finish();
    if looked == 0 {
        return Err(Error::Video { why: "no frames".into(), path: source.path.clone() }.into());
    }
    if candidates.is_empty() {
        let needed = config.find.threshold;
        return Err(Error::NoFaceInVideo { looked, best, needed, path: source.path.clone() }.into());
    }
    Ok(candidates)
}

/// Of the face at one size, so that near and far faces compare.
fn sharpness(pixels: &Mips, found: &Found) -> f32 {
    const SIDE: usize = 128;
    let mut canvas = Canvas::new(SIDE, SIDE);
    pixels.warp(&found.face.crop(SIDE, 1.2), &mut canvas);
    let gray: Vec<f32> = (0..SIDE * SIDE).map(|i| canvas.planes[..3].iter().map(|p| p[i]).sum::<f32>() / 3.0).collect();
    let mean = gray.iter().sum::<f32>() / gray.len() as f32;
    let deviation = (gray.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / gray.len() as f32).sqrt();
    let second = |i: usize| (4.0 * gray[i] - gray[i - 1] - gray[i + 1] - gray[i - SIDE] - gray[i + SIDE]).abs();
    let inner = (1..SIDE - 1).flat_map(|y| (1..SIDE - 1).map(move |x| y * SIDE + x));
    inner.map(second).sum::<f32>() / ((SIDE - 2) * (SIDE - 2)) as f32 / deviation.max(0.02)
}

/// The best one first, then always the one that looks elsewhere than all before it, among those that are good.
fn chosen(candidates: &[Candidate], most: usize) -> Vec<&Candidate> {
    let sharpest = candidates.iter().map(|c| c.sharpness).fold(1e-6, f32::max);
    let quality = |c: &Candidate| c.found.face.score * (c.sharpness / sharpest).sqrt();
    let best = candidates.iter().map(quality).fold(0.0, f32::max);
    let good: Vec<&Candidate> = candidates.iter().filter(|c| quality(c) >= 0.6 * best).collect();
    let looks: Vec<Vec3> = good.iter().map(|c| gaze_of_head(c.found.reading.rotation)).collect();
    let mut picked: Vec<usize> = Vec::new();
    while picked.len() < most.max(1).min(good.len()) {
        let worth = |i: usize| {
            let apart = picked.iter().map(|&k| looks[i].distance(looks[k])).fold(1.0, f32::min);
            // Where all look the same way, the better read ones.
            (apart + 0.05) * quality(good[i])
        };
        let free = (0..good.len()).filter(|i| !picked.contains(i));
        let next = free.max_by(|a, b| worth(*a).total_cmp(&worth(*b)).then(b.cmp(a)));
        picked.extend(next);
    }
    picked.sort_unstable();
    picked.into_iter().map(|i| good[i]).collect()
}

/// Where the head faces, seen by the camera.
fn gaze_of_head(camera_from_head: Mat3) -> Vec3 {
    camera_from_head * Vec3::Z
}

fn fitted(chosen: &[&Candidate], source: &Source, plan: &Plan) -> anyhow::Result<Person> {
    let tracker = &plan.tracker;
    let dense = tracker.dense();
    let first = chosen[0];
    let [width, height] = first.size;
    let unknown = Lens::unknown(width, height);
    let lens = match plan.focal_px {
        Some(focal_px) => Lens { focal_px: focal_px / first.shrink, focal_spread: 0.0, ..unknown },
        None => unknown,
    };
    let observations: Vec<Observation> = chosen.iter().map(|c| observation(&c.found, lens, dense)).collect();
    let fit = fit::fit(&dense.model(&tracker.head), &observations, &tracker.config.fit);
    let n = chosen.len() as f64;
    let mut rms_percent = 0.0;
    for (view, candidate) in fit.views.iter().zip(chosen) {
        let face_px = f64::from(candidate.found.face.size);
        if view.rms_px > 0.15 * face_px || !view.rms_px.is_finite() {
            return Err(Error::BadFit { rms: view.rms_px, face_px, path: source.path.clone() }.into());
        }
        rms_percent += 100.0 * view.rms_px / face_px / n;
    }
    let [sine, cosine] = [f32::sin, f32::cos].map(|of| chosen.iter().map(|c| of(c.found.face.roll_rad)).sum::<f32>());
    let turn = sine.atan2(cosine);
    Ok(Person {
        coefficients: fit.coefficients,
        focal_px: fit.views[0].focal_px,
        size: first.size,
        quarter_turns: (-turn / std::f32::consts::FRAC_PI_2).round().rem_euclid(4.0) as usize,
        frames: chosen.iter().map(|c| c.number).collect(),
        rms_percent,
        distance_m: fit.views.iter().map(|v| v.translation.length()).sum::<f64>() / n,
    })
}
