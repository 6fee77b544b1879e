//! `shards schema`: what the columns mean.
use formats::exit::ExitCode;
use formats::progress::Talk;
use formats::{Shard, dataset, manifest};
use serde_json::json;
use std::path::Path;

/// Describes the columns of the first shard.
pub fn run(path: &Path, talk: Talk) -> anyhow::Result<ExitCode> {
    let files = dataset::frame_files(path)?;
    let shard = Shard::open(&files[0])?;
    for [name, kind, unit, meaning] in manifest::describe(&shard) {
        if talk == Talk::Json {
            talk.event("column", json!({"name": name, "type": kind, "unit": unit, "description": meaning}));
        } else {
            println!("{name:<18} {kind:<12} {unit:<10} {meaning}");
        }
    }
    talk.say(&format!("\nduckdb -c \"SELECT split, count(*) FROM '{}' GROUP BY split\"", files[0].display()));
    Ok(ExitCode::Done)
}
