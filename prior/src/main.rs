//! `prior`: shards → a prior of 3D-Gaussian heads.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::exit::run("prior", || cli::Cli::parse().run().map_err(nets::error::coded))
}
