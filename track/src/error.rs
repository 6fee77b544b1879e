//! What can be wrong with photos, weights and fits.
use formats::exit::ExitCode;
use std::path::PathBuf;

/// Errors of this crate. Each has one exit code ([`Error::exit_code`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input that is not there.
    #[error("no {what} here: {path:?}")]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// A folder without pictures.
    #[error("no readable photo in folder: {path:?}")]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is no picture we can read.
    #[error("cannot read photo: {why}: {path:?}")]
    NotAnImage {
        /// The decoder's words.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// A video that cannot be decoded, or a frame of it.
    #[error("cannot read video: {why}: {path:?}")]
    Video {
        /// The decoder's words.
        why: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// No frame of a video shows a face.
    #[error("no face in {looked} frames spread over the video (best score {best:.2}, needed {needed:.2}): {path:?}")]
    NoFaceInVideo {
        /// How many frames were searched.
        looked: usize,
        /// Score of the best candidate in any.
        best: f32,
        /// The threshold.
        needed: f32,
        /// The file or folder.
        path: PathBuf,
    },
    /// Nothing that looks like a face.
    #[error(
        "no face found in {width}x{height} px (looked for faces at least {smallest_px:.0} px high, upright and in quarter \
         turns; best score {best:.2}, needed {needed:.2}): {path:?}"
    )]
    NoFace {
        /// Picture width.
        width: usize,
        /// Picture height.
        height: usize,
        /// Height of the smallest face looked for.
        smallest_px: f32,
        /// Score of the best candidate.
        best: f32,
        /// The threshold.
        needed: f32,
        /// The file.
        path: PathBuf,
    },
    /// More than one face and no choice.
    #[error("{count} faces, choose one with --face N or --face largest: {boxes}: {path:?}")]
    SeveralFaces {
        /// How many.
        count: usize,
        /// `0: 120x130 px at (40, 60), score 0.93; …`
        boxes: String,
        /// The file.
        path: PathBuf,
    },
    /// `--face N` beyond the faces that were found.
    #[error("--face {asked}: only {count} face(s), numbered from 0: {boxes}: {path:?}")]
    NoSuchFace {
        /// What was typed.
        asked: usize,
        /// How many there are.
        count: usize,
        /// As in [`Error::SeveralFaces`].
        boxes: String,
        /// The file.
        path: PathBuf,
    },
    /// The fit did not come near the landmarks.
    #[error("the head model does not fit: {rms:.1} px of reprojection error on a face of {face_px:.0} px: {path:?}")]
    BadFit {
        /// Root mean square, pixels.
        rms: f64,
        /// Size of the face, pixels.
        face_px: f64,
        /// The file.
        path: PathBuf,
    },
    /// Weights that are not ours or of another build.
    #[error("{what}: {path:?}")]
    Weights {
        /// What was found and what was expected.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A dataset that cannot be trained on.
    #[error("{what}: {path:?}")]
    Data {
        /// What was found and what was expected.
        what: String,
        /// The dataset.
        path: PathBuf,
    },
}

impl Error {
    /// The exit code a tool ends with when it meets this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Missing { .. } | Error::EmptyFolder { .. } => ExitCode::MissingInput,
            Error::NoSuchFace { .. } => ExitCode::Usage,
            _ => ExitCode::BadData,
        }
    }
}
