//! Lashes: one curved row on each lid margin, longest above and outside.
use super::{Binding, CLASS_LASH, Ground, Strand, Tuft, tapered, thickened};
use crate::person::{Lashes, Pigment};
use crate::stream::{Stream, subject};
use glam::Vec3;

/// Landmarks of a lid from corner to corner, and whether it is an upper one.
const LIDS: [([usize; 4], Lid, usize); 4] = [
    ([36, 37, 38, 39], Lid::Upper, 1),
    ([36, 41, 40, 39], Lid::Lower, 1),
    ([45, 44, 43, 42], Lid::Upper, 0),
    ([45, 46, 47, 42], Lid::Lower, 0),
];

#[derive(Clone, Copy, PartialEq)]
enum Lid {
    Upper,
    Lower,
}

pub(super) fn grow(ground: &Ground, lashes: &Lashes, strands: u32, seed: u64) -> Option<Tuft> {
    if ground.landmarks.len() < 68 {
        return None;
    }
    let mut s = Stream::new(seed, &[subject::HAIR, 3]);
    let pigment = Pigment { eumelanin: 7.0, pheomelanin: 0.1, grey: 0.0 };
    let mut tuft = Tuft::new(CLASS_LASH, Binding::Skin, pigment.material());
    for (line, lid, eye) in LIDS {
        let points = line.map(|i| ground.landmarks[i]);
        let most = if lid == Lid::Upper { 70.0 } else { 34.0 };
        let count = (most * lashes.density) as usize;
        let at: Vec<f32> = (0..count).map(|i| (i as f32 + s.uniform(0.1, 0.9)) / count as f32).collect();
        let places: Vec<Vec3> = at.iter().map(|&t| through(&points, 0.04 + 0.92 * t)).collect();
        for ((root, place), t) in ground.skin.nearest(&places).into_iter().zip(places).zip(at) {
            let outward = (place - ground.eyes[eye]).normalize_or(Vec3::Z);
            let corner = (points[0] - points[3]).normalize_or(Vec3::X);
            // t = 0 at the outer corner: lashes fan outwards there.
            let fan = corner * (0.55 * (1.0 - 2.0 * t) + s.normal(0.0, 0.08));
            let middle = 1.0 - 0.55 * (2.0 * t - 0.8).powi(2);
            let (length, rise) = match lid {
                Lid::Upper => (lashes.length_m * middle, 0.15),
                Lid::Lower => (0.55 * lashes.length_m * middle, -0.45),
            };
            let length = length * s.uniform(0.75, 1.1);
            let direction = (outward + 0.35 * Vec3::Z + fan + Vec3::Y * rise).normalize_or(Vec3::Z);
            let curl = Vec3::Y * if lid == Lid::Upper { 0.75 } else { -0.15 };
            let spine = [0.0, 0.35, 0.7, 1.0].map(|k: f32| place + (direction * k + curl * (k * k * 0.7)) * length);
            tuft.strands.push(Strand {
                root,
                points: tapered(&spine, 0.5 * thickened(45e-6, strands.max(8000))),
                absorption: 1.0,
            });
        }
    }
    Some(tuft)
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
