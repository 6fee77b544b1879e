//! `shards verify`: everything that is wrong with a dataset.
use formats::dataset;
use formats::exit::ExitCode;
use formats::progress::{Progress, Talk};
use formats::verify::{Depth, Finding, verify};
use serde_json::json;
use std::path::Path;

/// Prints the findings; ends with 1 when there are any.
pub fn run(path: &Path, deep: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    let depth = if deep { Depth::Deep } else { Depth::Quick };
    let files = dataset::frame_files(path)?.len() + dataset::parquet_files(&path.join("identities"))?.len();
    let progress = Progress::new("verify", files as u64, "shards", talk);
    let findings = verify(path, depth, &mut |_| progress.add(1))?;
    drop(progress);
    print(&findings, talk);
    if findings.is_empty() {
        talk.say(&format!("{files} shards, nothing found{}", if deep { "" } else { " (--deep reads every byte)" }));
        return Ok(ExitCode::Done);
    }
    talk.say(&format!("{files} shards, {} findings", findings.len()));
    Ok(ExitCode::Findings)
}

/// One line a finding.
pub fn print(findings: &[Finding], talk: Talk) {
    for Finding { path, what } in findings {
        match talk {
            Talk::Json => talk.event("finding", json!({"path": path, "what": what})),
            _ => println!("{}: {what}", path.display()),
        }
    }
}
