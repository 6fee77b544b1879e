//! `zero1a`: one photo → an animatable avatar.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    nets::tool::run("zero1a", || cli::Cli::parse().run())
}
