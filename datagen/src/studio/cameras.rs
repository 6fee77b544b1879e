//! Where the camera stands: portrait distances, dense in front, sparse at the sides.
use crate::config::{CameraConfig, CameraKind, CameraPath, Config, SequenceKind};
use crate::stream::{Stream, subject};
use crate::studio::develop::Development;
use crate::tracer::elementary::smoothstep;
use crate::tracer::optics::{Lens, Motion, Optics};
use glam::Vec3;
use serde::Serialize;
use splat::camera::Camera;

/// The size of a head, which decides the focal length.
#[derive(Clone, Copy, Debug)]
pub struct HeadBox {
    /// Midway between chin and crown, a little in front of the ears (world, metres).
    pub center: Vec3,
    /// Chin to crown (metres).
    pub height_m: f32,
}

/// Which frame a camera is for.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Row of `identities`.
    pub identity_id: u32,
    /// What the camera is set up for, counted within the identity: an expression, or a clip.
    pub shot_id: u32,
    /// Index within the expression; number 0 stands near the front.
    pub camera_id: u32,
    /// How much of its path it has gone, 0..=1; `None`: it stands still.
    pub travelled: Option<f32>,
}

impl View {
    /// For a frame of a dataset.
    pub fn of(config: &Config, identity_id: u32, expression_id: u32, camera_id: u32) -> Self {
        let frames = config.sequence.frames;
        let moves = config.sequence.kind != SequenceKind::Single && config.sequence.camera == CameraPath::Orbit;
        let travelled = moves.then(|| (expression_id % frames) as f32 / (frames - 1) as f32);
        View { identity_id, shot_id: config.shot_of(expression_id), camera_id, travelled }
    }
}

/// How a picture was taken. Its JSON is the `capture` column of `frames`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capture {
    /// Never [`CameraKind::Any`].
    pub kind: CameraKind,
    /// `still` or `orbit`.
    pub path: &'static str,
    /// Where the camera stands.
    pub orbit: Orbit,
    /// Focal length of a lens that shows as much on a frame 24 mm high (millimetres).
    pub focal_35mm: f32,
    /// Depth of field and motion blur.
    pub optics: Optics,
    /// How light became a picture.
    pub development: Development,
}

/// Draws the camera of `view`.
pub fn sample(config: &CameraConfig, seed: u64, view: View, head: HeadBox, size: u32) -> (Camera, Capture) {
    let words = [subject::CAMERA, view.identity_id as u64, view.shot_id as u64, view.camera_id as u64];
    let mut s = Stream::new(seed, &words);
    let reach = if view.camera_id == 0 { config.yaw_deg.min(25.0) } else { config.yaw_deg };
    let side = s.sign();
    let yaw_deg = side * reach * s.uniform(0.0, 1.0).powf(1.5);
    let [low, high] = config.pitch_deg;
    // The mean of two uniform numbers: most cameras stand at eye level.
    let pitch_deg = low + (high - low) * 0.5 * (s.uniform(0.0, 1.0) + s.uniform(0.0, 1.0)) - 2.0;
    let (place, zoom) = (s.uniform(0.0, 1.0), s.uniform(0.0, 1.0));
    let j = config.jitter_m;
    let target = head.center + Vec3::new(s.normal(0.0, j), s.normal(0.0, j), s.normal(0.0, j));
    let roll_deg = s.normal_within(0.0, 2.0, [-6.0, 6.0]);
    let yaw_deg = match view.travelled {
        None => yaw_deg,
        Some(share) => {
            // From the front to a side; every other camera comes back.
            let (front, back) = (s.normal_within(0.0, 6.0, [-15.0, 15.0]), side * config.yaw_deg * s.uniform(0.6, 1.0));
            let gone = smoothstep(0.0, 1.0, if view.camera_id.is_multiple_of(2) { share } else { 1.0 - share });
            front + (back - front) * gone
        }
    };
    let mut own = Stream::new(seed, &[words.as_slice(), &[1]].concat());
    let kind = kind(config.kind, &mut own);
    let between = |[low, high]: [f32; 2], k: f32| low + (high - low) * k;
    let (distance_m, fill) = match habits(kind) {
        None => (between(config.distance_m, place), between(config.fill, zoom)),
        Some((distances_m, focals_mm)) => {
            let distance_m = between(distances_m, place);
            (distance_m, between(focals_mm, zoom) / 24.0 * head.height_m / distance_m)
        }
    };
    let orbit = Orbit { yaw_deg, pitch_deg: pitch_deg.clamp(low, high), distance_m, fill, roll_deg };
    let camera = orbit.camera(target, head.height_m, size);
    let path = if view.travelled.is_some() { "orbit" } else { "still" };
    let focal_35mm = 24.0 * camera.fy / size as f32;
    let optics = optics(config, &mut own, distance_m);
    (camera, Capture { kind, path, orbit, focal_35mm, optics, development: Development::plain() })
}

/// How far a kind of camera is held from the head (metres), and its focal lengths on a frame 24 mm high (millimetres).
fn habits(kind: CameraKind) -> Option<([f32; 2], [f32; 2])> {
    match kind {
        CameraKind::Crop | CameraKind::Any => None,
        CameraKind::Selfie => Some(([0.4, 0.6], [24.0, 28.0])),
        CameraKind::Portrait => Some(([1.0, 1.5], [50.0, 77.0])),
        CameraKind::Studio => Some(([1.5, 2.5], [85.0, 85.0])),
        CameraKind::Webcam => Some(([0.5, 0.8], [26.0, 32.0])),
    }
}

fn kind(wanted: CameraKind, s: &mut Stream) -> CameraKind {
    let any = [CameraKind::Selfie, CameraKind::Portrait, CameraKind::Studio, CameraKind::Webcam];
    let drawn = any[s.pick(&[0.35, 0.3, 0.2, 0.15])];
    if wanted == CameraKind::Any { drawn } else { wanted }
}

/// What the config switches on; sharp at `focus_m`.
fn optics(config: &CameraConfig, s: &mut Stream, focus_m: f32) -> Optics {
    let aperture_m = s.uniform(config.aperture_m[0], config.aperture_m[1]);
    let open_secs = s.uniform(config.shutter_secs[0], config.shutter_secs[1]);
    let mut shake = |deviation: f32| Vec3::from_array([(); 3].map(|()| s.normal(0.0, deviation)));
    let turn_rad = shake(config.turn_deg_per_sec.to_radians()) * open_secs;
    let shift_m = shake(config.move_m_per_sec) * open_secs;
    Optics {
        lens: (aperture_m > 0.0).then_some(Lens { aperture_m, focus_m }),
        motion: (open_secs > 0.0).then_some(Motion { turn_rad, shift_m }),
    }
}

impl Capture {
    /// Focuses on the nearer of two eyes (world, metres), as cameras do.
    pub fn focus_on(&mut self, camera: &Camera, eyes: [Vec3; 2]) {
        if let Some(lens) = &mut self.optics.lens {
            let depth = |p: Vec3| camera.camera_from_world.transform_point3(p).z;
            lens.focus_m = depth(eyes[0]).min(depth(eyes[1])).max(0.05);
        }
    }
}

/// A camera that looks at a point from around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Orbit {
    /// Degrees; positive towards the person's left (+x).
    pub yaw_deg: f32,
    /// Degrees; positive from above.
    pub pitch_deg: f32,
    /// From the target (metres).
    pub distance_m: f32,
    /// Share of the picture that `height_m` fills.
    pub fill: f32,
    /// Degrees about the line of sight.
    pub roll_deg: f32,
}

impl Orbit {
    /// A square picture of `size` pixels of `target`, `height_m` tall.
    pub fn camera(&self, target: Vec3, height_m: f32, size: u32) -> Camera {
        let (yaw, pitch) = (self.yaw_deg.to_radians(), self.pitch_deg.to_radians());
        let back = Vec3::new(yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos());
        let side = Vec3::new(yaw.cos(), 0.0, -yaw.sin());
        let up = Vec3::Y + side * self.roll_deg.to_radians().tan();
        let focal_px = self.fill * size as f32 * self.distance_m / height_m;
        Camera::look_at(target + back * self.distance_m, target, up, focal_px, size as usize, size as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_fills_what_the_config_says() {
        let head = HeadBox { center: Vec3::new(0.0, 0.01, -0.03), height_m: 0.23 };
        let config = CameraConfig { jitter_m: 0.0, ..CameraConfig::default() };
        for camera_id in 0..50 {
            let view = View { identity_id: 3, shot_id: 1, camera_id, travelled: None };
            let c = sample(&config, 9, view, head, 256).0;
            let middle = c.project(head.center).0;
            assert!((middle - glam::Vec2::splat(128.0)).length() < 0.1, "{middle}");
            let share = c.fy * head.height_m / (c.eye() - head.center).length() / 256.0;
            assert!((0.599..=0.851).contains(&share), "{share}");
        }
    }

    #[test]
    fn cameras_stand_and_see_as_their_kind_does() {
        let head = HeadBox { center: Vec3::ZERO, height_m: 0.23 };
        let mut seen = std::collections::BTreeSet::new();
        for camera_id in 0..60 {
            let config = CameraConfig { kind: CameraKind::Any, jitter_m: 0.0, ..CameraConfig::default() };
            let view = View { identity_id: 3, shot_id: 1, camera_id, travelled: None };
            let (camera, capture) = sample(&config, 9, view, head, 256);
            let ([near, far], [wide, long]) = habits(capture.kind).expect("a kind that is one");
            assert!((near..=far).contains(&camera.eye().length()), "{capture:?}");
            assert!((wide - 0.01..=long + 0.01).contains(&capture.focal_35mm), "{capture:?}");
            assert_eq!(capture.optics, Optics::default());
            seen.insert(format!("{:?}", capture.kind));
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn the_nearer_eye_is_in_focus() {
        let head = HeadBox { center: Vec3::ZERO, height_m: 0.23 };
        let config = CameraConfig { aperture_m: [0.02, 0.03], shutter_secs: [0.01, 0.02], ..CameraConfig::default() };
        let view = View { identity_id: 3, shot_id: 1, camera_id: 5, travelled: None };
        let (camera, mut capture) = sample(&config, 9, view, head, 256);
        let eyes = [Vec3::new(0.03, 0.02, 0.1), Vec3::new(-0.03, 0.02, 0.1)];
        capture.focus_on(&camera, eyes);
        let lens = capture.optics.lens.expect("switched on");
        let depths = eyes.map(|p| camera.camera_from_world.transform_point3(p).z);
        assert!((0.02..=0.03).contains(&lens.aperture_m) && capture.optics.motion.is_some());
        assert_eq!(lens.focus_m, depths[0].min(depths[1]));
    }

    #[test]
    fn an_orbit_goes_from_the_front_to_the_side_smoothly() {
        let head = HeadBox { center: Vec3::ZERO, height_m: 0.23 };
        let mut config = Config::default();
        config.sequence.kind = SequenceKind::Mixed;
        config.sequence.camera = CameraPath::Orbit;
        for camera_id in 0..8 {
            let yaw = |frame: u32| {
                let view = View::of(&config, 3, 32 + frame, camera_id);
                let eye = sample(&config.camera, 9, view, head, 256).0.eye();
                eye.x.atan2(eye.z).to_degrees()
            };
            let yaws: Vec<f32> = (0..16).map(yaw).collect();
            let (near, far) = if camera_id.is_multiple_of(2) { (yaws[0], yaws[15]) } else { (yaws[15], yaws[0]) };
            assert!(near.abs() < 17.0 && far.abs() > 50.0, "{yaws:?}");
            assert!(yaws.windows(2).all(|w| (w[1] - w[0]).abs() < 12.0), "{yaws:?}");
        }
    }
}
