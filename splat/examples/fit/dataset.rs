//! A folder of posed photographs: `transforms.json` and the images it names.
use glam::{Mat4, Vec3};
use serde_json::Value;
use splat::Camera;
use std::error::Error;
use std::path::{Path, PathBuf};

/// One photograph and the camera that took it.
pub struct Posed {
    pub camera: Camera,
    /// `[H, W, 4]` as stored: not linear, opacity last.
    rgba: Vec<u8>,
}

impl Posed {
    /// From pixels `[H, W, 4]`.
    pub fn new(camera: Camera, rgba: Vec<u8>) -> Self {
        Posed { camera, rgba }
    }

    /// True if a pixel is not opaque.
    pub fn has_alpha(&self) -> bool {
        self.rgba.chunks_exact(4).any(|p| p[3] < 255)
    }

    /// `[H, W, 3]` in 0..1 before `background`.
    pub fn over(&self, background: [f32; 3]) -> Vec<f32> {
        let mixed = |p: &[u8], c: usize| {
            let alpha = p[3] as f32 / 255.0;
            alpha * p[c] as f32 / 255.0 + (1.0 - alpha) * background[c]
        };
        self.rgba.chunks_exact(4).flat_map(|p| [mixed(p, 0), mixed(p, 1), mixed(p, 2)]).collect()
    }
}

/// Reads all photographs, none wider or higher than `size` pixels (larger ones are scaled down), in the order of their names.
///
/// Poses are world from camera with y up and z backward (OpenGL); intrinsics are the file's or the frame's own.
pub fn read_folder(folder: &Path, size: usize) -> Result<Vec<Posed>, Box<dyn Error>> {
    let path = folder.join("transforms.json");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{e}: {}", path.display()))?;
    let all: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {}", path.display()))?;
    let mut frames: Vec<&Value> =
        all["frames"].as_array().ok_or("transforms.json: no list \"frames\"")?.iter().collect();
    frames.sort_by_key(|f| f["file_path"].as_str().unwrap_or_default());
    frames.into_iter().map(|frame| read_frame(folder, &all, frame, size)).collect()
}

fn read_frame(folder: &Path, all: &Value, frame: &Value, size: usize) -> Result<Posed, Box<dyn Error>> {
    let name = frame["file_path"].as_str().ok_or("transforms.json: a frame without \"file_path\"")?;
    let number = |key: &str| frame[key].as_f64().or(all[key].as_f64());
    for key in ["k1", "k2", "k3", "k4", "p1", "p2"] {
        if number(key).is_some_and(|v| v.abs() > 1e-6) {
            return Err(format!("{name}: lens distortion {key}; undistort the images first").into());
        }
    }
    let path = image_path(folder, name)?;
    let full = image::open(&path).map_err(|e| format!("{e}: {}", path.display()))?.to_rgba8();
    let (width, height) = (full.width() as f64, full.height() as f64);
    let shrink = (size as f64 / width.max(height)).min(1.0);
    let (w, h) = ((width * shrink).round().max(1.0) as u32, (height * shrink).round().max(1.0) as u32);
    let small = image::imageops::resize(&full, w, h, image::imageops::FilterType::Triangle);
    // Intrinsics are in pixels of `w` × `h` as the file says, which need not be the image's.
    let (sx, sy) = (w as f64 / number("w").unwrap_or(width), h as f64 / number("h").unwrap_or(height));
    let of_angle = |angle: f64, pixels: f64| 0.5 * pixels / (0.5 * angle).tan();
    let fx = number("fl_x")
        .or(number("camera_angle_x").map(|a| of_angle(a, number("w").unwrap_or(width))))
        .ok_or(format!("{name}: neither fl_x nor camera_angle_x"))?;
    let fy = number("fl_y").unwrap_or(fx);
    let center = |key, pixels: f64, scale: f64| number(key).map_or(0.5 * pixels, |c| c * scale) as f32;
    let camera = Camera {
        width: w as usize,
        height: h as usize,
        fx: (fx * sx) as f32,
        fy: (fy * sy) as f32,
        cx: center("cx", w as f64, sx),
        cy: center("cy", h as f64, sy),
        camera_from_world: camera_from_world(&frame["transform_matrix"]).ok_or(format!("{name}: no 4×4 matrix"))?,
    };
    camera.check().map_err(|e| format!("{name}: {e}"))?;
    Ok(Posed::new(camera, small.into_raw()))
}

/// Names may lack their ending.
fn image_path(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let found = ["", ".png", ".jpg"].iter().map(|end| folder.join(format!("{name}{end}"))).find(|p| p.is_file());
    found.ok_or(format!("no image {name} in {}", folder.display()))
}

fn camera_from_world(rows: &Value) -> Option<Mat4> {
    let mut columns = [0.0f32; 16];
    for (i, value) in columns.iter_mut().enumerate() {
        *value = rows.get(i % 4)?.get(i / 4)?.as_f64()? as f32;
    }
    let flip = Mat4::from_scale(Vec3::new(1.0, -1.0, -1.0)); // x right, y up, z backward to y down, z forward
    let inverse = (Mat4::from_cols_array(&columns) * flip).inverse();
    inverse.is_finite().then_some(inverse)
}
