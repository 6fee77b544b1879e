//! What can be wrong with a scene, a camera or a file of Gaussians.
use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An array has another size than the contract says.
    #[error("{what}: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// The array.
        what: &'static str,
        /// What the contract says.
        expected: Vec<usize>,
        /// What was given.
        got: Vec<usize>,
    },
    /// A setting no image can be made with.
    #[error("{what}: expected {expected}, got {got}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// What makes sense.
        expected: &'static str,
        /// What was given.
        got: f32,
    },
    /// More Gaussians on more tiles than 32 bits count.
    #[error("{got} pairs of a Gaussian and a tile in one image; expected at most 4294967295")]
    TooManyPairs {
        /// How many.
        got: u64,
    },
    /// A camera no image can be made with (zero size, non-finite or non-positive focal length).
    #[error("camera: {0}")]
    Camera(String),
    /// A file that cannot be read or written.
    #[error("{source}: {path:?}")]
    Io {
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A file whose content is not what its format says.
    #[error("{what}: {path:?}")]
    Format {
        /// What was expected and what was found.
        what: String,
        /// The file.
        path: PathBuf,
    },
}
