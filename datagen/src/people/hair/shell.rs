//! The head as seen from its middle: how far out the skin lies in each direction. Keeps strands out of the skull.
use crate::people::surface::Surface;
use glam::Vec3;
use std::f32::consts::{PI, TAU};

const COLUMNS: usize = 96;
const ROWS: usize = 48;
/// How far below the center the head and upper neck reach (meters).
const REACH_M: f32 = 0.125;

/// Distance of the skin from `center`, by direction.
pub struct Shell {
    /// Middle of the skull (world, meters).
    pub center: Vec3,
    /// Half extents of the scalp (meters).
    pub half: Vec3,
    /// `[ROWS, COLUMNS]` meters; row 0 looks up (+y), column 0 looks back (-z).
    radius: Vec<f32>,
}

impl Shell {
    /// Of a head whose scalp is masked by `scalp` (`[V]`).
    pub fn new(skin: &Surface, scalp: &[f32]) -> Self {
        let (mut low, mut high) = (Vec3::splat(f32::MAX), Vec3::splat(f32::MIN));
        for (p, w) in skin.positions.iter().zip(scalp) {
            if *w > 0.5 {
                low = low.min(*p);
                high = high.max(*p);
            }
        }
        if low.x > high.x {
            low = Vec3::new(-0.075, -0.02, -0.16);
            high = Vec3::new(0.075, 0.12, 0.03);
        }
        let center = Vec3::new(0.5 * (low.x + high.x), high.y - 0.095, 0.5 * (low.z + high.z));
        let half = Vec3::new(0.5 * (high.x - low.x), high.y - center.y, 0.5 * (high.z - low.z));
        let mut shell = Shell { center, half, radius: vec![0.0; COLUMNS * ROWS] };
        for t in &skin.triangles {
            let [a, b, c] = t.map(|i| skin.positions[i as usize]);
            // Shoulders stand out from under the neck: seen from the skull's middle they would hide it.
            if a.y < center.y - REACH_M {
                continue;
            }
            for p in [a, b, c, (a + b) * 0.5, (b + c) * 0.5, (c + a) * 0.5, (a + b + c) / 3.0] {
                let (x, y) = cell(p - center);
                let i = (y as usize).min(ROWS - 1) * COLUMNS + (x as usize) % COLUMNS;
                shell.radius[i] = shell.radius[i].max((p - center).length());
            }
        }
        shell.fill();
        shell
    }

    /// Distance of the skin from the center towards `p` (meters).
    pub fn radius(&self, p: Vec3) -> f32 {
        let (x, y) = cell(p - self.center);
        let (x, y) = (x - 0.5, (y - 0.5).clamp(0.0, ROWS as f32 - 1.0));
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let x0 = (x.floor() as i32).rem_euclid(COLUMNS as i32) as usize;
        let (x1, y0) = ((x0 + 1) % COLUMNS, y as usize);
        let y1 = (y0 + 1).min(ROWS - 1);
        let at = |x: usize, y: usize| self.radius[y * COLUMNS + x];
        let top = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
        let bottom = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
        top + (bottom - top) * fy
    }

    /// `p`, moved outwards if it is not at least `gap_m` over the skin.
    pub fn pushed_out(&self, p: Vec3, gap_m: f32) -> Vec3 {
        let d = p - self.center;
        let (r, least) = (d.length(), self.radius(p) + gap_m);
        if r >= least { p } else { self.center + d * (least / r.max(1e-6)) }
    }

    /// Position in half extents of the scalp: x 1 at the left side, y 1 at the crown, z 1 at the hair line.
    pub fn local(&self, p: Vec3) -> Vec3 {
        (p - self.center) / self.half
    }

    /// Outward direction of the skull's ellipsoid at `p`.
    pub fn outward(&self, p: Vec3) -> Vec3 {
        ((p - self.center) / (self.half * self.half)).normalize_or(Vec3::Y)
    }

    /// Empty cells (the neck's opening) take the mean of their filled neighbors, ring by ring.
    fn fill(&mut self) {
        for _ in 0..ROWS {
            let old = self.radius.clone();
            for y in 0..ROWS {
                for x in 0..COLUMNS {
                    if old[y * COLUMNS + x] > 0.0 {
                        continue;
                    }
                    let (left, right) = ((x + COLUMNS - 1) % COLUMNS, (x + 1) % COLUMNS);
                    let ring = [(left, y), (right, y), (x, y.saturating_sub(1)), (x, (y + 1).min(ROWS - 1))];
                    let there = ring.map(|(x, y)| old[y * COLUMNS + x]).into_iter().filter(|r| *r > 0.0);
                    let (sum, n) = there.fold((0.0, 0.0), |(s, n), r| (s + r, n + 1.0));
                    if n > 0.0 {
                        self.radius[y * COLUMNS + x] = sum / n;
                    }
                }
            }
        }
    }
}

/// Column and row of a direction, fractional.
fn cell(d: Vec3) -> (f32, f32) {
    let x = (d.x.atan2(d.z) / TAU + 0.5) * COLUMNS as f32;
    let y = (d.y / d.length().max(1e-9)).clamp(-1.0, 1.0).acos() / PI * ROWS as f32;
    (x, y)
}
