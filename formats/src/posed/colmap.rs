//! Sparse models of COLMAP, binary or text: `cameras` and `images`. Points are not read.
use super::{Distortion, Lens, Posed, find_image, inside};
use crate::Error;
use glam::{DMat4, DQuat, DVec3};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where COLMAP, nerfstudio and the original 3DGS release keep the model of a folder.
const PLACES: [&str; 6] = ["sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "colmap", ""];
/// Where the photos lie.
const IMAGES: [&str; 2] = ["images", ""];

/// A model's two files.
pub struct Model {
    cameras: PathBuf,
    images: PathBuf,
    binary: bool,
}

/// The model of `folder`, if there is one.
pub fn find(folder: &Path) -> Option<Model> {
    let at = |place: &str, ending: &str| {
        let file = |name: &str| folder.join(place).join(format!("{name}.{ending}"));
        let model = Model { cameras: file("cameras"), images: file("images"), binary: ending == "bin" };
        (model.cameras.is_file() && model.images.is_file()).then_some(model)
    };
    PLACES.iter().find_map(|place| at(place, "bin").or_else(|| at(place, "txt")))
}

/// An image as the model lists it.
struct Listed {
    name: String,
    camera: u32,
    camera_from_world: DMat4,
}

/// Its photos.
///
/// # Errors
/// See [`super::read`].
pub fn read(folder: &Path, model: &Model) -> Result<Vec<Posed>, Error> {
    let bytes = |path: &Path| std::fs::read(path).map_err(|e| Error::reading("COLMAP model", path, e));
    let bad = |path: &Path, what: String| Error::data(path, format!("not a COLMAP model: {what}"));
    let (cameras, images) = (bytes(&model.cameras)?, bytes(&model.images)?);
    let cameras = if model.binary { binary_cameras(&cameras) } else { text_cameras(&cameras) };
    let cameras = cameras.map_err(|what| bad(&model.cameras, what))?;
    let images = if model.binary { binary_images(&images) } else { text_images(&images) };
    let images = images.map_err(|what| bad(&model.images, what))?;
    let posed = |image: Listed| -> Result<Posed, Error> {
        let lens =
            cameras.get(&image.camera).ok_or_else(|| bad(&model.images, format!("no camera {}", image.camera)))?;
        let leads_out = || Error::data(&model.images, format!("{:?} leads out of the folder", image.name));
        let mut places = Vec::new();
        for place in IMAGES {
            places.push(inside(&folder.join(place), &image.name).ok_or_else(leads_out)?);
        }
        let path = places.iter().find_map(|path| find_image(path));
        let missing = || Error::Missing { what: "image of the COLMAP model", path: places[0].clone() };
        Ok(Posed {
            path: path.ok_or_else(missing)?,
            mask: None,
            lens: *lens,
            camera_from_world: image.camera_from_world,
            source: model.images.clone(),
        })
    };
    images.into_iter().map(posed).collect()
}

/// Camera models by number and name, and their numbers of parameters.
const MODELS: [(&str, usize); 11] = [
    ("SIMPLE_PINHOLE", 3),
    ("PINHOLE", 4),
    ("SIMPLE_RADIAL", 4),
    ("RADIAL", 5),
    ("OPENCV", 8),
    ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12),
    ("FOV", 5),
    ("SIMPLE_RADIAL_FISHEYE", 4),
    ("RADIAL_FISHEYE", 5),
    ("THIN_PRISM_FISHEYE", 12),
];

fn lens(model: &str, width: f64, height: f64, p: &[f64]) -> Result<Lens, String> {
    let radial = |k: [f64; 4], divisor: [f64; 3], p: [f64; 2]| Distortion::Radial { k, divisor, p };
    let (one, two) = (|i: usize| [p[i], 0.0, 0.0, 0.0], |i: usize| [p[i], p[i + 1], 0.0, 0.0]);
    let (fx, fy, cx, cy, distortion) = match (model, p.len()) {
        ("SIMPLE_PINHOLE", 3) => (p[0], p[0], p[1], p[2], Distortion::NONE),
        ("PINHOLE", 4) => (p[0], p[1], p[2], p[3], Distortion::NONE),
        ("SIMPLE_RADIAL", 4) => (p[0], p[0], p[1], p[2], radial(one(3), [0.0; 3], [0.0; 2])),
        ("RADIAL", 5) => (p[0], p[0], p[1], p[2], radial(two(3), [0.0; 3], [0.0; 2])),
        ("OPENCV", 8) => (p[0], p[1], p[2], p[3], radial(two(4), [0.0; 3], [p[6], p[7]])),
        ("OPENCV_FISHEYE", 8) => (p[0], p[1], p[2], p[3], Distortion::Fisheye { k: [p[4], p[5], p[6], p[7]] }),
        ("FULL_OPENCV", 12) => {
            (p[0], p[1], p[2], p[3], radial([p[4], p[5], p[8], 0.0], [p[9], p[10], p[11]], [p[6], p[7]]))
        }
        ("SIMPLE_RADIAL_FISHEYE", 4) => (p[0], p[0], p[1], p[2], Distortion::Fisheye { k: one(3) }),
        ("RADIAL_FISHEYE", 5) => (p[0], p[0], p[1], p[2], Distortion::Fisheye { k: two(3) }),
        (_, n) => {
            return Err(format!("camera model {model} with {n} parameters is not read; undistort with COLMAP first"));
        }
    };
    Ok(Lens { size: Some((width, height)), fx, fy, cx, cy, angle_x_rad: 0.0, distortion })
}

/// World → camera of COLMAP is ours: x right, y down, z forward.
fn pose(quat_wxyz: [f64; 4], translation: [f64; 3]) -> Result<DMat4, String> {
    let [w, x, y, z] = quat_wxyz;
    let quat = DQuat::from_xyzw(x, y, z, w);
    if !(quat.length() > 1e-6 && quat.is_finite() && translation.iter().all(|t| t.is_finite())) {
        return Err(format!("rotation {quat_wxyz:?}, translation {translation:?}"));
    }
    Ok(DMat4::from_rotation_translation(quat.normalize(), DVec3::from(translation)))
}

fn text_lines(bytes: &[u8]) -> Result<Vec<&str>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text")?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).collect())
}

fn parsed<T: std::str::FromStr>(word: Option<&&str>) -> Result<T, String> {
    let word = word.ok_or("a line ends too early")?;
    word.parse().map_err(|_| format!("{word:?}: expected a number"))
}

/// `CAMERA_ID MODEL WIDTH HEIGHT PARAMS…`
fn text_cameras(bytes: &[u8]) -> Result<HashMap<u32, Lens>, String> {
    let camera = |line: &str| -> Result<(u32, Lens), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let params = words.iter().skip(4).map(|word| parsed(Some(word))).collect::<Result<Vec<f64>, _>>()?;
        let model = words.get(1).copied().unwrap_or_default();
        Ok((parsed(words.first())?, lens(model, parsed(words.get(2))?, parsed(words.get(3))?, &params)?))
    };
    text_lines(bytes)?.into_iter().filter(|line| !line.trim().is_empty()).map(camera).collect()
}

/// Two lines per image: `IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME`, then its points, perhaps none.
fn text_images(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    let mut lines = text_lines(bytes)?;
    while lines.first().is_some_and(|line| line.trim().is_empty()) {
        lines.remove(0);
    }
    let image = |line: &&str| -> Result<Listed, String> {
        let words: Vec<&str> = line.splitn(10, ' ').collect();
        let number = |i: usize| parsed::<f64>(words.get(i));
        let quat = [number(1)?, number(2)?, number(3)?, number(4)?];
        Ok(Listed {
            name: words.get(9).ok_or("an image without a name")?.trim().to_string(),
            camera: parsed(words.get(8))?,
            camera_from_world: pose(quat, [number(5)?, number(6)?, number(7)?])?,
        })
    };
    lines.iter().step_by(2).filter(|line| !line.trim().is_empty()).map(image).collect()
}

/// Reads little-endian numbers from the front.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (front, rest) = self.0.split_first_chunk::<N>().ok_or("the file ends too early")?;
        self.0 = rest;
        Ok(*front)
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.take().map(u64::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take().map(u32::from_le_bytes)
    }

    fn f64s<const N: usize>(&mut self) -> Result<[f64; N], String> {
        let mut out = [0.0; N];
        for value in &mut out {
            *value = self.take().map(f64::from_le_bytes)?;
        }
        Ok(out)
    }
}

fn binary_cameras(bytes: &[u8]) -> Result<HashMap<u32, Lens>, String> {
    let mut cursor = Cursor(bytes);
    let mut cameras = HashMap::new();
    for _ in 0..cursor.u64()? {
        let (id, model) = (cursor.u32()?, cursor.u32()?);
        let (name, count) = *MODELS.get(model as usize).ok_or(format!("camera model number {model}"))?;
        let (width, height) = (cursor.u64()? as f64, cursor.u64()? as f64);
        let mut params = Vec::with_capacity(count);
        for _ in 0..count {
            params.extend(cursor.f64s::<1>()?);
        }
        cameras.insert(id, lens(name, width, height, &params)?);
    }
    Ok(cameras)
}

fn binary_images(bytes: &[u8]) -> Result<Vec<Listed>, String> {
    const POINT: u64 = 24;
    let mut cursor = Cursor(bytes);
    let mut images = Vec::new();
    for _ in 0..cursor.u64()? {
        cursor.u32()?;
        let (quat, translation) = (cursor.f64s::<4>()?, cursor.f64s::<3>()?);
        let camera = cursor.u32()?;
        let end = cursor.0.iter().position(|b| *b == 0).ok_or("a name without an end")?;
        let name = String::from_utf8_lossy(&cursor.0[..end]).into_owned();
        cursor.0 = &cursor.0[end + 1..];
        let points = cursor.u64()?.checked_mul(POINT).and_then(|n| usize::try_from(n).ok());
        cursor.0 = points.and_then(|n| cursor.0.get(n..)).ok_or("the file ends too early")?;
        images.push(Listed { name, camera, camera_from_world: pose(quat, translation)? });
    }
    Ok(images)
}
