//! Where the eyes of a still face look: into a camera, ahead, or anywhere within their reach, whatever the head does.
//!
//! Constants, and where they come from:
//!
//! | constants                              | source                             |
//! | -------------------------------------- | ---------------------------------- |
//! | camera 35 %, ahead 20 %, anywhere 45 % | chosen by eye                      |
//! | half the distance of the pupils 31 mm  | chosen by eye, near the adult mean |
//! | deviation of a look ahead              | chosen by eye                      |
use super::recipes::{EyeSide, Face, add_eye};
use crate::config::Config;
use crate::stream::Stream;
use crate::studio::cameras::{self, View};
use glam::{Quat, Vec3};
use head::rig::{LOOK_DOWN_RAD, LOOK_SIDE_RAD, LOOK_UP_RAD};

/// Half the distance of the eyes (meters); the head's origin is midway between them.
const HALF_PUPILS_M: f32 = 0.031;
/// Largest fraction of the units' reach with which eyes still turn to a camera.
const REACHABLE: f32 = 0.95;

/// Adds a drawn gaze to `face` and returns its name; `neck_and_head` are the turns of these joints (axis-angle, radians).
pub fn add(
    face: &mut Face,
    s: &mut Stream,
    config: &Config,
    frame: [u32; 2],
    neck_and_head: [Vec3; 2],
) -> &'static str {
    let kind = s.pick(&[0.35, 0.2, 0.45]);
    let drawn_camera = s.uniform(0.0, config.dataset.cameras as f32) as u32;
    let head_from_world =
        (Quat::from_scaled_axis(neck_and_head[0]) * Quat::from_scaled_axis(neck_and_head[1])).inverse();
    if kind == 0 {
        let cameras = [drawn_camera.min(config.dataset.cameras - 1), 0];
        let seen = cameras.iter().find_map(|&camera_id| {
            let view = View::of(config, frame[0], frame[1], camera_id);
            eyes_on(head_from_world * cameras::from_eyes(&config.camera, config.seed, view))
        });
        if let Some([left, right]) = seen {
            add_eye(face, EyeSide::Left, left[0], left[1]);
            add_eye(face, EyeSide::Right, right[0], right[1]);
            return "into the camera";
        }
    }
    let (name, [x, y]) = match kind {
        1 => ("ahead", [s.normal_within(0.0, 0.12, [-0.4, 0.4]), s.normal_within(0.0, 0.12, [-0.4, 0.4])]),
        _ => ("anywhere", anywhere(s)),
    };
    // Nearer things turn both eyes inwards: every third gaze rests on something within 0.25 to 1 m.
    let near = s.chance(0.33);
    let inward = if near { HALF_PUPILS_M / s.uniform(0.25, 1.0) / LOOK_SIDE_RAD } else { 0.0 };
    add_eye(face, EyeSide::Left, x - inward, y);
    add_eye(face, EyeSide::Right, x + inward, y);
    name
}

/// Uniform over the reach of the units, without its far corners.
fn anywhere(s: &mut Stream) -> [f32; 2] {
    for _ in 0..16 {
        let at = [s.uniform(-1.0, 1.0), s.uniform(-1.0, 1.0)];
        if at[0] * at[0] + at[1] * at[1] < 1.4 {
            return at;
        }
    }
    [0.0; 2]
}

/// Shares of the units' reach, left and right eye, that turn the eyes to a point (head space, meters); `None` if they cannot.
fn eyes_on(point: Vec3) -> Option<[[f32; 2]; 2]> {
    let one = |x: f32| {
        let d = point - Vec3::new(x, 0.0, 0.0);
        let (yaw, up) = (d.x.atan2(d.z), (d.y / d.length().max(1e-3)).asin());
        [yaw / LOOK_SIDE_RAD, up / if up > 0.0 { LOOK_UP_RAD } else { LOOK_DOWN_RAD }]
    };
    let eyes = [one(HALF_PUPILS_M), one(-HALF_PUPILS_M)];
    eyes.iter().flatten().all(|share| share.abs() <= REACHABLE).then_some(eyes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::rig;

    #[test]
    fn eyes_meet_at_the_point() {
        for point in [Vec3::new(0.1, 0.05, 0.5), Vec3::new(-0.2, -0.2, 0.7), Vec3::new(0.0, 0.0, 0.4)] {
            let [left, right] = eyes_on(point).expect("within reach");
            let mut face = [0.0; 52];
            add_eye(&mut face, EyeSide::Left, left[0], left[1]);
            add_eye(&mut face, EyeSide::Right, right[0], right[1]);
            for (look, x) in rig::looks(&face).into_iter().zip([HALF_PUPILS_M, -HALF_PUPILS_M]) {
                let d = (point - Vec3::new(x, 0.0, 0.0)).normalize();
                assert!((look.rotation() * Vec3::Z).distance(d) < 1e-5, "{point}: {look:?}");
            }
        }
        assert_eq!(eyes_on(Vec3::new(1.0, 0.0, 0.2)), None);
    }
}
