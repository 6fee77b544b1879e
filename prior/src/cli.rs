//! What is typed, checked and run; a file per command.
use anyhow::Result;
use clap::{Parser, Subcommand};
use formats::exit::ExitCode;
use formats::flags::CommonFlags;

mod codes;
mod eval;
mod sample;
mod source;
mod train;

/// Train, evaluate and sample the VQ prior of 3D-Gaussian heads.
#[derive(Parser)]
#[command(name = "prior", version, after_help = formats::exit::EXIT_HELP)]
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
    /// Train the prior; resumes from the checkpoint next to --out.
    Train(train::Train),
    /// Reconstruct held-out identities and write an evaluation report.
    Eval(eval::Eval),
    /// Sample new people.
    Sample(sample::Sample),
    /// Add code statistics, which `sample` needs, to weights from an earlier build.
    Codes(codes::Codes),
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
        let device = nets::device::parse(&self.device)?;
        nets::bridge::render::check_device(device)?;
        match command {
            Command::Train(train) => train.run(device, &self.common),
            Command::Eval(eval) => eval.run(device, &self.common),
            Command::Sample(sample) => sample.run(device, &self.common),
            Command::Codes(codes) => codes.run(device),
        }
    }
}
