//! Folders of posed photos: `transforms.json` of nerfstudio and instant-ngp, Blender's `transforms_train.json`, COLMAP's
//! sparse models.
//!
//! Every photo comes out undistorted, with the pinhole camera of its own pixels and its mask as opacity. Cameras count
//! pixels of the stored rows, so a photo is turned by EXIF only where the poses say the turned size ([`Lens::size`]).
mod colmap;
mod lens;
mod transforms;

pub use lens::{Distortion, Lens};

use crate::photo::{self, Photo, Turn};
use crate::{Error, image};
use glam::DMat4;
use splat::Camera;
use std::path::{Component, Path, PathBuf};

/// A photo and what its poses say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Posed {
    /// The photo.
    pub path: PathBuf,
    /// White where it counts; a picture of the photo's size.
    pub mask: Option<PathBuf>,
    /// Intrinsics and distortion.
    pub lens: Lens,
    /// World → camera (x right, y down, z forward), in the poses' unit of length.
    pub camera_from_world: DMat4,
    /// The file of the poses, for messages.
    pub source: PathBuf,
}

/// The posed photos of a folder in order of their names; `None` where the folder holds no poses.
///
/// # Errors
/// [`Error::Data`] for poses that are damaged, incomplete, lead out of the folder or use a camera model that is not read;
/// [`Error::Missing`] for a photo that is not there.
pub fn read(folder: &Path) -> Result<Option<Vec<Posed>>, Error> {
    let mut posed = match transforms::find(folder) {
        Some(file) => transforms::read(folder, &file)?,
        None => match colmap::find(folder) {
            Some(model) => colmap::read(folder, &model)?,
            None => return Ok(None),
        },
    };
    posed.sort_by(|a, b| a.path.cmp(&b.path));
    if let Some(twice) = posed.windows(2).find(|pair| pair[0].path == pair[1].path) {
        return Err(twice[0].complaint(&format!("two poses of {:?}", twice[0].path)));
    }
    Ok(Some(posed))
}

impl Posed {
    /// The photo, undistorted, its mask as opacity, and its pinhole camera.
    ///
    /// # Errors
    /// As [`photo::open`]; [`Error::Data`] for a mask or a size that does not fit.
    pub fn open(&self) -> Result<(Photo, Camera), Error> {
        let mut photo = photo::open(&self.path, self.turn()?)?;
        if let Some(mask) = &self.mask {
            self.put_mask(mask, &mut photo)?;
        }
        let lens = self.lens.scaled_to(photo.width, photo.height);
        let lens =
            lens.ok_or_else(|| self.complaint(&format!("neither fl_x nor camera_angle_x for {:?}", self.path)))?;
        if !lens.distortion.is_none() {
            photo = lens.undistort(&photo);
        }
        let camera = Camera {
            width: photo.width,
            height: photo.height,
            fx: lens.fx as f32,
            fy: lens.fy as f32,
            cx: lens.cx as f32,
            cy: lens.cy as f32,
            camera_from_world: self.camera_from_world.as_mat4(),
        };
        camera.check().map_err(|e| self.complaint(&format!("{e}, of {:?}", self.path)))?;
        Ok((photo, camera))
    }

    /// Will [`Self::open`] give opacity that says something?
    pub fn makes_alpha(&self) -> bool {
        self.mask.is_some() || !self.lens.distortion.is_none()
    }

    /// As stored, unless only the turned size is the poses' up to scale.
    fn turn(&self) -> Result<Turn, Error> {
        let Some((w, h)) = self.lens.size else { return Ok(Turn::AsStored) };
        let bytes = std::fs::read(&self.path).map_err(|e| Error::reading("photo", &self.path, e))?;
        // What has no head that is read here comes from a program, upright.
        let Ok(((width, height), orientation)) = photo::size_as_stored(&bytes) else { return Ok(Turn::AsStored) };
        let fits = |width: usize, height: usize| {
            let (x, y) = (width as f64 / w, height as f64 / h);
            (x - y).abs() <= 2.0 / w.min(h) * x.max(y).max(1.0)
        };
        match photo::is_sideways(orientation) && fits(height, width) {
            _ if fits(width, height) => Ok(Turn::AsStored),
            true => Ok(Turn::Upright),
            false => {
                let what = format!("{w}x{h} pixels, but {:?} has {width}x{height}", self.path);
                Err(self.complaint(&what))
            }
        }
    }

    fn put_mask(&self, path: &Path, photo: &mut Photo) -> Result<(), Error> {
        let mask = photo::open(path, Turn::AsStored)?;
        if (mask.width, mask.height) != (photo.width, photo.height) {
            let sizes = (mask.width, mask.height, photo.width, photo.height);
            return Err(self.complaint(&format!("the mask and its image differ in size ({sizes:?}): {path:?}")));
        }
        for (pixel, mask) in photo.rgba.chunks_exact_mut(4).zip(mask.rgba.chunks_exact(4)) {
            // RGB masks are gray; where a mask is stored as opacity, that counts too.
            let white = mask[..3].iter().copied().max().unwrap_or(0) as u16;
            pixel[3] = (white * mask[3] as u16 / 255) as u8;
        }
        photo.has_alpha = true;
        Ok(())
    }

    fn complaint(&self, what: &str) -> Error {
        Error::data(&self.source, what)
    }
}

/// Splits a photo as the columns `image` and `alpha` take it: the stored bytes where nothing was changed, else PNG.
///
/// # Errors
/// As [`image::png_from_rgb8`].
pub fn columns(photo: Photo, with_alpha: bool) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let (w, h) = (photo.width, photo.height);
    let alpha = with_alpha.then(|| {
        let alpha: Vec<u8> = photo.rgba.chunks_exact(4).map(|p| p[3]).collect();
        image::png_from_gray8(w, h, &alpha)
    });
    let bytes = match photo.stored {
        Some(bytes) => bytes,
        None => {
            let rgb: Vec<u8> = photo.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
            image::png_from_rgb8(w, h, &rgb)?
        }
    };
    Ok((bytes, alpha.transpose()?))
}

/// `path` of a pose within `folder`, with either kind of slash; none when it leads out of it.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = path.replace('\\', "/");
    let plain = Path::new(&path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let clean: PathBuf = Path::new(&path).components().filter(|c| matches!(c, Component::Normal(_))).collect();
    plain.then(|| folder.join(clean))
}

/// The file of that name; names may lack their ending.
fn find_image(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.into());
    }
    let named = |ending: &&str| {
        let mut name = path.as_os_str().to_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    [".png", ".jpg", ".jpeg", ".JPG", ".PNG", ".webp"].iter().map(named).find(|p| p.is_file())
}
