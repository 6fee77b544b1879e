//! `nets`: trains the perceptual and the identity net from renders, measures them, compares pictures.
mod cli;

use clap::Parser;

fn main() -> std::process::ExitCode {
    nets::tool::run("nets", || cli::Cli::parse().run())
}
