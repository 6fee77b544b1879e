//! How a tool ends: one line on stderr and one of the exit codes that scripts and schedulers may rely on.
use crate::log::{self, Level};
use std::error::Error as StdError;

/// The exit codes of every tool (`clap` itself ends with 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// Done, and something was found (`verify`, `diff`).
    Findings = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// An input is not what its format says.
    BadData = 65,
    /// An input is not there.
    MissingInput = 66,
    /// A defect of this program.
    Bug = 70,
    /// An output cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// Stopped early; the same command resumes.
    Stopped = 75,
    /// The configuration has a wrong value or an unknown key.
    Config = 78,
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> u8 {
        code as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}

/// The table for `--help` of every tool.
pub const EXIT_HELP: &str = "Exit codes: 0 done; 1 findings; 2 usage; 65 bad input data; 66 missing input; 70 a defect of this program; \
    73 cannot create the output; 74 I/O error; 75 stopped early, run again to resume; 78 configuration";

/// A message that carries its exit code through `anyhow`.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The code to end with.
    pub code: ExitCode,
    /// One line: what, where, what was expected.
    pub message: String,
}

impl Failure {
    /// A failure with its code.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }

    /// A missing input (66).
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(ExitCode::MissingInput, message)
    }

    /// Bad input data (65).
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(ExitCode::BadData, message)
    }

    /// A senseless command line (2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    /// A wrong configuration (78).
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ExitCode::Config, message)
    }
}

/// The exit code of an error: the first cause in its chain that knows one; 70 when none does.
pub fn code_of(err: &anyhow::Error) -> u8 {
    err.chain().find_map(code_of_cause).unwrap_or(ExitCode::Bug).into()
}

fn code_of_cause(cause: &(dyn StdError + 'static)) -> Option<ExitCode> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.code);
    }
    if let Some(err) = cause.downcast_ref::<crate::Error>() {
        return Some(err.exit_code());
    }
    if let Some(err) = cause.downcast_ref::<crate::scan::ScanError>() {
        return Some(match err {
            crate::scan::ScanError::File(err) => err.exit_code(),
            crate::scan::ScanError::Filter(_) => ExitCode::Usage,
        });
    }
    if let Some(err) = cause.downcast_ref::<splat::Error>() {
        return Some(match err {
            splat::Error::Io { source, .. } => code_of_io(source),
            splat::Error::Format { .. } => ExitCode::BadData,
            _ => ExitCode::Bug,
        });
    }
    if let Some(err) = cause.downcast_ref::<head::Error>() {
        return Some(match err {
            head::Error::Missing { .. } => ExitCode::MissingInput,
            head::Error::Io { source, .. } => code_of_io(source),
            _ => ExitCode::BadData,
        });
    }
    if let Some(err) = cause.downcast_ref::<std::io::Error>() {
        return Some(code_of_io(err));
    }
    if cause.is::<toml::de::Error>() {
        return Some(ExitCode::Config);
    }
    let data = cause.is::<serde_json::Error>()
        || cause.is::<parquet::errors::ParquetError>()
        || cause.is::<image::ImageError>();
    data.then_some(ExitCode::BadData)
}

fn code_of_io(err: &std::io::Error) -> ExitCode {
    match err.kind() {
        std::io::ErrorKind::NotFound => ExitCode::MissingInput,
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidData => ExitCode::BadData,
        _ => ExitCode::Io,
    }
}

/// Runs a tool: reports an error as one line `tool: what: why` and turns it into the exit code. A panic is a defect of
/// the program and ends with 70; a reader that closes our stdout ends us quietly with 141, as `head` users
/// expect; a full disk below it ends us with 74.
pub fn run(
    tool: &'static str,
    body: impl FnOnce() -> anyhow::Result<ExitCode> + std::panic::UnwindSafe,
) -> std::process::ExitCode {
    std::panic::set_hook(Box::new(move |info| {
        if EXPECTED.get() {
            return;
        }
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("unknown panic");
        if let Some(why) = text.strip_prefix("failed printing to stdout: ") {
            if why.contains("Broken pipe") {
                std::process::exit(141);
            }
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("{tool}: cannot write to stdout: {why}\n"),
            );
            std::process::exit(ExitCode::Io as i32);
        }
        let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
        let fields = serde_json::json!({ "exit_code": ExitCode::Bug as u8 });
        log::line(Level::Error, "defect", &format!("{tool}: defect of this program: {text}{place}"), &fields);
    }));
    match std::panic::catch_unwind(body) {
        Ok(Ok(code)) => code.into(),
        Ok(Err(err)) => {
            let line = format!("{err:#}").replace('\n', "; ");
            let code = code_of(&err);
            let fields = serde_json::json!({ "exit_code": code });
            log::line(Level::Error, "error", &format!("{tool}: {line}"), &fields);
            std::process::ExitCode::from(code)
        }
        Err(_) => ExitCode::Bug.into(),
    }
}

thread_local! {
    /// Is a panic of this thread caught and turned into an error?
    static EXPECTED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `step` of a library that may panic on damaged input; `None` when it did. [`run`] says nothing about it.
pub(crate) fn catch_panic<T>(step: impl FnOnce() -> T) -> Option<T> {
    let before = EXPECTED.replace(true);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)).ok();
    EXPECTED.set(before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn context_keeps_the_code() {
        let err = Err::<(), _>(Failure::config("no such key")).context("reading the plan").unwrap_err();
        assert_eq!(code_of(&err), 78);
        let err = anyhow::Error::from(crate::Error::Missing { what: "dataset", path: "x".into() }).context("outer");
        assert_eq!(code_of(&err), 66);
        assert_eq!(code_of(&anyhow::anyhow!("who knows")), 70);
        let absent = head::Error::Missing { what: "head model".into(), path: "x".into() };
        assert_eq!(code_of(&anyhow::Error::from(absent)), 66);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(code_of(&anyhow::Error::from(full)), 74);
    }
}
