//! Gums: a band over each dental arch, scalloped around the teeth.
use super::arch::{Arch, Blend, Jaw, Row};
use super::teeth::{between, forward_m};
use glam::{Vec2, vec2};

/// Samples along the left half of the arch, the middle included.
const ALONG: usize = 41;
/// Samples across, from the fold in front over the ridge to the palate or floor.
const ACROSS: usize = 8;

/// Left half of the band of a jaw; the samples `i < ACROSS` lie in the middle plane.
pub struct Band {
    /// `[ALONG, ACROSS]`
    pub points: Vec<Blend>,
    /// Into `points`, counter-clockwise seen from outside.
    pub faces: Vec<[u32; 4]>,
    /// `[points]` for the left half: 0.5..=1 along, 0..=1 across.
    pub uvs: Vec<Vec2>,
}

/// The left half of the gum of a jaw.
pub fn left_band(arch: &Arch, jaw: Jaw) -> Band {
    let (mut points, mut uvs) = (Vec::new(), Vec::new());
    for i in 0..ALONG {
        let column = arch.column(arch.length() * i as f32 / (ALONG - 1) as f32);
        for (j, point) in profile(arch, jaw, column).into_iter().enumerate() {
            points.push(point);
            uvs.push(vec2(0.5 + 0.5 * i as f32 / (ALONG - 1) as f32, j as f32 / (ACROSS - 1) as f32));
        }
    }
    let mut faces = Vec::new();
    for (i, j) in (0..ALONG - 1).flat_map(|i| (0..ACROSS - 1).map(move |j| (i, j))) {
        let at = |i: usize, j: usize| (i * ACROSS + j) as u32;
        let face = [at(i, j), at(i, j + 1), at(i + 1, j + 1), at(i + 1, j)];
        faces.push(if jaw == Jaw::Upper { face } else { super::teeth::flipped(face) });
    }
    Band { points, faces, uvs }
}

/// A cross-section, front to back.
fn profile(arch: &Arch, jaw: Jaw, column: f32) -> [Blend; ACROSS] {
    let papilla = between(arch, jaw, column);
    let outward = arch.outward(column);
    let forward = forward_m(jaw, column);
    let tooth_mm = 5.5 + 3.5 * (column / 5.0).clamp(0.0, 1.0);
    // A point up the crown (0 margin, 1 bite), so many millimeters out of the front of the teeth.
    let point = |up: f32, out_mm: f32| -> Blend {
        let mut blend = arch.at(Row::Margin, column).lerp(&arch.at(Row::Edge, column), up);
        blend.offset += outward * (forward + 1e-3 * out_mm);
        blend
    };
    let margin = -0.02 + 0.42 * papilla;
    let fold = arch.at(Row::Fold, column);
    let mut bulge = fold.lerp(&arch.at(Row::Margin, column), 0.55);
    bulge.offset += outward * (forward + 0.9e-3);
    let rim = 0.75 - 1.3 * papilla;
    let mut back = arch.at(Row::Back, column);
    back.offset += outward * (-1.0e-3 * (column / 5.0).clamp(0.0, 1.0));
    [
        fold,
        bulge,
        point(margin - 0.22, rim.max(0.1) + 0.2),
        point(margin, rim),
        point(margin + 0.02, -0.35 * tooth_mm),
        point(margin + 0.02, -0.75 * tooth_mm),
        point(margin * 0.6 - 0.1, -tooth_mm - 0.9),
        back,
    ]
}
