//! The 68 landmarks of the iBUG scheme, then dense ones spread over the face.
use super::Base;
use super::assembly::Assembly;
use super::vertices::LANDMARKS;
use crate::error::Error;
use crate::model::{Part, SurfacePoint};
use glam::Vec3;

/// The iBUG index on the other side.
const OTHER_SIDE: [usize; 68] = [
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 27, 28, 29, 30,
    35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
    64, 63, 62, 61, 60, 67, 66, 65,
];
/// How many dense landmarks follow the 68.
const DENSE: usize = 300;

/// Places all landmarks on the assembled mesh.
pub fn place(base: &Base, assembly: &Assembly) -> Result<Vec<SurfacePoint>, Error> {
    let mut vertices = [u32::MAX; 68];
    for (index, base_vertex) in LANDMARKS {
        let p = base.positions[base_vertex as usize];
        vertices[index] = skin_vertex_at(assembly, p)?;
        vertices[OTHER_SIDE[index]] = skin_vertex_at(assembly, p * Vec3::new(-1.0, 1.0, 1.0))?;
    }
    let mut points = Vec::new();
    for (index, &vertex) in vertices.iter().enumerate() {
        if vertex == u32::MAX {
            return Err(Error::invalid("landmarks", format!("iBUG {index} has no vertex")));
        }
        points.push(at_vertex(assembly, vertex));
    }
    points.extend(dense(assembly).into_iter().map(|vertex| at_vertex(assembly, vertex)));
    Ok(points)
}

fn skin_vertex_at(assembly: &Assembly, p: Vec3) -> Result<u32, Error> {
    let distance = |v: u32| (assembly.template[v as usize] - p).length();
    let found = (0..assembly.template.len() as u32).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
    found.filter(|&v| distance(v) < 1e-3).ok_or_else(|| Error::invalid("landmarks", format!("no vertex at {p}")))
}

/// All weight on one corner of a face.
fn at_vertex(assembly: &Assembly, vertex: u32) -> SurfacePoint {
    for (f, face) in assembly.faces.iter().enumerate() {
        if let Some(corner) = face.iter().position(|&v| v == vertex) {
            let mut weights = [0.0; 4];
            weights[corner] = 1.0;
            return SurfacePoint { face: f as u32, weights };
        }
    }
    unreachable!("every vertex came with a face")
}

/// Farthest-point sampling over the skin of the face, from the tip of the nose outward.
fn dense(assembly: &Assembly) -> Vec<u32> {
    let parts = assembly.vertex_parts();
    let candidates: Vec<u32> = (0..assembly.template.len() as u32)
        .filter(|&v| {
            let p = assembly.template[v as usize];
            parts[v as usize] == Part::Skin && p.z > -0.03 && p.y > -0.12 && p.y < 0.07
        })
        .collect();
    let mut distance = vec![f32::INFINITY; candidates.len()];
    let tip = |v: u32| assembly.template[v as usize].z;
    let mut chosen: Vec<u32> =
        candidates.iter().copied().max_by(|&a, &b| tip(a).total_cmp(&tip(b))).into_iter().collect();
    while let (Some(&last), true) = (chosen.last(), chosen.len() < DENSE.min(candidates.len())) {
        for (d, &v) in distance.iter_mut().zip(&candidates) {
            *d = d.min((assembly.template[v as usize] - assembly.template[last as usize]).length());
        }
        let next = (0..candidates.len()).max_by(|&a, &b| distance[a].total_cmp(&distance[b]));
        chosen.extend(next.map(|i| candidates[i]));
    }
    chosen
}
