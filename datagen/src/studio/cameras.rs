//! Where the camera stands: portrait distances, dense in front, sparse at the sides.
//!
//! Constants, and where they come from:
//!
//! | constants                               | source                                                         |
//! | --------------------------------------- | -------------------------------------------------------------- |
//! | distances and focal lengths of kinds    | chosen by eye for phones, webcams and portrait lenses          |
//! | weights of kinds, share beside the axis | chosen by eye                                                  |
//! | distribution of yaw, pitch and roll     | chosen by eye                                                  |
//! | ranges that a user may want to change   | the `camera` section of the configuration                      |
use crate::config::{CameraConfig, CameraKind, CameraPath, Config, SequenceKind};
use crate::stream::{Stream, Subject};
use crate::studio::develop::Development;
use crate::tracer::elementary::smoothstep;
use crate::tracer::optics::{Lens, Motion, Optics};
use glam::{Mat4, Quat, Vec2, Vec3};
use head::HeadBox;
use serde::Serialize;
use splat::camera::Camera;

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
    pub traveled: Option<f32>,
}

impl View {
    /// For a frame of a dataset.
    pub fn of(config: &Config, identity_id: u32, expression_id: u32, camera_id: u32) -> Self {
        let frames = config.sequence.frames;
        let moves = config.sequence.kind != SequenceKind::Single && config.sequence.camera == CameraPath::Orbit;
        let traveled = moves.then(|| (expression_id % frames) as f32 / (frames - 1) as f32);
        View { identity_id, shot_id: config.shot_of(expression_id), camera_id, traveled }
    }
}

/// How a picture was taken. Its JSON is the `capture` column of `frames`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capture {
    /// Never [`CameraKind::Any`] or [`CameraKind::Mix`].
    pub kind: CameraKind,
    /// `still` or `orbit`.
    pub path: &'static str,
    /// Where the camera stands.
    pub orbit: Orbit,
    /// Where the head stood in the photo that this picture was cropped from: tangents of its angles beside the optical axis,
    /// right and down. The principal point is as far beside the middle of the picture.
    pub off_axis: [f32; 2],
    /// Focal length of a lens that shows as much on a frame 24 mm high (millimeters).
    pub focal_35mm: f32,
    /// Depth of field and motion blur.
    pub optics: Optics,
    /// How light became a picture.
    pub development: Development,
}

/// Draws the camera of `view`.
pub fn sample(config: &CameraConfig, seed: u64, view: View, head: HeadBox, size: u32) -> (Camera, Capture) {
    let mut placed = Placed::sample(config, seed, view);
    let between = |[low, high]: [f32; 2], k: f32| low + (high - low) * k;
    let fill = match habits(placed.kind) {
        Some((_, focals_mm)) if config.kind != CameraKind::Mix => {
            between(focals_mm, placed.zoom) / 24.0 * head.height_m / placed.distance_m
        }
        _ => between(config.fill, placed.zoom),
    };
    let Placed { yaw_deg, pitch_deg, roll_deg, distance_m, .. } = placed;
    let orbit = Orbit { yaw_deg, pitch_deg, distance_m, fill, roll_deg };
    let off_axis = match (config.kind, habits(placed.kind)) {
        (CameraKind::Mix, Some((_, focals_mm))) => off_axis(focals_mm, head.height_m / distance_m, &mut placed.own),
        _ => Vec2::ZERO,
    };
    let camera = orbit.cropped(head.center + placed.shift, head.height_m, size, off_axis);
    let path = if view.traveled.is_some() { "orbit" } else { "still" };
    let focal_35mm = 24.0 * camera.fy / size as f32;
    let optics = optics(config, &mut placed.own, distance_m);
    let off_axis = off_axis.to_array();
    let development = Development::plain();
    (camera, Capture { kind: placed.kind, path, orbit, off_axis, focal_35mm, optics, development })
}

/// Where the camera of `view` stands, from midway between the eyes of a head at rest (world, meters; exact to a centimeter).
pub fn from_eyes(config: &CameraConfig, seed: u64, view: View) -> Vec3 {
    let placed = Placed::sample(config, seed, view);
    back(placed.yaw_deg, placed.pitch_deg) * placed.distance_m + placed.shift + CENTER_FROM_EYES_M
}

/// [`HeadBox::center`] of a mean head, from midway between its eyes (meters).
const CENTER_FROM_EYES_M: Vec3 = Vec3::new(0.0, 0.01, -0.03);

/// What a camera has before it is known which head it looks at.
struct Placed {
    /// Never [`CameraKind::Any`] or [`CameraKind::Mix`].
    kind: CameraKind,
    yaw_deg: f32,
    pitch_deg: f32,
    roll_deg: f32,
    distance_m: f32,
    /// Of what it looks at (meters).
    shift: Vec3,
    /// Where in the range of focal lengths or sizes, 0..1.
    zoom: f32,
    /// Of what else the camera draws.
    own: Stream,
}

impl Placed {
    fn sample(config: &CameraConfig, seed: u64, view: View) -> Placed {
        let words = [view.identity_id.into(), view.shot_id.into(), view.camera_id.into()];
        let mut s = Stream::new(seed, Subject::Camera, &words);
        let reach = if view.camera_id == 0 { config.yaw_deg.min(25.0) } else { config.yaw_deg };
        let side = s.sign();
        let yaw_deg = side * reach * s.uniform(0.0, 1.0).powf(1.5);
        let [low, high] = config.pitch_deg;
        // The mean of two uniform numbers: most cameras stand at eye level.
        let pitch_deg = low + (high - low) * 0.5 * (s.uniform(0.0, 1.0) + s.uniform(0.0, 1.0)) - 2.0;
        let (place, zoom) = (s.uniform(0.0, 1.0), s.uniform(0.0, 1.0));
        let j = config.jitter_m;
        let shift = Vec3::new(s.normal(0.0, j), s.normal(0.0, j), s.normal(0.0, j));
        let yaw_deg = match view.traveled {
            None => yaw_deg,
            Some(share) => {
                // From the front to a side; every other camera comes back.
                let front = s.normal_within(0.0, 6.0, [-15.0, 15.0]);
                let back = side * config.yaw_deg * s.uniform(0.6, 1.0);
                let gone = smoothstep(0.0, 1.0, if view.camera_id.is_multiple_of(2) { share } else { 1.0 - share });
                front + (back - front) * gone
            }
        };
        let mut own = Stream::new(seed, Subject::CameraBody, &words);
        let kind = kind(config.kind, &mut own);
        // Held upright but for a few degrees; one in five at any angle.
        let most = config.roll_deg;
        let level = own.normal_within(0.0, most / 8.0, [-most, most]);
        let roll_deg = if own.chance(0.2) { own.uniform(-most, most) } else { level };
        let [near, far] = habits(kind).map_or(config.distance_m, |(distances_m, _)| distances_m);
        let distance_m = near + (far - near) * place;
        Placed { kind, yaw_deg, pitch_deg: pitch_deg.clamp(low, high), roll_deg, distance_m, shift, zoom, own }
    }
}

/// How far a kind of camera is held from the head (meters), and its focal lengths on a frame 24 mm high (millimeters).
fn habits(kind: CameraKind) -> Option<([f32; 2], [f32; 2])> {
    match kind {
        CameraKind::Crop | CameraKind::Any | CameraKind::Mix => None,
        CameraKind::Selfie => Some(([0.4, 0.6], [24.0, 28.0])),
        CameraKind::Portrait => Some(([1.0, 1.5], [50.0, 77.0])),
        CameraKind::Studio => Some(([1.5, 2.5], [85.0, 85.0])),
        CameraKind::Webcam => Some(([0.5, 0.8], [26.0, 32.0])),
        CameraKind::Room => Some(([0.8, 2.5], [26.0, 35.0])),
    }
}

fn kind(wanted: CameraKind, s: &mut Stream) -> CameraKind {
    let any = [CameraKind::Selfie, CameraKind::Portrait, CameraKind::Studio, CameraKind::Webcam];
    let mix = [CameraKind::Selfie, CameraKind::Portrait, CameraKind::Studio, CameraKind::Webcam, CameraKind::Room];
    let drawn = any[s.pick(&[0.35, 0.3, 0.2, 0.15])];
    let mixed = mix[s.pick(&[0.22, 0.24, 0.14, 0.2, 0.2])];
    match wanted {
        CameraKind::Any => drawn,
        CameraKind::Mix => mixed,
        _ => wanted,
    }
}

/// Fraction of the crops whose head stands beside the middle of the photo.
const OFF_AXIS_SHARE: f32 = 0.65;

/// Where in the full photo, 3:2 or 2:3 with one of those focal lengths, the head stands, as the tangents of its angles beside
/// the optical axis, right and down; `height` is the head's height over its distance. The head stays within the photo.
fn off_axis(focals_mm: [f32; 2], height: f32, s: &mut Stream) -> Vec2 {
    let focal_mm = s.uniform(focals_mm[0], focals_mm[1]);
    let frame = if s.chance(0.5) { [36.0, 24.0] } else { [24.0, 36.0] };
    let room = |side_mm: f32| (0.5 * side_mm / focal_mm - 0.5 * height).max(0.0);
    let at = Vec2::new(s.uniform(-1.0, 1.0) * room(frame[0]), s.uniform(-1.0, 1.0) * room(frame[1]));
    if s.chance(OFF_AXIS_SHARE) { at } else { Vec2::ZERO }
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
    /// Focuses on the nearer of two eyes (world, meters), as cameras do.
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
    /// From the target (meters).
    pub distance_m: f32,
    /// Fraction of the picture that `height_m` fills.
    pub fill: f32,
    /// Degrees about the line of sight.
    pub roll_deg: f32,
}

impl Orbit {
    /// A square picture of `size` pixels of `target`, `height_m` tall.
    pub fn camera(&self, target: Vec3, height_m: f32, size: u32) -> Camera {
        let (yaw, roll) = (self.yaw_deg.to_radians(), self.roll_deg.to_radians());
        let side = Vec3::new(yaw.cos(), 0.0, -yaw.sin());
        let up = Vec3::Y * roll.cos() + side * roll.sin();
        let focal_px = self.fill * size as f32 * self.distance_m / height_m;
        let eye = target + back(self.yaw_deg, self.pitch_deg) * self.distance_m;
        Camera::look_at(eye, target, up, focal_px, size as usize, size as usize)
    }

    /// The same as a crop of a larger photo, in which the target stands `off_axis` (tangents, right and down) beside the
    /// optical axis: the target stays in the middle of the picture, the principal point does not.
    pub fn cropped(&self, target: Vec3, height_m: f32, size: u32, off_axis: Vec2) -> Camera {
        let ahead = self.camera(target, height_m, size);
        let towards = off_axis.extend(1.0);
        let turn = Quat::from_rotation_arc(Vec3::Z, towards.normalize_or(Vec3::Z));
        // Depth is measured along the axis: the target is nearer by it than by its distance.
        let focal_px = ahead.fx / towards.length();
        let middle = 0.5 * size as f32;
        Camera {
            fx: focal_px,
            fy: focal_px,
            cx: middle - focal_px * off_axis.x,
            cy: middle - focal_px * off_axis.y,
            camera_from_world: Mat4::from_quat(turn) * ahead.camera_from_world,
            ..ahead
        }
    }
}

/// Unit vector from a head to a camera.
fn back(yaw_deg: f32, pitch_deg: f32) -> Vec3 {
    let (yaw, pitch) = (yaw_deg.to_radians(), pitch_deg.to_radians());
    Vec3::new(yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_fills_what_the_config_says() {
        let head = HeadBox { center: Vec3::new(0.0, 0.01, -0.03), height_m: 0.23 };
        let config = CameraConfig { jitter_m: 0.0, ..CameraConfig::default() };
        for camera_id in 0..50 {
            let view = View { identity_id: 3, shot_id: 1, camera_id, traveled: None };
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
            let view = View { identity_id: 3, shot_id: 1, camera_id, traveled: None };
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
    fn a_mix_crops_photos_of_all_distances_around_the_head() {
        let head = HeadBox { center: Vec3::new(0.0, 0.01, -0.03), height_m: 0.23 };
        let config = CameraConfig { kind: CameraKind::Mix, jitter_m: 0.0, roll_deg: 40.0, ..CameraConfig::default() };
        let (mut distances, mut beside) = (Vec::new(), Vec::new());
        for identity_id in 0..400 {
            let view = View { identity_id, shot_id: 1, camera_id: 1, traveled: None };
            let (c, capture) = sample(&config, 9, view, head, 256);
            let (middle, depth) = c.project(head.center);
            assert!((middle - Vec2::splat(128.0)).length() < 0.1, "{middle}");
            assert!((c.fy * head.height_m / depth / 256.0 - capture.orbit.fill).abs() < 1e-3);
            let seen = c.camera_from_world.transform_point3(head.center) / depth;
            assert!((seen.truncate() - Vec2::from(capture.off_axis)).length() < 1e-4, "{capture:?}");
            let (origin, direction) = c.ray(Vec2::new(20.0, 240.0));
            assert!((c.project(origin + direction * 0.7).0 - Vec2::new(20.0, 240.0)).length() < 1e-2);
            assert!(capture.orbit.roll_deg.abs() <= 40.0);
            distances.push((c.eye() - head.center).length());
            beside.push((Vec2::new(c.cx, c.cy) - Vec2::splat(128.0)).length());
        }
        distances.sort_by(f32::total_cmp);
        assert!(distances[0] < 0.45 && distances[399] > 2.3 && (0.6..1.4).contains(&distances[200]), "{distances:?}");
        let off = beside.iter().filter(|px| **px > 40.0).count();
        assert!((150..300).contains(&off), "{off} of 400 heads are well beside the axis");
    }

    #[test]
    fn the_nearer_eye_is_in_focus() {
        let head = HeadBox { center: Vec3::ZERO, height_m: 0.23 };
        let config = CameraConfig { aperture_m: [0.02, 0.03], shutter_secs: [0.01, 0.02], ..CameraConfig::default() };
        let view = View { identity_id: 3, shot_id: 1, camera_id: 5, traveled: None };
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
