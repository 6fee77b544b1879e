//! `prior`: shards → a prior of 3D-Gaussian heads.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::provenance::built_from(option_env!("EFFIGY_COMMIT"));
    nets::tool::run("prior", || cli::Cli::parse().run())
}
