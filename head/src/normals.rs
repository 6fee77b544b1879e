//! Triangles of a quad mesh, and its vertex normals.
use glam::Vec3;

/// The triangles of quads, and where each came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Triangles {
    /// `[N]` indices into the vertices.
    pub indices: Vec<[u32; 3]>,
    /// `[N]` the face each triangle is part of.
    pub face: Vec<u32>,
    /// `[N]` which corners of that face it has: `[0, 1, 2]` or `[0, 2, 3]`.
    pub corners: Vec<[u8; 3]>,
}

/// Cuts every quad along its corners 0–2; a triangle (last index repeated) gives one triangle.
pub fn triangles(faces: &[[u32; 4]]) -> Triangles {
    let mut out = Triangles::default();
    for (f, face) in faces.iter().enumerate() {
        for corners in [[0, 1, 2], [0, 2, 3]] {
            let triangle = corners.map(|c: u8| face[c as usize]);
            if triangle[0] != triangle[1] && triangle[1] != triangle[2] && triangle[2] != triangle[0] {
                out.indices.push(triangle);
                out.face.push(f as u32);
                out.corners.push(corners);
            }
        }
    }
    out
}

/// `[V]` unit normals: the sum of the area-weighted normals of the faces around; +z where that is zero.
pub fn vertex_normals(positions: &[Vec3], faces: &[[u32; 4]]) -> Vec<Vec3> {
    let mut normals = vec![Vec3::ZERO; positions.len()];
    for face in faces {
        let area_normal = face_area_normal(positions, face);
        for corner in 0..if face[2] == face[3] { 3 } else { 4 } {
            normals[face[corner] as usize] += area_normal;
        }
    }
    normals.iter().map(|normal| normal.normalize_or(Vec3::Z)).collect()
}

/// Normal of a face times its area (square meters); for a bent quad of its projection, by the cross product of the
/// diagonals.
pub fn face_area_normal(positions: &[Vec3], face: &[u32; 4]) -> Vec3 {
    let [a, b, c, d] = face.map(|v| positions[v as usize]);
    0.5 * (c - a).cross(d - b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quad_and_a_triangle() {
        let positions = [Vec3::ZERO, Vec3::X, Vec3::new(1.0, 1.0, 0.0), Vec3::Y, Vec3::new(-1.0, 0.5, 0.0)];
        let faces = [[0, 1, 2, 3], [0, 3, 4, 4]];
        let cut = triangles(&faces);
        assert_eq!(cut.indices, [[0, 1, 2], [0, 2, 3], [0, 3, 4]]);
        assert_eq!(cut.face, [0, 0, 1]);
        assert_eq!(face_area_normal(&positions, &faces[0]), Vec3::Z);
        assert_eq!(face_area_normal(&positions, &faces[1]), 0.5 * Vec3::Z);
        assert!(vertex_normals(&positions, &faces).iter().all(|n| *n == Vec3::Z));
    }
}
