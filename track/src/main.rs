//! `track`: photos → tracked shard.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::provenance::built_from(option_env!("EFFIGY_COMMIT"));
    nets::tool::run("track", || cli::Cli::parse().run())
}
