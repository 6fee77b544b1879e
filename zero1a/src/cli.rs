//! What is typed, checked and turned into calls; a file a command.
use anyhow::Result;
use clap::{Parser, Subcommand};
use formats::exit::{ExitCode, Failure};
use formats::flags::CommonFlags;
use formats::publish::write_atomically;
use std::path::{Path, PathBuf};
use zero1a::config::RunConfig;
use zero1a::report;
use zero1a::video::train::TrainVideo;

mod eval;
mod ladder;
mod models;
mod run;

/// Fit a drivable avatar to one photo by SymGEN: a video model and the avatar improve each other.
#[derive(Parser)]
#[command(name = "zero1a", version, after_help = formats::exit::EXIT_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: CommonFlags,
}

#[derive(Subcommand)]
enum Command {
    /// Create an avatar folder from a photo or from one row of a tracked dataset; resumes a stopped run.
    Run(run::Run),
    /// Evaluate an avatar on held-out images of the person, or on the input photo.
    Eval(eval::Eval),
    /// Compare the method with its baselines on rendered people with exact ground truth; resumes a stopped run.
    Ladder(ladder::Ladder),
    /// Write an HTML report that shows how the clips of a run changed from version to version.
    Report(Report),
    /// Train the small video model from scratch on renders.
    TrainVideo(TrainVideo),
}

#[derive(clap::Args)]
struct Report {
    /// Output folder of `zero1a run`.
    #[arg(long)]
    run: PathBuf,
    /// Write an HTML fragment to embed instead of a page.
    #[arg(long)]
    section: bool,
    /// HTML file to write.
    #[arg(long)]
    out: PathBuf,
}

impl Cli {
    /// Checks everything, then runs.
    ///
    /// # Errors
    /// Each with its exit code.
    pub fn run(self) -> Result<ExitCode> {
        let Some(command) = nets::tool::begin::<Cli, _>(&self.common, self.command)? else {
            return Ok(ExitCode::Done);
        };
        match command {
            Command::Run(run) => run.run(&self.common).map_err(with_code),
            Command::Eval(eval) => eval.run(&self.common),
            Command::Ladder(ladder) => ladder.run(&self.common),
            Command::Report(r) => {
                let page = if r.section { report::section(&r.run)? } else { report::page(&r.run)? };
                write_atomically(&r.out, page.as_bytes())?;
                Ok(ExitCode::Done)
            }
            Command::TrainVideo(train) => train.run(&self.common),
        }
    }
}

/// The tracker's errors know their exit codes.
fn with_code(err: anyhow::Error) -> anyhow::Error {
    let code = err.chain().find_map(|cause| cause.downcast_ref::<track::Error>()).map(track::Error::exit_code);
    match code {
        Some(code) => Failure::new(code, format!("{err:#}")).into(),
        None => err,
    }
}

/// The resolved configuration of a run.
fn config(common: &CommonFlags, iterations: Option<u64>) -> Result<RunConfig> {
    let mut config: RunConfig = formats::config::load(common.config.as_deref(), &common.sets)?;
    config.seed = common.seed.unwrap_or(config.seed);
    config.iterations = iterations.unwrap_or(config.iterations);
    config.check()?;
    Ok(config)
}

/// What a folder is called.
fn file_name(path: &Path) -> String {
    path.file_name().map_or("avatar".into(), |n| n.to_string_lossy().into_owned())
}
