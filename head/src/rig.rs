//! The rig: neck → head → jaw and eyeballs, by linear blend skinning.
//!
//! Joint `j` turns about its place in the shaped neutral mesh. With `o_j` that place, `p` its parent and `R_j` its
//! axis-angle rotation, a point moves by `T_j = T_p · translate(o_j) · R_j · translate(−o_j)`, so that all transforms
//! are the identity at rest. The eyeballs turn by `R_pose · R_y(yaw) · R_x(pitch)`; yaw and pitch come from the
//! `eyeLook*` units.
use crate::model::{HeadModel, Joint};
use glam::{Affine3A, Mat3A, Quat, Vec3};

/// Yaw at `eyeLookIn` or `eyeLookOut` = 1 (radians): 35°, the range of Apple's eye transform within a few degrees.
pub const LOOK_SIDE_RAD: f32 = 35.0 * std::f32::consts::PI / 180.0;
/// Pitch at `eyeLookUp` = 1 (radians): 25°.
pub const LOOK_UP_RAD: f32 = 25.0 * std::f32::consts::PI / 180.0;
/// Pitch at `eyeLookDown` = 1 (radians): 30°.
pub const LOOK_DOWN_RAD: f32 = 30.0 * std::f32::consts::PI / 180.0;

/// How far the `eyeLook*` units turn one eyeball; radians, `yaw` towards the person's left, `pitch` downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// About +y.
    pub yaw: f32,
    /// About +x.
    pub pitch: f32,
}

impl Look {
    /// Rotation of the eyeball in the head.
    pub fn rotation(self) -> Quat {
        Quat::from_rotation_y(self.yaw) * Quat::from_rotation_x(self.pitch)
    }
}

/// What each `eyeLook*` unit adds to each eye: `(index of the unit, eye (0 left, 1 right), radians per unit)`.
/// Order of [`crate::model::ARKIT`]: down, in, out, up, each left then right.
pub const LOOK_UNITS: [(usize, usize, Look); 8] = [
    (10, 0, Look { yaw: 0.0, pitch: LOOK_DOWN_RAD }),
    (11, 1, Look { yaw: 0.0, pitch: LOOK_DOWN_RAD }),
    (12, 0, Look { yaw: -LOOK_SIDE_RAD, pitch: 0.0 }),
    (13, 1, Look { yaw: LOOK_SIDE_RAD, pitch: 0.0 }),
    (14, 0, Look { yaw: LOOK_SIDE_RAD, pitch: 0.0 }),
    (15, 1, Look { yaw: -LOOK_SIDE_RAD, pitch: 0.0 }),
    (16, 0, Look { yaw: 0.0, pitch: -LOOK_UP_RAD }),
    (17, 1, Look { yaw: 0.0, pitch: -LOOK_UP_RAD }),
];

/// What the expression turns the left and the right eyeball by.
pub fn looks(expression: &[f32; 52]) -> [Look; 2] {
    let mut looks = [Look::default(); 2];
    for (unit, eye, per_unit) in LOOK_UNITS {
        looks[eye].yaw += expression[unit] * per_unit.yaw;
        looks[eye].pitch += expression[unit] * per_unit.pitch;
    }
    looks
}

/// Rotation of every joint in its parent.
pub fn local_rotations(expression: &[f32; 52], pose: &[Vec3; 5]) -> [Quat; 5] {
    let [left, right] = looks(expression);
    let mut rotations = pose.map(Quat::from_scaled_axis);
    rotations[Joint::EyeLeft as usize] *= left.rotation();
    rotations[Joint::EyeRight as usize] *= right.rotation();
    rotations
}

/// World from rest, for every joint: where a point that hangs on it alone goes.
///
/// | name         | shape | unit and space                                    |
/// |--------------|-------|---------------------------------------------------|
/// | `places`     | `[5]` | joints in the shaped neutral mesh, meters         |
/// | `expression` | `[52]`| ARKit units; only `eyeLook*` matter here          |
/// | `pose`       | `[5]` | axis-angle of each joint in its parent, radians   |
pub fn world_from_rest(places: &[Vec3; 5], expression: &[f32; 52], pose: &[Vec3; 5]) -> [Affine3A; 5] {
    let rotations = local_rotations(expression, pose);
    let mut transforms = [Affine3A::IDENTITY; 5];
    for joint in Joint::ALL {
        let j = joint as usize;
        let about_place = Affine3A {
            matrix3: Mat3A::from_quat(rotations[j]),
            translation: (places[j] - rotations[j] * places[j]).into(),
        };
        transforms[j] = match joint.parent() {
            Some(parent) => transforms[parent as usize] * about_place,
            None => about_place,
        };
    }
    transforms
}

/// Moves every vertex by its blend of the joints; `weights` is `[V, 5]`.
pub fn skin(positions: &mut [Vec3], weights: &[[f32; 5]], world_from_rest: &[Affine3A; 5]) {
    if world_from_rest.iter().all(|t| *t == Affine3A::IDENTITY) {
        return;
    }
    for (position, weights) in positions.iter_mut().zip(weights) {
        let rest = *position;
        if let Some(j) = weights.iter().position(|&w| w >= 1.0) {
            *position = world_from_rest[j].transform_point3(rest);
            continue;
        }
        *position = Vec3::ZERO;
        for (j, &weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            *position += weight * world_from_rest[j].transform_point3(rest);
        }
    }
}

impl HeadModel {
    /// `[5]` places of the joints in a shaped neutral mesh `[V]` (meters).
    pub fn joint_places(&self, neutral: &[Vec3]) -> [Vec3; 5] {
        std::array::from_fn(|j| {
            let rest = &self.joints[j];
            let sum: Vec3 = rest.vertices.iter().map(|&v| neutral[v as usize]).sum();
            sum / rest.vertices.len().max(1) as f32 + rest.offset
        })
    }
}
