//! `shards compact`: the latest version in few files.
use formats::VersionedSet;
use formats::exit::ExitCode;
use formats::progress::Talk;
use serde_json::json;
use std::path::Path;

/// Puts parts below `small_bytes` together.
pub fn run(path: &Path, small_bytes: u64, talk: Talk) -> anyhow::Result<ExitCode> {
    let done = VersionedSet::open(path)?.compact(small_bytes)?;
    talk.event("compacted", json!({"version": done.version, "from": done.from_parts, "into": done.into_parts}));
    talk.say(&match done.from_parts {
        0 => format!("version {}: nothing to put together", done.version),
        n => format!(
            "version {}: rows of {n} parts in {}; gc deletes what no version needs",
            done.version, done.into_parts
        ),
    });
    Ok(ExitCode::Done)
}
