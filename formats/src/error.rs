//! What can be wrong with a file of ours, and the exit code it leads to.
use crate::exit::ExitCode;
use std::path::{Path, PathBuf};

/// Errors of this crate.
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
    /// An output that cannot be made.
    #[error("cannot create: {source}: {path:?}")]
    Create {
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// Reading or writing failed half way.
    #[error("{what}: {source}: {path:?}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The operating system's answer.
        #[source]
        source: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A file whose content is not what its format says.
    #[error("{what}: {path:?}")]
    Data {
        /// What was found and what was expected.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A file of a later version of this program.
    #[error("{table} table has version {got}, this build reads up to {newest}: {path:?}")]
    Version {
        /// `frames` or `identities`.
        table: String,
        /// In the file.
        got: u32,
        /// The newest that this build reads.
        newest: u32,
        /// The file.
        path: PathBuf,
    },
    /// A row that does not fit into the file being written.
    #[error("row {row}: {what}: {path:?}")]
    Row {
        /// Position in the file, from 0.
        row: usize,
        /// What was found and what was expected.
        what: String,
        /// The file being written.
        path: PathBuf,
    },
    /// The same work gave other bytes than before: a defect of the writer.
    #[error(
        "already exists with different content (sha256 {there}, now {now}; the new file is kept as {kept:?}): {path:?}"
    )]
    Differs {
        /// Digest of the file that stays.
        there: String,
        /// Digest of the new one.
        now: String,
        /// Where the new one lies.
        kept: PathBuf,
        /// The file that stays.
        path: PathBuf,
    },
    /// Another writer committed to the same group of rows since the version this commit was made on.
    #[error("version {version} of another writer changed group {group} too: {path:?}")]
    Conflict {
        /// The version that came first.
        version: u64,
        /// The group both touched.
        group: u64,
        /// The versioned set.
        path: PathBuf,
    },
    /// A version that `gc` has taken away.
    #[error("version {version} was deleted by gc: {path:?}")]
    Collected {
        /// The version asked for.
        version: u64,
        /// The versioned set.
        path: PathBuf,
    },
    /// A picture that cannot be encoded or decoded.
    #[error("{what}: expected {expected}, got {got}")]
    Picture {
        /// The picture.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A configuration with a wrong value or an unknown key.
    #[error("{what}: {path:?}")]
    Config {
        /// The parser's words.
        what: String,
        /// The file, or `--set`.
        path: PathBuf,
    },
}

impl Error {
    /// The exit code a tool ends with when it meets this error.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Missing { .. } | Error::Collected { .. } => ExitCode::MissingInput,
            Error::Conflict { .. } => ExitCode::Stopped,
            Error::Create { .. } => ExitCode::CannotCreate,
            Error::Io { .. } => ExitCode::Io,
            Error::Data { .. } | Error::Version { .. } | Error::Picture { .. } => ExitCode::BadData,
            Error::Row { .. } | Error::Differs { .. } => ExitCode::Bug,
            Error::Config { .. } => ExitCode::Config,
        }
    }

    /// Reading `path` failed: missing when nothing is there, an I/O error otherwise.
    pub fn reading(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { what, path: path.into() },
            _ => Error::Io { what: "cannot read", source, path: path.into() },
        }
    }

    /// Bad content of `path`.
    pub fn data(path: &Path, what: impl Into<String>) -> Self {
        Error::Data { what: what.into(), path: path.into() }
    }

    /// An error of the Parquet reader or writer: the operating system's when one lies below, else bad content.
    pub(crate) fn parquet(doing: &'static str, path: &Path, err: parquet::errors::ParquetError) -> Self {
        match err {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                    Error::data(path, format!("{doing}: the file ends too early"))
                }
                Ok(source) => Error::Io { what: doing, source: *source, path: path.into() },
                Err(other) => Error::data(path, format!("{doing}: {other}")),
            },
            other => Error::data(path, format!("{doing}: {other}")),
        }
    }
}
