//! What a face does at one moment, as an avatar is driven by it: ARKit weights, turns of head and eyes, a camera.
use crate::FrameRow;
use glam::{Affine3A, EulerRot, Mat4, Quat, Vec3};
use head::model::{HeadParams, Joint};
use head::rig::{local_rotations, world_from_rest};
use splat::Camera;

/// Where the neck turns, for a clip that brings no head model: a typical joint in head space (meters).
const NECK_M: Vec3 = Vec3::new(0.0, -0.15, -0.09);
/// Where the head turns: likewise.
pub const HEAD_JOINT_M: Vec3 = Vec3::new(0.0, -0.06, -0.075);

/// Numbers of a frame that are interpolated and compared: 52 weights, then three angles of the head and of each eye.
pub const CHANNELS: usize = 61;

/// A rotation `R_y(yaw) · R_x(pitch) · R_z(roll)` in head space (x to the person's left, y up, the face looks along z);
/// radians.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Angles {
    /// Towards the person's left.
    pub yaw: f32,
    /// Downwards.
    pub pitch: f32,
    /// Towards the person's right shoulder.
    pub roll: f32,
}

impl Angles {
    /// The angles of a rotation.
    pub fn of(rotation: Quat) -> Self {
        let (yaw, pitch, roll) = rotation.to_euler(EulerRot::YXZ);
        Angles { yaw, pitch, roll }
    }

    /// The rotation of the angles.
    pub fn rotation(self) -> Quat {
        Quat::from_euler(EulerRot::YXZ, self.yaw, self.pitch, self.roll)
    }

    /// Yaw, pitch, roll.
    pub fn to_array(self) -> [f32; 3] {
        [self.yaw, self.pitch, self.roll]
    }

    /// From yaw, pitch, roll.
    pub fn from_array([yaw, pitch, roll]: [f32; 3]) -> Self {
        Angles { yaw, pitch, roll }
    }
}

/// What a driver does at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// ARKit weights, order of [`head::model::ARKIT`].
    pub expression: [f32; 52],
    /// How the head is turned, seen from a camera in front of it.
    pub head: Angles,
    /// How the left and the right eyeball are turned in the head, `eyeLook*` units included.
    pub eyes: [Angles; 2],
    /// Axis-angle of the jaw joint (radians), on top of the units.
    pub jaw: Vec3,
    /// The driver's camera, in head space; none for recordings without one.
    pub camera: Option<Camera>,
}

impl Frame {
    /// An expression, the head straight; the eyes look where the `eyeLook*` units say.
    pub fn of_expression(expression: [f32; 52]) -> Self {
        let local = local_rotations(&expression, &[Vec3::ZERO; 5]);
        Frame { expression, head: Angles::default(), eyes: eyes_of(&local), jaw: Vec3::ZERO, camera: None }
    }

    /// Expression, pose and camera of a row.
    pub fn of_row(row: &FrameRow) -> Self {
        let pose = row.pose.map(Vec3::from);
        let mut places = [HEAD_JOINT_M; 5];
        places[Joint::Neck as usize] = NECK_M;
        let world_from_head = world_from_rest(&places, &row.expression, &pose)[Joint::Head as usize];
        let local = local_rotations(&row.expression, &pose);
        let camera = camera_from_head(&row.camera(), world_from_head);
        Frame {
            head: camera.as_ref().map_or(Angles::default(), seen_from_the_front),
            eyes: eyes_of(&local),
            jaw: pose[Joint::Jaw as usize],
            expression: row.expression,
            camera,
        }
    }

    /// `[61]` the weights, then yaw, pitch and roll of the head, the left and the right eye.
    pub fn channels(&self) -> [f32; CHANNELS] {
        let mut channels = [0.0; CHANNELS];
        channels[..52].copy_from_slice(&self.expression);
        let angles = [self.head, self.eyes[0], self.eyes[1]];
        for (to, angles) in channels[52..].chunks_exact_mut(3).zip(angles) {
            to.copy_from_slice(&angles.to_array());
        }
        channels
    }

    /// The same frame with other [`Frame::channels`].
    pub fn with_channels(&self, channels: &[f32; CHANNELS]) -> Self {
        let angles = |k: usize| Angles::from_array([channels[k], channels[k + 1], channels[k + 2]]);
        Frame {
            expression: std::array::from_fn(|k| channels[k]),
            head: angles(52),
            eyes: [angles(55), angles(58)],
            ..self.clone()
        }
    }

    /// What poses the face; neck and head stay at rest, for the camera moves instead. One identity column.
    pub fn params(&self) -> HeadParams {
        let mut params = HeadParams::neutral(1);
        params.expression = self.expression;
        params.pose[Joint::Jaw as usize] = self.jaw;
        let by_units = local_rotations(&self.expression, &[Vec3::ZERO; 5]);
        for (joint, angles) in [Joint::EyeLeft, Joint::EyeRight].into_iter().zip(self.eyes) {
            let beyond = angles.rotation() * by_units[joint as usize].inverse();
            params.pose[joint as usize] = beyond.to_scaled_axis();
        }
        params
    }
}

fn eyes_of(local: &[Quat; 5]) -> [Angles; 2] {
    [Joint::EyeLeft, Joint::EyeRight].map(|joint| Angles::of(local[joint as usize]))
}

/// The camera in head space; none for a row without one.
fn camera_from_head(camera: &Camera, world_from_head: Affine3A) -> Option<Camera> {
    let is_there = camera.camera_from_world.determinant().abs() > 0.5 && camera.width > 0 && camera.height > 0;
    is_there.then(|| Camera { camera_from_world: camera.camera_from_world * Mat4::from(world_from_head), ..*camera })
}

/// How the head is turned against a camera that it looks into.
fn seen_from_the_front(camera: &Camera) -> Angles {
    // Such a camera has x along the head's x, y down, and looks along −z.
    let camera_from_front = Quat::from_rotation_x(std::f32::consts::PI);
    Angles::of(camera_from_front.inverse() * Quat::from_mat4(&camera.camera_from_world))
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::params::unit;

    /// Eyeballs end where a frame says, whatever part of it the units state already.
    #[test]
    fn the_eyes_look_where_the_frame_says() {
        let mut frame = Frame::of_expression([0.0; 52]);
        frame.expression[unit("eyeLookOutLeft").unwrap()] = 0.5;
        frame.eyes = [Angles { yaw: 0.3, pitch: -0.1, roll: 0.0 }, Angles::default()];
        let params = frame.params();
        let local = local_rotations(&params.expression, &params.pose);
        for (angles, got) in frame.eyes.into_iter().zip(eyes_of(&local)) {
            assert!(angles.rotation().angle_between(got.rotation()) < 3e-3, "{angles:?} and {got:?}");
        }
        let by_units = Frame::of_expression(frame.expression);
        assert!(by_units.eyes[0].yaw > 0.2, "out is to the person's left for the left eye");
        assert!(by_units.params().pose.iter().all(|p| p.length() < 1e-5), "nothing beyond the units");
        assert_eq!(frame.with_channels(&frame.channels()), frame);
    }

    /// A head that turns before a still camera and a camera that moves around a still head are the same.
    #[test]
    fn a_row_knows_how_the_head_is_turned() {
        let turned = Angles { yaw: 0.4, pitch: 0.1, roll: -0.05 };
        let mut row = FrameRow::default();
        row.set_camera(&Camera::look_at(Vec3::Z, Vec3::ZERO, Vec3::Y, 300.0, 64, 64));
        assert!(Frame::of_row(&row).head.to_array().iter().all(|a| a.abs() < 1e-4), "it looks into the camera");
        row.pose[Joint::Head as usize] = turned.rotation().to_scaled_axis().to_array();
        let got = Frame::of_row(&row).head;
        assert!(got.rotation().angle_between(turned.rotation()) < 3e-3, "{got:?}");
        let mut around = FrameRow::default();
        around.set_camera(&Camera::look_at(Vec3::new(-0.5, 0.0, 0.866), Vec3::ZERO, Vec3::Y, 300.0, 64, 64));
        assert!(
            (Frame::of_row(&around).head.yaw - 30f32.to_radians()).abs() < 1e-3,
            "seen from the right: turned left"
        );
    }
}
