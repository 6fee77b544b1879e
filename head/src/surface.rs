//! Points that ride on the surface.
use crate::model::{HeadModel, SurfacePoint};
use crate::normals::triangles;
use glam::Vec3;

impl SurfacePoint {
    /// The point on a mesh with these faces and positions (meters).
    pub fn at(&self, faces: &[[u32; 4]], positions: &[Vec3]) -> Vec3 {
        let face = &faces[self.face as usize];
        (0..4).map(|corner| self.weights[corner] * positions[face[corner] as usize]).sum()
    }

    /// The point at a vertex: on the first face that has it as a corner.
    pub fn at_vertex(faces: &[[u32; 4]], vertex: u32) -> Option<SurfacePoint> {
        faces.iter().enumerate().find_map(|(f, face)| {
            let corner = face.iter().position(|&v| v == vertex)?;
            let mut weights = [0.0; 4];
            weights[corner] = 1.0;
            Some(SurfacePoint { face: f as u32, weights })
        })
    }
}

impl HeadModel {
    /// `[L]` the landmarks on a posed mesh `[V]` (meters): 68 in iBUG order, then the dense ones.
    pub fn landmarks_at(&self, positions: &[Vec3]) -> Vec<Vec3> {
        self.landmarks.iter().map(|landmark| landmark.at(&self.faces, positions)).collect()
    }

    /// `[L]` the landmark on the other side of each, an involution: in order, each is paired with the nearest to its mirror
    /// image on the template that has no partner yet.
    pub fn landmark_mirror(&self) -> Vec<usize> {
        let places = self.landmarks_at(&self.template);
        let mut partner: Vec<Option<usize>> = vec![None; places.len()];
        for l in 0..places.len() {
            if partner[l].is_some() {
                continue;
            }
            let image = Vec3::new(-places[l].x, places[l].y, places[l].z);
            let free = (0..places.len()).filter(|&m| partner[m].is_none());
            let distance = |m: usize| places[m].distance_squared(image);
            let nearest = free.min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(l);
            (partner[l], partner[nearest]) = (Some(nearest), Some(l));
        }
        partner.into_iter().enumerate().map(|(l, m)| m.unwrap_or(l)).collect()
    }
}

/// The point of the surface nearest to `query` (meters), among the faces that `keep` lets through; `None` when it
/// lets none through. Tries every triangle.
pub fn nearest_point(
    faces: &[[u32; 4]],
    positions: &[Vec3],
    query: Vec3,
    keep: impl Fn(usize) -> bool,
) -> Option<SurfacePoint> {
    let cut = triangles(faces);
    let mut best: Option<(f32, SurfacePoint)> = None;
    for t in (0..cut.indices.len()).filter(|&t| keep(cut.face[t] as usize)) {
        let corners = cut.indices[t].map(|v| positions[v as usize]);
        let barycentric = nearest_in_triangle(query, corners);
        let point: Vec3 = (0..3).map(|i| barycentric[i] * corners[i]).sum();
        let distance2 = point.distance_squared(query);
        if best.is_none_or(|(least, _)| distance2 < least) {
            let mut weights = [0.0; 4];
            (0..3).for_each(|i| weights[cut.corners[t][i] as usize] = barycentric[i]);
            best = Some((distance2, SurfacePoint { face: cut.face[t], weights }));
        }
    }
    best.map(|(_, point)| point)
}

/// Barycentric coordinates of the point of a triangle nearest to `p`; by the regions of Ericson 2004, "Real-Time
/// Collision Detection", 5.1.5.
pub(crate) fn nearest_in_triangle(p: Vec3, [a, b, c]: [Vec3; 3]) -> [f32; 3] {
    let (ab, ac) = (b - a, c - a);
    let (d1, d2) = (ab.dot(p - a), ac.dot(p - a));
    if d1 <= 0.0 && d2 <= 0.0 {
        return [1.0, 0.0, 0.0];
    }
    let (d3, d4) = (ab.dot(p - b), ac.dot(p - b));
    if d3 >= 0.0 && d4 <= d3 {
        return [0.0, 1.0, 0.0];
    }
    let (d5, d6) = (ab.dot(p - c), ac.dot(p - c));
    if d6 >= 0.0 && d5 <= d6 {
        return [0.0, 0.0, 1.0];
    }
    let (va, vb, vc) = (d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2);
    if vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0 {
        let t = d1 / (d1 - d3);
        return [1.0 - t, t, 0.0];
    }
    if vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0 {
        let t = d2 / (d2 - d6);
        return [1.0 - t, 0.0, t];
    }
    if va <= 0.0 && d4 - d3 >= 0.0 && d5 - d6 >= 0.0 {
        let t = (d4 - d3) / ((d4 - d3) + (d5 - d6));
        return [0.0, 1.0 - t, t];
    }
    let sum = va + vb + vc;
    [1.0 - (vb + vc) / sum, vb / sum, vc / sum]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_points_of_a_square() {
        let positions = [Vec3::ZERO, Vec3::X, Vec3::new(1.0, 1.0, 0.0), Vec3::Y];
        let faces = [[0, 1, 2, 3]];
        let cases = [
            (Vec3::new(0.25, 0.75, 2.0), Vec3::new(0.25, 0.75, 0.0)),
            (Vec3::new(0.75, 0.25, -2.0), Vec3::new(0.75, 0.25, 0.0)),
            (Vec3::new(-1.0, 0.5, 0.0), Vec3::new(0.0, 0.5, 0.0)),
            (Vec3::new(3.0, 4.0, 0.0), Vec3::new(1.0, 1.0, 0.0)),
        ];
        for (query, expected) in cases {
            let point = nearest_point(&faces, &positions, query, |_| true).expect("a face");
            assert!(point.at(&faces, &positions).distance(expected) < 1e-6);
            assert!((point.weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        assert!(nearest_point(&faces, &positions, Vec3::ZERO, |_| false).is_none());
    }
}
