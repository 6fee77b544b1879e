//! `prior train`
use super::eval::metrics;
use super::source::Source;
use anyhow::{Context, Result};
use formats::card::WeightsCard;
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::provenance::Provenance;
use nets::losses::perceptual::Perceptual;
use prior::config::PriorConfig;
use prior::train::Plan;
use prior::weights::LoadedPrior;
use prior::{eval, train};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::Device;

#[derive(clap::Args)]
pub struct Train {
    #[command(flatten)]
    source: Source,
    /// Weights file to write; card, checkpoint and contact sheets are written next to it.
    #[arg(long)]
    out: PathBuf,
    /// Weights of the perceptual network; `random` for untrained features, `none` to train without this loss.
    #[arg(long, default_value = "weights/perceptual.safetensors")]
    perceptual: String,
    /// Stop after this many minutes; overrides the configuration.
    #[arg(long)]
    minutes: Option<f64>,
    #[command(flatten)]
    rehearsal: RehearsalFlags,
}

impl Train {
    pub fn run(self, device: Device, common: &CommonFlags) -> Result<ExitCode> {
        let config = resolve(common, self.minutes)?;
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        let perceptual = Perceptual::open(&self.perceptual, device).context("the perceptual net")?;
        let plan = Plan { data: self.source.open(&config, device)?, config, perceptual, out: self.out.clone() };
        if let Some(code) = self.rehearsal.tell(|| rehearse(&plan)) {
            return Ok(code);
        }
        self.train(&plan, common)
    }

    /// Trains, evaluates, writes the card.
    fn train(&self, plan: &Plan, common: &CommonFlags) -> Result<ExitCode> {
        let toml = formats::config::to_toml(&plan.config)?;
        formats::publish::write_atomically(&plan.out.with_extension("toml"), toml.as_bytes())?;
        let talk = common.talk();
        let clock = std::time::Instant::now();
        let mut loaded = train::train(plan, |line| {
            talk.say(&format!("prior: {line}"));
            talk.event("train", json!({ "line": line }));
        })?;
        let hours = clock.elapsed().as_secs_f64() / 3600.0;
        let report = eval::evaluate(&mut loaded.prior, &plan.data, "val", &plan.config.train, 64)?;
        card(plan, self, &loaded, metrics(&report, &loaded, "val", hours))?.write(&plan.out)?;
        talk.say(&format!(
            "prior: {:?}: {} steps, PSNR {:.2} dB on held-out identities",
            plan.out, loaded.steps, report.psnr
        ));
        Ok(ExitCode::Done)
    }
}

fn resolve(common: &CommonFlags, minutes: Option<f64>) -> Result<PriorConfig> {
    let mut config: PriorConfig = formats::config::load(common.config.as_deref(), &common.sets)?;
    config.train.seed = common.seed.unwrap_or(config.train.seed);
    config.train.minutes = minutes.unwrap_or(config.train.minutes);
    config.model.check().map_err(|e| Failure::config(e.to_string()))?;
    if config.train.batch == 0 || config.train.validate_every == 0 {
        return Err(Failure::config("train.batch and train.validate_every: expected at least 1").into());
    }
    Ok(config)
}

fn rehearse(plan: &Plan) -> String {
    let (config, rows) = (&plan.config.train, plan.data.rows("train", plan.config.train.light_id).len());
    let batch = config.batch;
    format!(
        "would train on {rows} rows of {} people, {batch} at a time: {:?}",
        plan.data.identities("train").count(),
        plan.out
    )
}

/// What the weights are, what they were trained on, and how good they are.
fn card(plan: &Plan, flags: &Train, loaded: &LoadedPrior, metrics: serde_json::Value) -> Result<WeightsCard> {
    let toml = formats::config::to_toml(&plan.config)?;
    let mut provenance = Provenance::new("prior", env!("CARGO_PKG_VERSION"), &toml, plan.config.train.seed)
        .with_input("head", &flags.source.head)?;
    let perceptual_term = match flags.perceptual.as_str() {
        "none" => "no perceptual term",
        "random" => "the perceptual term of an untrained net",
        path => {
            provenance = provenance.with_input("perceptual", Path::new(path))?;
            "the perceptual term of the net in the provenance"
        }
    };
    Ok(WeightsCard {
        name: "prior".into(),
        what: "VQ autoencoder from UV texture, position and expression maps to a drivable 3D-Gaussian head".into(),
        schema_version: 1,
        architecture: serde_json::to_value(&plan.config.model)?,
        data: format!(
            "{} rendered training rows of {} identities, no photo ({}); {perceptual_term}",
            plan.data.rows("train", plan.config.train.light_id).len(),
            plan.data.identities("train").count(),
            plan.data.dataset().origin()
        ),
        steps: loaded.steps,
        metrics,
        license: "MIT OR Apache-2.0".into(),
        provenance,
        ..Default::default()
    })
}
