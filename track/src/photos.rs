//! `track fit`: photos of one person → a tracked dataset.
//!
//! [`list_photos`] resolves what was named; [`run`] does the rest. `read` opens a photo, `choose` picks its face, `compare`
//! warns of another person, `observe` hands the fit what the network saw, `tracked` frames a photo around the fitted head,
//! `row` describes it as datagen would have, `publish` writes.
mod choose;
mod compare;
mod list;
mod observe;
mod publish;
mod read;
mod row;
mod tracked;

pub use choose::{FaceChoice, choose};
pub use list::list_photos;
pub use observe::{Cameras, Dense, observation};

use crate::Error;
use crate::fit::{self, FittedView};
use crate::fitted_head::FittedHead;
use crate::tracker::Tracker;
use formats::Provenance;
use nets::losses::recognizer::Recognizer;
use publish::Files;
use read::ReadPhoto;
use std::path::PathBuf;
use tracked::TrackedPhoto;

/// Everything `track fit` needs, opened and checked.
pub struct Plan {
    /// Photos of one person.
    pub photos: Vec<PathBuf>,
    /// Folder to write.
    pub out: PathBuf,
    /// Which face.
    pub choice: FaceChoice,
    /// Focal length if known, pixels of the photo.
    pub focal_px: Option<f64>,
    /// Whether pictures of one size were taken by one camera.
    pub cameras: Cameras,
    /// Networks, head, settings.
    pub tracker: Tracker,
    /// Compares the faces of several photos, unless the user vouches for them.
    pub recognizer: Option<Recognizer>,
    /// Written into the shard.
    pub provenance: Provenance,
    /// How to talk.
    pub talk: formats::progress::Talk,
}

/// What came of one photo.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PhotoReport {
    /// The photo.
    pub photo: PathBuf,
    /// Face in the photo: centre x, y and size, pixels.
    pub face: [f32; 3],
    /// Score of both networks.
    pub score: f32,
    /// Reprojection error, pixels of the photo.
    pub rms_px: f64,
    /// The same as a share of the face size, percent.
    pub rms_percent: f64,
    /// Fitted focal length, pixels of the photo.
    pub focal_px: f64,
    /// Fitted distance of the camera, metres.
    pub distance_m: f64,
}

/// Reads, fits, writes. Nothing is written unless every photo could be fitted.
///
/// # Errors
/// [`Error`] for photos, I/O errors for the output.
pub fn run(plan: &Plan) -> anyhow::Result<Vec<PhotoReport>> {
    let photos: Vec<ReadPhoto> =
        plan.photos.iter().map(|path| ReadPhoto::open(plan, path)).collect::<Result<_, _>>()?;
    if let Some(recognizer) = plan.recognizer.as_ref().filter(|_| photos.len() > 1) {
        compare::warn_of_another_person(recognizer, &photos, plan);
    }
    let tracker = &plan.tracker;
    let dense = tracker.dense();
    let observations = observe::observations(&photos, plan.cameras, dense);
    let fitted = fit::fit(&dense.model(&tracker.head), &observations, &tracker.config.fit);
    let reports =
        photos.iter().zip(&fitted.views).map(|(photo, view)| report(photo, view)).collect::<Result<_, _>>()?;
    let person = FittedHead::new(&tracker.head, &fitted);
    let mut files = Files::default();
    for (photo, view) in photos.iter().zip(&fitted.views) {
        files.add(plan, &TrackedPhoto::new(tracker, &person, photo, view))?;
    }
    files.publish(plan, person.shape)?;
    Ok(reports)
}

/// How well the head lies on the photo.
///
/// # Errors
/// [`Error::BadFit`] if it does not.
fn report(photo: &ReadPhoto, view: &FittedView) -> Result<PhotoReport, Error> {
    let face = &photo.found.face;
    let face_px = face.size as f64;
    if view.rms_px > 0.15 * face_px || !view.rms_px.is_finite() {
        return Err(Error::BadFit { rms: view.rms_px, face_px, path: photo.path.clone() });
    }
    Ok(PhotoReport {
        photo: photo.path.clone(),
        face: [face.centre[0], face.centre[1], face.size],
        score: face.score,
        rms_px: view.rms_px,
        rms_percent: 100.0 * view.rms_px / face_px,
        focal_px: view.focal_px,
        distance_m: view.translation.length(),
    })
}
