//! `shards merge`: the manifest and the card of a complete dataset.
use super::{human, verify};
use formats::exit::{ExitCode, Failure};
use formats::manifest::{ManifestRow, Merged, merge};
use formats::progress::Talk;
use serde_json::json;
use std::path::Path;

/// Checks the dataset and finishes it; refuses when a shard is missing, doubled or foreign.
pub fn run(path: &Path, talk: Talk) -> anyhow::Result<ExitCode> {
    let (rows, what) = match merge(path)? {
        Merged::New(rows) => (rows, "written"),
        Merged::Same(rows) => (rows, "already there"),
        Merged::Refused(findings) => {
            verify::print(&findings, talk);
            return Err(Failure::bad_data(format!("{} findings, no manifest written: {path:?}", findings.len())).into());
        }
    };
    let sum = |of: fn(&ManifestRow) -> u64| rows.iter().map(of).sum::<u64>();
    talk.say(&format!("manifest {what}: {} shards, {} rows, {}", rows.len(), sum(|r| r.rows), human(sum(|r| r.bytes))));
    talk.event(
        "merged",
        json!({"shards": rows.len(), "rows": sum(|r| r.rows), "bytes": sum(|r| r.bytes), "manifest": what}),
    );
    Ok(ExitCode::Done)
}
