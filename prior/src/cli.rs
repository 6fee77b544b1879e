//! What is typed, checked and turned into a plan.
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use formats::card::{WeightsCard, write_json};
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::provenance::Provenance;
use nets::losses::perceptual::Perceptual;
use prior::config::PriorConfig;
use prior::data::HeadData;
use prior::sample::CodeSpace;
use prior::train::Plan;
use prior::weights::{self, LoadedPrior};
use prior::{eval, sample, train};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::Device;

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
    Train {
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
    },
    /// Reconstruct held-out identities and write an evaluation report.
    Eval {
        #[command(flatten)]
        source: Source,
        /// Weights to evaluate.
        #[arg(long, default_value = "weights/prior.safetensors")]
        weights: PathBuf,
        /// Split to evaluate: `train`, `val` or `test`.
        #[arg(long, default_value = "test")]
        split: String,
        /// Maximum number of rows, evenly spaced.
        #[arg(long, default_value_t = 64)]
        rows: usize,
        /// JSON report to write; a contact sheet (PNG) is written next to it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Sample new people.
    Sample {
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
    },
    /// Add code statistics, which `sample` needs, to weights from an earlier build.
    Codes {
        #[command(flatten)]
        source: Source,
        /// Weights to read.
        #[arg(long, default_value = "weights/prior.safetensors")]
        weights: PathBuf,
        /// Weights file to write; may be the same file.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
struct Source {
    /// Dataset from `datagen render`.
    #[arg(long)]
    data: PathBuf,
    /// Head model of the dataset.
    #[arg(long)]
    head: PathBuf,
}

impl Source {
    fn open(&self, config: &PriorConfig, device: Device) -> Result<HeadData> {
        let model = head::HeadModel::load(&self.head)?;
        Ok(HeadData::open(&self.data, model, config.model.uv_size as usize, config.train.image_size)?.on(device))
    }
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
            Command::Train { source, out, perceptual, minutes, rehearsal } => {
                let config = resolve(&self.common, minutes)?;
                if let Some(code) = rehearsal.print(&config, &self.common)? {
                    return Ok(code);
                }
                let net = Perceptual::open(&perceptual, device).context("the perceptual net")?;
                let plan = Plan { data: source.open(&config, device)?, config, perceptual: net, out };
                if let Some(code) = rehearsal.tell(|| rehearse(&plan)) {
                    return Ok(code);
                }
                run_train(&plan, &source, &perceptual, &self.common)
            }
            Command::Eval { source, weights, split, rows, out } => {
                run_eval(&source, (&weights, device), &split, rows, &out, &self.common)
            }
            Command::Sample { weights, data, head, n, spread, size, out } => {
                let (file, mut loaded) = weights::open(&weights, device)?;
                let space = match data.zip(head) {
                    Some((data, head)) => {
                        let data = Source { data, head }.open(&loaded.config, device)?;
                        CodeSpace::of(&loaded.prior, &data, "train")?
                    }
                    None => CodeSpace::get(&file, device)?.ok_or_else(|| no_codes(&weights))?,
                };
                let sheet = sample::sheet(&mut loaded.prior, &space, n, self.common.seed.unwrap_or(0), spread, size)?;
                formats::publish::write_atomically(&out, &sheet)?;
                Ok(ExitCode::Done)
            }
            Command::Codes { source, weights, out } => {
                let data = source.open(&weights::load(&weights, device)?.config, device)?;
                sample::add_codes(&weights, &out, &data)?;
                Ok(ExitCode::Done)
            }
        }
    }
}

fn no_codes(weights: &Path) -> Failure {
    Failure::bad_data(format!(
        "no statistics of the training heads' codes in these weights; add them with `prior codes`, or name --data and --head: \
         {weights:?}"
    ))
}

fn rehearse(plan: &Plan) -> String {
    let (config, rows) = (&plan.config.train, plan.data.rows("train", plan.config.train.light_id).len());
    let batch = config.batch;
    format!("would train on {rows} rows of {} people, {batch} at a time: {:?}", people(&plan.data), plan.out)
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

fn run_train(plan: &Plan, source: &Source, perceptual: &str, common: &CommonFlags) -> Result<ExitCode> {
    let toml = formats::config::to_toml(&plan.config)?;
    formats::publish::write_atomically(&plan.out.with_extension("toml"), toml.as_bytes())?;
    let talk = common.talk();
    let clock = std::time::Instant::now();
    let mut loaded = train::train(plan, |line| {
        talk.say(&format!("prior: {line}"));
        talk.event("train", json!({ "line": line }));
    })?;
    let hours = clock.elapsed().as_secs_f64() / 3600.0;
    let report = eval::evaluate(&mut loaded.prior, &plan.data, "val", plan.config.train.light_id, 64)?;
    let mut provenance = Provenance::new("prior", env!("CARGO_PKG_VERSION"), &toml, plan.config.train.seed)
        .with_input("head", &source.head)?;
    let perceptual_term = match perceptual {
        "none" => "no perceptual term",
        "random" => "the perceptual term of an untrained net",
        path => {
            provenance = provenance.with_input("perceptual", Path::new(path))?;
            "the perceptual term of the net in the provenance"
        }
    };
    let mut card = WeightsCard {
        name: "prior".into(),
        what: "VQ autoencoder from UV texture, position and expression maps to a drivable 3D-Gaussian head".into(),
        schema_version: 1,
        architecture: serde_json::to_value(&plan.config.model)?,
        data: format!(
            "{} rendered training rows of {} identities, no photo ({}); {perceptual_term}",
            plan.data.rows("train", plan.config.train.light_id).len(),
            people(&plan.data),
            plan.data.dataset().origin()
        ),
        steps: loaded.steps,
        metrics: metrics(&report, &loaded, "val", hours),
        license: "MIT OR Apache-2.0".into(),
        provenance,
        ..Default::default()
    };
    card.write(&plan.out)?;
    talk.say(&format!(
        "prior: {:?}: {} steps, PSNR {:.2} dB on held-out identities",
        plan.out, loaded.steps, report.psnr
    ));
    Ok(ExitCode::Done)
}

fn run_eval(
    source: &Source,
    (path, device): (&Path, Device),
    split: &str,
    rows: usize,
    out: &Path,
    common: &CommonFlags,
) -> Result<ExitCode> {
    let mut loaded = weights::load(path, device)?;
    let data = source.open(&loaded.config, device)?;
    let report = eval::evaluate(&mut loaded.prior, &data, split, loaded.config.train.light_id, rows)?;
    formats::publish::write_atomically(&out.with_extension("png"), &report.sheet)?;
    let card = metrics(&report, &loaded, split, 0.0);
    write_json(out, &card)?;
    common
        .talk()
        .say(&format!("prior: {split}: PSNR {:.2} dB, SSIM {:.4} on {} rows", report.psnr, report.ssim, report.rows));
    common.talk().event("eval", card);
    Ok(ExitCode::Done)
}

fn metrics(report: &eval::Report, loaded: &LoadedPrior, split: &str, hours: f64) -> serde_json::Value {
    let (id_codes, expr_codes) = loaded.prior.code_usage();
    let size = loaded.config.train.image_size;
    let protocol = format!(
        "{split} identities never trained on, encoded from their own maps, {} rows, {size} px, whole picture over mid grey",
        report.rows
    );
    json!({
        "psnr_db": { "value": report.psnr, "protocol": protocol },
        "ssim": { "value": report.ssim, "protocol": protocol },
        "position_mm": { "value": report.position_mm, "protocol": "mean absolute error of the UV position map on the surface" },
        "expression_mm": { "value": report.expression_mm, "protocol": "mean absolute error of the UV expression map on the surface" },
        "id_codes_in_use": id_codes,
        "expr_codes_in_use": expr_codes,
        "gaussians": loaded.prior.n_points().iter().sum::<i64>(),
        "hours": hours,
    })
}

fn people(data: &HeadData) -> usize {
    data.dataset().identities().iter().filter(|r| r.split == "train").count()
}
