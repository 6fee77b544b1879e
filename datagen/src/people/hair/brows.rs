//! Brows: short strands along the brow landmarks, upright near the nose, lying outwards.
use super::{Binding, Ground, Strand, Tuft, along, tapered, thickened};
use crate::people::person::Brows;
use crate::stream::{Stream, Subject, noise};
use crate::tracer::elementary::smoothstep;
use formats::segmentation::Class;
use glam::Vec3;
use head::ibug;

/// Landmarks of the right and the left brow, from the nose outwards.
pub const LINES: [[usize; 5]; 2] = [[21, 20, 19, 18, 17], [22, 23, 24, 25, 26]];

/// Points of a hair.
const POINTS: usize = 5;

pub(super) fn grow(ground: &Ground, brows: &Brows, strands: u32, seed: u64) -> Option<Tuft> {
    if ground.landmarks.len() < ibug::COUNT {
        return None;
    }
    let mut s = Stream::new(seed, Subject::BrowStrands, &[]);
    let mut tuft = Tuft::new(Class::Brow, Binding::Skin, brows.pigment.material());
    // A brow has some 250 to 700 hairs; few thick strands would look like a comb, so they thin out slower than hair.
    let count = (640.0 * brows.density * (strands as f32 / 12_000.0).clamp(0.5, 1.6)) as usize;
    let radius = 0.42 * thickened(45e-6, strands.max(8000));
    for line in LINES {
        let line = arched(line.map(|i| ground.landmarks[i]));
        let near: Vec<f32> =
            ground.skin.positions.iter().map(|p| if on_line(*p, &line).distance < 0.016 { 1.0 } else { 0.0 }).collect();
        let mut grown = 0;
        for root in ground.skin.scatter(&near, 60 * count.max(1), &mut s) {
            let (p, n) = (ground.skin.position(root), ground.skin.normal(root));
            let at = on_line(p, &line);
            let v = at.offset / (brows.half_height_m * profile(at.t));
            if grown >= count || at.t <= -0.04 || !s.chance(0.12 * wanted(at.t, v, seed, p)) {
                continue;
            }
            grown += 1;
            // The nearer to an edge, the finer; the odd hair grows longer than its neighbors.
            let fine = 1.0 - (0.45 * smoothstep(0.5, 1.2, v.abs())).max(0.4 * smoothstep(0.2, 0.0, at.t));
            let wiry = if s.chance(brows.wiry) { s.uniform(1.2, 1.7) } else { 1.0 };
            let length = brows.length_m * s.uniform(0.6, 1.08) * length_at(at.t) * fine * wiry;
            let astray = s.normal(0.0, if v.abs() > 1.0 { 0.3 } else { 0.12 + 0.13 * smoothstep(0.25, 0.0, at.t) })
                + 0.22 * noise(seed ^ 91, p * 260.0);
            let spine = combed(&line, p, n, v, length, astray);
            let absorption = brows.pigment.absorption(&mut s);
            tuft.strands.push(Strand { root, points: tapered(&spine, radius * (0.5 + 0.5 * fine)), absorption });
        }
    }
    Some(tuft)
}

/// A hair that leaves the skin flat and turns with the brow's flow as it goes.
fn combed(line: &[Vec3; 5], root: Vec3, normal: Vec3, v: f32, length_m: f32, astray_rad: f32) -> [Vec3; POINTS] {
    let up = along(Vec3::Y, normal);
    let step = length_m / (POINTS - 1) as f32;
    let mut p = root;
    std::array::from_fn(|i| {
        let here = p;
        let k = (i as f32 + 0.5) / (POINTS - 1) as f32;
        let at = on_line(p, line);
        let (sin, cos) = (elevation_rad(at.t, v * (1.0 - 0.6 * k)) + astray_rad).sin_cos();
        let forward = along(at.direction, normal);
        // It rises over the skin, most at first, and its tip lies down again.
        let lift = normal * (0.35 - 0.45 * k);
        p += (forward * cos + along(up - forward * up.dot(forward), normal) * sin + lift).normalize_or(forward) * step;
        here + normal * 0.0001
    })
}

/// Angle of hairs over the brow's line (radians): upright at its head, then lying outwards; those of the lower edge point up
/// and those of the upper edge down, so that they meet.
fn elevation_rad(t: f32, v: f32) -> f32 {
    let middle = 0.88 - 0.58 * smoothstep(-0.02, 0.35, t) - 0.32 * smoothstep(0.4, 0.9, t);
    let towards = 0.18 + 0.24 * smoothstep(0.1, 0.45, t) - 0.12 * smoothstep(0.75, 1.0, t);
    middle - towards * v.clamp(-1.3, 1.3)
}

/// How readily hairs grow: dense within, the head soft, the upper edge ragged, a few strays outside.
fn wanted(t: f32, v: f32, seed: u64, p: Vec3) -> f32 {
    let ragged = 0.18 * noise(seed ^ 92, p * 420.0);
    let across = 1.0 - smoothstep(0.3 + ragged, 1.1 + ragged, v.abs());
    let head = 0.15 + 0.85 * smoothstep(-0.04, 0.16, t);
    let strays = if v.abs() < 2.0 && t > 0.05 { 0.006 } else { 0.0 };
    across * head + strays
}

/// Fraction of the full length at `t`: short at the head, longest before the arch's top, short at the tail.
fn length_at(t: f32) -> f32 {
    (0.6 + 0.4 * smoothstep(0.0, 0.3, t)) * (1.0 - 0.4 * smoothstep(0.55, 1.0, t))
}

/// The landmarks follow the bone; hair sits on it in an arch.
pub fn arched(line: [Vec3; 5]) -> [Vec3; 5] {
    const RISE_M: [f32; 5] = [-0.0018, 0.0010, 0.0036, 0.0054, 0.0052];
    std::array::from_fn(|i| line[i] + Vec3::Y * RISE_M[i])
}

/// Fraction of the half height at `t` along the brow, 0 at the nose.
fn profile(t: f32) -> f32 {
    (0.8 + 0.2 * smoothstep(0.0, 0.35, t)) * (1.0 - 0.72 * smoothstep(0.4, 1.05, t))
}

struct OnLine {
    /// 0 at the first point … 1 at the last, a little beyond at both ends.
    t: f32,
    /// Over (+) or under the line (meters).
    offset: f32,
    /// From the line (meters).
    distance: f32,
    /// Unit direction along it.
    direction: Vec3,
}

fn on_line(p: Vec3, line: &[Vec3; 5]) -> OnLine {
    let piece = |i: usize| {
        let (a, d) = (line[i], line[i + 1] - line[i]);
        let low = if i == 0 { -0.15 } else { 0.0 };
        let k = ((p - a).dot(d) / d.length_squared().max(1e-12)).clamp(low, if i == 3 { 1.15 } else { 1.0 });
        let away = p - (a + d * k);
        OnLine {
            t: (i as f32 + k) / 4.0,
            offset: away.length() * away.y.signum(),
            distance: away.length(),
            direction: d.normalize_or(Vec3::X),
        }
    };
    (0..4).map(piece).min_by(|a, b| a.distance.total_cmp(&b.distance)).expect("four pieces")
}
