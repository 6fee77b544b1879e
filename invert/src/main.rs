//! `invert`: photos → a drivable avatar.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    nets::tool::run("invert", || cli::Cli::parse().run())
}
