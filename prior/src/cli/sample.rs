//! `prior sample`
use super::source::Source;
use anyhow::Result;
use formats::exit::{ExitCode, Failure};
use formats::flags::CommonFlags;
use prior::sample::{self, CodeSpace, SheetSpec};
use prior::weights;
use std::path::{Path, PathBuf};
use tch::Device;

#[derive(clap::Args)]
pub struct Sample {
    /// Weights to sample from.
    #[arg(long, default_value = "weights/prior.safetensors")]
    weights: PathBuf,
    /// Dataset whose training split gives the code statistics; default: the statistics stored in the weights.
    #[arg(long, requires = "head")]
    data: Option<PathBuf>,
    /// Head model of that dataset.
    #[arg(long, requires = "data")]
    head: Option<PathBuf>,
    /// Number of samples.
    #[arg(long, default_value_t = 8)]
    n: usize,
    /// Scale of the code distribution; 1 is that of the training heads.
    #[arg(long, default_value_t = 0.8)]
    spread: f64,
    /// Side of each image in pixels.
    #[arg(long, default_value_t = 192)]
    size: usize,
    /// Contact sheet to write (PNG).
    #[arg(long)]
    out: PathBuf,
}

impl Sample {
    pub fn run(self, device: Device, common: &CommonFlags) -> Result<ExitCode> {
        let (file, mut loaded) = weights::open(&self.weights, device)?;
        let space = match self.data.zip(self.head) {
            Some((data, head)) => {
                let data = Source { data, head }.open(&loaded.config, device)?;
                CodeSpace::of(&loaded.prior, &data, "train")?
            }
            None => CodeSpace::get(&file, device)?.ok_or_else(|| no_codes(&self.weights))?,
        };
        let seed = common.seed.unwrap_or(0);
        let spec = SheetSpec { n: self.n, seed, spread: self.spread, size: self.size };
        let sheet = sample::sheet(&mut loaded.prior, &space, &spec)?;
        formats::publish::write_atomically(&self.out, &sheet)?;
        Ok(ExitCode::Done)
    }
}

fn no_codes(weights: &Path) -> Failure {
    Failure::bad_data(format!(
        "no statistics of the training heads' codes in these weights; add them with `prior codes`, or name --data and --head: \
         {weights:?}"
    ))
}
