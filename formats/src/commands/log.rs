//! `shards log`: one line a version.
use super::human;
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::versions::{Kind, LogEntry};
use formats::{Error, VersionedSet};
use serde_json::json;
use std::path::Path;

/// Lists the versions, oldest first.
pub fn run(path: &Path, last: Option<u64>, talk: Talk) -> anyhow::Result<ExitCode> {
    let set = VersionedSet::open(path)?;
    let (latest, tags) = (set.latest_number()?, set.tags()?);
    let first = last.map_or(1, |n| (latest + 1).saturating_sub(n).max(1));
    for number in first..=latest {
        let entry = set.log(number)?;
        let names: Vec<&str> = tags.iter().filter(|(_, v)| *v == number).map(|(name, _)| name.as_str()).collect();
        let collected = match set.version(number) {
            Err(Error::Collected { .. }) => true,
            other => other.map(|_| false)?,
        };
        match talk {
            Talk::Json => talk.event("version", as_json(&entry, &names, collected)),
            _ => println!("{}", line(&entry, &names, collected)),
        }
    }
    talk.say(&format!("{latest} versions, {} tags", tags.len()));
    Ok(ExitCode::Done)
}

fn line(entry: &LogEntry, tags: &[&str], collected: bool) -> String {
    let added: u64 = entry.added.iter().map(|part| part.bytes).sum();
    let did = match entry.kind {
        Kind::Compact => format!("compacted into {} parts", entry.added.len()),
        Kind::Commit => format!("put {} removed {}", some(&entry.put), some(&entry.removed)),
    };
    let state = if collected { " (collected)" } else { "" };
    let tags: String = tags.iter().map(|tag| format!(" [{tag}]")).collect();
    let note = serde_json::to_string(&entry.note).unwrap_or_default();
    let (number, groups, rows) = (entry.version, entry.groups, entry.index.rows);
    format!("v{number:06} {groups:>5} groups {rows:>6} rows {:>8} {did} {note}{tags}{state}", human(added))
}

fn as_json(entry: &LogEntry, tags: &[&str], collected: bool) -> serde_json::Value {
    let kind = if entry.kind == Kind::Compact { "compact" } else { "commit" };
    json!({"version": entry.version, "kind": kind, "groups": entry.groups, "rows": entry.index.rows,
        "put": entry.put, "removed": entry.removed, "parts": entry.added.len(),
        "bytes": entry.added.iter().map(|part| part.bytes).sum::<u64>(), "note": entry.note, "tags": tags,
        "collected": collected})
}

/// The groups themselves when they are few.
fn some(groups: &[u64]) -> String {
    match groups.len() {
        0 => "-".into(),
        1..=8 => groups.iter().map(u64::to_string).collect::<Vec<_>>().join(","),
        n => format!("{n} groups"),
    }
}
