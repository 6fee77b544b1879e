//! Opens a photo: its pixels, the chosen face, what is known of its lens.
use super::{Plan, choose};
use crate::Error;
use crate::finder::Found;
use crate::fit::Lens;
use crate::picture::{Mips, Picture};
use formats::photo;
use std::path::{Path, PathBuf};

/// Deviation of the logarithm of a focal length that the camera wrote: equivalent focal lengths are rounded, lenses breathe.
const EXIF_SPREAD: f64 = 0.07;

/// A photo with the face that was chosen.
pub struct ReadPhoto {
    /// The file.
    pub path: PathBuf,
    /// Its pixels.
    pub pixels: Mips,
    /// The face.
    pub found: Found,
    /// What is known of the lens.
    pub lens: Lens,
}

impl ReadPhoto {
    /// Opens the photo and chooses its face as the plan says.
    ///
    /// # Errors
    /// As [`Picture::open`] and [`choose::choose`].
    pub fn open(plan: &Plan, path: &Path) -> Result<Self, Error> {
        let pixels = Mips::new(Picture::open(path)?);
        let found = choose::choose(&plan.tracker, plan.choice, &pixels, path, plan.talk)?;
        let lens = lens_of(plan.focal_px, path, pixels.size());
        Ok(ReadPhoto { path: path.into(), pixels, found, lens })
    }
}

/// The focal length that was given, else the one that the camera wrote, else the wide prior.
fn lens_of(given_focal_px: Option<f64>, path: &Path, (width, height): (usize, usize)) -> Lens {
    let unknown = Lens::unknown(width, height);
    if let Some(focal_px) = given_focal_px {
        Lens { focal_px, focal_spread: 0.0, ..unknown }
    } else if let Some(focal_px) = photo::lens::focal_px(path, (width, height)) {
        Lens { focal_px, focal_spread: EXIF_SPREAD, ..unknown }
    } else {
        unknown
    }
}
