//! What can go wrong with a head model.
use std::path::PathBuf;

/// Everything this crate refuses.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A list of the wrong length.
    #[error("{what}: expected {expected} entries, got {got}")]
    Shape {
        /// Which list.
        what: String,
        /// Entries it should have.
        expected: usize,
        /// Entries it has.
        got: usize,
    },
    /// An index beyond the end of what it points into.
    #[error("{what}: index {index} is out of range, there are {count}")]
    Index {
        /// Who holds the index.
        what: String,
        /// The index.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Text that does not parse.
    #[error("{what}, line {line}: {reason}")]
    Text {
        /// Which kind of file or which file.
        what: String,
        /// Counted from 1.
        line: usize,
        /// What was expected and what stands there.
        reason: String,
    },
    /// Values that contradict the contract of the model.
    #[error("{what}: {reason}")]
    Invalid {
        /// Which part of the model or file.
        what: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file that should be there.
    #[error("missing {what}: {path:?}")]
    Missing {
        /// What the file is for.
        what: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action}: {source}: {path:?}")]
    Io {
        /// `read`, `write`, …
        action: &'static str,
        /// Its reason.
        source: std::io::Error,
        /// On which file.
        path: PathBuf,
    },
}

impl Error {
    /// Shorthand for [`Error::Invalid`].
    pub fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Invalid { what: what.into(), reason: reason.into() }
    }

    /// Shorthand for [`Error::Io`] when reading; a file that does not exist becomes [`Error::Missing`].
    pub fn reading(what: impl Into<String>, path: impl Into<PathBuf>, source: std::io::Error) -> Error {
        match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { what: what.into(), path: path.into() },
            _ => Error::Io { action: "read", source, path: path.into() },
        }
    }
}
