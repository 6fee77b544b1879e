//! Vertex masks of the head's regions: smooth, symmetric, 0..=1.
//!
//! Lips follow their edge loops and ears the targets that shift them; the rest is drawn on the template, in
//! millimeters: heights over the azimuth about a vertical axis through the skull (0° front, 90° over the ear).
use super::Base;
use super::assembly::Assembly;
use super::cut;
use super::vertices::{LANDMARKS, LIP_RINGS};
use crate::error::Error;
use crate::model::{Basis, Part};
use glam::{Vec2, Vec3, vec2};
use std::collections::BTreeMap;

/// Depth of the axis of the skull behind the eyes (mm).
const AXIS_Z_MM: f32 = -90.0;
/// Height of the hairline over the azimuth (degrees, mm): forehead, temple, sideburn, behind the ear, nape.
const HAIRLINE: [(f32, f32); 9] = [
    (0.0, 62.0),
    (25.0, 64.0),
    (40.0, 50.0),
    (52.0, 30.0),
    (68.0, 22.0),
    (76.0, -12.0),
    (100.0, -12.0),
    (125.0, -52.0),
    (180.0, -72.0),
];
/// Upper edge of the beard over the azimuth (degrees, mm): below the nose, cheek, sideburn.
const BEARD_TOP: [(f32, f32); 7] =
    [(0.0, -52.0), (12.0, -57.0), (20.0, -68.0), (45.0, -62.0), (62.0, -38.0), (70.0, 0.0), (90.0, 5.0)];
/// Upper edge of the neck over depth (mm, mm): chin, below the ear, nape.
const NECK_TOP: [(f32, f32); 4] = [(-160.0, -70.0), (-100.0, -66.0), (-60.0, -88.0), (12.0, -121.0)];
/// Half width of the nose over height (mm, mm).
const NOSE_WIDTH: [(f32, f32); 5] = [(-54.0, 13.0), (-46.0, 20.0), (-36.0, 19.0), (-20.0, 12.0), (2.0, 8.0)];

/// All masks, `[V]` each; parts other than skin are in none.
///
/// # Errors
/// When the edge loops of the lips or the targets of the ears are not there.
pub fn masks(base: &Base, assembly: &Assembly, identity: &Basis) -> Result<BTreeMap<String, Vec<f32>>, Error> {
    let mirror = &assembly.mirror;
    let parts = assembly.vertex_parts();
    let is_skin: Vec<bool> = parts.iter().map(|&part| part == Part::Skin).collect();
    let of_place = |weight: &dyn Fn(Spot) -> f32| -> Vec<f32> {
        let value = |v: usize| if is_skin[v] { weight(Spot::new(assembly.template[v])) } else { 0.0 };
        (0..parts.len()).map(value).collect()
    };
    let ears = ears(identity, parts.len(), mirror)?;
    let lips = lips(base, assembly)?;
    let neck = of_place(&neck);
    let scalp = without(of_place(&|s| smooth(-6.0, 4.0, s.mm.y - curve(&HAIRLINE, s.azimuth))), &[&ears, &neck]);
    let front = of_place(&|s| smooth(92.0, 80.0, s.azimuth));
    let face = without(front, &[&ears, &neck, &scalp]);
    let brow = brow_line(base);
    let on_face = |mask: Vec<f32>| -> Vec<f32> { mask.iter().zip(&face).map(|(m, f)| m * f).collect() };
    let mut regions = BTreeMap::new();
    regions.insert("brows", on_face(of_place(&|s| brows(s, &brow))));
    regions.insert("eyelids", on_face(of_place(&eyelids)));
    regions.insert("nose", on_face(of_place(&nose)));
    regions.insert(
        "cheeks",
        on_face(of_place(&|s| smooth(34.0, 16.0, (s.aside() - Vec3::new(44.0, -38.0, -2.0)).length()))),
    );
    regions.insert("forehead", on_face(of_place(&|s| smooth(20.0, 28.0, s.mm.y))));
    regions.insert("beard", without(of_place(&beard), &[&ears, &lips]));
    regions.insert("face", face);
    regions.insert("scalp", scalp);
    regions.insert("neck", neck);
    regions.insert("ears", ears);
    regions.insert("lips", lips);
    let symmetric = |mask: &[f32]| -> Vec<f32> {
        (0..mask.len()).map(|v| (0.5 * (mask[v] + mask[mirror[v] as usize])).clamp(0.0, 1.0)).collect()
    };
    Ok(regions.into_iter().map(|(name, mask)| (name.to_string(), symmetric(&mask))).collect())
}

/// A place on the template.
#[derive(Clone, Copy)]
struct Spot {
    mm: Vec3,
    /// Degrees about the axis of the skull, either side.
    azimuth: f32,
}

impl Spot {
    fn new(position: Vec3) -> Spot {
        let mm = position * 1000.0;
        Spot { mm, azimuth: mm.x.abs().atan2(mm.z - AXIS_Z_MM).to_degrees() }
    }

    /// With left folded onto right's side, +x.
    fn aside(self) -> Vec3 {
        self.mm.with_x(self.mm.x.abs())
    }
}

fn neck(s: Spot) -> f32 {
    smooth(4.0, -6.0, s.mm.y - curve(&NECK_TOP, s.mm.z))
}

fn eyelids(s: Spot) -> f32 {
    let q = (s.aside() - Vec3::new(32.0, 0.5, 0.0)) / Vec3::new(22.0, 12.5, 1.0);
    smooth(1.15, 0.75, q.truncate().length()) * smooth(-14.0, -4.0, s.mm.z)
}

fn nose(s: Spot) -> f32 {
    let beside = s.mm.x.abs() - curve(&NOSE_WIDTH, s.mm.y);
    smooth(2.0, -2.0, beside) * smooth(4.0, -1.0, s.mm.y) * smooth(-55.0, -51.0, s.mm.y) * smooth(8.0, 16.0, s.mm.z)
}

fn beard(s: Spot) -> f32 {
    let below_edge = smooth(3.0, -5.0, s.mm.y - curve(&BEARD_TOP, s.azimuth));
    // Down over the edge of the jaw to the upper neck.
    let above_neck = smooth(-32.0, -14.0, s.mm.y - curve(&NECK_TOP, s.mm.z));
    below_edge * above_neck * smooth(84.0, 76.0, s.azimuth)
}

/// The brow landmarks of one side, outer to inner, seen from the front (mm).
fn brow_line(base: &Base) -> Vec<Vec2> {
    let brow = LANDMARKS.iter().filter(|(index, _)| (17..=21).contains(index));
    let place = |vertices: &[u32]| super::mean_of(&base.positions, vertices) * 1000.0;
    brow.map(|(_, vertices)| place(vertices)).map(|p| vec2(p.x.abs(), p.y)).collect()
}

fn brows(s: Spot, line: &[Vec2]) -> f32 {
    let p = s.aside().truncate();
    let mut nearest = f32::INFINITY;
    for (i, pair) in line.windows(2).enumerate() {
        let along = pair[1] - pair[0];
        let t = ((p - pair[0]).dot(along) / along.length_squared()).clamp(0.0, 1.0);
        // The tail is thinner than the head.
        let half_width = 2.6 + 2.2 * (i as f32 + t) / 4.0;
        nearest = nearest.min((p - pair[0] - along * t).length() / half_width);
    }
    smooth(1.9, 0.8, nearest)
}

/// Where the targets that shift the ears move more than their roots.
fn ears(identity: &Basis, n_vertices: usize, mirror: &[u32]) -> Result<Vec<f32>, Error> {
    let column = identity.names.iter().position(|name| name == "ears/l-ear-trans");
    let column = column.ok_or_else(|| Error::invalid("targets", "expected ears/l-ear-trans-{forward,backward}"))?;
    let moved = &identity.columns[column * n_vertices..(column + 1) * n_vertices];
    let most = moved.iter().map(|d| d.length()).fold(f32::MIN_POSITIVE, f32::max);
    let left: Vec<f32> = moved.iter().map(|d| smooth(0.75, 0.97, d.length() / most)).collect();
    Ok((0..n_vertices).map(|v| left[v].max(left[mirror[v] as usize])).collect())
}

/// One on the rings of the red, one half on its border.
fn lips(base: &Base, assembly: &Assembly) -> Result<Vec<f32>, Error> {
    let mut mask = vec![0.0f32; assembly.template.len()];
    let inner = cut::faces_within(base, LIP_RINGS[1])?;
    for &f in &inner {
        for v in base.mesh.faces[f].iter().filter_map(|v| assembly.model_from_base.get(v)) {
            mask[*v as usize] = 1.0;
        }
    }
    for v in cut::ring(base, LIP_RINGS[0])?.iter().filter_map(|v| assembly.model_from_base.get(v)) {
        mask[*v as usize] = 0.5;
    }
    Ok(mask)
}

fn without(mask: Vec<f32>, others: &[&Vec<f32>]) -> Vec<f32> {
    let rest = |v: usize| others.iter().map(|other| 1.0 - other[v]).product::<f32>();
    (0..mask.len()).map(|v| mask[v] * rest(v)).collect()
}

/// Piecewise linear through the points, constant beyond them.
fn curve(points: &[(f32, f32)], x: f32) -> f32 {
    let after = points.partition_point(|(at, _)| *at < x);
    match (after.checked_sub(1).map(|i| points[i]), points.get(after)) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), None) | (None, Some(&(_, y))) => y,
        (None, None) => 0.0,
    }
}

/// 0 at `from`, 1 at `to`, Hermite between; `from` may be the larger.
fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
