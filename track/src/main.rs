//! `track`: photos → tracked shard.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    nets::tool::run("track", || cli::Cli::parse().run())
}
