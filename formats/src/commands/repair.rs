//! `shards repair`: puts bad shards aside, so that the tool that made them makes them again.
use formats::exit::{ExitCode, Failure};
use formats::progress::Talk;
use formats::verify::{Depth, Finding, verify};
use formats::{Error, ShardName, ranges, side};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Moves every file with a finding of its own into `damaged/`, its side file too; ends with 1 when shards are missing
/// afterwards or something is wrong that no new shard can mend.
pub fn run(path: &Path, dry_run: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    if path.is_file() {
        return Err(Failure::usage(format!("a single file, expected a dataset folder: {path:?}")).into());
    }
    let findings = verify(path, Depth::Deep, &mut |_| ())?;
    let bad: BTreeSet<&PathBuf> = findings.iter().map(|f| &f.path).filter(|p| p.is_file()).collect();
    for file in &bad {
        talk.event("damaged", json!({"path": file, "moved": !dry_run}));
        talk.say(&format!("{} {}", if dry_run { "would move" } else { "moved" }, file.display()));
        if !dry_run {
            put_aside(path, file)?;
        }
    }
    let left: Vec<&Finding> = findings.iter().filter(|f| f.path == path).collect();
    left.iter().for_each(|f| talk.say(&format!("{}: {} (check again after rendering)", f.path.display(), f.what)));
    let missing = missing_of(&findings, &bad);
    for (split, indices) in &missing {
        match talk {
            Talk::Json => talk.event("missing", json!({"split": split, "shards": indices})),
            _ => println!("{split} {}", ranges::text(indices)),
        }
    }
    let good = missing.is_empty() && left.is_empty();
    if good && bad.is_empty() {
        talk.say("nothing to repair");
    }
    Ok(if good { ExitCode::Done } else { ExitCode::Findings })
}

fn put_aside(dataset: &Path, file: &Path) -> Result<(), Error> {
    let folder = dataset.join("damaged");
    std::fs::create_dir_all(&folder).map_err(|source| Error::Create { source, path: folder.clone() })?;
    for from in [Some(file.to_path_buf()), side::path_of(file).filter(|p| p.is_file())].into_iter().flatten() {
        let to = folder.join(from.file_name().unwrap_or_default());
        std::fs::rename(&from, &to).map_err(|source| Error::Io { what: "cannot move", source, path: from })?;
    }
    Ok(())
}

/// Shards to make again: those not there and those put aside, unless their name is foreign.
fn missing_of(findings: &[Finding], bad: &BTreeSet<&PathBuf>) -> BTreeMap<String, BTreeSet<u64>> {
    let mut missing: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let gone = findings.iter().map(|f| &f.path).filter(|p| bad.contains(p) || !p.exists());
    for name in gone.filter_map(|p| ShardName::parse(p)) {
        missing.entry(name.split).or_default().insert(name.index.into());
    }
    missing
}
