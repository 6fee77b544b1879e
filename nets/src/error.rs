//! What can be wrong with tensors, checkpoints, weights and devices.
use formats::exit::{ExitCode, Failure};
use std::path::{Path, PathBuf};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A tensor has another shape than the contract says.
    #[error("{what}: expected shape {expected:?}, got {got:?}")]
    Shape {
        /// The tensor.
        what: String,
        /// What the contract says; −1 is any.
        expected: Vec<i64>,
        /// What was given.
        got: Vec<i64>,
    },
    /// A checkpoint or weight file lacks a tensor.
    #[error("no tensor {name:?}: {path:?}")]
    Missing {
        /// The tensor's name.
        name: String,
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
    /// A file that cannot be read or written.
    #[error("{source}: {path:?}")]
    Io {
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A device that was asked for and is not there.
    #[error("device {asked:?}: {why}")]
    Device {
        /// What was typed.
        asked: String,
        /// Why it cannot be used.
        why: String,
    },
    /// Tensors of one operation that lie on two devices.
    #[error("{what}: tensors on {one:?} and on {other:?}; expected one device")]
    Devices {
        /// Which tensors.
        what: String,
        /// The device of the first.
        one: tch::Device,
        /// Another one.
        other: tch::Device,
    },
    /// A loss or gradient that is no number; the step and what it was.
    #[error("{what} is not finite at step {step}")]
    NotFinite {
        /// Loss term or parameter group.
        what: String,
        /// Optimizer step.
        step: u64,
    },
    /// A config value that makes no sense.
    #[error("{key}: {why}")]
    Config {
        /// The key.
        key: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A data set that is too small or lacks a column a training needs.
    #[error("{0}")]
    Data(String),
    /// A file of ours: missing, damaged, not writable.
    #[error(transparent)]
    Formats(#[from] formats::Error),
    /// The rasterizer refused.
    #[error(transparent)]
    Splat(#[from] splat::Error),
    /// A GPU refused what it was told to do, or did not have the memory.
    #[error("GPU: {0}")]
    Cuda(splat::cuda::Error),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// The exit code a tool ends with when it meets this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Formats(e) => e.exit_code(),
            Error::Missing { .. } | Error::Format { .. } | Error::Data(_) => ExitCode::BadData,
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => ExitCode::MissingInput,
            Error::Io { .. } => ExitCode::Io,
            Error::Device { .. } => ExitCode::Usage,
            Error::Config { .. } => ExitCode::Config,
            Error::Shape { .. }
            | Error::Devices { .. }
            | Error::NotFinite { .. }
            | Error::Splat(_)
            | Error::Cuda(_)
            | Error::Torch(_) => ExitCode::Bug,
        }
    }

    /// For `map_err` on file operations.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
        move |source| Error::Io { source, path: path.to_path_buf() }
    }
}

/// Gives an error of a tool the exit code of the [`Error`] in its chain: call it on what `main` hands to
/// [`formats::exit::run`], which does not know this crate's errors.
pub fn coded(err: anyhow::Error) -> anyhow::Error {
    let code = err.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::exit_code);
    match code {
        Some(code) => Failure::new(code, format!("{err:#}")).into(),
        None => err,
    }
}

/// Checks a tensor's shape; −1 in `expected` is any size.
///
/// # Errors
/// [`Error::Shape`]
pub fn check_shape(what: &str, t: &tch::Tensor, expected: &[i64]) -> Result<(), Error> {
    let got = t.size();
    let fits = got.len() == expected.len() && got.iter().zip(expected).all(|(g, e)| *e == -1 || g == e);
    if fits { Ok(()) } else { Err(Error::Shape { what: what.into(), expected: expected.to_vec(), got }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn tools_end_with_the_right_code() {
        let missing = Error::Missing { name: "w".into(), path: "x".into() };
        let err = Err::<(), _>(missing).context("loading the prior").unwrap_err();
        let err = coded(err);
        assert_eq!(formats::exit::code_of(&err), 65);
        assert_eq!(format!("{err:#}"), "loading the prior: no tensor \"w\": \"x\"");
        assert_eq!(formats::exit::code_of(&coded(anyhow::anyhow!("?"))), 70);
    }
}
