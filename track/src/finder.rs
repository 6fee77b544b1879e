//! Finds and reads faces in a photo: pyramid, detector, then the face network as second opinion.
use crate::detect_net::{DetectNet, PYRAMID_STEP, SIZES, STRIDE};
use crate::face::{Face, suppress};
use crate::face_net::{MARGINS, SIDE};
use crate::networks::Networks;
use crate::picture::{Canvas, Mips};
use crate::reading::{Reading, tensor_of};
use head::ibug;
use nets::pictures::align::Affine;

/// What counts as a face.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FindConfig {
    /// Smallest face looked for, as a share of the photo's longer side; in large photos [`FindConfig::smallest_px`].
    pub smallest: f32,
    /// Faces of this size are looked for however large the photo is, pixels.
    pub smallest_px: f32,
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
        FindConfig {
            smallest: 0.06,
            smallest_px: 48.0,
            candidate: 0.08,
            threshold: 0.5,
            most: 24,
            disagreement: 0.06,
            spread: 0.08,
        }
    }
}

/// A face that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where; the score is that of both networks.
    pub face: Face,
    /// `[L]` pixels of the photo.
    pub points: Vec<[f32; 2]>,
    /// `[L]` expected error, pixels of the photo.
    pub spread_px: Vec<f32>,
    /// What else was read, of the closer crop.
    pub reading: Reading,
    /// How far that crop is turned against the photo, clockwise (radians).
    pub crop_turn_rad: f32,
    /// Score of the detector.
    pub detector: f32,
    /// Probability of being a face, of the face network.
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
    /// Quarter turns, clockwise, after which the photo was searched: more than 0 only where nothing was found upright.
    pub quarter_turns: usize,
}

/// A face that moved farther between two frames is read again where it is: fraction of its size, of growth, half radians.
const NEAR: f32 = 0.15;
/// Pixels added on every side of a pyramid level, so that faces at the border are seen whole.
const BORDER: usize = 16;

impl Networks {
    /// Finds and reads every face; a photo without an upright one is searched for lying and hanging ones too.
    pub fn find(&self, photo: &Mips, config: &FindConfig) -> Findings {
        let mut findings = self.find_turned(photo, config, 0);
        for quarter_turns in 1..4 {
            if !findings.faces.is_empty() {
                break;
            }
            let next = self.find_turned(photo, config, quarter_turns);
            findings = Findings { best: findings.best.max(next.best), ..next };
        }
        findings
    }

    /// As [`Networks::find`], after so many quarter turns alone.
    pub fn find_turned(&self, photo: &Mips, config: &FindConfig, quarter_turns: usize) -> Findings {
        let (width, height) = photo.size();
        let smallest_px = (config.smallest * width.max(height) as f32).min(config.smallest_px).max(12.0);
        let candidates = suppress(self.candidates(photo, smallest_px, config.candidate, quarter_turns), 0.4);
        let mut read = Vec::new();
        let mut best = 0.0f32;
        for candidate in candidates.iter().take(config.most) {
            let found = self.read_face(photo, candidate, config);
            best = best.max(found.face.score);
            if found.face.score >= config.threshold {
                read.push(found);
            }
        }
        Findings { faces: largest_first(read), best, smallest_px, quarter_turns }
    }

    /// Detector's candidates over the pyramid of the photo turned clockwise, in pixels of the photo as it is.
    fn candidates(&self, photo: &Mips, smallest_px: f32, threshold: f32, quarter_turns: usize) -> Vec<Face> {
        let (width, height) = photo.size();
        let shorter = width.min(height) as f32;
        let mut scale = 1.1 * SIZES[0] / smallest_px;
        let mut all = Vec::new();
        // The largest face asked for is a little larger than the photo is high.
        while 1.2 * shorter * scale > SIZES[0] {
            let (level, level_from_photo) = level_of(photo, scale, quarter_turns);
            let x = tensor_of(std::slice::from_ref(&level)).to_device(self.device());
            let answer = tch::no_grad(|| self.detect.forward(&x, false)).get(0);
            let back = level_from_photo.inverse();
            all.extend(DetectNet::faces(&answer, threshold).iter().map(|f| f.mapped(&back)));
            scale *= PYRAMID_STEP;
        }
        all
    }

    /// Reads a face around a candidate: once to place the crop, once wide and once close.
    pub fn read_face(&self, photo: &Mips, candidate: &Face, config: &FindConfig) -> Found {
        let first = self.read_crops(photo, &[(*candidate, MARGINS[0])]).remove(0);
        let placed = Face { score: candidate.score, ..Face::from_landmarks(&first.points) };
        self.read_placed(photo, &placed, Some(first.is_face), config)
    }

    /// Reads the face of the next frame of a video, which is near where it was in the frame before.
    pub fn read_near(&self, photo: &Mips, before: &Face, config: &FindConfig) -> Found {
        let found = self.read_placed(photo, before, None, config);
        let off = [0, 1].map(|k| found.face.centre[k] - before.centre[k]);
        let growth = (found.face.size / before.size).ln().abs();
        let turn = (found.face.roll_rad - before.roll_rad).abs();
        let is_far = off[0].hypot(off[1]) > NEAR * before.size || growth > NEAR || turn > 2.0 * NEAR;
        match is_far {
            true => self.read_placed(photo, &found.face, None, config),
            false => found,
        }
    }

    /// Reads a face once wide and once close. The score of `placed` is the detector's; without a detector (`None`: no first
    /// reading either) the face network alone says how sure it is.
    fn read_placed(&self, photo: &Mips, placed: &Face, first_is_face: Option<f32>, config: &FindConfig) -> Found {
        let placed = *placed;
        let mut second = self.read_crops(photo, &MARGINS.map(|margin| (placed, margin)));
        let landmarks = second[0].points.len();
        let mut points = Vec::with_capacity(landmarks);
        let mut spread_px = Vec::with_capacity(landmarks);
        for i in 0..landmarks {
            let weights: Vec<f32> = second.iter().map(|r| 1.0 / r.spread_px[i].max(1e-3).powi(2)).collect();
            let sum: f32 = weights.iter().sum();
            let mean = |k: usize| second.iter().zip(&weights).map(|(r, w)| r.points[i][k] * w).sum::<f32>() / sum;
            points.push([mean(0), mean(1)]);
            // The two readings share their errors: averaged, not added up as if they were independent.
            spread_px.push(second.iter().map(|r| r.spread_px[i]).sum::<f32>() / second.len() as f32);
        }
        let chances: Vec<f32> = first_is_face.into_iter().chain(second.iter().map(|r| r.is_face)).collect();
        let is_face = chances.iter().sum::<f32>() / chances.len() as f32;
        let face = Face::from_landmarks(&points);
        let apart = |i: usize| {
            let (p, q) = (second[0].points[i], second[1].points[i]);
            (p[0] - q[0]).hypot(p[1] - q[1])
        };
        let disagreement = (0..ibug::COUNT).map(apart).sum::<f32>() / ibug::COUNT as f32 / face.size;
        let spread = spread_px[..ibug::COUNT].iter().sum::<f32>() / ibug::COUNT as f32 / face.size;
        let trust = halved_at(disagreement, config.disagreement) * halved_at(spread, config.spread);
        let detector = if first_is_face.is_some() { placed.score } else { is_face };
        let score = (detector * is_face * is_face).cbrt() * trust;
        let (reading, crop_turn_rad) = (second.remove(1), -placed.roll_rad);
        Found {
            face: Face { score, ..face },
            points,
            spread_px,
            reading,
            crop_turn_rad,
            detector,
            is_face,
            disagreement,
            spread,
        }
    }

    /// Reads crops of `margin` times the face; points and their spreads in pixels of the photo.
    fn read_crops(&self, photo: &Mips, crops: &[(Face, f32)]) -> Vec<Reading> {
        let side = SIDE;
        let placements: Vec<Affine> = crops.iter().map(|(face, margin)| face.crop(side, *margin)).collect();
        let canvases: Vec<Canvas> = placements
            .iter()
            .map(|s| {
                let mut canvas = Canvas::new(side, side);
                photo.warp(s, &mut canvas);
                canvas
            })
            .collect();
        let mut readings = self.face.read(&canvases, self.device());
        for (reading, s) in readings.iter_mut().zip(&placements) {
            let (back, shrink) = (s.inverse(), 1.0 / s.scale());
            reading.points.iter_mut().for_each(|p| *p = back.apply(*p));
            reading.spread_px.iter_mut().for_each(|v| *v *= shrink);
        }
        readings
    }
}

/// 1 near 0, one half at `knee`, falling fast beyond.
fn halved_at(v: f32, knee: f32) -> f32 {
    1.0 / (1.0 + (v / knee).powi(4))
}

/// The photo at `scale`, turned clockwise, with a black border, sides a multiple of the stride; and the map there.
fn level_of(photo: &Mips, scale: f32, quarter_turns: usize) -> (Canvas, Affine) {
    let (width, height) = photo.size();
    let (across, down) = if quarter_turns.is_multiple_of(2) { (width, height) } else { (height, width) };
    let side = |n: usize| ((n as f32 * scale).ceil() as usize + 2 * BORDER).div_ceil(STRIDE) * STRIDE;
    let mut canvas = Canvas::new(side(across), side(down));
    let middle = |n: usize| 0.5 * n as f32;
    let to = [across, down].map(|n| middle(n) * scale + BORDER as f32);
    let turn = quarter_turns as f32 * std::f32::consts::FRAC_PI_2;
    let level_from_photo = Affine::about([middle(width), middle(height)], to, scale, turn);
    photo.warp(&level_from_photo, &mut canvas);
    (canvas, level_from_photo)
}

/// Readings of one face may come from several candidates: one each is kept, the largest face first.
fn largest_first(found: Vec<Found>) -> Vec<Found> {
    let kept = suppress(found.iter().map(|f| f.face).collect(), 0.3);
    let mut faces: Vec<Found> = kept.iter().filter_map(|k| found.iter().find(|f| f.face == *k).cloned()).collect();
    faces.sort_by(|a, b| b.face.size.total_cmp(&a.face.size));
    faces
}
