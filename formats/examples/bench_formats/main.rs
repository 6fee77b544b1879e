//! How fast files of ours are written, read, checked and versioned on this machine, against their thresholds: `make bench-formats`.
//!
//! `cargo run --release -p formats --example bench_formats -- [--json FILE] [--at FOLDER] [--strict] [shards versions tiny report]`
//!
//! `--at` chooses the disk (default: the system's temporary folder; about 2 GB are written and removed again). `--strict`
//! exits with 1 if a threshold is missed. Times are information; thresholds are on ratios to what the disk, the page cache and a core
//! do by themselves in the same run. Thresholds of ratios are about twice what a busy 2-core Xeon measured.
#[allow(dead_code, reason = "the rasterizer's bench uses the rest")]
#[path = "../../../bench/calibration.rs"]
mod calibration;
mod process;
mod raw;
mod report;
mod rows;
mod shards;
mod table;
mod tiny;
mod versions;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::Table;

/// Name and procedure, which gets a folder of its own.
type Part = (&'static str, fn(&Path, &mut Table) -> Result<(), Box<dyn Error>>);

const PARTS: [Part; 4] = [
    ("shards", shards::measure),
    ("versions", versions::measure),
    ("tiny", tiny::measure),
    ("report", report::measure),
];

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let (mut json, mut at, mut strict): (Option<PathBuf>, _, _) = (None, std::env::temp_dir(), false);
    let mut asked = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg}: expected a value after it"));
        match arg.as_str() {
            "--json" => json = Some(value()?.into()),
            "--at" => at = value()?.into(),
            "--strict" => strict = true,
            name if PARTS.iter().any(|(part, _)| *part == name) => asked.push(name.to_string()),
            _ => return Err(format!("{arg}: expected --json, --at, --strict, shards, versions, tiny or report").into()),
        }
    }
    let mut table = Table::default();
    for (name, measure) in PARTS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|a| a == name)) {
        let folder = at.join(format!("effigy-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let measured = measure(&folder, &mut table);
        std::fs::remove_dir_all(&folder)?;
        measured?;
    }
    print!("{table}");
    if let Some(path) = json {
        table.write(&path)?;
    }
    Ok(if strict && !table.ok() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
