//! `shards gc`: deletes old versions.
use super::human;
use formats::VersionedSet;
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::versions::Keep;
use serde_json::json;
use std::path::Path;

/// Keeps tagged versions and the newest `keep`.
pub fn run(path: &Path, keep: u64, dry_run: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    let set = VersionedSet::open(path)?;
    let keep = Keep { newest: keep };
    let done = if dry_run { set.gc_preview(keep)? } else { set.gc(keep)? };
    for file in &done.files {
        match talk {
            Talk::Json => talk.event("file", json!({"path": file, "deleted": !dry_run})),
            Talk::Auto if dry_run => println!("{}", file.display()),
            _ => (),
        }
    }
    let (verb, files, bytes) = (if dry_run { "would delete" } else { "deleted" }, done.files.len(), human(done.bytes));
    talk.say(&format!("{verb} {files} files, {bytes}, {} versions", done.versions.len()));
    talk.event(
        "collected",
        json!({"versions": done.versions.len(), "files": files, "bytes": done.bytes, "dry_run": dry_run}),
    );
    Ok(ExitCode::Done)
}
