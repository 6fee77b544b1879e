//! The 68 landmarks of the iBUG scheme, then dense ones spread over the face.
use super::Base;
use super::assembly::Assembly;
use super::vertices::{JAW, LANDMARKS};
use crate::error::Error;
use crate::model::{Part, SurfacePoint};
use crate::normals::vertex_normals;
use crate::surface::nearest_point;
use glam::Vec3;

/// The iBUG index on the other side.
const OTHER_SIDE: [usize; 68] = [
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 27, 28, 29, 30,
    35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
    64, 63, 62, 61, 60, 67, 66, 65,
];
/// How many dense landmarks follow the 68, on one side and the middle; the other side mirrors them.
const DENSE_HALF: usize = 170;
/// In the middle plane (metres).
const MIDDLE: f32 = 1e-5;
const TO_OTHER_SIDE: Vec3 = Vec3::new(-1.0, 1.0, 1.0);

/// Places all landmarks on the assembled mesh.
///
/// # Errors
/// [`Error::Invalid`] when an iBUG index has no place.
pub fn place(base: &Base, assembly: &Assembly) -> Result<Vec<SurfacePoint>, Error> {
    let mut places = [None; 68];
    let mut set = |index: usize, p: Vec3| {
        places[index] = Some(p);
        places[OTHER_SIDE[index]] = Some(p * TO_OTHER_SIDE);
    };
    for (index, vertices) in LANDMARKS {
        set(index, super::mean_of(&base.positions, vertices));
    }
    for (index, p) in resampled(&JAW.map(|v| base.positions[v as usize]), 9).into_iter().enumerate() {
        set(index, p);
    }
    let is_skin = |f: usize| assembly.parts[f] == Part::Skin;
    let mut points = Vec::new();
    for (index, p) in places.into_iter().enumerate() {
        let point = p.and_then(|p| nearest_point(&assembly.faces, &assembly.template, p, is_skin));
        points.push(point.ok_or_else(|| Error::invalid("landmarks", format!("iBUG {index} has no place")))?);
    }
    points.extend(dense(assembly).into_iter().filter_map(|v| SurfacePoint::at_vertex(&assembly.faces, v)));
    Ok(points)
}

/// `n` points at equal distances along a polyline, its ends included.
fn resampled(line: &[Vec3], n: usize) -> Vec<Vec3> {
    let steps: Vec<f32> = line.windows(2).map(|pair| pair[0].distance(pair[1])).collect();
    let total: f32 = steps.iter().sum();
    let at = |i: usize| {
        let mut left = total * i as f32 / (n - 1) as f32;
        for (pair, &step) in line.windows(2).zip(&steps) {
            if left <= step {
                return pair[0].lerp(pair[1], left / step);
            }
            left -= step;
        }
        line[line.len() - 1]
    };
    (0..n).map(at).collect()
}

/// Vertices spread over the visible skin of the face by farthest-point sampling, from the tip of the nose outward;
/// each vertex beside the middle is followed by its twin on the other side.
fn dense(assembly: &Assembly) -> Vec<u32> {
    let parts = assembly.vertex_parts();
    let normals = vertex_normals(&assembly.template, &assembly.faces);
    let inside = Vec3::new(0.0, -0.03, -0.09);
    let candidates: Vec<u32> = (0..assembly.template.len() as u32)
        .filter(|&v| {
            let p = assembly.template[v as usize];
            let outward = (p - inside).normalize_or(Vec3::Z).dot(normals[v as usize]);
            let behind_lids = [0, 1].iter().any(|&side| p.distance(assembly.eye_centre(side)) < 0.0172);
            let within = p.z > -0.05 && p.y > -0.115 && p.y < 0.062 && p.x < MIDDLE;
            parts[v as usize] == Part::Skin && within && outward > 0.45 && !behind_lids
        })
        .collect();
    let at = |v: u32| assembly.template[v as usize];
    let mut distance = vec![f32::INFINITY; candidates.len()];
    let mut next = candidates.iter().copied().max_by(|&a, &b| at(a).z.total_cmp(&at(b).z));
    let mut chosen = Vec::new();
    for _ in 0..DENSE_HALF.min(candidates.len()) {
        let Some(v) = next else { break };
        chosen.push(v);
        if assembly.mirror[v as usize] != v {
            chosen.push(assembly.mirror[v as usize]);
        }
        for (d, &c) in distance.iter_mut().zip(&candidates) {
            *d = d.min(at(c).distance(at(v))).min(at(c).distance(at(v) * TO_OTHER_SIDE));
        }
        let farthest = (0..candidates.len()).max_by(|&a, &b| distance[a].total_cmp(&distance[b]));
        next = farthest.map(|i| candidates[i]);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_keeps_ends_and_spacing() {
        let line = [Vec3::ZERO, Vec3::X, Vec3::new(1.0, 3.0, 0.0)];
        let points = resampled(&line, 5);
        assert_eq!(points, [Vec3::ZERO, Vec3::X, Vec3::new(1.0, 1.0, 0.0), Vec3::new(1.0, 2.0, 0.0), line[2]]);
    }

    #[test]
    fn the_other_side_of_the_other_side_is_here() {
        assert!((0..68).all(|i| OTHER_SIDE[OTHER_SIDE[i]] == i));
    }
}
