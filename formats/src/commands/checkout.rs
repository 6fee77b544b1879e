//! `shards checkout`: a version as one plain file.
use super::human;
use formats::VersionedSet;
use formats::exit::ExitCode;
use formats::progress::Talk;
use serde_json::json;
use std::path::Path;

/// Writes the rows of a version to `out`.
pub fn run(path: &Path, version: &str, out: &Path, talk: Talk) -> anyhow::Result<ExitCode> {
    let set = VersionedSet::open(path)?;
    let version = set.version(set.resolve(version)?)?;
    let written = version.checkout(out)?;
    talk.say(&format!(
        "version {}: {} rows, {}: {}",
        version.number(),
        written.rows,
        human(written.bytes),
        out.display()
    ));
    talk.event(
        "checkout",
        json!({"version": version.number(), "rows": written.rows, "bytes": written.bytes, "sha256": written.sha256}),
    );
    Ok(ExitCode::Done)
}
