//! What is known of a rendered face, as the network is asked for it.
use crate::reading::{mirrored_look, mirrored_rotation};
use formats::FrameRow;
use glam::{Mat3, Quat, Vec3};
use head::model::Joint;
use head::params::mirrored_unit;
use head::{HeadModel, ibug};
use std::collections::BTreeMap;

/// Labels of one render, in the render's own picture.
#[derive(Clone, Debug)]
pub struct FaceLabels {
    /// `[L]` pixels.
    pub points: Vec<[f32; 2]>,
    /// `[L]` fraction seen, 0..=1.
    pub visible: Vec<f32>,
    /// ARKit units.
    pub expression: [f32; 52],
    /// Yaw and pitch of the left and the right eye in the head (radians).
    pub gaze: [[f32; 2]; 2],
    /// Camera ← head, for a camera turned to look at the face's middle.
    pub rotation: Mat3,
    /// Logarithm of the distance from camera to head (meters).
    pub log_distance: f32,
    /// `[2, K]` identity coefficients of the person and of the mirrored person.
    pub identity: [Vec<f32>; 2],
}

impl FaceLabels {
    /// Of a row; `center` is the middle of the face (pixels).
    pub fn of_row(row: &FrameRow, center: [f32; 2], identity: [Vec<f32>; 2]) -> Self {
        let camera = row.camera();
        let turn = |k: Joint| Quat::from_scaled_axis(Vec3::from(row.pose[k as usize]));
        let world_from_head = Mat3::from_quat(turn(Joint::Neck) * turn(Joint::Head));
        let camera_from_head = Mat3::from_mat4(camera.camera_from_world) * world_from_head;
        // The middle of the eyeballs is the head's origin; it moves little with the neck.
        let eyes = &row.landmarks_3d[ibug::EYES];
        let origin = eyes.iter().map(|p| Vec3::from(*p)).sum::<Vec3>() / eyes.len() as f32;
        let look = |gaze: [f32; 3]| {
            let g = world_from_head.transpose() * Vec3::from(gaze);
            [g.x.atan2(g.z), -g.y.clamp(-1.0, 1.0).asin()]
        };
        let ray = Vec3::new((center[0] - camera.cx) / camera.fx, (center[1] - camera.cy) / camera.fy, 1.0);
        FaceLabels {
            points: row.landmarks_2d.clone(),
            visible: row.landmark_visible.clone(),
            expression: row.expression,
            gaze: row.gaze.map(look),
            rotation: straightened(ray) * camera_from_head,
            log_distance: camera.eye().distance(origin).max(1e-3).ln(),
            identity,
        }
    }

    /// The labels of the mirror image, points aside.
    pub fn mirrored(&self, other: &[usize]) -> Self {
        let [own, image] = self.identity.clone();
        FaceLabels {
            points: other.iter().map(|&l| self.points[l]).collect(),
            visible: other.iter().map(|&l| self.visible[l]).collect(),
            expression: std::array::from_fn(|k| self.expression[mirrored_unit(k)]),
            gaze: [mirrored_look(self.gaze[1]), mirrored_look(self.gaze[0])],
            rotation: mirrored_rotation(self.rotation),
            log_distance: self.log_distance,
            identity: [image, own],
        }
    }

    /// The same, the picture turned clockwise by `roll_rad`.
    pub fn turned(&self, roll_rad: f32) -> Self {
        FaceLabels { rotation: Mat3::from_rotation_z(roll_rad) * self.rotation, ..self.clone() }
    }

    /// The iBUG points.
    pub fn ibug(&self) -> &[[f32; 2]] {
        &self.points[..ibug::COUNT]
    }
}

/// The least rotation that turns the direction `ray` (camera space) into the optical axis.
pub fn straightened(ray: Vec3) -> Mat3 {
    Mat3::from_quat(Quat::from_rotation_arc(ray.normalize_or(Vec3::Z), Vec3::Z))
}

/// Identity coefficients of people, and of their mirror images.
pub struct Coefficients<'a> {
    model: &'a HeadModel,
    mean: Vec<Vec3>,
    /// `[K]` displacement field of each component (meters) times the vertices' importance, over its squared norm.
    duals: Vec<Vec<Vec3>>,
}

impl<'a> Coefficients<'a> {
    /// Of the first `n` components of the model's identity prior.
    pub fn new(model: &'a HeadModel, n: usize) -> Self {
        let mean = model.neutral(&model.identity_prior.mean);
        let importance = head::prior::importance(model);
        let dual = |component: &Vec<f32>| {
            let mut field = vec![Vec3::ZERO; model.n_vertices()];
            model.identity.add_to(component, &mut field);
            let norm: f32 = field.iter().zip(&importance).map(|(d, w)| w * d.length_squared()).sum();
            field.iter().zip(&importance).map(|(d, w)| *d * (*w / norm.max(1e-12))).collect()
        };
        Coefficients { mean, duals: model.identity_prior.components.iter().take(n).map(dual).collect(), model }
    }

    /// `[2, K]` of the person with this `shape` `[Ks]`, and of the mirrored one. The components are principal in the
    /// metric of [`head::prior::importance`], where their fields are orthogonal: each coefficient is a projection.
    pub fn of(&self, shape: &[f32]) -> [Vec<f32>; 2] {
        let neutral = self.model.neutral(shape);
        let own: Vec<Vec3> = neutral.iter().zip(&self.mean).map(|(p, m)| *p - *m).collect();
        let flip = Vec3::new(-1.0, 1.0, 1.0);
        let image = self.model.mirror.iter().zip(&self.mean).map(|(&v, m)| neutral[v as usize] * flip - *m).collect();
        [own, image].map(|offsets: Vec<Vec3>| {
            let along = |dual: &Vec<Vec3>| offsets.iter().zip(dual).map(|(a, b)| a.dot(*b)).sum::<f32>();
            self.duals.iter().map(along).collect()
        })
    }

    /// Of everybody in a table of identities.
    pub fn of_all(&self, people: &[formats::IdentityRow]) -> BTreeMap<u32, [Vec<f32>; 2]> {
        use rayon::prelude::*;
        people.par_iter().map(|p| (p.identity_id, self.of(&p.shape))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_come_back_from_a_shape() {
        let model = head::analytic::head();
        let n = model.identity_prior.components.len().min(4);
        let wanted: Vec<f32> = (0..n).map(|k| 0.5 - 0.4 * k as f32).collect();
        let coefficients = Coefficients::new(&model, n);
        let [own, image] = coefficients.of(&model.shape_from_prior(&wanted));
        assert!(own.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 0.15), "{own:?} {wanted:?}");
        assert_eq!(image.len(), n);
    }

    #[test]
    fn a_face_beside_the_optical_axis_is_seen_straight() {
        let r = straightened(Vec3::new(0.3, -0.1, 1.0));
        assert!((r * Vec3::new(0.3, -0.1, 1.0).normalize() - Vec3::Z).length() < 1e-5);
        assert!((r.determinant() - 1.0).abs() < 1e-5);
    }
}
