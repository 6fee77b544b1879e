//! The tool `datagen`.
use clap::Parser;
use datagen::cli::{Cli, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    formats::provenance::built_from(option_env!("EFFIGY_COMMIT"));
    let cli = Cli::parse();
    formats::stop::on_signals();
    formats::exit::run("datagen", move || run(cli))
}
