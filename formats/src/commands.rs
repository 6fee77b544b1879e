//! One file for each command.
mod card;
pub mod export;
mod import;
mod labels;
mod ls;
mod merge;
mod repair;
mod report;
mod schema;
pub mod sheet;
mod show;
mod stat;
mod verify;

use crate::cli::{Cli, Command};
use formats::exit::ExitCode;

/// Does what was typed.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Some(command) = cli.output.begin::<Cli, _>(cli.command)? else {
        return Ok(ExitCode::Done);
    };
    let talk = cli.output.talk();
    match command {
        Command::Ls { path, rows } => ls::run(&path, rows.condition.as_deref(), talk),
        Command::Stat { path, rows } => stat::run(&path, rows.condition.as_deref(), talk),
        Command::Schema { path } => schema::run(&path, talk),
        Command::Show { path, row, rows, out } => show::run(&path, row, rows.condition.as_deref(), out.as_deref()),
        Command::Sheet { path, rows, out, n, seed, cell, draw, captions } => {
            let look = sheet::Look { cell: cell as usize, draw, captions };
            sheet::run(&path, rows.condition.as_deref(), &out, n as usize, seed, &look, talk)
        }
        Command::Report { path, rows, out, seed } => report::run(&path, rows.condition.as_deref(), &out, seed, talk),
        Command::Export { path, rows, to, out, dry_run } => {
            export::run(&path, rows.condition.as_deref(), to, &out, dry_run, talk)
        }
        Command::Import { folder, out, split, dry_run } => import::run(&folder, &out, &split, dry_run, talk),
        Command::Card { path, license, write } => card::run(&path, license.as_deref(), write, talk),
        Command::Verify { path, deep } => verify::run(&path, deep, talk),
        Command::Repair { path, dry_run } => repair::run(&path, dry_run, talk),
        Command::Merge { path } => merge::run(&path, talk),
    }
}

/// `1.2 GB`
fn human(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.*} {}", digits(value), units[unit]),
    }
}

/// Decimals so that three digits show.
fn digits(value: f64) -> usize {
    if value < 9.95 { 2 } else { usize::from(value < 99.5) }
}
