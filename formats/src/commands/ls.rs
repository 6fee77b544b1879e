//! `shards ls`: one line a shard.
use super::human;
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::{Scan, Shard, dataset};
use serde_json::json;
use std::path::Path;

/// Lists the shards of a dataset, identities first; with a condition, the shards of `frames` that hold matching rows,
/// and how many.
pub fn run(path: &Path, condition: Option<&str>, talk: Talk) -> anyhow::Result<ExitCode> {
    let scan = Scan::open(path, condition)?;
    let (mut shards, mut rows, mut bytes) = (0, 0, 0);
    let mut list = |shard: &Shard, matching: usize| {
        (shards, rows, bytes) = (shards + 1, rows + matching, bytes + shard.bytes());
        let name = shard.path().strip_prefix(path).unwrap_or(shard.path()).display().to_string();
        print(shard, &name, matching, talk);
    };
    if !scan.is_filtered() {
        for file in dataset::parquet_files(&path.join("identities"))? {
            let shard = Shard::open(&file)?;
            list(&shard, shard.rows());
        }
    }
    for selection in scan.selections() {
        let selection = selection?;
        if !(scan.is_filtered() && selection.rows.is_empty()) {
            list(&selection.shard, selection.rows.len());
        }
    }
    let what = if scan.is_filtered() { "matching rows in shards of" } else { "rows," };
    talk.say(&format!("{shards} shards, {rows} {what} {}", human(bytes)));
    Ok(ExitCode::Done)
}

fn print(shard: &Shard, name: &str, matching: usize, talk: Talk) {
    let made = shard.provenance();
    let (rows, groups) = (shard.rows(), shard.row_groups());
    if talk == Talk::Json {
        let tool = format!("{} {}", made.tool, made.tool_version);
        let fields = json!({"file": name, "table": shard.table(), "rows": rows, "matching": matching,
            "bytes": shard.bytes(), "row_groups": groups, "tool": tool, "config_hash": made.config_hash});
        return talk.event("shard", fields);
    }
    let count = if matching == rows { rows.to_string() } else { format!("{matching} of {rows}") };
    println!(
        "{name:<48} {count:>6} rows {groups:>3} groups {:>8}  {} {} plan {:.8}",
        human(shard.bytes()),
        made.tool,
        made.tool_version,
        made.config_hash
    );
}
