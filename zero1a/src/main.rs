//! `zero1a`: one photo → an animatable avatar.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::provenance::built_from(option_env!("EFFIGY_COMMIT"));
    nets::tool::run("zero1a", || cli::Cli::parse().run())
}
