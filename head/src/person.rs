//! One person's mesh in motion: a [`HeadModel`] with the identity taken out of it. Small enough to lie in an avatar's
//! folder, and all that is needed to pose what is bound to its triangles.
use crate::evaluate;
use crate::model::{Basis, HeadModel, Joint};
use crate::normals::triangles;
use crate::rig;
use glam::{Mat3, Vec3};

/// A person's triangles, and how the ARKit units and the joints move them. Letters: `V` vertices, `T` triangles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonMesh {
    /// `[V]` at rest (meters, head space).
    pub neutral: Vec<Vec3>,
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// The 52 ARKit units, `[52, V]` displacements (meters).
    pub units: Basis,
    /// `[V]` skinning weights of the five joints.
    pub weights: Vec<[f32; 5]>,
    /// `[5]` places of the joints at rest (meters).
    pub joint_places: [Vec3; 5],
}

impl PersonMesh {
    /// The person with `shape` `[Ks]`. Triangles are numbered as [`triangles`] cuts the model's faces.
    pub fn new(model: &HeadModel, shape: &[f32]) -> Self {
        let neutral = model.neutral(shape);
        PersonMesh {
            joint_places: model.joint_places(&neutral),
            neutral,
            triangles: triangles(&model.faces).indices,
            units: model.expression.clone(),
            weights: model.weights.clone(),
        }
    }

    /// `[V]` the mesh in head space (meters): expression units, jaw and eyeballs as posed, neck and head at rest.
    pub fn posed(&self, expression: &[f32; 52], pose: &[Vec3; 5]) -> Vec<Vec3> {
        let mut pose = *pose;
        pose[Joint::Neck as usize] = Vec3::ZERO;
        pose[Joint::Head as usize] = Vec3::ZERO;
        let world_from_rest = rig::world_from_rest(&self.joint_places, expression, &pose);
        evaluate::moved(&self.neutral, &self.units, expression, &self.weights, &world_from_rest)
    }

    /// `[T]` frames of all triangles of a posed mesh `[V]`.
    pub fn frames(&self, positions: &[Vec3]) -> Vec<TriangleFrame> {
        self.triangles.iter().map(|t| TriangleFrame::of(t.map(|v| positions[v as usize]))).collect()
    }
}

/// Where a triangle lies, how it is turned, how large it is: the local space of what is bound to it (Qian et al. 2024,
/// "GaussianAvatars", section 3.2). A point goes to `scale · rotation · local + origin`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TriangleFrame {
    /// Mean of the corners (meters).
    pub origin: Vec3,
    /// Columns: along the first edge; the normal; their cross product, in the plane.
    pub rotation: Mat3,
    /// Mean of the first edge's length and the height over it (meters).
    pub scale: f32,
}

impl TriangleFrame {
    /// Of the corners (meters). A triangle without area gets an arbitrary normal and a scale that is not zero.
    pub fn of([a, b, c]: [Vec3; 3]) -> Self {
        const LEAST_M: f32 = 1e-6;
        let (edge, other) = (b - a, c - a);
        let along = edge.normalize_or(Vec3::X);
        let normal = along.cross(other).try_normalize().unwrap_or_else(|| along.any_orthonormal_vector());
        let across = along.cross(normal);
        let scale = (edge.length() + across.dot(other).abs()) / 2.0;
        TriangleFrame {
            origin: (a + b + c) / 3.0,
            rotation: Mat3::from_cols(along, normal, across),
            scale: scale.max(LEAST_M),
        }
    }

    /// World (meters) from local (triangle units).
    pub fn point(&self, local: Vec3) -> Vec3 {
        self.scale * (self.rotation * local) + self.origin
    }

    /// Local (triangle units) from world (meters).
    pub fn local(&self, point: Vec3) -> Vec3 {
        self.rotation.transpose() * (point - self.origin) / self.scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytic;
    use crate::params::unit;

    #[test]
    fn a_person_moves_as_the_model_does() {
        let model = analytic::head();
        let mut params = model.params();
        params.shape[0] = 0.7;
        for (name, value) in [("jawOpen", 0.6), ("eyeLookInLeft", 0.8), ("mouthSmileRight", 1.0)] {
            params.expression[unit(name).unwrap()] = value;
        }
        params.pose = [Vec3::new(0.1, 0.2, 0.0), Vec3::X * 0.1, Vec3::Y * 0.1, Vec3::X * 0.2, Vec3::ZERO];
        let person = PersonMesh::new(&model, &params.shape);
        let posed = person.posed(&params.expression, &params.pose);
        let offsets = model.expression_offsets(&params);
        for ((got, rest), offset) in posed.iter().zip(&person.neutral).zip(&offsets) {
            assert!(got.distance(*rest + *offset) < 1e-6);
        }
        assert_eq!(person.posed(&[0.0; 52], &[Vec3::ZERO; 5]), person.neutral);
    }

    #[test]
    fn local_frames_go_there_and_back() {
        let corners = [Vec3::new(0.1, 0.2, 0.3), Vec3::new(0.104, 0.2, 0.301), Vec3::new(0.101, 0.205, 0.3)];
        let frame = TriangleFrame::of(corners);
        let turned = frame.rotation.transpose() * frame.rotation;
        assert!((turned - Mat3::IDENTITY).to_cols_array().iter().all(|v| v.abs() < 1e-5));
        assert!((frame.rotation.determinant() - 1.0).abs() < 1e-5);
        let local = Vec3::new(0.3, -0.7, 1.1);
        assert!(frame.local(frame.point(local)).distance(local) < 1e-3);
        // The frame turns, grows and moves with its triangle.
        let turn = Mat3::from_rotation_z(0.7) * Mat3::from_rotation_x(-0.4);
        let moved = TriangleFrame::of(corners.map(|p| 2.0 * (turn * p) + Vec3::ONE));
        assert!(moved.point(local).distance(2.0 * (turn * frame.point(local)) + Vec3::ONE) < 1e-4);
        assert!((moved.scale / frame.scale - 2.0).abs() < 1e-4);
    }

    #[test]
    fn a_triangle_without_area_has_a_frame() {
        for corners in [[Vec3::ONE; 3], [Vec3::ZERO, Vec3::X, 2.0 * Vec3::X]] {
            let frame = TriangleFrame::of(corners);
            assert!(
                frame.scale > 0.0 && frame.rotation.is_finite() && (frame.rotation.determinant() - 1.0).abs() < 1e-5
            );
        }
    }
}
