//! Finds and reads faces in a photo: pyramid, detector, then the landmark net as second opinion.
use crate::detect_net::{DetectNet, PYRAMID_STEP, SIZES, STRIDE};
use crate::face::{Face, suppress};
use crate::landmark_net::{LANDMARKS, MARGINS, SIDE};
use crate::networks::Networks;
use crate::picture::{Canvas, Mips};
use nets::align::Affine;

/// What counts as a face.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FindConfig {
    /// Smallest face looked for, as a share of the photo's longer side.
    pub smallest: f32,
    /// Candidates below this score of the detector are not read.
    pub candidate: f32,
    /// Faces below this score of both networks together are dropped.
    pub threshold: f32,
    /// Candidates that are read at most.
    pub most: usize,
    /// Disagreement of the wide and the close reading at which the score is halved, share of the face size.
    pub disagreement: f32,
    /// Expected landmark error at which the score is halved, share of the face size.
    pub spread: f32,
}

impl Default for FindConfig {
    fn default() -> Self {
        FindConfig { smallest: 0.06, candidate: 0.08, threshold: 0.5, most: 24, disagreement: 0.06, spread: 0.08 }
    }
}

/// A face that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where; the score is that of both networks.
    pub face: Face,
    /// `[68]` pixels of the photo.
    pub points: Vec<[f32; 2]>,
    /// `[68]` expected error, pixels of the photo.
    pub spread_px: Vec<f32>,
    /// Score of the detector.
    pub detector: f32,
    /// Probability of being a face, of the landmark net.
    pub is_face: f32,
    /// Mean distance of the wide and the close reading, share of the face size.
    pub disagreement: f32,
    /// Mean expected error, share of the face size.
    pub spread: f32,
}

/// What the search saw.
pub struct Findings {
    /// Faces above the threshold, largest first.
    pub faces: Vec<Found>,
    /// Best score of all candidates, faces or not.
    pub best: f32,
    /// Height of the smallest face that was looked for, pixels.
    pub smallest_px: f32,
}

/// Pixels added on every side of a pyramid level, so that faces at the border are seen whole.
const BORDER: usize = 16;

impl Networks {
    /// Finds and reads every face.
    pub fn find(&self, photo: &Mips, config: &FindConfig) -> Findings {
        let (width, height) = photo.size();
        let smallest_px = (config.smallest * width.max(height) as f32).max(12.0);
        let candidates = suppress(self.candidates(photo, smallest_px, config.candidate), 0.4);
        let mut read = Vec::new();
        let mut best = 0.0f32;
        for candidate in candidates.iter().take(config.most) {
            let found = self.read_face(photo, candidate, config);
            best = best.max(found.face.score);
            if found.face.score >= config.threshold {
                read.push(found);
            }
        }
        Findings { faces: largest_first(read), best, smallest_px }
    }

    /// Detector's candidates over the pyramid, in pixels of the photo.
    fn candidates(&self, photo: &Mips, smallest_px: f32, threshold: f32) -> Vec<Face> {
        let (width, height) = photo.size();
        let shorter = width.min(height) as f32;
        let mut scale = 1.1 * SIZES[0] / smallest_px;
        let mut all = Vec::new();
        // The largest face asked for is a little larger than the photo is high.
        while 1.2 * shorter * scale > SIZES[0] {
            let level = level_of(photo, scale);
            let x = crate::landmark_net::tensor_of(std::slice::from_ref(&level)).to_device(self.device());
            let answer = tch::no_grad(|| self.detect.forward(&x, false)).get(0);
            let back = Affine::about([BORDER as f32; 2], [0.0; 2], 1.0 / scale, 0.0);
            all.extend(DetectNet::faces(&answer, threshold).iter().map(|f| f.mapped(&back)));
            scale *= PYRAMID_STEP;
        }
        all
    }

    /// Reads a face around a candidate: once to place the crop, once wide and once close for the landmarks.
    pub fn read_face(&self, photo: &Mips, candidate: &Face, config: &FindConfig) -> Found {
        let first = self.read_crops(photo, &[(*candidate, MARGINS[0])]);
        let placed = Face::from_landmarks(&first[0].0);
        let second = self.read_crops(photo, &MARGINS.map(|margin| (placed, margin)));
        let mut points = Vec::with_capacity(LANDMARKS);
        let mut spread_px = Vec::with_capacity(LANDMARKS);
        for i in 0..LANDMARKS {
            let weights: Vec<f32> = second.iter().map(|r| 1.0 / r.1[i].max(1e-3).powi(2)).collect();
            let sum: f32 = weights.iter().sum();
            let mean = |k: usize| second.iter().zip(&weights).map(|(r, w)| r.0[i][k] * w).sum::<f32>() / sum;
            points.push([mean(0), mean(1)]);
            // The two readings share their errors: averaged, not added up as if they were independent.
            spread_px.push(second.iter().map(|r| r.1[i]).sum::<f32>() / second.len() as f32);
        }
        let is_face = first.iter().chain(&second).map(|r| r.2).sum::<f32>() / (1 + second.len()) as f32;
        let face = Face::from_landmarks(&points);
        let apart = |i: usize| {
            let (p, q) = (second[0].0[i], second[1].0[i]);
            (p[0] - q[0]).hypot(p[1] - q[1])
        };
        let disagreement = (0..LANDMARKS).map(apart).sum::<f32>() / LANDMARKS as f32 / face.size;
        let spread = spread_px.iter().sum::<f32>() / LANDMARKS as f32 / face.size;
        let trust = halved_at(disagreement, config.disagreement) * halved_at(spread, config.spread);
        let detector = candidate.score;
        let score = (detector * is_face * is_face).cbrt() * trust;
        Found { face: Face { score, ..face }, points, spread_px, detector, is_face, disagreement, spread }
    }

    /// Reads crops of `margin` times the face: landmarks and spreads in pixels of the photo, and the face probability.
    fn read_crops(&self, photo: &Mips, crops: &[(Face, f32)]) -> Vec<(Vec<[f32; 2]>, Vec<f32>, f32)> {
        let placements: Vec<Affine> = crops.iter().map(|(face, margin)| face.crop(SIDE, *margin)).collect();
        let canvases: Vec<Canvas> = placements
            .iter()
            .map(|s| {
                let mut canvas = Canvas::new(SIDE, SIDE);
                photo.warp(s, &mut canvas);
                canvas
            })
            .collect();
        let readings = self.landmark.read(&canvases, self.device());
        readings
            .into_iter()
            .zip(&placements)
            .map(|(reading, s)| {
                let (back, shrink) = (s.inverse(), 1.0 / s.scale());
                let points = reading.points.iter().map(|p| back.apply(*p)).collect();
                (points, reading.spread_px.iter().map(|v| v * shrink).collect(), reading.is_face)
            })
            .collect()
    }
}

/// 1 near 0, one half at `knee`, falling fast beyond.
fn halved_at(v: f32, knee: f32) -> f32 {
    1.0 / (1.0 + (v / knee).powi(4))
}

/// The photo at `scale` with a black border, sides a multiple of the stride.
fn level_of(photo: &Mips, scale: f32) -> Canvas {
    let (width, height) = photo.size();
    let side = |n: usize| ((n as f32 * scale).ceil() as usize + 2 * BORDER).div_ceil(STRIDE) * STRIDE;
    let mut canvas = Canvas::new(side(width), side(height));
    photo.warp(&Affine::about([0.0; 2], [BORDER as f32; 2], scale, 0.0), &mut canvas);
    canvas
}

/// Readings of one face may come from several candidates: one each is kept, the largest face first.
fn largest_first(found: Vec<Found>) -> Vec<Found> {
    let kept = suppress(found.iter().map(|f| f.face).collect(), 0.3);
    let mut faces: Vec<Found> = kept.iter().filter_map(|k| found.iter().find(|f| f.face == *k).cloned()).collect();
    faces.sort_by(|a, b| b.face.size.total_cmp(&a.face.size));
    faces
}
