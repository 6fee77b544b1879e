//! `nets`: trains the perceptual and the identity net from renders, measures them, compares pictures.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    formats::provenance::built_from(option_env!("EFFIGY_COMMIT"));
    nets::tool::run("nets", || cli::Cli::parse().run())
}
