//! `transforms.json`: nerfstudio, instant-ngp, Blender's synthetic scenes.
use super::{Distortion, Lens, Posed, find_image, inside};
use crate::{Error, card};
use glam::{DMat4, DVec4};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The file in `folder`, if there is one.
pub fn find(folder: &Path) -> Option<PathBuf> {
    ["transforms.json", "transforms_train.json"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Its frames.
///
/// # Errors
/// See [`super::read`].
pub fn read(folder: &Path, file: &Path) -> Result<Vec<Posed>, Error> {
    let shared: Value = card::read_json(file, "transforms file")?;
    let bad = |what: String| Error::data(file, what);
    let frames = shared["frames"].as_array().ok_or_else(|| bad("no list \"frames\"".into()))?;
    let pose = |frame: &Value| -> Result<Posed, Error> {
        let name = frame["file_path"].as_str().ok_or_else(|| bad("a frame without file_path".into()))?;
        let within = |name: &str| inside(folder, name).ok_or_else(|| bad(format!("{name:?} leads out of the folder")));
        let wanted = within(name)?;
        let mask = frame["mask_path"].as_str().map(within).transpose()?;
        let path = find_image(&wanted).ok_or(Error::Missing { what: "image of the transforms file", path: wanted })?;
        Ok(Posed {
            path,
            mask,
            lens: lens(&shared, frame).map_err(|what| bad(format!("{name}: {what}")))?,
            camera_from_world: camera_from_world(&frame["transform_matrix"])
                .map_err(|what| bad(format!("{name}: transform_matrix {what}")))?,
            source: file.into(),
        })
    };
    frames.iter().map(pose).collect()
}

/// The frame's own numbers before those of the whole file.
fn lens(shared: &Value, frame: &Value) -> Result<Lens, String> {
    let entry = |key: &str| Some(&frame[key]).filter(|v| !v.is_null()).unwrap_or(&shared[key]);
    let number = |key: &str| entry(key).as_f64();
    let k = ["k1", "k2", "k3", "k4"].map(|key| number(key).unwrap_or(0.0));
    let p = ["p1", "p2"].map(|key| number(key).unwrap_or(0.0));
    let fisheye = entry("is_fisheye").as_bool() == Some(true);
    let distortion = match entry("camera_model").as_str().unwrap_or("") {
        "" | "OPENCV" | "FULL_OPENCV" | "RADIAL" | "SIMPLE_RADIAL" if !fisheye => {
            Distortion::Radial { k, divisor: [0.0; 3], p }
        }
        "" | "OPENCV" | "OPENCV_FISHEYE" => Distortion::Fisheye { k },
        "PINHOLE" | "SIMPLE_PINHOLE" => Distortion::NONE,
        other => return Err(format!("camera_model {other:?} is not read; expected PINHOLE, OPENCV or OPENCV_FISHEYE")),
    };
    Ok(Lens {
        size: number("w").zip(number("h")).filter(|(w, h)| *w > 0.0 && *h > 0.0),
        fx: number("fl_x").unwrap_or(0.0),
        fy: number("fl_y").unwrap_or(0.0),
        cx: number("cx").unwrap_or(f64::NAN),
        cy: number("cy").unwrap_or(f64::NAN),
        angle_x_rad: number("camera_angle_x").unwrap_or(0.0),
        distortion,
    })
}

/// From world-from-camera with y up and z backward (OpenGL), `[3 or 4][4]`.
fn camera_from_world(rows: &Value) -> Result<DMat4, String> {
    let mut matrix: Vec<[f64; 4]> =
        serde_json::from_value(rows.clone()).map_err(|e| format!("is not a 4 x 4 matrix: {e}"))?;
    if matrix.len() == 3 {
        matrix.push([0.0, 0.0, 0.0, 1.0]);
    }
    let matrix: [[f64; 4]; 4] = matrix.try_into().map_err(|_| "is no 4 x 4 matrix")?;
    let opengl_from_camera = DMat4::from_diagonal(DVec4::new(1.0, -1.0, -1.0, 1.0));
    let camera_from_world = (DMat4::from_cols_array_2d(&matrix).transpose() * opengl_from_camera).inverse();
    match camera_from_world.is_finite() {
        true => Ok(camera_from_world),
        false => Err("cannot be inverted".into()),
    }
}
