//! The head model cut down to a few surface points: what a fitter evaluates thousands of times, with its Jacobian.
//!
//! The cut is exact: with corner weights `w_c`, skinning weights `s_cj` and corner positions `p_c`,
//! `Σ_c w_c Σ_j s_cj T_j p_c = Σ_j (R_j q_j + W_j t_j)`, where `q_j = Σ_c w_c s_cj p_c` is again linear in identity and
//! expression and `W_j = Σ_c w_c s_cj`. One [`Term`] per landmark and joint with `W_j > 0`.
use crate::model::{HeadModel, Joint, SurfacePoint};
use crate::rig;
use glam::{Affine3A, Quat, Vec3};

/// Fraction of a landmark that hangs on one joint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// Which point, `0..L`.
    pub landmark: usize,
    /// Which joint, `0..5`.
    pub joint: usize,
    /// `W_j`
    pub weight: f32,
}

/// `L` surface points of a head model over `Kc` coefficients of its identity prior and 52 expression units.
/// `N` terms, sorted by landmark.
#[derive(Clone, Debug)]
pub struct LandmarkModel {
    /// `L`
    pub n_landmarks: usize,
    /// `[N]`
    pub terms: Vec<Term>,
    /// `[N]` weighted points at the prior's mean (meters).
    pub mean: Vec<Vec3>,
    /// `[Kc, N]` what one unit of each prior coefficient adds.
    pub identity: Vec<Vec<Vec3>>,
    /// `[52, N]` what one unit of each expression adds.
    pub expression: Vec<Vec<Vec3>>,
    /// `[5]` joints at the prior's mean (meters).
    pub joint_mean: [Vec3; 5],
    /// `[Kc, 5]` what one unit of each prior coefficient adds to the joints.
    pub joint_identity: Vec<[Vec3; 5]>,
}

/// Points and their derivatives (meters per unit, per radian).
#[derive(Clone, Debug, PartialEq)]
pub struct LandmarkJacobian {
    /// `[L]` world (meters).
    pub points: Vec<Vec3>,
    /// `[Kc, L]` by prior coefficients.
    pub identity: Vec<Vec<Vec3>>,
    /// `[52, L]` by expression units.
    pub expression: Vec<Vec<Vec3>>,
    /// `[15, L]` by pose: joint-major, x, y, z of its axis-angle.
    pub pose: Vec<Vec<Vec3>>,
}

impl HeadModel {
    /// The model at its landmarks `indices`.
    pub fn landmark_model(&self, indices: &[usize]) -> LandmarkModel {
        let points: Vec<SurfacePoint> = indices.iter().map(|&l| self.landmarks[l]).collect();
        self.point_model(&points)
    }

    /// The model at any surface points.
    pub fn point_model(&self, points: &[SurfacePoint]) -> LandmarkModel {
        let (terms, corners) = self.terms(points);
        let gather = |values: &[Vec3]| -> Vec<Vec3> {
            corners.iter().map(|row| row.iter().map(|&(v, weight)| weight * values[v as usize]).sum()).collect()
        };
        let mean = self.neutral(&self.identity_prior.mean);
        // Columns are cut down first, then combined: the prior's components are dense, the columns few at these points.
        let at_zero = self.joint_places(&vec![Vec3::ZERO; self.n_vertices()]);
        let columns: Vec<(Vec<Vec3>, [Vec3; 5])> = (0..self.identity.len())
            .map(|k| {
                let places = self.joint_places(self.identity.column(k));
                (gather(self.identity.column(k)), std::array::from_fn(|j| places[j] - at_zero[j]))
            })
            .collect();
        let combine = |component: &Vec<f32>| {
            let (mut at_terms, mut at_joints) = (vec![Vec3::ZERO; terms.len()], [Vec3::ZERO; 5]);
            for (&c, (column, joints)) in component.iter().zip(&columns).filter(|(c, _)| **c != 0.0) {
                at_terms.iter_mut().zip(column).for_each(|(sum, step)| *sum += c * *step);
                at_joints.iter_mut().zip(joints).for_each(|(sum, step)| *sum += c * *step);
            }
            (at_terms, at_joints)
        };
        let (identity, joint_identity) = self.identity_prior.components.iter().map(combine).unzip();
        LandmarkModel {
            n_landmarks: points.len(),
            mean: gather(&mean),
            identity,
            expression: (0..self.expression.len()).map(|k| gather(self.expression.column(k))).collect(),
            joint_mean: self.joint_places(&mean),
            joint_identity,
            terms,
        }
    }

    /// Terms, and for each the vertices it sums over with `w_c · s_cj`.
    fn terms(&self, points: &[SurfacePoint]) -> (Vec<Term>, Vec<Vec<(u32, f32)>>) {
        let (mut terms, mut corners) = (Vec::new(), Vec::new());
        for (landmark, point) in points.iter().enumerate() {
            let face = self.faces[point.face as usize];
            for joint in 0..Joint::ALL.len() {
                let shares = (0..4).map(|c| (face[c], point.weights[c] * self.weights[face[c] as usize][joint]));
                let row: Vec<(u32, f32)> = shares.filter(|&(_, share)| share != 0.0).collect();
                if !row.is_empty() {
                    terms.push(Term { landmark, joint, weight: row.iter().map(|&(_, share)| share).sum() });
                    corners.push(row);
                }
            }
        }
        (terms, corners)
    }
}

impl LandmarkModel {
    /// The points of one person: what `coefficients` (`[Kc]` or fewer) add is part of the mean, and no coefficient is left.
    pub fn of_person(&self, coefficients: &[f32]) -> Self {
        let state = self.state(coefficients, &[0.0; 52], &[Vec3::ZERO; 5]);
        LandmarkModel {
            mean: state.terms,
            joint_mean: state.places,
            identity: Vec::new(),
            joint_identity: Vec::new(),
            ..self.clone()
        }
    }

    /// `[L]` world points (meters). `coefficients` (`[Kc]` or fewer) are of the identity prior, `expression` is `[52]`,
    /// `pose` is `[5]` axis-angle in radians.
    pub fn points(&self, coefficients: &[f32], expression: &[f32; 52], pose: &[Vec3; 5]) -> Vec<Vec3> {
        let state = self.state(coefficients, expression, pose);
        self.sum_terms(|n| state.contribution(self, n))
    }

    /// The points with all their derivatives. Pose by the geometric Jacobian: a joint's rotation sweeps what hangs on it
    /// about its axis in the world.
    pub fn jacobian(&self, coefficients: &[f32], expression: &[f32; 52], pose: &[Vec3; 5]) -> LandmarkJacobian {
        let state = self.state(coefficients, expression, pose);
        let identity = (0..self.identity.len()).map(|k| self.identity_derivative(&state, k)).collect();
        let mut by_expression: Vec<Vec<Vec3>> = self
            .expression
            .iter()
            .map(|column| self.sum_terms(|n| state.rotate(self.terms[n].joint, column[n])))
            .collect();
        let looks = rig::looks(expression);
        for (unit, eye, per_unit) in rig::LOOK_UNITS {
            let j = Joint::EyeLeft as usize + eye;
            let world_from_posed = state.parent_rotation(j) * Quat::from_scaled_axis(pose[j]);
            let axis = world_from_posed * (Vec3::Y * per_unit.yaw)
                + world_from_posed * Quat::from_rotation_y(looks[eye].yaw) * (Vec3::X * per_unit.pitch);
            let turned = self.sweep(&state, j, axis);
            by_expression[unit].iter_mut().zip(turned).for_each(|(derivative, turn)| *derivative += turn);
        }
        let mut by_pose = Vec::with_capacity(15);
        for j in 0..Joint::ALL.len() {
            for axis in left_jacobian(pose[j]) {
                by_pose.push(self.sweep(&state, j, state.parent_rotation(j) * axis));
            }
        }
        let points = self.sum_terms(|n| state.contribution(self, n));
        LandmarkJacobian { points, identity, expression: by_expression, pose: by_pose }
    }

    fn state(&self, coefficients: &[f32], expression: &[f32; 52], pose: &[Vec3; 5]) -> State {
        let mut terms = self.mean.clone();
        let mut places = self.joint_mean;
        for (k, &c) in coefficients.iter().enumerate().filter(|(_, c)| **c != 0.0) {
            terms.iter_mut().zip(&self.identity[k]).for_each(|(sum, step)| *sum += c * *step);
            places.iter_mut().zip(&self.joint_identity[k]).for_each(|(sum, step)| *sum += c * *step);
        }
        for (k, &e) in expression.iter().enumerate().filter(|(_, e)| **e != 0.0) {
            terms.iter_mut().zip(&self.expression[k]).for_each(|(sum, step)| *sum += e * *step);
        }
        let world_from_rest = rig::world_from_rest(&places, expression, pose);
        State { terms, places, world_from_rest }
    }

    /// Adds up the terms of every landmark.
    fn sum_terms(&self, of_term: impl Fn(usize) -> Vec3) -> Vec<Vec3> {
        let mut points = vec![Vec3::ZERO; self.n_landmarks];
        for n in 0..self.terms.len() {
            points[self.terms[n].landmark] += of_term(n);
        }
        points
    }

    /// By prior coefficient `k`: the point moves, and so do the joints it hangs on.
    fn identity_derivative(&self, state: &State, k: usize) -> Vec<Vec3> {
        let place_derivatives = &self.joint_identity[k];
        let mut world_derivatives = [Vec3::ZERO; 5];
        for joint in Joint::ALL {
            let j = joint as usize;
            world_derivatives[j] = match joint.parent() {
                Some(parent) => {
                    let p = parent as usize;
                    world_derivatives[p] + state.rotate(p, place_derivatives[j] - place_derivatives[p])
                }
                None => place_derivatives[j],
            };
        }
        self.sum_terms(|n| {
            let Term { joint, weight, .. } = self.terms[n];
            state.rotate(joint, self.identity[k][n] - weight * place_derivatives[joint])
                + weight * world_derivatives[joint]
        })
    }

    /// What hangs on joint `j`, directly or not, turning about `axis` (world, length = rate) through the joint.
    fn sweep(&self, state: &State, j: usize, axis: Vec3) -> Vec<Vec3> {
        let center = state.world_from_rest[j].transform_point3(state.places[j]);
        self.sum_terms(|n| {
            let Term { joint, weight, .. } = self.terms[n];
            if hangs_on(joint, j) { axis.cross(state.contribution(self, n) - weight * center) } else { Vec3::ZERO }
        })
    }
}

/// Everything at one set of parameters.
struct State {
    terms: Vec<Vec3>,
    places: [Vec3; 5],
    world_from_rest: [Affine3A; 5],
}

impl State {
    fn rotate(&self, joint: usize, vector: Vec3) -> Vec3 {
        self.world_from_rest[joint].transform_vector3(vector)
    }

    fn contribution(&self, model: &LandmarkModel, n: usize) -> Vec3 {
        let Term { joint, weight, .. } = model.terms[n];
        self.rotate(joint, self.terms[n]) + weight * Vec3::from(self.world_from_rest[joint].translation)
    }

    fn parent_rotation(&self, j: usize) -> Quat {
        match Joint::ALL[j].parent() {
            Some(parent) => Quat::from_mat3a(&self.world_from_rest[parent as usize].matrix3),
            None => Quat::IDENTITY,
        }
    }
}

fn hangs_on(joint: usize, ancestor: usize) -> bool {
    joint == ancestor || Joint::ALL[joint].parent().is_some_and(|parent| hangs_on(parent as usize, ancestor))
}

/// Columns of the left Jacobian of the rotation group: the axis about which `exp(θ)` turns per unit of each component
/// of `θ`. Solà, Deray, Atchuthan 2018, "A micro Lie theory", eq. 145.
fn left_jacobian(theta: Vec3) -> [Vec3; 3] {
    let angle2 = theta.length_squared();
    let (a, b) = if angle2 < 1e-6 {
        (0.5 - angle2 / 24.0, 1.0 / 6.0 - angle2 / 120.0)
    } else {
        let angle = angle2.sqrt();
        ((1.0 - angle.cos()) / angle2, (angle - angle.sin()) / (angle2 * angle))
    };
    [Vec3::X, Vec3::Y, Vec3::Z].map(|e| e + a * theta.cross(e) + b * theta.cross(theta.cross(e)))
}
