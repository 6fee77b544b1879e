//! Closed lips: the base mesh leaves up to 0.8 mm between them, and many targets would part them further.
//!
//! Neutral faces have closed mouths here, whoever they are: what parts the lips is an expression. So the template's
//! gap is closed, and each identity column loses the part of it that moves one lip off the other.
use super::Base;
use super::cut::ring;
use crate::error::Error;
use glam::Vec3;

/// Rings around the mouth (their vertex amid the lower lip), from the border of the red to behind the contact, and
/// how much of the correction each takes.
const RINGS: [(u32, f32); 9] =
    [(492, 0.0), (496, 0.1), (495, 0.3), (513, 0.6), (494, 0.9), (493, 1.0), (523, 1.0), (540, 1.0), (557, 0.5)];
/// Of these, the ones that touch the other lip.
const CONTACT: std::ops::RangeInclusive<usize> = 4..=6;
/// Lips of the template press into each other this far (meters): more than any identity parts them again.
const OVERLAP_M: f32 = 7e-4;
/// Width of the kernel that compares upper and lower lip along x (meters).
const KERNEL_M: f32 = 1.5e-3;

/// What it takes to close lips.
pub struct LipSeal {
    corrected: Vec<Point>,
    contact: Vec<Point>,
}

struct Point {
    vertex: u32,
    x: f32,
    is_upper: bool,
    weight: f32,
}

impl LipSeal {
    /// Finds the rings on the base mesh and closes its lips.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the rings are not there.
    pub fn close(base: &mut Base) -> Result<LipSeal, Error> {
        let mut seal = LipSeal { corrected: Vec::new(), contact: Vec::new() };
        let mut contours = [Vec::new(), Vec::new()];
        for (i, (start, weight)) in RINGS.into_iter().enumerate() {
            let ring = ring(base, start)?;
            for (vertices, is_upper) in halves(base, &ring) {
                let point = |&vertex: &u32| Point { vertex, x: base.positions[vertex as usize].x, is_upper, weight };
                seal.corrected.extend(vertices.iter().map(point));
                if CONTACT.contains(&i) {
                    seal.contact.extend(vertices.iter().map(point));
                }
                if i >= 3 && i + 1 < RINGS.len() {
                    contours[usize::from(is_upper)].push(vertices);
                }
            }
        }
        let [lower, upper] = contours;
        for point in &seal.corrected {
            let y_up = heights(base, &upper, point.x).fold(f32::INFINITY, f32::min);
            let y_low = heights(base, &lower, point.x).fold(f32::NEG_INFINITY, f32::max);
            let gap = if y_up.is_finite() && y_low.is_finite() { (y_up - y_low + OVERLAP_M).max(0.0) } else { 0.0 };
            base.positions[point.vertex as usize].y += point.sign() * point.weight * gap / 2.0;
        }
        Ok(seal)
    }

    /// Takes from a displacement field what parts or presses the lips.
    pub fn apply(&self, field: &mut [Vec3]) {
        let parting: Vec<f32> = self.corrected.iter().map(|point| self.parting(field, point.x)).collect();
        for (point, parting) in self.corrected.iter().zip(parting) {
            field[point.vertex as usize].y += point.sign() * point.weight * parting / 2.0;
        }
    }

    /// How far the field lifts the upper off the lower lip at a place between the corners.
    fn parting(&self, field: &[Vec3], x: f32) -> f32 {
        let (mut sums, mut totals) = ([0.0; 2], [1e-12; 2]);
        for point in &self.contact {
            let weight = (-0.5 * ((point.x - x) / KERNEL_M).powi(2)).exp();
            sums[usize::from(point.is_upper)] += weight * field[point.vertex as usize].y;
            totals[usize::from(point.is_upper)] += weight;
        }
        sums[1] / totals[1] - sums[0] / totals[0]
    }
}

impl Point {
    /// Upper lips go down, lower ones up.
    fn sign(&self) -> f32 {
        if self.is_upper { -1.0 } else { 1.0 }
    }
}

/// Splits a ring, which starts amid the lower lip, at its corners: lower and upper part, corners in neither.
fn halves(base: &Base, ring: &[u32]) -> Vec<(Vec<u32>, bool)> {
    let x = |i: usize| base.positions[ring[i] as usize].x;
    let left = (0..ring.len()).max_by(|&a, &b| x(a).total_cmp(&x(b))).unwrap_or(0);
    let right = (0..ring.len()).min_by(|&a, &b| x(a).total_cmp(&x(b))).unwrap_or(0);
    let (first, last) = (left.min(right), left.max(right));
    let lower = ring[last + 1..].iter().chain(&ring[..first]).copied().collect();
    vec![(lower, false), (ring[first + 1..last].to_vec(), true)]
}

/// Heights at which polylines cross a vertical (meters).
fn heights<'a>(base: &'a Base, lines: &'a [Vec<u32>], x: f32) -> impl Iterator<Item = f32> + 'a {
    let edges = lines.iter().flat_map(|line| line.windows(2));
    edges.filter_map(move |edge| {
        let [a, b] = [edge[0], edge[1]].map(|v| base.positions[v as usize]);
        let t = (x - a.x) / (b.x - a.x);
        (0.0..=1.0).contains(&t).then_some(a.y + t * (b.y - a.y))
    })
}
