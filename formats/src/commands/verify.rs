//! `shards verify`: everything that is wrong with a dataset.
use formats::exit::ExitCode;
use formats::progress::{Progress, Talk};
use formats::verify::{Depth, Finding, verify};
use formats::{VersionedSet, dataset};
use serde_json::json;
use std::path::Path;

/// Prints the findings; ends with 1 when there are any.
pub fn run(path: &Path, deep: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    let depth = if deep { Depth::Deep } else { Depth::Quick };
    if VersionedSet::is_at(path) {
        let set = VersionedSet::open(path)?;
        let progress = Progress::new("verify", set.latest_number()?, "versions", talk);
        let findings = set.verify(depth, &mut |_| progress.add(1))?;
        drop(progress);
        return Ok(conclude(&findings, &format!("{} versions", set.latest_number()?), deep, talk));
    }
    let files = dataset::frame_files(path)?.len() + dataset::parquet_files(&path.join("identities"))?.len();
    let progress = Progress::new("verify", files as u64, "shards", talk);
    let findings = verify(path, depth, &mut |_| progress.add(1))?;
    drop(progress);
    Ok(conclude(&findings, &format!("{files} shards"), deep, talk))
}

/// Prints the findings in `what` was looked at.
fn conclude(findings: &[Finding], what: &str, deep: bool, talk: Talk) -> ExitCode {
    print(findings, talk);
    if findings.is_empty() {
        talk.say(&format!("{what}, nothing found{}", if deep { "" } else { " (--deep reads every byte)" }));
        return ExitCode::Done;
    }
    talk.say(&format!("{what}, {} findings", findings.len()));
    ExitCode::Findings
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
