//! `track`: photos → tracked shard.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::exit::run("track", || cli::Cli::parse().run())
}
