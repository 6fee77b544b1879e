//! Motions to drive an avatar with: an ARKit recording, a dataset's rows, or a short performance made of formulas.
use crate::live_link;
use anyhow::{Context, Result};
use formats::{AvatarCard, Dataset, FrameRow};
use glam::{Affine3A, EulerRot, Mat4, Quat, Vec3};
use head::model::{HeadParams, Joint};
use head::params::unit;
use head::rig::{local_rotations, world_from_rest};
use splat::Camera;
use std::path::Path;

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

/// A driver over time.
pub struct Clip {
    /// Frames a second.
    pub fps: f32,
    /// In order.
    pub frames: Vec<Frame>,
    /// Whose motion it is.
    pub driver: Driver,
    /// Frames of the recording in which the tracker saw no face; they are interpolated.
    pub lost: usize,
}

/// Whose motion a clip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Nobody's: weights that are exact for every avatar, and the avatar's own photo.
    BuiltIn,
    /// A recorded person's, whose face at rest has weights of its own.
    Person,
}

/// A motion by name or path: `performance`; `photo`, the expression of the avatar's first input picture held for the
/// same time; a `.csv` of the Live Link Face app, resampled to `fps`; or a dataset whose rows are taken one by one in
/// order of `frame_id`. `timecode_fps` as in [`live_link::read`].
///
/// # Errors
/// A file that cannot be read; exit code 65 for a dataset without rows.
pub fn open(asked: &str, fps: f32, timecode_fps: Option<f32>, card: &AvatarCard) -> Result<Clip> {
    match asked {
        "performance" => return Ok(performance(fps)),
        "photo" => {
            let expression = card.expressions.first().and_then(|e| e.as_slice().try_into().ok());
            let expression: [f32; 52] = expression.context("the avatar's card lists no input image")?;
            let frames = vec![Frame::of_expression(expression); (SECONDS * fps).round().max(1.0) as usize];
            return Ok(Clip { fps, frames, driver: Driver::BuiltIn, lost: 0 });
        }
        _ => (),
    }
    let path = Path::new(asked);
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) {
        let take = live_link::read(path, timecode_fps)?;
        return Ok(Clip { fps, frames: take.resampled(fps), driver: Driver::Person, lost: take.lost });
    }
    let dataset = Dataset::open(path)?;
    let mut rows: Vec<_> = dataset.all_labels().iter().collect();
    rows.sort_by_key(|r| r.frame_id);
    Ok(Clip { fps, frames: rows.into_iter().map(Frame::of_row).collect(), driver: Driver::Person, lost: 0 })
}

/// One unit's share of the performance: name, start and end (seconds), height.
type Beat = (&'static str, f32, f32, f32);

/// A smile, surprise, speech, a frown and blinks, six seconds, back to rest: each unit swells and fades by a raised
/// cosine, so that the clip loops without a jump.
pub const PERFORMANCE: [Beat; 46] = [
    ("eyeBlinkLeft", 0.3, 0.6, 1.0),
    ("eyeBlinkRight", 0.3, 0.6, 1.0),
    ("mouthSmileLeft", 0.5, 2.0, 0.9),
    ("mouthSmileRight", 0.5, 2.0, 0.9),
    ("cheekSquintLeft", 0.6, 1.9, 0.5),
    ("cheekSquintRight", 0.6, 1.9, 0.5),
    ("eyeSquintLeft", 0.6, 1.9, 0.3),
    ("eyeSquintRight", 0.6, 1.9, 0.3),
    ("browInnerUp", 1.8, 3.0, 0.9),
    ("browOuterUpLeft", 1.8, 3.0, 0.8),
    ("browOuterUpRight", 1.8, 3.0, 0.8),
    ("eyeWideLeft", 1.9, 3.0, 0.8),
    ("eyeWideRight", 1.9, 3.0, 0.8),
    ("jawOpen", 2.0, 3.0, 0.55),
    ("eyeLookOutLeft", 2.8, 3.6, 0.6),
    ("eyeLookInRight", 2.8, 3.6, 0.6),
    ("eyeBlinkLeft", 3.0, 3.3, 1.0),
    ("eyeBlinkRight", 3.0, 3.3, 1.0),
    ("jawOpen", 3.1, 3.5, 0.3),
    ("mouthFunnel", 3.3, 3.7, 0.6),
    ("mouthPucker", 3.5, 3.9, 0.7),
    ("jawOpen", 3.7, 4.1, 0.35),
    ("mouthLowerDownLeft", 3.7, 4.1, 0.4),
    ("mouthLowerDownRight", 3.7, 4.1, 0.4),
    ("mouthStretchLeft", 3.9, 4.3, 0.5),
    ("mouthStretchRight", 3.9, 4.3, 0.5),
    ("mouthRollLower", 4.1, 4.4, 0.4),
    ("mouthPressLeft", 4.1, 4.4, 0.4),
    ("mouthPressRight", 4.1, 4.4, 0.4),
    ("jawOpen", 4.3, 4.7, 0.25),
    ("browDownLeft", 4.4, 5.5, 0.9),
    ("browDownRight", 4.4, 5.5, 0.9),
    ("noseSneerLeft", 4.5, 5.4, 0.4),
    ("noseSneerRight", 4.5, 5.4, 0.4),
    ("mouthFrownLeft", 4.6, 5.5, 0.7),
    ("mouthFrownRight", 4.6, 5.5, 0.7),
    ("mouthShrugLower", 4.7, 5.4, 0.4),
    ("eyeLookDownLeft", 4.6, 5.4, 0.4),
    ("eyeLookDownRight", 4.6, 5.4, 0.4),
    ("eyeBlinkLeft", 5.3, 5.6, 1.0),
    ("eyeBlinkRight", 5.3, 5.6, 1.0),
    ("mouthSmileLeft", 5.2, 6.0, 0.3),
    ("mouthSmileRight", 5.2, 6.0, 0.3),
    ("cheekPuff", 4.2, 4.5, 0.1),
    ("mouthDimpleLeft", 0.9, 1.8, 0.3),
    ("mouthDimpleRight", 0.9, 1.8, 0.3),
];

const SECONDS: f32 = 6.0;

/// The built-in clip at any frame rate.
pub fn performance(fps: f32) -> Clip {
    let n = (SECONDS * fps).round().max(1.0) as usize;
    let frames = (0..n)
        .map(|i| {
            let t = i as f32 * SECONDS / n as f32;
            let mut weights = [0f32; 52];
            for (name, start, end, height) in PERFORMANCE {
                let phase = ((t - start) / (end - start)).clamp(0.0, 1.0);
                let value = height * (0.5 - 0.5 * (std::f32::consts::TAU * phase).cos());
                if let Some(k) = unit(name) {
                    weights[k] = weights[k].max(value);
                }
            }
            Frame::of_expression(weights)
        })
        .collect();
    Clip { fps, frames, driver: Driver::BuiltIn, lost: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_performance_names_real_units_and_loops() {
        assert!(PERFORMANCE.iter().all(|(name, ..)| unit(name).is_some()));
        let clip = performance(12.5);
        assert_eq!(clip.frames.len(), 75);
        let weights: Vec<[f32; 52]> = clip.frames.iter().map(|f| f.expression).collect();
        assert!(weights[0].iter().all(|w| *w < 1e-3) && weights.iter().flatten().all(|w| (0.0..=1.0).contains(w)));
        assert!(weights.iter().any(|w| w[unit("jawOpen").unwrap()] > 0.5));
    }

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
