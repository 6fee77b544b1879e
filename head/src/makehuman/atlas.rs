//! The atlas: one [0,1]² for all parts, left and right mirror images of each other.
//!
//! The outer skin has one chart ([`super::unwrap`]) that fills the upper part. Below it lie the
//! eyeballs (discs about the optical axis, radius proportional to the angle from it, π at the rim), the linings of
//! the sockets, the mouth's lining, tongue, teeth, lashes.
use super::assembly::Assembly;
use super::unwrap;
use crate::error::Error;
use crate::model::Part;
use glam::{Vec2, Vec3, vec2};
use std::collections::{BTreeMap, BTreeSet};

/// `[T]` coordinates in 0..=1 and `[F]` indices.
pub fn pack(assembly: &Assembly) -> Result<(Vec<Vec2>, Vec<[u32; 4]>), Error> {
    let mut uvs = assembly.uvs.clone();
    let mut face_uvs = assembly.face_uvs.clone();
    let charts = charts(assembly);
    // The file has the outer skin in two charts, head and neck, larger than any other piece of skin.
    let (skin, others): (Vec<&Chart>, Vec<&Chart>) = charts.iter().partition(|c| c.part == Part::Skin);
    let (head_and_neck, sockets) = skin.split_at(skin.len().min(2));
    let outer: Vec<usize> = head_and_neck.iter().flat_map(|c| c.faces.iter().copied()).collect();
    let quads: Vec<[u32; 4]> = outer.iter().map(|&f| assembly.faces[f]).collect();
    let chart = unwrap::unwrap(&assembly.template, &quads, |p| p.z < -0.09, density)?;
    let first = uvs.len() as u32;
    uvs.extend(stretched(
        &chart.points.iter().map(|p| p.as_vec2()).collect::<Vec<_>>(),
        vec2(0.004, 0.2),
        vec2(0.992, 0.796),
    ));
    for (&f, face) in outer.iter().zip(&chart.faces) {
        face_uvs[f] = face.map(|t| t + first);
    }
    for chart in sockets.iter().chain(&others) {
        let points: Vec<Vec2> = chart.texture_vertices.iter().map(|&t| uvs[t as usize]).collect();
        let (corner, size) = slot(chart, middle(assembly, chart));
        for (&t, uv) in chart.texture_vertices.iter().zip(stretched(&points, corner, size)) {
            uvs[t as usize] = uv;
        }
    }
    Ok(compacted(&uvs, &face_uvs))
}

/// How large the texture should be at a place, as a length: most at eyes and lips, least on the shoulders.
fn density(p: Vec3) -> f64 {
    let bell = |center: Vec3, radius: f32| f64::from((-(p - center).length_squared() / (radius * radius)).exp());
    let aside = Vec3::new(p.x.abs(), p.y, p.z);
    let eye = f64::from((-(aside - Vec3::new(0.031, 0.0, 0.012)).length_squared() / (0.024f32 * 0.024)).exp());
    0.42 + 0.6 * bell(Vec3::new(0.0, -0.03, 0.01), 0.095)
        + 0.75 * eye
        + 0.5 * bell(Vec3::new(0.0, -0.075, 0.03), 0.034)
        + 0.3 * bell(Vec3::new(0.0, -0.035, 0.03), 0.026)
}

struct Chart {
    /// What most of its faces are.
    part: Part,
    faces: Vec<usize>,
    texture_vertices: Vec<u32>,
}

/// Connected pieces of the file's texture space, largest first.
fn charts(assembly: &Assembly) -> Vec<Chart> {
    let mut parent: Vec<u32> = (0..assembly.uvs.len() as u32).collect();
    fn root(parent: &mut [u32], mut t: u32) -> u32 {
        while parent[t as usize] != t {
            parent[t as usize] = parent[parent[t as usize] as usize];
            t = parent[t as usize];
        }
        t
    }
    for face in &assembly.face_uvs {
        for corner in 1..4 {
            let (a, b) = (root(&mut parent, face[0]), root(&mut parent, face[corner]));
            parent[a as usize] = b;
        }
    }
    // Teeth and gums come laid out among themselves.
    let key = |parent: &mut [u32], part: Part, t: u32| match part {
        Part::TeethUpper | Part::TeethLower | Part::Gums => u32::MAX - part as u32,
        _ => root(parent, t),
    };
    let mut charts: BTreeMap<u32, Chart> = BTreeMap::new();
    for (f, face) in assembly.face_uvs.iter().enumerate() {
        let key = key(&mut parent, assembly.parts[f], face[0]);
        let empty = || Chart { part: assembly.parts[f], faces: Vec::new(), texture_vertices: Vec::new() };
        charts.entry(key).or_insert_with(empty).faces.push(f);
    }
    for chart in charts.values_mut() {
        let used: BTreeSet<u32> = chart.faces.iter().flat_map(|&f| assembly.face_uvs[f]).collect();
        chart.texture_vertices = used.into_iter().collect();
    }
    let mut charts: Vec<Chart> = charts.into_values().collect();
    for chart in &mut charts {
        let mut count: BTreeMap<Part, usize> = BTreeMap::new();
        chart.faces.iter().for_each(|&f| *count.entry(assembly.parts[f]).or_default() += 1);
        chart.part = count.iter().max_by_key(|(_, n)| **n).map_or(chart.part, |(part, _)| *part);
    }
    charts.sort_by_key(|chart| std::cmp::Reverse(chart.faces.len()));
    charts
}

fn bounds(points: &[Vec2]) -> (Vec2, Vec2) {
    points.iter().fold((Vec2::INFINITY, Vec2::NEG_INFINITY), |(low, high), &p| (low.min(p), high.max(p)))
}

/// Stretched to fill the slot.
fn stretched(points: &[Vec2], corner: Vec2, size: Vec2) -> Vec<Vec2> {
    let (low, high) = bounds(points);
    points.iter().map(|&p| corner + (p - low) / (high - low).max(Vec2::splat(1e-9)) * size).collect()
}

/// Mean place of a chart on the head (meters).
fn middle(assembly: &Assembly, chart: &Chart) -> Vec3 {
    let corners = chart.faces.iter().flat_map(|&f| assembly.faces[f]);
    corners.map(|v| assembly.template[v as usize]).sum::<Vec3>() / (4 * chart.faces.len()) as f32
}

/// Lower left corner and size in the atlas of a chart that lies at `middle` on the head.
fn slot(chart: &Chart, middle: Vec3) -> (Vec2, Vec2) {
    match chart.part {
        Part::EyeLeft => (vec2(0.806, 0.004), vec2(0.19, 0.19)),
        Part::EyeRight => (vec2(0.004, 0.004), vec2(0.19, 0.19)),
        Part::Mouth => (vec2(0.302, 0.004), vec2(0.2, 0.118)),
        Part::Gums => (vec2(0.302, 0.128), vec2(0.2, 0.066)),
        Part::Tongue => (vec2(0.51, 0.004), vec2(0.06, 0.19)),
        Part::TeethUpper => (vec2(0.578, 0.101), vec2(0.22, 0.093)),
        Part::TeethLower => (vec2(0.578, 0.004), vec2(0.22, 0.093)),
        Part::Lashes => {
            let (is_left, is_upper) = (middle.x > 0.0, middle.y > 0.0);
            (vec2(if is_left { 0.25 } else { 0.2 }, if is_upper { 0.055 } else { 0.004 }), vec2(0.045, 0.045))
        }
        _ => {
            let is_left = middle.x > 0.0;
            (vec2(if is_left { 0.25 } else { 0.2 }, 0.105), vec2(0.045, 0.045))
        }
    }
}

/// Drops texture vertices that no face uses any more.
fn compacted(uvs: &[Vec2], face_uvs: &[[u32; 4]]) -> (Vec<Vec2>, Vec<[u32; 4]>) {
    let mut kept = Vec::new();
    let mut new_from_old = BTreeMap::new();
    let faces = face_uvs.iter().map(|face| {
        face.map(|t| {
            *new_from_old.entry(t).or_insert_with(|| {
                kept.push(uvs[t as usize]);
                kept.len() as u32 - 1
            })
        })
    });
    let faces = faces.collect();
    (kept, faces)
}
