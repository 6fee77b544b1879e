//! `shards diff`: what two versions do not have in common.
use formats::VersionedSet;
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::versions::Diff;
use serde_json::json;
use std::path::Path;

/// One line a group; ends with 1 when there are any.
pub fn run(path: &Path, from: &str, to: &str, talk: Talk) -> anyhow::Result<ExitCode> {
    let set = VersionedSet::open(path)?;
    let [from, to] = [set.resolve(from)?, set.resolve(to)?];
    let diff = Diff::between(&set.version(from)?, &set.version(to)?);
    let column = &set.spec().group;
    for (what, groups) in [("added", &diff.added), ("removed", &diff.removed), ("changed", &diff.changed)] {
        for group in groups {
            match talk {
                Talk::Json => talk.event("group", json!({"group": group, "what": what})),
                _ => println!("{what} {column} {group}"),
            }
        }
    }
    let (added, removed, changed) = (diff.added.len(), diff.removed.len(), diff.changed.len());
    talk.say(&format!("version {from} to {to}: {added} added, {removed} removed, {changed} changed"));
    Ok(if diff.is_empty() { ExitCode::Done } else { ExitCode::Findings })
}
