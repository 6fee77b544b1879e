//! `invert`: photos → a drivable avatar.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::exit::run("invert", || cli::Cli::parse().run().map_err(nets::error::coded))
}
