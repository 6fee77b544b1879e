//! Cameras of an image folder from `transforms.json` (nerfstudio, instant-ngp).
use formats::exit::Failure;
use formats::{Error, FrameRow, card, image};
use glam::{DMat4, DVec4};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// The frames of the file, by image.
pub struct Cameras {
    file: PathBuf,
    shared: Value,
    frames: HashMap<PathBuf, Value>,
}

impl Cameras {
    /// None when the folder has no such file.
    pub fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let file = folder.join("transforms.json");
        if !file.is_file() {
            return Ok(None);
        }
        let shared: Value = card::read_json(&file, "transforms file")?;
        let mut cameras = Cameras { file, shared, frames: HashMap::new() };
        let frames = cameras.shared.get_mut("frames").map(Value::take);
        let Some(Value::Array(frames)) = frames else { return Err(cameras.complaint("no list \"frames\"").into()) };
        for mut frame in frames {
            for key in ["file_path", "mask_path"] {
                if let Some(path) = frame[key].as_str() {
                    let inside = inside(folder, path)
                        .ok_or_else(|| cameras.complaint(&format!("{path:?} leads out of the folder")))?;
                    frame[key] = Value::from(inside.to_string_lossy().into_owned());
                }
            }
            let path = frame["file_path"].as_str().ok_or_else(|| cameras.complaint("a frame without file_path"))?;
            cameras.frames.insert(path.into(), frame);
        }
        Ok(Some(cameras))
    }

    /// The images that have a camera.
    pub fn images(&self) -> Vec<PathBuf> {
        self.frames.keys().cloned().collect()
    }

    /// Does any frame name a mask?
    pub fn have_masks(&self) -> bool {
        self.frames.values().any(|frame| frame["mask_path"].is_string())
    }

    /// Gives a row the camera of its image, and its mask as alpha.
    pub fn complete(&self, path: &Path, row: &mut FrameRow) -> anyhow::Result<()> {
        let frame = self.frames.get(path).ok_or_else(|| self.complaint(&format!("no frame of {path:?}")))?;
        let number = |key: &str| frame[key].as_f64().or_else(|| self.shared[key].as_f64());
        let [fx, fy, cx, cy] = ["fl_x", "fl_y", "cx", "cy"].map(number);
        let fx = fx.ok_or_else(|| self.complaint("no fl_x"))?;
        let (fy, cx, cy) =
            (fy.unwrap_or(fx), cx.unwrap_or(f64::from(row.width) / 2.0), cy.unwrap_or(f64::from(row.height) / 2.0));
        row.intrinsics = [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]].map(|r| r.map(|v: f64| v as f32));
        let matrix: [[f64; 4]; 4] = serde_json::from_value(frame["transform_matrix"].clone())
            .map_err(|e| self.complaint(&format!("transform_matrix is no 4 x 4 matrix: {e}")))?;
        // From OpenGL's camera (y up, looking along -z) to ours (y down, looking along +z).
        let opengl_from_camera = DMat4::from_diagonal(DVec4::new(1.0, -1.0, -1.0, 1.0));
        let camera_from_world = (DMat4::from_cols_array_2d(&matrix).transpose() * opengl_from_camera).inverse();
        if !camera_from_world.is_finite() {
            return Err(self.complaint("transform_matrix cannot be inverted").into());
        }
        row.camera_from_world = camera_from_world.transpose().to_cols_array_2d().map(|r| r.map(|v| v as f32));
        if let Some(mask) = frame["mask_path"].as_str() {
            let bytes = std::fs::read(mask).map_err(|e| Error::reading("mask", Path::new(mask), e))?;
            let mask = image::gray8_from_png(&bytes)?;
            if (mask.width, mask.height) != (row.width as usize, row.height as usize) {
                return Err(self.complaint("a mask of another size than its image").into());
            }
            row.alpha = Some(bytes);
        }
        Ok(())
    }

    fn complaint(&self, what: &str) -> Failure {
        Failure::bad_data(format!("{what}: {:?}", self.file))
    }
}

/// `path` within `folder`; none when it leads out of it.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let plain = Path::new(path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let clean: PathBuf = Path::new(path).components().filter(|c| matches!(c, Component::Normal(_))).collect();
    plain.then(|| folder.join(clean))
}
