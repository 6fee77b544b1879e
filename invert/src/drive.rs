//! An avatar in motion: films, sheets and stills.
use crate::avatar::Avatar;
use crate::clip::{Angles, Frame, HEAD_JOINT_M};
use crate::film::{Backdrop, Film, Pixels};
use anyhow::{Context, Result};
use formats::exit::Failure;
use formats::progress::Progress;
use formats::publish::write_atomically;
use glam::Mat4;
use head::params::unit;
use nets::GaussianTensors;
use nets::view::draw_one;
use prior::sample::portrait;
use splat::Camera;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use tch::{Device, Kind, Tensor};

/// Behind a driven avatar (display RGB).
pub const BACKDROP: [f32; 3] = [0.157, 0.149, 0.137];

/// The head at an expression, `yaw` radians to its left: `[3, S, S]`.
///
/// # Errors
/// A size no picture can be made at.
pub fn picture(avatar: &mut Avatar, expression: &[f32; 52], yaw: f32, size: usize) -> Result<Tensor> {
    let gaussians = avatar.gaussians(expression);
    Ok(draw_one(&gaussians, &portrait(yaw, size), BACKDROP)?.color.select(0, 0))
}

/// Expressions shown on a sheet.
pub const POSES: [&[(&str, f32)]; 7] = [
    &[],
    &[("mouthSmileLeft", 0.9), ("mouthSmileRight", 0.9), ("cheekSquintLeft", 0.4), ("cheekSquintRight", 0.4)],
    &[
        ("browInnerUp", 0.9),
        ("browOuterUpLeft", 0.8),
        ("browOuterUpRight", 0.8),
        ("eyeWideLeft", 0.8),
        ("eyeWideRight", 0.8),
        ("jawOpen", 0.5),
    ],
    &[("eyeBlinkLeft", 1.0), ("eyeBlinkRight", 1.0)],
    &[("mouthPucker", 0.9), ("mouthFunnel", 0.3)],
    &[("browDownLeft", 0.9), ("browDownRight", 0.9), ("mouthFrownLeft", 0.8), ("mouthFrownRight", 0.8)],
    &[("jawOpen", 0.8)],
];

/// [`POSES`] from the right, the front and the left, as PNG.
///
/// # Errors
/// As [`picture`].
pub fn sheet(avatar: &mut Avatar, size: usize) -> Result<Vec<u8>> {
    let mut rows: [Vec<Tensor>; 3] = Default::default();
    for pose in POSES {
        let mut weights = [0.0; 52];
        for (name, value) in pose {
            weights[unit(name).context("a pose names a unit that ARKit does not have")?] = *value;
        }
        for (row, yaw) in rows.iter_mut().zip([-0.6, 0.0, 0.6]) {
            row.push(picture(avatar, &weights, yaw, size)?);
        }
    }
    nets::view::sheet_png(&rows)
}

/// Every pose from every side into `folder`, as `{pose}{yaw:+}.png`; `yaws_deg` to the person's left.
///
/// # Errors
/// As [`picture`] and [`write_pngs`].
pub fn stills(
    avatar: &mut Avatar,
    poses: &[(String, [f32; 52])],
    yaws_deg: &[f32],
    size: usize,
    folder: &Path,
) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {folder:?}"))?;
    for (name, weights) in poses {
        for yaw in yaws_deg {
            let png = nets::view::sheet_png(&[vec![picture(avatar, weights, yaw.to_radians(), size)?]])?;
            write_atomically(&folder.join(format!("{name}{yaw:+}.png")), &png)?;
        }
    }
    Ok(())
}

/// Where the head's pose in the film comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum HeadPose {
    /// The head turns as the driver's, before a still camera.
    Driver,
    /// The avatar is seen through the driver's own camera (datasets only).
    Camera,
    /// The head looks straight on.
    Still,
}

/// How a clip is shown.
pub struct Shot {
    /// Longer side of the film, in pixels.
    pub size: usize,
    /// Where the head's pose comes from.
    pub pose: HeadPose,
    /// The head swings once to both sides, so many radians.
    pub swing_rad: f32,
    /// What is behind it.
    pub backdrop: Backdrop,
}

impl Shot {
    /// The camera of each frame, in head space: the head stays at rest, the camera moves instead.
    ///
    /// # Errors
    /// [`HeadPose::Camera`] with a clip without cameras (exit code 2), or with images of several sizes (65).
    pub fn cameras(&self, frames: &[Frame]) -> Result<Vec<Camera>> {
        let n = frames.len() as f32;
        let camera = |(i, frame): (usize, &Frame)| {
            let swing = self.swing_rad * (std::f32::consts::TAU * i as f32 / n).sin();
            let head = if self.pose == HeadPose::Driver { frame.head } else { Angles::default() };
            match (self.pose, frame.camera) {
                (HeadPose::Camera, Some(camera)) => Ok(scaled(&camera, self.size)),
                (HeadPose::Camera, None) => {
                    Err(Failure::usage("--pose camera: the clip has no cameras, only datasets do").into())
                }
                _ => Ok(turned(&portrait(swing, self.size), head)),
            }
        };
        let cameras: Vec<Camera> = frames.iter().enumerate().map(camera).collect::<Result<_>>()?;
        let mut sizes = cameras.iter().map(|c| (c.width, c.height));
        let first = sizes.next();
        match sizes.find(|size| Some(*size) != first) {
            None => Ok(cameras),
            Some(other) => {
                let what = format!("--pose camera: images of several shapes, {first:?} and {other:?} at this size");
                Err(Failure::bad_data(what).into())
            }
        }
    }
}

/// What a still camera sees of a head that turns by `angles` is what this camera sees of the head at rest.
fn turned(camera: &Camera, angles: Angles) -> Camera {
    let about = Mat4::from_translation(HEAD_JOINT_M)
        * Mat4::from_quat(angles.rotation())
        * Mat4::from_translation(-HEAD_JOINT_M);
    Camera { camera_from_world: camera.camera_from_world * about, ..*camera }
}

/// The same view, its longer side `size` pixels.
fn scaled(camera: &Camera, size: usize) -> Camera {
    let scale = size as f32 / camera.width.max(camera.height) as f32;
    let pixels = |side: usize| ((side as f32 * scale).round() as usize).max(1);
    let (width, height) = (pixels(camera.width), pixels(camera.height));
    let (sx, sy) = (width as f32 / camera.width as f32, height as f32 / camera.height as f32);
    let (fx, fy, cx, cy) = (camera.fx * sx, camera.fy * sy, camera.cx * sx, camera.cy * sy);
    Camera { width, height, fx, fy, cx, cy, ..*camera }
}

/// Plays frames into a film. With several threads, one frame is posed while the one before is drawn and the one before that
/// is encoded; each step uses all threads where it can. At most two frames wait between the steps.
///
/// # Errors
/// Drawing, encoding or writing.
pub fn play(
    avatar: &mut Avatar,
    frames: &[Frame],
    cameras: &[Camera],
    backdrop: Backdrop,
    film: &mut dyn Film,
    progress: &Progress,
) -> Result<()> {
    let mut poses = frames.iter().zip(cameras).map(|(frame, camera)| (avatar.moved(&frame.params()), *camera));
    if rayon::current_num_threads() == 1 {
        return poses.try_for_each(|(gaussians, camera)| {
            film.add(pixels(&gaussians, &camera, backdrop)?)?;
            progress.add(1);
            Ok(())
        });
    }
    std::thread::scope(|scope| {
        let (to_draw, posed) = sync_channel::<(GaussianTensors, Camera)>(1);
        let (to_write, drawn) = sync_channel::<Pixels>(1);
        let drawing = scope.spawn(move || -> Result<()> {
            for (gaussians, camera) in posed {
                if to_write.send(pixels(&gaussians, &camera, backdrop)?).is_err() {
                    break; // the writer has failed and says why
                }
            }
            Ok(())
        });
        let writing = scope.spawn(move || -> Result<()> {
            for frame in drawn {
                film.add(frame)?;
                progress.add(1);
            }
            Ok(())
        });
        for pose in poses {
            if to_draw.send(pose).is_err() {
                break; // likewise
            }
        }
        drop(to_draw);
        let ended = [drawing.join(), writing.join()];
        ended.into_iter().try_for_each(|thread| thread.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// One frame of a film.
fn pixels(gaussians: &GaussianTensors, camera: &Camera, backdrop: Backdrop) -> Result<Pixels> {
    let behind = match backdrop {
        Backdrop::Tone(tone) => tone,
        Backdrop::Transparent => [0.0; 3],
    };
    let drawn = tch::no_grad(|| draw_one(gaussians, camera, behind))?;
    let color = floats(&drawn.color.permute([0, 2, 3, 1]))?;
    let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let (channels, data) = match backdrop {
        Backdrop::Tone(_) => (3, color.into_iter().map(byte).collect()),
        Backdrop::Transparent => {
            let alpha = floats(&drawn.alpha)?;
            let straight = |(c, a): (&[f32], &f32)| {
                let rest = a.max(1.0 / 255.0);
                [byte(c[0] / rest), byte(c[1] / rest), byte(c[2] / rest), byte(*a)]
            };
            (4, color.chunks_exact(3).zip(&alpha).flat_map(straight).collect())
        }
    };
    Ok(Pixels { width: camera.width, height: camera.height, channels, data })
}

fn floats(t: &Tensor) -> Result<Vec<f32>> {
    Ok(Vec::try_from(t.contiguous().flatten(0, -1).to_device(Device::Cpu).to_kind(Kind::Float))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shot(pose: HeadPose) -> Shot {
        Shot { size: 64, pose, swing_rad: 0.0, backdrop: Backdrop::Tone(BACKDROP) }
    }

    /// A head that turns to its left shows its right side: the camera goes to the person's right.
    #[test]
    fn the_camera_moves_against_the_head() {
        let mut frame = Frame::of_expression([0.0; 52]);
        frame.head.yaw = 0.5;
        let eye = |pose| {
            let camera = shot(pose).cameras(std::slice::from_ref(&frame)).unwrap()[0];
            camera.camera_from_world.inverse().transform_point3(glam::Vec3::ZERO)
        };
        assert!(eye(HeadPose::Still).x.abs() < 1e-4);
        assert!(eye(HeadPose::Driver).x < -0.3, "{}", eye(HeadPose::Driver));
    }

    #[test]
    fn a_clip_without_cameras_has_no_camera_pose() {
        let frame = Frame::of_expression([0.0; 52]);
        let err = shot(HeadPose::Camera).cameras(&[frame]).unwrap_err();
        assert_eq!(formats::exit::code_of(&err), 2);
        assert!(shot(HeadPose::Camera).cameras(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_scaled_camera_sees_the_same() {
        let camera = Camera::look_at(glam::Vec3::Z, glam::Vec3::ZERO, glam::Vec3::Y, 300.0, 200, 100);
        let half = scaled(&camera, 100);
        assert_eq!((half.width, half.height, half.fx, half.cy), (100, 50, 150.0, 25.0));
    }
}
