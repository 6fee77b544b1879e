//! From parameters to a posed mesh.
//!
//! `neutral = template + Σ_k shape_k · identity_k`; `posed = skin(neutral + Σ_k expression_k · unit_k)`, the joints
//! standing where the neutral mesh puts them.
use crate::model::{Basis, HeadModel, HeadParams, Joint};
use crate::rig;
use glam::{Affine3A, Vec3};

/// A head in a pose.
#[derive(Clone, Debug, PartialEq)]
pub struct Posed {
    /// `[V]` world positions (meters).
    pub positions: Vec<Vec3>,
    /// `[5]` world from the shaped rest pose, order of [`Joint::ALL`].
    pub world_from_rest: [Affine3A; 5],
    /// `[5]` joints in the shaped rest pose (meters).
    pub joint_places: [Vec3; 5],
    /// Centers of the left and right eyeball in the world (meters).
    pub eye_centers: [Vec3; 2],
    /// Unit gaze directions of the left and right eye in the world; +z at rest.
    pub gaze: [Vec3; 2],
}

impl Posed {
    /// World from head: moves a point that is given in the template's space with the skull.
    pub fn world_from_head(&self) -> Affine3A {
        self.world_from_rest[Joint::Head as usize]
    }
}

impl Basis {
    /// Number of columns.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// No columns at all.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// `[V]` displacements (meters) of column `k`.
    pub fn column(&self, k: usize) -> &[Vec3] {
        let n_vertices = self.columns.len() / self.names.len();
        &self.columns[k * n_vertices..(k + 1) * n_vertices]
    }

    /// Adds `Σ_k coefficients_k · column_k` to `positions` `[V]`; zero coefficients cost nothing.
    pub fn add_to(&self, coefficients: &[f32], positions: &mut [Vec3]) {
        for (k, &coefficient) in coefficients.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            for (position, &displacement) in positions.iter_mut().zip(self.column(k)) {
                *position += coefficient * displacement;
            }
        }
    }
}

/// `[V]` `neutral` with the units added and the joints turned.
pub(crate) fn moved(
    neutral: &[Vec3],
    units: &Basis,
    expression: &[f32; 52],
    weights: &[[f32; 5]],
    world_from_rest: &[Affine3A; 5],
) -> Vec<Vec3> {
    let mut positions = neutral.to_vec();
    units.add_to(expression, &mut positions);
    rig::skin(&mut positions, weights, world_from_rest);
    positions
}

impl HeadModel {
    /// `V`
    pub fn n_vertices(&self) -> usize {
        self.template.len()
    }

    /// The parameters at which the model is its template.
    pub fn params(&self) -> HeadParams {
        HeadParams::neutral(self.identity.len())
    }

    /// `[V]` the person at rest (meters): identity only. `shape` is `[Ks]`.
    pub fn neutral(&self, shape: &[f32]) -> Vec<Vec3> {
        debug_assert_eq!(shape.len(), self.identity.len());
        let mut positions = self.template.clone();
        self.identity.add_to(shape, &mut positions);
        positions
    }

    /// The whole way from parameters to the posed mesh.
    pub fn evaluate(&self, params: &HeadParams) -> Posed {
        self.pose_neutral(&self.neutral(&params.shape), params)
    }

    /// Like [`HeadModel::evaluate`] with the neutral mesh `[V]` at hand: `params.shape` is not read. Use it for
    /// many expressions of one person.
    pub fn pose_neutral(&self, neutral: &[Vec3], params: &HeadParams) -> Posed {
        let joint_places = self.joint_places(neutral);
        let world_from_rest = rig::world_from_rest(&joint_places, &params.expression, &params.pose);
        let positions = moved(neutral, &self.expression, &params.expression, &self.weights, &world_from_rest);
        let eyes = [Joint::EyeLeft as usize, Joint::EyeRight as usize];
        Posed {
            positions,
            world_from_rest,
            joint_places,
            eye_centers: eyes.map(|j| world_from_rest[j].transform_point3(joint_places[j])),
            gaze: eyes.map(|j| world_from_rest[j].transform_vector3(Vec3::Z)),
        }
    }

    /// `[V]` what the expression does (meters, head at rest): expression units, jaw and eyeballs as in `params`,
    /// neck and head at rest, minus the neutral mesh of the same person. The prior's expression map.
    pub fn expression_offsets(&self, params: &HeadParams) -> Vec<Vec3> {
        let neutral = self.neutral(&params.shape);
        let mut params = params.clone();
        params.pose[Joint::Neck as usize] = Vec3::ZERO;
        params.pose[Joint::Head as usize] = Vec3::ZERO;
        let mut offsets = self.pose_neutral(&neutral, &params).positions;
        offsets.iter_mut().zip(&neutral).for_each(|(posed, rest)| *posed -= *rest);
        offsets
    }

    /// `[Ks]` shape at prior coefficients `c` (`[Kc]` or fewer): `mean + Σ_k c_k · components_k`.
    pub fn shape_from_prior(&self, coefficients: &[f32]) -> Vec<f32> {
        let mut shape = self.identity_prior.mean.clone();
        for (coefficient, component) in coefficients.iter().zip(&self.identity_prior.components) {
            shape.iter_mut().zip(component).for_each(|(s, c)| *s += coefficient * c);
        }
        shape
    }
}
