//! What is typed, checked and turned into a plan; a file per command.
use anyhow::Result;
use clap::{Parser, Subcommand};
use formats::exit::{ExitCode, Failure};
use formats::flags::CommonFlags;
use track::config::TrackConfig;

mod eval;
mod fit;
mod models;
mod train;
mod video;

/// Detect a face in photos and fit the head model to it; the networks train on renders only.
#[derive(Parser)]
#[command(name = "track", version, after_help = formats::exit::EXIT_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: CommonFlags,
    /// Compute device: `auto`, `cpu` or `cuda:N`.
    #[arg(long, global = true, default_value = "auto")]
    device: String,
}

#[derive(Subcommand)]
enum Command {
    /// Fit photos or a video of one person and write a tracked dataset (frames, identity, overlays).
    Fit(fit::Fit),
    /// Train the detector and the face network on renders; resumes from the checkpoint next to --out.
    Train(train::Train),
    /// Evaluate weights and fit on renders of held-out people.
    Eval(eval::Eval),
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
        let mut config: TrackConfig = formats::config::load(self.common.config.as_deref(), &self.common.sets)?;
        config.train.seed = self.common.seed.unwrap_or(config.train.seed);
        let device = nets::device::parse(&self.device).map_err(|e| Failure::usage(e.to_string()))?;
        let outcome = match command {
            Command::Fit(fit) => fit.run(device, config, &self.common),
            Command::Train(train) => train.run(device, config, &self.common),
            Command::Eval(eval) => eval.run(device, &config, &self.common),
        };
        outcome.map_err(with_code)
    }
}

/// Our own errors and those of `nets` know their exit codes; `formats` learns of them here.
fn with_code(err: anyhow::Error) -> anyhow::Error {
    match err.downcast::<track::Error>() {
        Ok(own) => Failure::new(own.exit_code(), own.to_string()).into(),
        Err(other) => nets::error::coded(other),
    }
}
