//! Procedural pictures without a face: what renders are laid upon, and what the networks must not take for a face.
use crate::picture::{Canvas, Mips};
use nets::pictures::align::Affine;
use nets::rng::Rng;

/// Pixels a side of a bank picture.
const SIDE: usize = 192;

/// A bank of faceless pictures; each use takes another cut-out, turn and colour of one.
pub struct Backdrops {
    bank: Vec<Mips>,
}

impl Backdrops {
    /// Draws `n` pictures; the same for the same seed.
    pub fn new(n: usize, seed: u64) -> Self {
        use rayon::prelude::*;
        let bank = (0..n).into_par_iter().map(|i| mips_of(&draw(&mut Rng::new(&[seed, STREAM, i as u64])))).collect();
        Backdrops { bank }
    }

    /// A cut-out of a random picture.
    pub fn fill(&self, out: &mut Canvas, dice: &mut Rng) {
        let picture = &self.bank[dice.below(self.bank.len())];
        let scale = out.width as f32 / SIDE as f32 * dice.log_range(1.05, 3.0);
        let turn = if dice.chance(0.5) { 0.0 } else { dice.range(-3.2, 3.2) };
        let from = [dice.range(0.35, 0.65), dice.range(0.35, 0.65)].map(|v| v * SIDE as f32);
        let to = [out.width as f32 / 2.0, out.height as f32 / 2.0];
        picture.warp(&Affine::about(from, to, scale.max(1.45 * out.width as f32 / SIDE as f32), turn), out);
        let (gain, shift) = (dice.range(0.5, 1.2), dice.range(-0.15, 0.2));
        let swap = dice.below(6);
        let order = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]][swap];
        out.planes = [order[0], order[1], order[2], 3].map(|c| std::mem::take(&mut out.planes[c]));
        for plane in &mut out.planes[..3] {
            plane.iter_mut().for_each(|v| *v = (*v * gain + shift).clamp(0.0, 1.0));
        }
        out.planes[3].fill(1.0);
    }
}

/// Stream of [`Rng`].
const STREAM: u64 = 0xBAC0;

fn mips_of(canvas: &Canvas) -> Mips {
    let rgba = (0..SIDE * SIDE)
        .flat_map(|i| {
            let byte = |c: usize| (canvas.planes[c][i].clamp(0.0, 1.0) * 255.0) as u8;
            [byte(0), byte(1), byte(2), 255]
        })
        .collect();
    Mips::new(crate::picture::Picture { width: SIDE, height: SIDE, rgba })
}

/// One picture: a ground, then layers of things.
fn draw(dice: &mut Rng) -> Canvas {
    let mut canvas = Canvas::new(SIDE, SIDE);
    ground(&mut canvas, dice);
    if dice.chance(0.4) {
        folds(&mut canvas, dice);
    }
    let layers = [0, 1, 2, 4, 8, 14][dice.below(6)];
    for _ in 0..layers {
        let at = [dice.range(0.0, SIDE as f32), dice.range(0.0, SIDE as f32)];
        match dice.below(8) {
            0 => stripes(&mut canvas, at, dice),
            1 => glyphs(&mut canvas, at, dice),
            2 => bars(&mut canvas, at, dice),
            _ => {
                let size = dice.log_range(6.0, 90.0);
                thing(&mut canvas, at, size, dice);
            }
        }
    }
    if dice.chance(0.3) {
        let sigma = dice.range(1.0, 5.0);
        crate::train::augment::blur(&mut canvas, sigma);
    }
    canvas
}

/// Any colour, greys and skin-like ones more often than chance would have them.
pub fn colour(dice: &mut Rng) -> [f32; 3] {
    match dice.below(4) {
        0 => {
            let grey = dice.unit();
            [grey + dice.range(-0.05, 0.05), grey, grey + dice.range(-0.05, 0.05)]
        }
        1 => skin(dice),
        _ => [dice.unit(), dice.unit(), dice.unit()],
    }
}

/// Somewhere on the line from dark to pale skin, with some spread.
pub fn skin(dice: &mut Rng) -> [f32; 3] {
    let t = dice.unit();
    let tone = [0.25 + 0.68 * t, 0.15 + 0.60 * t, 0.10 + 0.56 * t];
    let light = dice.range(0.7, 1.1);
    tone.map(|v| (v * light + dice.range(-0.05, 0.05)).clamp(0.0, 1.0))
}

/// Gradient, cloud noise or texture over the whole picture.
fn ground(canvas: &mut Canvas, dice: &mut Rng) {
    let (low, high) = (colour(dice), colour(dice));
    let kind = dice.below(4);
    let noise = Clouds::new(dice, if kind == 3 { 24 } else { 3 });
    let angle = dice.range(0.0, std::f32::consts::TAU);
    let (dx, dy) = (angle.cos(), angle.sin());
    let grain = if dice.chance(0.3) { dice.range(0.02, 0.2) } else { 0.0 };
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (u, v) = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
            let t = match kind {
                0 => 0.5,
                1 => ((u - 0.5) * dx + (v - 0.5) * dy + 0.5).clamp(0.0, 1.0),
                _ => noise.at(u, v),
            };
            let speck = grain * (dice.unit() - 0.5);
            for c in 0..3 {
                canvas.planes[c][y * SIDE + x] = low[c] + (high[c] - low[c]) * t + speck;
            }
        }
    }
}

/// Value noise: a few octaves of smooth random lattices.
struct Clouds {
    lattice: Vec<f32>,
    cells: usize,
}

impl Clouds {
    fn new(dice: &mut Rng, most_cells: usize) -> Self {
        let cells = 2 + dice.below(most_cells);
        Clouds { lattice: (0..64 * 64).map(|_| dice.unit()).collect(), cells }
    }

    fn at(&self, u: f32, v: f32) -> f32 {
        let mut sum = 0.0;
        let mut weight = 0.55;
        let mut cells = self.cells as f32;
        for _ in 0..3 {
            let (x, y) = (u * cells, v * cells);
            let (x0, y0) = (x.floor(), y.floor());
            let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
            let (fx, fy) = (smooth(x - x0), smooth(y - y0));
            let value = |i: usize, j: usize| self.lattice[(j % 64) * 64 + i % 64];
            let (i, j) = (x0 as usize, y0 as usize);
            let top = value(i, j) * (1.0 - fx) + value(i + 1, j) * fx;
            let low = value(i, j + 1) * (1.0 - fx) + value(i + 1, j + 1) * fx;
            sum += weight * (top * (1.0 - fy) + low * fy);
            weight *= 0.6;
            cells *= 2.1;
        }
        (sum / 1.078).clamp(0.0, 1.0)
    }
}

/// Paints colour and coverage that `texel` gives in the coordinates of a turned, shifted frame in units of `size`.
fn paint_with(canvas: &mut Canvas, at: [f32; 2], size: f32, turn: f32, texel: impl Fn(f32, f32) -> ([f32; 3], f32)) {
    let (w, h) = (canvas.width as isize, canvas.height as isize);
    let reach = (size * 1.5).ceil() as isize;
    let (cx, cy) = (at[0] as isize, at[1] as isize);
    let (cos, sin) = (turn.cos(), turn.sin());
    for y in (cy - reach).max(0)..(cy + reach).min(h) {
        for x in (cx - reach).max(0)..(cx + reach).min(w) {
            let (dx, dy) = ((x as f32 - at[0]) / size, (y as f32 - at[1]) / size);
            let (tint, a) = texel(dx * cos + dy * sin, dy * cos - dx * sin);
            if a > 0.0 {
                let i = (y * w + x) as usize;
                for c in 0..3 {
                    canvas.planes[c][i] += a * (tint[c] - canvas.planes[c][i]);
                }
            }
        }
    }
}

/// The same in one colour, a little brighter at one side; `inside` is the coverage, 0..=1.
fn paint(canvas: &mut Canvas, at: [f32; 2], size: f32, turn: f32, tint: [f32; 3], inside: impl Fn(f32, f32) -> f32) {
    paint_with(canvas, at, size, turn, |u, v| (tint.map(|t| t * (1.0 - 0.2 * u - 0.1 * v)), inside(u, v)));
}

/// Something about as large as `size` pixels in radius: what a detector might take for a face.
pub fn thing(canvas: &mut Canvas, at: [f32; 2], size: f32, dice: &mut Rng) {
    match dice.below(6) {
        0 => blob(canvas, at, size, dice),
        1 => rings(canvas, at, size, dice),
        2 | 3 => solid(canvas, at, size, dice),
        _ => decoy(canvas, at, size, dice),
    }
}

/// A lit ball, egg, tube or bowl with a highlight: helmets, fruit, lamps, machines.
fn solid(canvas: &mut Canvas, at: [f32; 2], size: f32, dice: &mut Rng) {
    let (tint, turn, squeeze) = (colour(dice), dice.range(0.0, 3.2), dice.range(0.4, 1.0));
    let lamp =
        glam::Vec3::new(dice.range(-1.0, 1.0), dice.range(-1.0, 0.6), dice.range(0.1, 1.0)).normalize_or(glam::Vec3::Z);
    let (gloss, sharp, ambient) = (dice.range(0.0, 0.9), dice.log_range(4.0, 120.0), dice.range(0.05, 0.5));
    let (tube, hollow) = (dice.chance(0.3), if dice.chance(0.2) { -1.0 } else { 1.0 });
    let half = (lamp + glam::Vec3::Z).normalize_or(glam::Vec3::Z);
    let bands = if dice.chance(0.3) { dice.range(2.0, 9.0) } else { 0.0 };
    paint_with(canvas, at, size, turn, |u, v| {
        let w = v / squeeze;
        let r2 = if tube { u * u } else { u * u + w * w };
        if r2 >= 1.0 || w.abs() >= 1.0 {
            return (tint, 0.0);
        }
        let normal = glam::Vec3::new(u * hollow, if tube { 0.0 } else { w * hollow }, (1.0 - r2).sqrt());
        let light = ambient + (1.0 - ambient) * normal.dot(lamp).max(0.0);
        let shine = gloss * normal.dot(half).max(0.0).powf(sharp);
        let band = if bands > 0.0 && (w * bands).sin() > 0.6 { 0.5 } else { 1.0 };
        (tint.map(|t| (t * light * band + shine).min(1.0)), ((1.0 - r2.sqrt()) * size * 0.7).clamp(0.0, 1.0))
    });
}

/// Creases of cloth or skin: the ground's brightness follows a warped wave.
fn folds(canvas: &mut Canvas, dice: &mut Rng) {
    let (warp, depth) = (Clouds::new(dice, 4), dice.range(0.15, 0.6));
    let (rate, bend, turn) = (dice.log_range(6.0, 40.0), dice.range(1.0, 12.0), dice.range(0.0, 3.2));
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (u, v) = (x as f32 / SIDE as f32, y as f32 / SIDE as f32);
            let along = rate * (u * turn.cos() + v * turn.sin()) + bend * warp.at(u, v);
            let gain = 1.0 + depth * along.sin() * (0.4 + 0.6 * warp.at(v, u));
            (0..3).for_each(|c| canvas.planes[c][y * SIDE + x] *= gain);
        }
    }
}

/// An ellipse or rounded box.
fn blob(canvas: &mut Canvas, at: [f32; 2], size: f32, dice: &mut Rng) {
    let (turn, tint) = (dice.range(0.0, 3.2), colour(dice));
    let (squeeze, power) = (dice.range(0.3, 1.0), [2.0, 2.0, 4.0, 12.0][dice.below(4)]);
    let edge = dice.log_range(2.0, 40.0);
    paint(canvas, at, size, turn, tint, |u, v| {
        let r = (u.abs().powf(power) + (v / squeeze).abs().powf(power)).powf(1.0 / power);
        ((1.0 - r) * edge).clamp(0.0, 1.0)
    });
}

/// Stripes or checks in a patch, like flags, shirts and blinds.
fn stripes(canvas: &mut Canvas, at: [f32; 2], dice: &mut Rng) {
    let (size, turn, tint) = (dice.log_range(15.0, 120.0), dice.range(0.0, 3.2), colour(dice));
    let (rate, checks, aspect) = (dice.log_range(3.0, 25.0), dice.chance(0.3), dice.range(0.3, 1.0));
    paint(canvas, at, size, turn, tint, |u, v| {
        let on = (u * rate).sin() > 0.0;
        let across = !checks || (v * rate).sin() > 0.0;
        (u.abs() < 1.0 && v.abs() < aspect && on && across) as u8 as f32
    });
}

/// Rows of small marks, like writing.
fn glyphs(canvas: &mut Canvas, start: [f32; 2], dice: &mut Rng) {
    let (size, tint) = (dice.log_range(1.5, 7.0), colour(dice));
    let turn = dice.range(-0.4, 0.4);
    for row in 0..1 + dice.below(4) {
        for column in 0..3 + dice.below(12) {
            let at = [start[0] + column as f32 * size * 2.2, start[1] + row as f32 * size * 3.5];
            let (bend, thin) = (dice.range(0.0, 3.2), dice.range(0.15, 0.4));
            let hook = dice.chance(0.6);
            paint(canvas, at, size, turn + bend, tint, |u, v| {
                let stem = u.abs() < thin && v.abs() < 1.0;
                let bow = hook && ((u - 0.4).hypot(v) - 0.5).abs() < thin * 0.7;
                (stem || bow) as u8 as f32
            });
        }
    }
}

/// Long straight edges: walls, shelves, frames, cables.
fn bars(canvas: &mut Canvas, at: [f32; 2], dice: &mut Rng) {
    let (turn, tint) = ([0.0, 1.571, 0.3, 0.8][dice.below(4)], colour(dice));
    let thin = dice.log_range(0.006, 0.2);
    paint(canvas, at, SIDE as f32, turn, tint, |_, v| ((thin - v.abs()) * 100.0).clamp(0.0, 1.0));
}

/// Discs in discs: helmets, plates, badges, wheels, eyes of other things.
fn rings(canvas: &mut Canvas, at: [f32; 2], size: f32, dice: &mut Rng) {
    let mut radius = 1.0;
    for _ in 0..1 + dice.below(4) {
        let tint = colour(dice);
        paint(canvas, at, size * radius, 0.0, tint, |u, v| ((1.0 - u.hypot(v)) * 20.0).clamp(0.0, 1.0));
        radius *= dice.range(0.4, 0.9);
    }
}

/// A skin-coloured head-like shape with hair-like cap and stray marks, but no face: the hard case.
fn decoy(canvas: &mut Canvas, at: [f32; 2], size: f32, dice: &mut Rng) {
    let turn = dice.range(-0.6, 0.6);
    let (tint, squeeze) = (skin(dice), dice.range(0.6, 1.0));
    if dice.chance(0.6) {
        let hair = colour(dice).map(|v| v * 0.5);
        paint(canvas, [at[0], at[1] - 0.2 * size], size * 1.15, turn, hair, |u, v| {
            ((1.0 - (u / squeeze).hypot(v)) * 15.0).clamp(0.0, 1.0)
        });
    }
    paint(canvas, at, size, turn, tint, |u, v| ((1.0 - (u / squeeze).hypot(v)) * 12.0).clamp(0.0, 1.0));
    for _ in 0..dice.below(7) {
        let spot = [at[0] + dice.range(-0.7, 0.7) * size, at[1] + dice.range(-0.7, 0.7) * size];
        let dark = colour(dice).map(|v| v * 0.7);
        let (mark, flat, bend) = (size * dice.range(0.05, 0.3), dice.range(0.2, 1.0), dice.range(0.0, 3.2));
        paint(canvas, spot, mark, bend, dark, |u, v| ((1.0 - u.hypot(v / flat)) * 6.0).clamp(0.0, 1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bank_is_a_function_of_its_seed() {
        let cut = |seed: u64| {
            let mut out = Canvas::new(48, 48);
            Backdrops::new(3, seed).fill(&mut out, &mut Rng::new(&[1, 2, 3]));
            out
        };
        assert_eq!(cut(5), cut(5));
        assert_ne!(cut(5), cut(6));
        assert!(cut(5).planes.iter().all(|p| p.iter().all(|v| (0.0..=1.0).contains(v))));
    }
}
