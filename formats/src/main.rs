//! The tool `shards`: look at, check and finish datasets.
mod cli;
mod commands;

use clap::Parser;
use formats::exit;

fn main() -> std::process::ExitCode {
    formats::provenance::built_from(option_env!("EFFIGY_COMMIT"));
    let cli = cli::Cli::parse();
    formats::stop::on_signals();
    exit::run("shards", || commands::run(cli))
}
