//! `track eval`
use super::models::Models;
use anyhow::Result;
use formats::card::{WeightsCard, write_json};
use formats::dataset::Dataset;
use formats::exit::ExitCode;
use formats::flags::CommonFlags;
use serde_json::json;
use std::path::PathBuf;
use track::config::TrackConfig;
use track::evaluate;

#[derive(clap::Args)]
pub struct Eval {
    /// Dataset from `datagen render`.
    #[arg(long)]
    data: PathBuf,
    /// Split to evaluate: `train`, `val` or `test`.
    #[arg(long, default_value = "test")]
    split: String,
    /// Maximum number of frames.
    #[arg(long, default_value_t = 100)]
    frames: usize,
    /// JSON report to write.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Also write the metrics to the card of the weights.
    #[arg(long)]
    card: bool,
    #[command(flatten)]
    models: Models,
}

impl Eval {
    pub fn run(self, device: tch::Device, config: &TrackConfig, common: &CommonFlags) -> Result<ExitCode> {
        let Eval { data, split, models, .. } = &self;
        let dataset = Dataset::open(data)?;
        let (networks, head) = models.open(device)?;
        let subject = evaluate::Subject { networks: &networks, head: &head, config };
        let figures = evaluate::run(&dataset, split, self.frames, &subject, common.talk())?;
        common.talk().event("eval", serde_json::to_value(&figures)?);
        if !common.output.json {
            println!("{figures}");
        }
        if self.card {
            WeightsCard::add_metrics(&models.weights, figures.for_card(split, &dataset))?;
        }
        if let Some(out) = &self.out {
            write_json(out, &json!({ "data": data, "split": split, "weights": models.weights, "figures": figures }))?;
        }
        Ok(ExitCode::Done)
    }
}
