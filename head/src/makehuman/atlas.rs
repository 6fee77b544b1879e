//! Packs the charts into one atlas.
use super::assembly::Assembly;
use crate::model::Part;
use glam::{Vec2, vec2};
use std::collections::BTreeMap;

/// `[T]` coordinates in 0..=1 and `[F]` indices.
pub fn pack(assembly: &Assembly) -> (Vec<Vec2>, Vec<[u32; 4]>) {
    let mut uvs = assembly.uvs.clone();
    let mut skin_slots = 0;
    for chart in charts(assembly) {
        let (low, high) = bounds(&uvs, &chart.texture_vertices);
        let (corner, size) = slot(&chart, low, &mut skin_slots);
        for &t in &chart.texture_vertices {
            let unit = (uvs[t as usize] - low) / (high - low).max(Vec2::splat(1e-9));
            uvs[t as usize] = corner + placed(&chart, unit) * size;
        }
    }
    (uvs, assembly.face_uvs.clone())
}

struct Chart {
    /// What most of its faces are.
    part: Part,
    faces: usize,
    faces_of_part: BTreeMap<Part, usize>,
    texture_vertices: Vec<u32>,
}

/// Connected pieces of texture space, largest first.
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
    let mut charts: BTreeMap<u32, Chart> = BTreeMap::new();
    for (face, &part) in assembly.face_uvs.iter().zip(&assembly.parts) {
        let key = root(&mut parent, face[0]);
        let empty = || Chart { part, faces: 0, faces_of_part: BTreeMap::new(), texture_vertices: Vec::new() };
        let chart = charts.entry(key).or_insert_with(empty);
        chart.faces += 1;
        *chart.faces_of_part.entry(part).or_default() += 1;
    }
    for t in 0..assembly.uvs.len() as u32 {
        let key = root(&mut parent, t);
        if let Some(chart) = charts.get_mut(&key) {
            chart.texture_vertices.push(t);
        }
    }
    let mut charts: Vec<Chart> = charts.into_values().collect();
    for chart in &mut charts {
        chart.part = chart.faces_of_part.iter().max_by_key(|(_, n)| **n).map_or(chart.part, |(part, _)| *part);
    }
    charts.sort_by_key(|chart| std::cmp::Reverse(chart.faces));
    charts
}

fn bounds(uvs: &[Vec2], texture_vertices: &[u32]) -> (Vec2, Vec2) {
    texture_vertices.iter().fold((Vec2::INFINITY, Vec2::NEG_INFINITY), |(low, high), &t| {
        (low.min(uvs[t as usize]), high.max(uvs[t as usize]))
    })
}

/// Lower left corner and size in the atlas.
fn slot(chart: &Chart, low: Vec2, skin_slots: &mut usize) -> (Vec2, Vec2) {
    let right = low.x > 0.5;
    match chart.part {
        Part::EyeLeft => (vec2(0.79, 0.005), vec2(0.205, 0.205)),
        Part::EyeRight => (vec2(0.005, 0.005), vec2(0.205, 0.205)),
        Part::Mouth => (vec2(0.28, 0.005), vec2(0.14, 0.10)),
        Part::Tongue => (vec2(0.225, 0.005), vec2(0.05, 0.10)),
        Part::TeethUpper => (vec2(0.43, 0.005), vec2(0.15, 0.045)),
        Part::TeethLower => (vec2(0.43, 0.055), vec2(0.15, 0.045)),
        Part::Lashes => {
            let slot = lash_slot(low);
            (vec2(0.59 + 0.05 * (slot % 2) as f32, 0.005 + 0.05 * (slot / 2) as f32), vec2(0.045, 0.045))
        }
        _ => {
            *skin_slots += 1;
            match (*skin_slots, right) {
                (1, _) => (vec2(0.005, 0.36), vec2(0.99, 0.635)),
                (2, _) => (vec2(0.22, 0.12), vec2(0.56, 0.235)),
                (n, _) => (vec2(0.70 + 0.045 * (n - 3) as f32, 0.005), vec2(0.04, 0.10)),
            }
        }
    }
}

fn lash_slot(low: Vec2) -> usize {
    usize::from(low.x > 0.75) + 2 * usize::from(low.y > 0.95)
}

/// The head's chart lies on its side in the file: up becomes up, and the face gets more room.
fn placed(chart: &Chart, unit: Vec2) -> Vec2 {
    if chart.part == Part::Skin && chart.faces > 1000 { vec2(widened(unit.y), 1.0 - unit.x) } else { unit }
}

/// Monotone on 0..=1, symmetric about one half, steeper there.
fn widened(u: f32) -> f32 {
    let x = 2.0 * u - 1.0;
    0.5 + 0.5 * (1.6 * x - 0.6 * x * x.abs())
}
