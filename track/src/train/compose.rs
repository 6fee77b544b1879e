//! Training examples: renders laid upon faceless pictures at known places, then degraded.
//!
//! An example is a function of (seed, step, position in the batch) alone.
use crate::face::Face;
use crate::face_net;
use crate::picture::Canvas;
use crate::train::augment::{Power, degrade};
use crate::train::backdrop::{Backdrops, colour, skin, thing};
use crate::train::labels::FaceLabels;
use crate::train::renders::Render;
use nets::pictures::align::Affine;
use nets::pictures::augment::blur_rows;
use nets::rng::Rng;

/// What examples are made of.
pub struct Material<'a> {
    /// Heads to show.
    pub renders: &'a [Render],
    /// What to show them upon.
    pub backdrops: &'a Backdrops,
    /// `[L]` the landmark on the other side of each.
    pub mirror: &'a [usize],
    /// Seed of all draws.
    pub seed: u64,
}

/// An example for the face network: a crop around one head, or around none.
pub struct CropExample {
    /// `[SIDE, SIDE]`; the fourth plane is the head's coverage.
    pub canvas: Canvas,
    /// Labels, points in pixels of the crop; `None` when there is no face.
    pub labels: Option<FaceLabels>,
}

/// An example for the detector: a patch with a few heads or none.
pub struct PatchExample {
    /// Square patch.
    pub canvas: Canvas,
    /// Every face in it (pixels of the patch).
    pub faces: Vec<Face>,
}

const CROPS: u64 = 0xC809;
const PATCHES: u64 = 0xDE7E;

impl Material<'_> {
    /// Crop `index` of the run.
    pub fn crop(&self, index: u64) -> CropExample {
        let mut dice = Rng::new(&[self.seed, CROPS, index]);
        let side = face_net::SIDE;
        let mut canvas = self.ground(side, &mut dice);
        if dice.chance(0.12) {
            self.faceless(&mut canvas, &mut dice);
            canvas.planes[3].fill(0.0);
            degrade(&mut canvas, &mut dice);
            return CropExample { canvas, labels: None };
        }
        let render = &self.renders[dice.below(self.renders.len())];
        // Mostly as close as a face is read, with the search's errors of place and size; sometimes the whole head.
        let margin = if dice.chance(0.7) { dice.log_range(1.2, 1.75) } else { dice.log_range(1.6, 2.6) };
        let size = side as f32 / margin;
        let off = 0.06 * size;
        let centre = [side as f32 / 2.0 + off * dice.normal(), side as f32 / 2.0 + off * dice.normal()];
        let placed = Placed::new(render, centre, size, 0.12 * dice.normal(), Detail::Whole, &mut dice);
        canvas.planes[3].fill(0.0);
        let labels = Some(self.person(&mut canvas, &placed, &mut dice));
        if dice.chance(0.25) {
            self.cover(&mut canvas, centre, size, &mut dice);
        }
        degrade(&mut canvas, &mut dice);
        CropExample { canvas, labels }
    }

    /// Patch `index` of the run, `side` pixels; faces of `sizes` pixels, a few just outside that range.
    pub fn patch(&self, index: u64, side: usize, sizes: [f32; 2]) -> PatchExample {
        let mut dice = Rng::new(&[self.seed, PATCHES, index]);
        let mut canvas = self.ground(side, &mut dice);
        if dice.chance(0.3) {
            self.shreds(&mut canvas, &mut dice);
        }
        for _ in 0..[0, 0, 1, 2, 3][dice.below(5)] {
            let at = [dice.range(0.0, side as f32), dice.range(0.0, side as f32)];
            let size = dice.log_range(0.3 * sizes[0], 0.8 * sizes[1]);
            thing(&mut canvas, at, size, &mut dice);
        }
        let wanted = [0, 1, 1, 1, 1, 1, 2, 2, 3][dice.below(9)];
        let mut faces: Vec<Face> = Vec::new();
        for _ in 0..wanted {
            let size = match dice.below(10) {
                0 => dice.log_range(0.5 * sizes[0], 1.9 * sizes[1]),
                _ => dice.log_range(sizes[0], sizes[1]),
            };
            let centre = [dice.range(0.0, side as f32), dice.range(0.0, side as f32)];
            let render = &self.renders[dice.below(self.renders.len())];
            let near = |f: &Face| (f.centre[0] - centre[0]).hypot(f.centre[1] - centre[1]) < 0.9 * (f.size + size);
            if faces.iter().any(near) {
                continue;
            }
            let placed = Placed::new(render, centre, size, 0.22 * dice.normal(), Detail::Small, &mut dice);
            let labels = self.person(&mut canvas, &placed, &mut dice);
            faces.push(Face::from_landmarks(&labels.points));
        }
        if dice.chance(0.15) {
            let (at, size) = ([dice.range(0.0, side as f32), dice.range(0.0, side as f32)], dice.range(8.0, 25.0));
            self.cover(&mut canvas, at, size, &mut dice);
        }
        degrade(&mut canvas, &mut dice);
        PatchExample { canvas, faces }
    }

    /// What a detector may have mistaken for a face: a thing in the middle, pieces of heads, a face in disorder.
    fn faceless(&self, canvas: &mut Canvas, dice: &mut Rng) {
        let side = canvas.width as f32;
        match dice.below(6) {
            0 => {}
            1 => self.shreds(canvas, dice),
            2 => {
                let render = &self.renders[dice.below(self.renders.len())];
                let size = side / dice.log_range(1.3, 2.6);
                let upside_down = std::f32::consts::PI + 0.6 * dice.normal();
                let turn = if dice.chance(0.4) { upside_down } else { 0.2 * dice.normal() };
                let placed = Placed::new(render, [side / 2.0; 2], size, turn, Detail::Whole, dice);
                placed.lay(canvas, self.mirror, dice);
                if turn.abs() < 1.0 {
                    shuffle_tiles(canvas, dice);
                }
            }
            _ => {
                for _ in 0..1 + dice.below(3) {
                    let at = [side * (0.5 + 0.12 * dice.normal()), side * (0.5 + 0.12 * dice.normal())];
                    let size = side * dice.log_range(0.12, 0.5);
                    thing(canvas, at, size, dice);
                }
            }
        }
    }

    fn ground(&self, side: usize, dice: &mut Rng) -> Canvas {
        let mut canvas = Canvas::new(side, side);
        self.backdrops.fill(&mut canvas, dice);
        canvas
    }

    /// A head with shoulders: the render's own, continued below where the render ends, sometimes in other clothes.
    fn person(&self, canvas: &mut Canvas, placed: &Placed, dice: &mut Rng) -> FaceLabels {
        if dice.chance(0.95) {
            let neckline = dice.range(0.52, 0.72);
            self.bust(canvas, placed, neckline, dice);
        }
        let labels = placed.lay(canvas, self.mirror, dice);
        if dice.chance(0.4) {
            let neckline = dice.range(0.64, 0.95);
            self.bust(canvas, placed, neckline, dice);
        }
        labels
    }

    /// Shoulders in clothes of any look, from `neckline` face sizes beneath the face's middle downwards.
    fn bust(&self, canvas: &mut Canvas, placed: &Placed, neckline: f32, dice: &mut Rng) {
        let mut cloth = Canvas::new(canvas.width, canvas.height);
        self.backdrops.fill(&mut cloth, dice);
        let tint = if dice.chance(0.2) { skin(dice) } else { colour(dice) };
        let keep = dice.range(0.1, 0.7);
        let (width, slope) = (dice.range(0.9, 1.7), dice.range(0.1, 0.8));
        let upright = Affine::about(placed.centre, [0.0, 0.0], 1.0 / placed.size, -placed.turn);
        for y in 0..canvas.height {
            for x in 0..canvas.width {
                // In face sizes from the face's middle; shoulders fall away from the neck.
                let p = upright.apply([x as f32 + 0.5, y as f32 + 0.5]);
                let top = neckline + slope * (p[0].abs() - 0.25).max(0.0).powf(1.3);
                let inside = ((p[1] - top) * 12.0).clamp(0.0, 1.0) * ((width - p[0].abs()) * 12.0).clamp(0.0, 1.0);
                let i = y * canvas.width + x;
                cloth.planes[3][i] = inside;
                for c in 0..3 {
                    cloth.planes[c][i] = tint[c] + keep * (cloth.planes[c][i] - tint[c]);
                }
            }
        }
        canvas.lay_over(&cloth);
    }

    /// Something in front: a hand, a cup, a bar. Takes its part of the coverage away.
    fn cover(&self, canvas: &mut Canvas, at: [f32; 2], size: f32, dice: &mut Rng) {
        let mut thing = Canvas::new(canvas.width, canvas.height);
        self.backdrops.fill(&mut thing, dice);
        let tint = if dice.chance(0.4) { skin(dice) } else { colour(dice) };
        let keep = dice.range(0.1, 0.9);
        let turn = dice.range(0.0, std::f32::consts::TAU);
        let centre = [at[0] + 0.55 * size * turn.cos(), at[1] + 0.55 * size * turn.sin()];
        let (long, wide, bend) = (size * dice.range(0.15, 0.5), size * dice.range(0.08, 0.3), dice.range(0.0, 3.2));
        let power = if dice.chance(0.5) { 2.0 } else { 8.0 };
        for y in 0..canvas.height {
            for x in 0..canvas.width {
                let (dx, dy) = (x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]);
                let (u, v) = ((dx * bend.cos() + dy * bend.sin()) / long, (dy * bend.cos() - dx * bend.sin()) / wide);
                let r = (u.abs().powf(power) + v.abs().powf(power)).powf(1.0 / power);
                let i = y * canvas.width + x;
                let a = ((1.0 - r) * wide).clamp(0.0, 1.0);
                for c in 0..3 {
                    let own = tint[c] + keep * (thing.planes[c][i] - tint[c]);
                    canvas.planes[c][i] += a * (own - canvas.planes[c][i]);
                }
                canvas.planes[3][i] *= 1.0 - a;
            }
        }
    }

    /// Pieces of heads in disorder: skin and hair without a face.
    fn shreds(&self, canvas: &mut Canvas, dice: &mut Rng) {
        for _ in 0..1 + dice.below(5) {
            let render = &self.renders[dice.below(self.renders.len())];
            let mut piece = Canvas::new(canvas.width, canvas.height);
            let face = render.small_face();
            // A window of a third of the face beside or above it, enlarged: an ear, a cheek, hair.
            let turn = dice.range(0.0, std::f32::consts::TAU);
            let reach = face.size * dice.range(0.6, 0.9);
            let from = [face.centre[0] + reach * turn.cos(), face.centre[1] - reach * turn.sin().abs()];
            let to = [dice.range(0.0, canvas.width as f32), dice.range(0.0, canvas.height as f32)];
            let window = canvas.width as f32 * dice.range(0.06, 0.2);
            let scale = window / (0.3 * face.size);
            render.small.warp(&Affine::about(from, to, scale, dice.range(-3.1, 3.1)), &mut piece);
            for y in 0..canvas.height {
                for x in 0..canvas.width {
                    let r = (x as f32 - to[0]).hypot(y as f32 - to[1]) / window;
                    piece.planes[3][y * canvas.width + x] *= ((1.0 - r) * 6.0).clamp(0.0, 1.0);
                }
            }
            canvas.lay_over(&piece);
        }
    }
}

/// A render at its place in an example.
struct Placed<'a> {
    render: &'a Render,
    centre: [f32; 2],
    size: f32,
    turn: f32,
    detail: Detail,
    mirrored: bool,
}

/// Which copy of a render is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    /// The picture itself, decoded anew.
    Whole,
    /// The small copy in memory.
    Small,
}

impl<'a> Placed<'a> {
    fn new(render: &'a Render, centre: [f32; 2], size: f32, turn: f32, detail: Detail, dice: &mut Rng) -> Self {
        Placed { render, centre, size, turn, detail, mirrored: dice.chance(0.5) }
    }

    /// Lays the head upon `canvas` (its coverage becomes the union) and says what is known of it there; `other` names the
    /// landmark on the other side of each.
    fn lay(&self, canvas: &mut Canvas, other: &[usize], dice: &mut Rng) -> FaceLabels {
        let face = &self.render.face;
        // Mirroring happens about the middle of the canvas, after the similarity.
        let width = canvas.width as f32;
        let flip = |p: [f32; 2]| if self.mirrored { [width - p[0], p[1]] } else { p };
        let roll = if self.mirrored { -self.turn } else { self.turn };
        let turn = roll - face.roll_rad;
        let place = Affine::about(face.centre, flip(self.centre), self.size / face.size, turn);
        let mut head = Canvas::new(canvas.width, canvas.height);
        match self.detail {
            Detail::Whole => self.render.picture().warp(&place, &mut head),
            Detail::Small => {
                let grow = Affine::about([0.0; 2], [0.0; 2], self.render.shrink, 0.0);
                self.render.small.warp(&grow.then(&place), &mut head);
            }
        }
        if self.mirrored {
            for plane in &mut head.planes {
                plane.chunks_exact_mut(canvas.width).for_each(<[f32]>::reverse);
            }
        }
        recolour(&mut head, dice);
        if dice.chance(0.5) {
            let sigma = dice.range(0.2, 0.8);
            blur_rows(&mut head.planes[3], canvas.width, 1, sigma);
        }
        canvas.lay_over(&head);
        let turned = self.render.labels.turned(turn);
        let labels = if self.mirrored { turned.mirrored(other) } else { turned };
        let points = labels.points.iter().map(|p| flip(place.apply(*p))).collect();
        FaceLabels { points, ..labels }
    }
}

/// Other skin, hair and white balance than the rest of the picture: pasted heads must not be told by one look.
fn recolour(head: &mut Canvas, dice: &mut Rng) {
    let gain: [f32; 3] = std::array::from_fn(|_| dice.log_range(0.88, 1.14));
    let (exposure, gamma) = (dice.log_range(0.65, 1.5), dice.log_range(0.75, 1.3));
    let curve = Power::new(gamma);
    for c in 0..3 {
        let factor = gain[c] * exposure;
        head.planes[c].iter_mut().for_each(|v| *v = curve.of(*v * factor).min(1.0));
    }
}

/// Cuts the picture into tiles and lays them out anew: all parts of a face, but no face.
fn shuffle_tiles(canvas: &mut Canvas, dice: &mut Rng) {
    let n = 3 + dice.below(2);
    let tile = canvas.width / n;
    let first = dice.below(n * n);
    let step = 1 + dice.below(n * n - 1);
    let before = canvas.clone();
    for k in 0..n * n {
        let from = (first + k * step + k * k) % (n * n);
        for y in 0..tile {
            for x in 0..tile {
                let target = (k / n * tile + y) * canvas.width + k % n * tile + x;
                let source = (from / n * tile + y) * canvas.width + from % n * tile + x;
                for c in 0..3 {
                    canvas.planes[c][target] = before.planes[c][source];
                }
            }
        }
    }
}
