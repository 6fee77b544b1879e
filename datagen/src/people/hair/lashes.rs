//! Lashes: two or three rows on each lid margin, curled away from the eye, their tips gathered in small groups; longest
//! above, a little outside of the middle.
use super::{Binding, Ground, Strand, Tuft, thickened};
use crate::people::person::Lashes;
use crate::stream::{Stream, Subject};
use crate::tracer::elementary::smoothstep;
use formats::segmentation::Class;
use glam::{Vec3, Vec4};
use head::ibug;

/// A lid: its landmarks from the outer corner to the inner, and what grows there.
struct Lid {
    landmarks: [usize; 4],
    /// Index of its eye.
    eye: usize,
    row: &'static Row,
}

/// What the lashes of a kind of lid have in common.
struct Row {
    /// The most there can be.
    count: f32,
    /// Length by that of the upper lid's middle.
    length: f32,
    /// Elevation at the root (radians); they bend upwards by the person's curl times `bend`.
    elevation_rad: f32,
    bend: f32,
    /// Depth of the rows, away from the eye's opening (meters, up is positive).
    depth_m: f32,
}

const UPPER: Row = Row { count: 150.0, length: 1.0, elevation_rad: 0.0, bend: 1.0, depth_m: 0.0007 };
const LOWER: Row = Row { count: 80.0, length: 0.58, elevation_rad: -0.75, bend: 0.35, depth_m: -0.0004 };
const LIDS: [Lid; 4] = [
    Lid { landmarks: [36, 37, 38, 39], eye: 1, row: &UPPER },
    Lid { landmarks: [36, 41, 40, 39], eye: 1, row: &LOWER },
    Lid { landmarks: [45, 44, 43, 42], eye: 0, row: &UPPER },
    Lid { landmarks: [45, 46, 47, 42], eye: 0, row: &LOWER },
];

/// Points of a lash.
const POINTS: usize = 6;

pub(super) fn grow(ground: &Ground, lashes: &Lashes, strands: u32, seed: u64) -> Option<Tuft> {
    if ground.landmarks.len() < ibug::COUNT {
        return None;
    }
    let mut s = Stream::new(seed, Subject::LashStrands, &[]);
    let mut tuft = Tuft::new(Class::Lash, Binding::Skin, lashes.pigment.material());
    let radius = 0.6 * thickened(45e-6, strands.max(8000)) * (1.0 + 0.6 * lashes.mascara);
    for lid in LIDS {
        let points = lid.landmarks.map(|i| ground.landmarks[i]);
        let seats = seats(&lid, lashes, &mut s);
        let places: Vec<Vec3> = seats
            .iter()
            .map(|seat| through(&points, 0.03 + 0.94 * seat.t) + Vec3::Y * (lid.row.depth_m * seat.depth))
            .collect();
        for ((root, place), seat) in ground.skin.nearest(&places).into_iter().zip(places).zip(seats) {
            let outward = (place - ground.eyes[lid.eye]).with_y(0.0).normalize_or(Vec3::Z);
            let corner = (points[0] - points[3]).with_y(0.0).normalize_or(Vec3::X);
            // They fan outwards at the outer corner and a little inwards at the inner one.
            let fan = |t: f32| 0.75 - 1.15 * t;
            let ahead = (outward + 0.4 * Vec3::Z + corner * (0.6 * fan(seat.t))).normalize_or(Vec3::Z);
            // Tips of a group lean to each other.
            let together = corner * ((seat.t - seat.group_t) * seat.gathered * (points[0] - points[3]).length());
            let spine = arc(place, ahead, &seat, lid.row, lashes.curl_rad);
            let leaning = |(i, p): (usize, Vec3)| {
                let k = i as f32 / (POINTS - 1) as f32;
                (p + together * (k * k)).extend(radius * seat.thick * taper(k))
            };
            let points: Vec<Vec4> = spine.into_iter().enumerate().map(leaning).collect();
            tuft.strands.push(Strand { root, points, absorption: lashes.pigment.absorption(&mut s) });
        }
    }
    Some(tuft)
}

/// Where on a lid a lash grows, and how.
struct Seat {
    /// 0 at the outer corner … 1 at the inner.
    t: f32,
    /// The same of the group that its tip joins, and how far it does, 0..=1.
    group_t: f32,
    gathered: f32,
    /// Row, 0 at the margin … 1.
    depth: f32,
    length_m: f32,
    /// Factor of the radius, and what the elevation is off by (radians).
    thick: f32,
    astray_rad: f32,
}

fn seats(lid: &Lid, lashes: &Lashes, s: &mut Stream) -> Vec<Seat> {
    let count = (lid.row.count * lashes.density) as usize;
    let mut groups: Vec<f32> = Vec::new();
    let mut at = 0.0;
    while at < 1.0 {
        at += s.uniform(1.5, 6.5) / count.max(1) as f32;
        groups.push(at);
    }
    let clumps = 0.35 + 0.5 * lashes.mascara;
    let one = |i: usize| {
        let t = (i as f32 + s.uniform(0.0, 1.0)) / count as f32;
        let group_t = groups.iter().copied().min_by(|a, b| (a - t).abs().total_cmp(&(b - t).abs())).unwrap_or(t);
        // Some are young and short.
        let grown = if s.chance(0.18) { s.uniform(0.35, 0.75) } else { s.uniform(0.85, 1.08) };
        let along = (0.72 + 0.28 * smoothstep(0.0, 0.25, t)) * (1.0 - 0.55 * smoothstep(0.45, 1.0, t));
        Seat {
            t,
            group_t,
            gathered: -clumps * s.uniform(0.4, 1.0),
            depth: s.uniform(0.0, 1.0),
            length_m: lashes.length_m * lid.row.length * along * grown,
            thick: grown.min(1.0) * s.uniform(0.8, 1.1),
            astray_rad: s.normal(0.0, 0.09),
        }
    };
    (0..count).map(one).collect()
}

/// A circular arc that leaves `place` towards `ahead` and bends upwards, most in its middle third.
fn arc(place: Vec3, ahead: Vec3, seat: &Seat, row: &Row, curl_rad: f32) -> Vec<Vec3> {
    let step = seat.length_m / (POINTS - 1) as f32;
    let elevation = |k: f32| {
        row.elevation_rad + seat.astray_rad + curl_rad * row.bend * (0.35 * k + 0.65 * smoothstep(0.05, 0.85, k))
    };
    let next = |p: &mut Vec3, i: usize| {
        let here = *p;
        let (sin, cos) = elevation((i as f32 + 0.5) / (POINTS - 1) as f32).sin_cos();
        *p += (ahead * cos + Vec3::Y * sin) * step;
        Some(here)
    };
    (0..POINTS).scan(place, next).collect()
}

/// Fraction of the full radius at `k` along a lash: thick over its first half, then a fine point.
fn taper(k: f32) -> f32 {
    1.0 - 0.2 * k - 0.7 * smoothstep(0.4, 1.0, k)
}

/// The curve through four points at `t` in 0..=1 (Catmull–Rom with mirrored ends).
fn through(p: &[Vec3; 4], t: f32) -> Vec3 {
    let x = t.clamp(0.0, 1.0) * 3.0;
    let i = (x as usize).min(2);
    let f = x - i as f32;
    let get = |k: i32| match k {
        -1 => 2.0 * p[0] - p[1],
        4 => 2.0 * p[3] - p[2],
        k => p[k as usize],
    };
    let [a, b, c, d] = [-1, 0, 1, 2].map(|o| get(i as i32 + o));
    0.5 * (2.0 * b + (c - a) * f + (2.0 * a - 5.0 * b + 4.0 * c - d) * f * f + (3.0 * b - a - 3.0 * c + d) * f * f * f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_lashes_end_above_their_roots_and_lower_ones_below() {
        let seat =
            |length_m| Seat { t: 0.5, group_t: 0.5, gathered: 0.0, depth: 0.0, length_m, thick: 1.0, astray_rad: 0.0 };
        for curl_rad in [0.7, 1.2, 1.6] {
            let tip = |row: &Row| arc(Vec3::ZERO, Vec3::Z, &seat(0.01), row, curl_rad)[POINTS - 1];
            let (upper, lower) = (tip(&UPPER), tip(&LOWER));
            assert!(upper.y > 0.0005 && upper.z > 0.005, "{upper}");
            assert!(lower.y < -0.002 && lower.z > 0.005, "{lower}");
            assert!(upper.length() <= 0.01 && lower.length() <= 0.01);
        }
    }
}
