//! Teeth: sixteen a jaw, closed crowns on the dental arch, sized by dental anatomy.
//!
//! Widths and thicknesses are the usual mean crown dimensions of adults (mesio-distal, bucco-lingual; e.g. Ash &
//! Nelson, "Wheeler's Dental Anatomy", tables of permanent teeth), stretched to fill the arch.
use super::arch::{Arch, Blend, Jaw, Row};
use glam::{Vec2, vec2};
use std::f32::consts::TAU;

/// Points around a crown.
const AROUND: usize = 12;
/// Heights of the rings: 0 at the margin of the gum, 1 at the bite.
const RINGS: [f32; 6] = [-0.3, 0.05, 0.35, 0.65, 0.88, 1.0];

/// Mean dimensions of a crown (millimeters).
struct Kind {
    width: f32,
    /// Thickness at the gum and near the bite.
    thick: [f32; 2],
    /// How far the middle of the bite stands out beyond its corners.
    tip: f32,
}

const fn kind(width: f32, thick: [f32; 2], tip: f32) -> Kind {
    Kind { width, thick, tip }
}

/// From the middle backwards.
const UPPER: [Kind; 8] = [
    kind(8.5, [6.0, 1.5], 0.0),
    kind(6.5, [5.5, 1.5], 0.1),
    kind(7.5, [6.5, 2.4], 1.3),
    kind(7.0, [8.0, 6.0], 0.6),
    kind(7.0, [8.0, 6.2], 0.5),
    kind(10.0, [9.5, 8.0], 0.2),
    kind(9.0, [9.5, 8.0], 0.2),
    kind(8.5, [9.0, 7.5], 0.2),
];
const LOWER: [Kind; 8] = [
    kind(5.0, [5.0, 1.4], 0.0),
    kind(5.5, [5.3, 1.4], 0.0),
    kind(7.0, [6.2, 2.2], 1.0),
    kind(7.0, [6.8, 5.0], 0.6),
    kind(7.0, [7.2, 5.5], 0.5),
    kind(11.0, [9.0, 8.0], 0.2),
    kind(10.5, [9.0, 8.0], 0.2),
    kind(10.0, [8.5, 7.5], 0.2),
];

/// A crown: `AROUND` points on each ring, from the root outwards, then the middle of the bite.
pub struct Crown {
    pub points: Vec<Blend>,
    /// Into `points`, counter-clockwise seen from outside.
    pub faces: Vec<[u32; 4]>,
    /// `[points]` a disc about (0.5, 0.5), the bite in its middle.
    pub uvs: Vec<Vec2>,
}

/// The eight crowns of the left half of a jaw, from the middle backwards.
pub fn left_crowns(arch: &Arch, jaw: Jaw) -> Vec<Crown> {
    let kinds = if jaw == Jaw::Upper { &UPPER } else { &LOWER };
    let stretch = arch.length() / kinds.iter().map(|k| k.width).sum::<f32>();
    let mut at = 0.0;
    let mut crowns = Vec::new();
    for kind in kinds {
        let width = kind.width * stretch;
        crowns.push(crown(arch, jaw, kind, at, width));
        at += width;
    }
    crowns
}

/// How far the front of the teeth stands before the strip (meters): upper ones bite over the lower ones.
pub fn forward_m(jaw: Jaw, column: f32) -> f32 {
    let front = (1.0 - column / 5.0).clamp(0.0, 1.0);
    if jaw == Jaw::Upper { 0.0022 * front } else { -0.0006 * front }
}

fn crown(arch: &Arch, jaw: Jaw, kind: &Kind, start: f32, width: f32) -> Crown {
    let middle = arch.column(start + width / 2.0);
    let outward = arch.outward(middle);
    let overbite = if jaw == Jaw::Upper { 0.14 * (1.0 - middle / 5.0).clamp(0.0, 1.0) } else { -0.04 };
    let height = arch.place(&arch.at(Row::Margin, middle)).distance(arch.place(&arch.at(Row::Edge, middle)));
    // Place on the arch of a point of the crown: along it, out of it (both meters), up the crown.
    let point = |along: f32, out: f32, up: f32| -> Blend {
        let column = arch.column((start + width / 2.0 + along).clamp(0.0, arch.length()));
        let mut blend = arch.at(Row::Margin, column).lerp(&arch.at(Row::Edge, column), up);
        blend.offset += outward * (out + forward_m(jaw, middle));
        blend
    };
    let (mut points, mut uvs) = (Vec::new(), Vec::new());
    let shrink = |ring: usize| if ring == RINGS.len() { 0.55 } else { 1.0 };
    for ring in 0..=RINGS.len() {
        let up = RINGS[ring.min(RINGS.len() - 1)];
        let half_width = 0.5 * width * belly(up) * shrink(ring);
        let thick = 1e-3 * (kind.thick[0] + (kind.thick[1] - kind.thick[0]) * up.max(0.0).powf(1.4));
        for i in 0..AROUND {
            let (c, s) = superellipse(i as f32 / AROUND as f32 * TAU);
            let corner = 1e-3 * kind.tip / height * c * c * up.max(0.0).powi(3);
            let up = up * (1.0 + overbite) - corner - if ring == RINGS.len() { 0.015 } else { 0.0 };
            points.push(point(c * half_width, 0.5 * thick * (s * shrink(ring) - 1.0), up));
            let radius = 0.5 * (1.0 - ring as f32 / (RINGS.len() + 1) as f32);
            let angle = i as f32 / AROUND as f32 * TAU;
            uvs.push(Vec2::splat(0.5) + radius * vec2(angle.cos(), angle.sin()));
        }
    }
    points.push(point(0.0, -0.5e-3 * kind.thick[1], 1.0 + overbite - 0.03));
    uvs.push(Vec2::splat(0.5));
    Crown { points, faces: faces(jaw), uvs }
}

/// Fraction of the full width at a height: narrow at the gum, widest near the bite, rounded corners.
fn belly(up: f32) -> f32 {
    let rise = (up / 0.7).clamp(0.0, 1.0);
    let corner = ((up - 0.88) / 0.12).clamp(0.0, 1.0);
    0.76 + 0.22 * rise * (2.0 - rise) - 0.07 * corner * corner
}

/// A box with round corners: (along, out) on the unit superellipse.
fn superellipse(angle: f32) -> (f32, f32) {
    let soft = |x: f32| x.signum() * x.abs().powf(0.62);
    (soft(angle.cos()), soft(angle.sin()))
}

fn faces(jaw: Jaw) -> Vec<[u32; 4]> {
    let at = |ring: usize, i: usize| (ring * AROUND + i % AROUND) as u32;
    let tip = at(RINGS.len() + 1, 0);
    let mut faces = Vec::new();
    for i in 0..AROUND {
        for ring in 0..RINGS.len() {
            faces.push([at(ring, i), at(ring, i + 1), at(ring + 1, i + 1), at(ring + 1, i)]);
        }
        faces.push([at(RINGS.len(), i), at(RINGS.len(), i + 1), tip, tip]);
    }
    // Left of the middle, "along" runs to +x turning back and "out" forwards: with the bite down this winds outwards.
    if jaw == Jaw::Lower {
        faces.iter_mut().for_each(|face| *face = flipped(*face));
    }
    faces
}

/// The same face seen from the other side; a triangle keeps its repeated corner last.
pub fn flipped([a, b, c, d]: [u32; 4]) -> [u32; 4] {
    if c == d { [a, c, b, b] } else { [a, d, c, b] }
}

/// How much of each tooth the gum covers: 0 over the middle of a crown, 1 between two.
pub fn between(arch: &Arch, jaw: Jaw, column: f32) -> f32 {
    let kinds = if jaw == Jaw::Upper { &UPPER } else { &LOWER };
    let stretch = arch.length() / kinds.iter().map(|k| k.width).sum::<f32>();
    let mut start = 0.0;
    for kind in kinds {
        let (a, b) = (arch.column(start), arch.column(start + kind.width * stretch));
        if column <= b {
            let x = (2.0 * (column - a) / (b - a) - 1.0).clamp(-1.0, 1.0);
            return x * x;
        }
        start += kind.width * stretch;
    }
    1.0
}
