//! `shards ls`: one line a shard.
use super::human;
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::{Shard, dataset};
use serde_json::json;
use std::path::Path;

/// Lists the shards of a dataset, identities first.
pub fn run(path: &Path, talk: Talk) -> anyhow::Result<ExitCode> {
    let mut files = dataset::parquet_files(&path.join("identities"))?;
    files.extend(dataset::frame_files(path)?);
    let (mut rows, mut bytes) = (0, 0);
    for file in &files {
        let shard = Shard::open(file)?;
        let made = shard.provenance();
        (rows, bytes) = (rows + shard.rows(), bytes + shard.bytes());
        let name = file.strip_prefix(path).unwrap_or(file).display().to_string();
        if talk == Talk::Json {
            let tool = format!("{} {}", made.tool, made.tool_version);
            let fields = json!({"file": name, "table": shard.table(), "rows": shard.rows(), "bytes": shard.bytes(),
                "row_groups": shard.row_groups(), "tool": tool, "config_hash": made.config_hash});
            talk.event("shard", fields);
            continue;
        }
        let (count, groups, size) = (shard.rows(), shard.row_groups(), human(shard.bytes()));
        println!(
            "{name:<48} {count:>6} rows {groups:>3} groups {size:>8}  {} {} plan {:.8}",
            made.tool, made.tool_version, made.config_hash
        );
    }
    talk.say(&format!("{} shards, {rows} rows, {}", files.len(), human(bytes)));
    Ok(ExitCode::Done)
}
