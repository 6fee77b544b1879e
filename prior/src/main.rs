//! `prior`: shards → a prior of 3D-Gaussian heads.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    nets::tool::run("prior", || cli::Cli::parse().run())
}
