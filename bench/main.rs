//! How fast the tools are and how much memory they take on this machine, measured through their command lines.
//!
//! `cargo run --release -p effigy-tests --example benchmarks -- [--out out/bench] [PART…]`, all parts if none is named,
//! prints one table and writes `NAME.json` a part. What needs shipped weights is skipped, and says so, without them.
#[allow(dead_code, reason = "the rasterizer's bench uses the rest")]
mod calibration;
mod measured;
mod parts;
#[allow(dead_code, reason = "the rasterizer's benches use the rest")]
mod report;

use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;

/// Name and procedure.
type Part = (&'static str, fn(&mut Report));

const PARTS: [Part; 8] = [
    ("splat", parts::splat),
    ("formats", parts::formats),
    ("datagen", parts::datagen),
    ("prior", parts::prior),
    ("track", parts::track),
    ("invert", parts::invert),
    ("video", parts::video),
    ("zero1a", parts::zero1a),
];

fn main() -> ExitCode {
    let mut out = PathBuf::from("out/bench");
    let mut asked = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--out" => match arguments.next() {
                Some(folder) => out = folder.into(),
                None => return usage("--out: expected a folder after it"),
            },
            name if PARTS.iter().any(|(part, _)| *part == name) => asked.push(argument),
            _ => return usage(&format!("{argument}: expected --out FOLDER or a part")),
        }
    }
    let mut all_ok = true;
    for (name, measure) in PARTS.iter().filter(|(name, _)| asked.is_empty() || asked.iter().any(|a| a == name)) {
        let mut report = Report::new(name);
        measure(&mut report);
        print!("{report}");
        let path = out.join(format!("{name}.json"));
        if let Err(error) = report.write(&path) {
            eprintln!("benchmarks: {error}: {path:?}");
            return ExitCode::from(73);
        }
        all_ok &= report.ok();
    }
    if all_ok { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn usage(what: &str) -> ExitCode {
    let parts: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
    eprintln!("benchmarks: {what}; parts: {}", parts.join(" "));
    ExitCode::from(2)
}
