//! `prior codes`
use super::source::Source;
use anyhow::Result;
use formats::exit::ExitCode;
use prior::{sample, weights};
use std::path::PathBuf;
use tch::Device;

#[derive(clap::Args)]
pub struct Codes {
    #[command(flatten)]
    source: Source,
    /// Weights to read.
    #[arg(long, default_value = "weights/prior.safetensors")]
    weights: PathBuf,
    /// Weights file to write; may be the same file.
    #[arg(long)]
    out: PathBuf,
}

impl Codes {
    pub fn run(self, device: Device) -> Result<ExitCode> {
        let data = self.source.open(&weights::load(&self.weights, device)?.config, device)?;
        sample::add_codes(&self.weights, &self.out, &data)?;
        Ok(ExitCode::Done)
    }
}
