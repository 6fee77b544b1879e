//! Gets the head model that a config or a flag names.
use anyhow::Context;
use formats::exit::{ExitCode, Failure};
use head::HeadModel;
use std::path::Path;

/// The head a config names: `analytic` for the one made from formulas, else a `.safetensors` file.
///
/// # Errors
/// Missing (66) or bad (65) file.
pub fn load(name: &Path) -> anyhow::Result<HeadModel> {
    if name == Path::new("analytic") {
        return Ok(head::analytic::head());
    }
    let hint = || "make one with `datagen head import --source makehuman --out FILE`, or set head=analytic".to_owned();
    HeadModel::load(name).map_err(failure).with_context(hint)
}

/// The exit code belongs to the kind of error.
pub fn failure(error: head::Error) -> Failure {
    let code = match &error {
        head::Error::Missing { .. } => ExitCode::MissingInput,
        head::Error::Io { .. } => ExitCode::Io,
        _ => ExitCode::BadData,
    };
    Failure::new(code, error.to_string())
}
