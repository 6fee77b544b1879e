//! What is typed, checked and run; a file per command.
use anyhow::Result;
use clap::{Parser, Subcommand};
use formats::exit::ExitCode;
use formats::flags::CommonFlags;

mod compare;
mod eval;
mod train;

/// Train and evaluate the loss networks: the perceptual network and the face recognizer.
#[derive(Parser)]
#[command(name = "nets", version, after_help = formats::exit::EXIT_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: CommonFlags,
}

#[derive(Subcommand)]
enum Command {
    /// Train the perceptual network; resumes from the checkpoint next to --out.
    TrainPerceptual(train::Train),
    /// Train the face recognizer; resumes from the checkpoint next to --out.
    TrainIdentity(train::Train),
    /// Evaluate weights on held-out identities; prints JSON.
    Eval(eval::Eval),
    /// Compare two images of equal size; prints JSON.
    Compare(compare::Compare),
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
            Command::TrainPerceptual(train) => train.perceptual(&self.common),
            Command::TrainIdentity(train) => train.recognizer(&self.common),
            Command::Eval(eval) => eval.run(),
            Command::Compare(compare) => compare.run(),
        }
    }
}
