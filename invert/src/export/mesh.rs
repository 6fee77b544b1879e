//! A person's head as a triangle mesh with blendshapes and a skeleton, as 3D programs have it.
//!
//! Letters: `V` vertices of the mesh, one for each pair of a vertex of the head model and its texture coordinate; `T`
//! triangles. Space: the head's, meters, y up.
use glam::{Vec2, Vec3};
use head::correctives::Correctives;
use head::model::{HeadModel, Part};
use head::normals::{triangles, vertex_normals};
use std::collections::HashMap;
use std::ops::Range;

/// The parts in the order of the triangles, and their names. Lashes are left out: without transparency they are plates.
pub const PARTS: [(Part, &str); 8] = [
    (Part::Skin, "skin"),
    (Part::EyeLeft, "eyeLeft"),
    (Part::EyeRight, "eyeRight"),
    (Part::TeethUpper, "teethUpper"),
    (Part::TeethLower, "teethLower"),
    (Part::Gums, "gums"),
    (Part::Tongue, "tongue"),
    (Part::Mouth, "mouth"),
];

/// What moves when one ARKit unit goes from 0 to 1.
#[derive(Clone, Debug)]
pub struct Target {
    /// `[V]` meters.
    pub offsets: Vec<Vec3>,
    /// `[V]` change of the unit normals.
    pub normals: Vec<Vec3>,
}

/// A head at rest and how it moves.
#[derive(Clone, Debug)]
pub struct HeadMesh {
    /// `[V]` meters.
    pub positions: Vec<Vec3>,
    /// `[V]` unit length.
    pub normals: Vec<Vec3>,
    /// `[V]` in the head model's atlas, 0..=1, origin bottom left.
    pub uvs: Vec<Vec2>,
    /// `[V]` the joints that a vertex hangs on, numbers of [`head::model::Joint`]; 0 where the weight is 0.
    pub joints: Vec<[u8; 4]>,
    /// `[V]` their weights, which sum to one.
    pub weights: Vec<[f32; 4]>,
    /// `[T]` counter-clockwise seen from outside, part after part.
    pub triangles: Vec<[u32; 3]>,
    /// Which triangles each of [`PARTS`] has.
    pub parts: Vec<(&'static str, Range<usize>)>,
    /// `[52]` order of [`head::model::ARKIT`].
    pub targets: Vec<Target>,
    /// `[5]` the joints at rest (meters).
    pub joint_places: [Vec3; 5],
}

impl HeadMesh {
    /// Of a head model in the shape `neutral` `[V of the model]` (meters). Each target is the whole pose at that unit alone,
    /// with the correctives of lids and lips and with the turn of the eyeballs. `volume` `[V of the model]` is added to every
    /// pose (meters): [`crate::export::hair`].
    pub fn new(model: &HeadModel, neutral: &[Vec3], volume: &[Vec3]) -> Self {
        let corners = Corners::new(model);
        let correctives = Correctives::new(model);
        let mut params = model.params();
        let mut posed = |k: Option<usize>| {
            params.expression = [0.0; 52];
            if let Some(k) = k {
                params.expression[k] = 1.0;
            }
            let mut positions = correctives.pose(model, neutral, &params).positions;
            positions.iter_mut().zip(volume).for_each(|(position, offset)| *position += *offset);
            let normals = vertex_normals(&positions, &corners.faces);
            (corners.gather(&positions), corners.gather(&normals))
        };
        let (positions, normals) = posed(None);
        let less = |a: &[Vec3], b: &[Vec3]| a.iter().zip(b).map(|(a, b)| *a - *b).collect();
        let targets = (0..52)
            .map(|k| {
                let (moved, turned) = posed(Some(k));
                Target { offsets: less(&moved, &positions), normals: less(&turned, &normals) }
            })
            .collect();
        let hung: Vec<([u8; 4], [f32; 4])> =
            corners.pairs.iter().map(|&(v, _)| heaviest_four(&model.weights[v as usize])).collect();
        HeadMesh {
            uvs: corners.pairs.iter().map(|&(_, uv)| model.uvs[uv as usize]).collect(),
            joints: hung.iter().map(|h| h.0).collect(),
            weights: hung.iter().map(|h| h.1).collect(),
            joint_places: model.joint_places(neutral),
            triangles: corners.triangles,
            parts: corners.parts,
            positions,
            normals,
            targets,
        }
    }
}

/// The vertices of the mesh in terms of the head model.
struct Corners {
    /// `[V]` vertex and texture coordinate of the model.
    pairs: Vec<(u32, u32)>,
    triangles: Vec<[u32; 3]>,
    parts: Vec<(&'static str, Range<usize>)>,
    /// The model's faces that are exported.
    faces: Vec<[u32; 4]>,
}

impl Corners {
    fn new(model: &HeadModel) -> Self {
        let cut = triangles(&model.faces);
        let mut numbers: HashMap<(u32, u32), u32> = HashMap::new();
        let mut out = Corners { pairs: vec![], triangles: vec![], parts: vec![], faces: vec![] };
        for (part, name) in PARTS {
            let first = out.triangles.len();
            for t in (0..cut.indices.len()).filter(|&t| model.face_parts[cut.face[t] as usize] == part) {
                let uvs = &model.face_uvs[cut.face[t] as usize];
                out.triangles.push(std::array::from_fn(|i| {
                    let pair = (cut.indices[t][i], uvs[cut.corners[t][i] as usize]);
                    *numbers.entry(pair).or_insert_with(|| {
                        out.pairs.push(pair);
                        out.pairs.len() as u32 - 1
                    })
                }));
            }
            let faces = model.faces.iter().zip(&model.face_parts);
            out.faces.extend(faces.filter(|(_, p)| **p == part).map(|(face, _)| *face));
            if out.triangles.len() > first {
                out.parts.push((name, first..out.triangles.len()));
            }
        }
        out
    }

    /// `[V]` from a value per vertex of the model.
    fn gather(&self, per_vertex: &[Vec3]) -> Vec<Vec3> {
        self.pairs.iter().map(|&(v, _)| per_vertex[v as usize]).collect()
    }
}

/// Four of the five skinning weights, the lightest left out, and their joints; they sum to one.
fn heaviest_four(weights: &[f32; 5]) -> ([u8; 4], [f32; 4]) {
    let mut order = [0usize, 1, 2, 3, 4];
    order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
    let kept: [f32; 4] = std::array::from_fn(|i| weights[order[i]].max(0.0));
    let sum: f32 = kept.iter().sum();
    let joints = std::array::from_fn(|i| if kept[i] > 0.0 { order[i] as u8 } else { 0 });
    (joints, kept.map(|w| w / sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lightest_of_five_weights_is_left_out() {
        let (joints, weights) = heaviest_four(&[0.1, 0.4, 0.0, 0.5, 0.0]);
        assert_eq!(joints, [3, 1, 0, 0]);
        assert!(weights.iter().zip([0.5, 0.4, 0.1, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{weights:?}");
        let (_, weights) = heaviest_four(&[0.2, 0.3, 0.1, 0.25, 0.15]);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6 && (weights[3] - 0.15 / 0.9).abs() < 1e-6);
    }
}
