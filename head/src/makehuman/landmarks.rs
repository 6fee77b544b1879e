//! The 68 landmarks of the iBUG scheme, then dense ones: face, ears, skull, eyes, teeth.
use super::Base;
use super::assembly::Assembly;
use super::eyeball::IRIS_RADIUS_M;
use super::vertices::{JAW, LANDMARKS};
use crate::error::Error;
use crate::ibug;
use crate::model::{Part, SurfacePoint};
use crate::normals::vertex_normals;
use crate::surface::nearest_point;
use glam::Vec3;
use std::collections::BTreeMap;

/// The iBUG index on the other side.
const OTHER_SIDE: [usize; ibug::COUNT] = [
    16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 27, 28, 29, 30,
    35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55,
    64, 63, 62, 61, 60, 67, 66, 65,
];
/// How many landmarks of the face follow the 68, on one side and the middle; the other side mirrors them.
const FACE_HALF: usize = 170;
/// How many follow on each ear.
const EAR_HALF: usize = 10;
/// How many follow on the skull above and behind the face, on one side and the middle.
const SKULL_HALF: usize = 20;
/// Points on the limbus, the rim of the iris, of each eye.
const LIMBUS: usize = 8;
/// Front teeth of a quadrant: central and lateral incisor, canine.
const FRONT_TEETH: usize = 3;
/// In the middle plane (meters).
const MIDDLE: f32 = 1e-5;
const TO_OTHER_SIDE: Vec3 = Vec3::new(-1.0, 1.0, 1.0);

/// Places all landmarks on the assembled mesh; `ears` `[V]` is the mask of the ears.
///
/// Order: 68 iBUG, face, ears, skull, then per eye (left, right) the apex of the cornea and the limbus, then the front
/// teeth (upper, lower), each the middle of its cutting edge.
///
/// # Errors
/// [`Error::Invalid`] when an iBUG index has no place.
pub fn place(base: &Base, assembly: &Assembly, ears: &[f32]) -> Result<Vec<SurfacePoint>, Error> {
    let mut places = [None; ibug::COUNT];
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
    let skin = Skin::new(assembly, ears);
    let dense = [skin.face(), skin.ears(), skin.skull(), eyes(assembly), teeth(assembly)].concat();
    points.extend(dense.into_iter().filter_map(|v| SurfacePoint::at_vertex(&assembly.faces, v)));
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

/// The skin of the template, from which landmarks are chosen.
struct Skin<'a> {
    assembly: &'a Assembly,
    parts: Vec<Part>,
    normals: Vec<Vec3>,
    ears: &'a [f32],
}

impl<'a> Skin<'a> {
    fn new(assembly: &'a Assembly, ears: &'a [f32]) -> Self {
        let normals = vertex_normals(&assembly.template, &assembly.faces);
        Skin { assembly, parts: assembly.vertex_parts(), normals, ears }
    }

    /// Skin vertices of the right half and the middle that `keep` lets through.
    fn right_half(&self, keep: impl Fn(usize, Vec3) -> bool) -> Vec<u32> {
        let is_kept = |v: usize| {
            let p = self.assembly.template[v];
            self.parts[v] == Part::Skin && p.x < MIDDLE && keep(v, p)
        };
        (0..self.assembly.template.len()).filter(|&v| is_kept(v)).map(|v| v as u32).collect()
    }

    /// Cosine between the normal of `v` and the direction from the middle of the head.
    fn outward(&self, v: usize) -> f32 {
        let inside = Vec3::new(0.0, -0.03, -0.09);
        (self.assembly.template[v] - inside).normalize_or(Vec3::Z).dot(self.normals[v])
    }

    /// Over the visible skin of the face, from the tip of the nose outward.
    fn face(&self) -> Vec<u32> {
        let behind_lids = |p: Vec3| [0, 1].iter().any(|&side| p.distance(self.assembly.eye_center(side)) < 0.0172);
        let candidates = self.right_half(|v, p| {
            let within = p.z > -0.05 && p.y > -0.115 && p.y < 0.062;
            within && self.outward(v) > 0.45 && !behind_lids(p)
        });
        self.spread(&candidates, |p| p.z, FACE_HALF)
    }

    /// Over the outer side of the ears.
    fn ears(&self) -> Vec<u32> {
        let candidates = self.right_half(|v, _| self.ears[v] > 0.5 && self.normals[v].x < -0.2);
        self.spread(&candidates, |p| -p.x, EAR_HALF)
    }

    /// Over forehead, crown and back of the skull, under the hair.
    fn skull(&self) -> Vec<u32> {
        let candidates = self.right_half(|v, p| {
            let beyond_face = p.y > 0.062 || p.z < -0.05;
            beyond_face && p.y > -0.04 && self.ears[v] < 0.05 && self.outward(v) > 0.7
        });
        self.spread(&candidates, |p| p.y, SKULL_HALF)
    }

    /// `n` of the candidates by farthest-point sampling, beginning where `first` is largest; each beside the middle is
    /// followed by its twin on the other side.
    fn spread(&self, candidates: &[u32], first: impl Fn(Vec3) -> f32, n: usize) -> Vec<u32> {
        let at = |v: u32| self.assembly.template[v as usize];
        let mut distance = vec![f32::INFINITY; candidates.len()];
        let mut next = candidates.iter().copied().max_by(|&a, &b| first(at(a)).total_cmp(&first(at(b))));
        let mut chosen = Vec::new();
        for _ in 0..n.min(candidates.len()) {
            let Some(v) = next else { break };
            chosen.push(v);
            if self.assembly.mirror[v as usize] != v {
                chosen.push(self.assembly.mirror[v as usize]);
            }
            for (d, &c) in distance.iter_mut().zip(candidates) {
                *d = d.min(at(c).distance(at(v))).min(at(c).distance(at(v) * TO_OTHER_SIDE));
            }
            let farthest = (0..candidates.len()).max_by(|&a, &b| distance[a].total_cmp(&distance[b]));
            next = farthest.map(|i| candidates[i]);
        }
        chosen
    }
}

/// Per eye the apex of the cornea, then [`LIMBUS`] vertices around the iris, from the person's outer side upward.
fn eyes(assembly: &Assembly) -> Vec<u32> {
    let parts = assembly.vertex_parts();
    let mut chosen = Vec::new();
    for (side, part) in [Part::EyeLeft, Part::EyeRight].into_iter().enumerate() {
        let center = assembly.eye_center(side);
        let ball: Vec<u32> = (0..parts.len() as u32).filter(|&v| parts[v as usize] == part).collect();
        let nearest = |to: Vec3| {
            let distance = |v: u32| assembly.template[v as usize].distance_squared(to);
            ball.iter().copied().min_by(|&a, &b| distance(a).total_cmp(&distance(b)))
        };
        let radius_m = ball.iter().map(|&v| assembly.template[v as usize].distance(center)).fold(f32::MAX, f32::min);
        let depth_m = (radius_m * radius_m - IRIS_RADIUS_M * IRIS_RADIUS_M).max(0.0).sqrt();
        chosen.extend(nearest(center + Vec3::Z * 2.0 * radius_m));
        let outward = if side == 0 { 1.0 } else { -1.0 };
        chosen.extend((0..LIMBUS).filter_map(|i| {
            let angle = i as f32 / LIMBUS as f32 * std::f32::consts::TAU;
            let (up, out) = angle.sin_cos();
            nearest(center + Vec3::new(outward * IRIS_RADIUS_M * out, IRIS_RADIUS_M * up, depth_m))
        }));
    }
    chosen
}

/// The middles of the cutting edges of the front teeth: upper, then lower, each of the person's left from the middle
/// outward, followed by its twin.
fn teeth(assembly: &Assembly) -> Vec<u32> {
    let mut chosen = Vec::new();
    for (part, down) in [(Part::TeethUpper, 1.0), (Part::TeethLower, -1.0)] {
        for crown in left_crowns(assembly, part).into_iter().take(FRONT_TEETH) {
            let at = |v: u32| assembly.template[v as usize];
            let middle = crown.iter().map(|&v| at(v)).sum::<Vec3>() / crown.len() as f32;
            // The vertex farthest along the crown; of equals the one in the middle of the edge.
            let reach = |v: u32| -down * at(v).y - 0.2 * (at(v).x - middle.x).abs();
            if let Some(v) = crown.iter().copied().max_by(|&a, &b| reach(a).total_cmp(&reach(b))) {
                chosen.extend([v, assembly.mirror[v as usize]]);
            }
        }
    }
    chosen
}

/// `[crowns][vertices]` the crowns of the left half of a jaw (connected pieces of its part), from the middle outward.
fn left_crowns(assembly: &Assembly, part: Part) -> Vec<Vec<u32>> {
    let mut piece_of: BTreeMap<u32, u32> = BTreeMap::new();
    for (face, _) in assembly.faces.iter().zip(&assembly.parts).filter(|(_, p)| **p == part) {
        let joined: Vec<u32> = face.iter().map(|v| piece_of.get(v).copied().unwrap_or(*v)).collect();
        let into = joined.iter().copied().min().unwrap_or(face[0]);
        piece_of.values_mut().filter(|p| joined.contains(p)).for_each(|p| *p = into);
        piece_of.extend(face.iter().map(|v| (*v, into)));
    }
    let mut crowns: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    piece_of.iter().for_each(|(&v, &piece)| crowns.entry(piece).or_default().push(v));
    let x_of =
        |crown: &Vec<u32>| crown.iter().map(|&v| assembly.template[v as usize].x).sum::<f32>() / crown.len() as f32;
    let mut left: Vec<Vec<u32>> = crowns.into_values().filter(|c| x_of(c) > 0.0).collect();
    left.sort_by(|a, b| x_of(a).total_cmp(&x_of(b)));
    left
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
        assert!((0..ibug::COUNT).all(|i| OTHER_SIDE[OTHER_SIDE[i]] == i));
    }
}
