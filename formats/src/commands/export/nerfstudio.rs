//! nerfstudio: a folder `IDENTITY-EXPRESSION` with `transforms.json`, images, masks, depth in millimeters.
//!
//! Its cameras look along −z with y up (OpenGL), ours along +z with y down; the world is the same: meters, y up.
use super::{Sink, write};
use anyhow::Context;
use arrow::array::RecordBatch;
use formats::exit::Failure;
use formats::{Error, FrameRow, image};
use glam::{DMat4, DVec4};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The scene being collected.
pub struct Scenes {
    folder: PathBuf,
    scene: Option<Scene>,
}

struct Scene {
    key: (u32, u32),
    frames: Vec<Value>,
    points: Vec<[f32; 3]>,
}

impl Scenes {
    /// Into `folder`.
    pub fn new(folder: &Path) -> Self {
        Scenes { folder: folder.into(), scene: None }
    }

    /// `transforms.json` comes last in its folder.
    fn end_scene(&mut self) -> anyhow::Result<()> {
        let Some(scene) = self.scene.take() else { return Ok(()) };
        let folder = self.folder.join(name(scene.key));
        let mut transforms = json!({"camera_model": "OPENCV", "frames": scene.frames});
        if !scene.points.is_empty() {
            transforms["ply_file_path"] = json!("landmarks.ply");
            write(&folder.join("landmarks.ply"), ply(&scene.points).as_bytes())?;
        }
        Ok(write(&folder.join("transforms.json"), format!("{transforms:#}\n").as_bytes())?)
    }
}

impl Sink for Scenes {
    fn frame(&mut self, frame: &FrameRow, _: &RecordBatch, _: usize) -> anyhow::Result<()> {
        let key = (frame.identity_id, frame.expression_id);
        if self.scene.as_ref().is_some_and(|scene| scene.key != key) {
            self.end_scene()?;
        }
        let folder = self.folder.join(name(key));
        let scene =
            self.scene.get_or_insert_with(|| Scene { key, frames: Vec::new(), points: frame.landmarks_3d.clone() });
        let mut entry = camera(frame)?;
        let stem = format!("{:012}", frame.frame_id);
        let mut put = |key: &str, path: String, bytes: &[u8]| -> Result<(), Error> {
            write(&folder.join(&path), bytes)?;
            entry[key] = json!(path);
            Ok(())
        };
        put("file_path", format!("images/{stem}.{}", image::extension_of(&frame.image)), &frame.image)?;
        if let Some(alpha) = &frame.alpha {
            put("mask_path", format!("masks/{stem}.png"), &mask(alpha)?)?;
        }
        if let Some(depth) = &frame.depth {
            put("depth_file_path", format!("depth/{stem}.png"), &millimeters(depth)?)?;
        }
        scene.frames.push(entry);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.end_scene()
    }
}

fn name((identity, expression): (u32, u32)) -> String {
    format!("{identity:06}-{expression:04}")
}

/// Intrinsics and `transform_matrix`, world from OpenGL camera.
fn camera(frame: &FrameRow) -> anyhow::Result<Value> {
    let rows = frame.camera_from_world.map(|row| row.map(f64::from));
    let camera_from_world = DMat4::from_cols_array_2d(&rows).transpose();
    let world_from_camera = camera_from_world.inverse();
    let [[fx, _, cx], [_, fy, cy], _] = frame.intrinsics;
    if !world_from_camera.is_finite() || fx <= 0.0 || fy <= 0.0 {
        return Err(Failure::bad_data("no camera, expected intrinsics and a rigid transform"))
            .with_context(|| format!("frame {}", frame.frame_id));
    }
    let camera_from_opengl = DMat4::from_diagonal(DVec4::new(1.0, -1.0, -1.0, 1.0));
    let matrix = (world_from_camera * camera_from_opengl).transpose().to_cols_array_2d();
    let (w, h) = (frame.width, frame.height);
    Ok(json!({"w": w, "h": h, "fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0,
        "transform_matrix": matrix, "camera_id": frame.camera_id, "light_id": frame.light_id}))
}

/// White where the head covers at least half of a pixel.
fn mask(alpha: &[u8]) -> Result<Vec<u8>, Error> {
    let alpha = image::gray8_from_png(alpha)?;
    let mask: Vec<u8> = alpha.data.iter().map(|&a| if a >= 128 { 255 } else { 0 }).collect();
    image::png_from_gray8(alpha.width, alpha.height, &mask)
}

/// Ours are tenths of it.
fn millimeters(depth: &[u8]) -> Result<Vec<u8>, Error> {
    let depth = image::gray16_from_png(depth)?;
    let whole: Vec<u16> = depth.data.iter().map(|&d| d / 10 + u16::from(d % 10 >= 5)).collect();
    image::png_from_gray16(depth.width, depth.height, &whole)
}

/// Points to start Gaussians from, gray.
fn ply(points: &[[f32; 3]]) -> String {
    let mut text = format!(
        "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n\
         property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n",
        points.len()
    );
    for [x, y, z] in points {
        let _ = writeln!(text, "{x} {y} {z} 128 128 128");
    }
    text
}
