//! One file for each command.
mod card;
mod checkout;
mod compact;
mod diff;
pub mod export;
mod gc;
mod import;
mod labels;
mod log;
mod ls;
mod merge;
pub mod missing;
mod new_folder;
pub mod pack;
mod repair;
mod report;
mod schema;
pub mod sheet;
mod show;
mod stat;
mod status;
mod tag;
mod verify;
mod version;

use crate::cli::{Cli, Command};
use formats::VersionedSet;
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
        Command::Show { path, version, row, rows, out } => match version.is_some() || VersionedSet::is_at(&path) {
            true => {
                let version = version.as_deref().unwrap_or("latest");
                version::run(&path, version, row, rows.condition.as_deref(), out.as_deref())
            }
            false => show::run(&path, row.unwrap_or(0), rows.condition.as_deref(), out.as_deref()),
        },
        Command::Sheet { path, rows, out, n, seed, cell, draw, captions } => {
            let look = sheet::Look { cell: cell as usize, draw, captions };
            sheet::run(&path, rows.condition.as_deref(), &out, n as usize, seed, &look, talk)
        }
        Command::Report { path, rows, out, seed } => report::run(&path, rows.condition.as_deref(), &out, seed, talk),
        Command::Export { path, rows, to, out, dry_run } => {
            export::run(&path, rows.condition.as_deref(), to, &out, dry_run, talk)
        }
        Command::Import { folder, out, split, dry_run } => import::run(&folder, &out, &split, dry_run, talk),
        Command::Pack { path, rows, request, out, dry_run } => {
            pack::run(&path, rows.condition.as_deref(), &request, &out, dry_run, talk)
        }
        Command::Card { path, license, write } => card::run(&path, license.as_deref(), write, talk),
        Command::Verify { path, deep } => verify::run(&path, deep, talk),
        Command::Status { path } => status::run(&path, talk),
        Command::Missing { path, tasks, format } => missing::run(&path, tasks, format, talk),
        Command::Repair { path, dry_run } => repair::run(&path, dry_run, talk),
        Command::Merge { path } => merge::run(&path, talk),
        Command::Log { set, last } => log::run(&set, last, talk),
        Command::Diff { set, from, to } => diff::run(&set, &from, &to, talk),
        Command::Checkout { set, version, out } => checkout::run(&set, &version, &out, talk),
        Command::Tag { set, name, version, delete } => tag::run(&set, name.as_deref(), &version, delete, talk),
        Command::Compact { set, below } => compact::run(&set, below * 1_000_000, talk),
        Command::Gc { set, keep, dry_run } => gc::run(&set, keep, dry_run, talk),
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
