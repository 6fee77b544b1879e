//! What is typed, checked and run.
use anyhow::Result;
use clap::{Parser, Subcommand};
use formats::Dataset;
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use nets::device;
use nets::losses::metric;
use nets::losses::ordering;
use nets::losses::perceptual::Perceptual;
use nets::pictures::data;
use nets::training::perceptual_task::PerceptualTask;
use nets::training::recognizer_task::RecognizerTask;
use nets::training::trainer::{Task, TrainConfig, load_weights, run};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

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
    TrainPerceptual(Training),
    /// Train the face recognizer; resumes from the checkpoint next to --out.
    TrainIdentity(Training),
    /// Evaluate weights on held-out identities; prints JSON.
    Eval {
        /// Dataset from `datagen render`.
        #[arg(long)]
        data: PathBuf,
        /// Weights of the perceptual network.
        #[arg(long)]
        perceptual: Option<String>,
        /// Weights of the face recognizer.
        #[arg(long)]
        identity: Option<PathBuf>,
        /// Compute device: `auto`, `cpu` or `cuda:N`.
        #[arg(long, default_value = "auto")]
        device: String,
    },
    /// Compare two images of equal size; prints JSON.
    Compare {
        /// First image (PNG, WebP, JPEG).
        a: PathBuf,
        /// Second image.
        b: PathBuf,
        /// Weights of the perceptual network, `random` or `none`.
        #[arg(long, default_value = "none")]
        perceptual: String,
    },
}

#[derive(clap::Args)]
struct Training {
    /// Dataset from `datagen render`.
    #[arg(long)]
    data: PathBuf,
    /// Weights file to write (half precision); card and checkpoint are written next to it.
    #[arg(long)]
    out: PathBuf,
    /// Number of steps; overrides the configuration.
    #[arg(long)]
    steps: Option<u64>,
    /// Stop after this many minutes; overrides the configuration.
    #[arg(long)]
    minutes: Option<f64>,
    /// Compute device: `auto`, `cpu` or `cuda:N`; overrides the configuration.
    #[arg(long)]
    device: Option<String>,
    #[command(flatten)]
    rehearsal: RehearsalFlags,
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
            Command::TrainPerceptual(training) => {
                let config = training.config(&self.common, 8)?;
                if let Some(code) = training.rehearsal.print(&config, &self.common)? {
                    return Ok(code);
                }
                let task = PerceptualTask::open(&Dataset::open(&training.data)?, &config)?;
                if let Some(code) = training.tell(task.data(), &config) {
                    return Ok(code);
                }
                self.common.talk().say(task.data());
                train(&task, &config, &training.out, &self.common)
            }
            Command::TrainIdentity(training) => {
                let config = training.config(&self.common, 32)?;
                if let Some(code) = training.rehearsal.print(&config, &self.common)? {
                    return Ok(code);
                }
                let task = RecognizerTask::open(&Dataset::open(&training.data)?, &config)?;
                if let Some(code) = training.tell(task.data(), &config) {
                    return Ok(code);
                }
                self.common.talk().say(task.data());
                train(&task, &config, &training.out, &self.common)
            }
            Command::Eval { data, perceptual, identity, device } => {
                let data = Dataset::open(&data)?;
                let report = json!({
                    "perceptual": perceptual.map(|p| eval_perceptual(&data, &p, &device)).transpose()?,
                    "identity": identity.map(|p| eval_identity(&data, &p, &device)).transpose()?,
                });
                println!("{report:#}");
                Ok(ExitCode::Done)
            }
            Command::Compare { a, b, perceptual } => compare(&a, &b, &perceptual),
        }
    }
}

impl Training {
    fn tell(&self, data: &str, config: &TrainConfig) -> Option<ExitCode> {
        let TrainConfig { steps, batch, .. } = config;
        self.rehearsal.tell(|| format!("{data}; would train up to {steps} steps of {batch}: {:?}", self.out))
    }

    fn config(&self, common: &CommonFlags, batch: usize) -> Result<TrainConfig> {
        let mut sets = common.sets.clone();
        if common.config.is_none() && !sets.iter().any(|s| s.starts_with("batch")) {
            sets.push(format!("batch={batch}"));
        }
        let mut config: TrainConfig = formats::config::load(common.config.as_deref(), &sets)?;
        config.steps = self.steps.unwrap_or(config.steps);
        config.minutes = self.minutes.unwrap_or(config.minutes);
        config.seed = common.seed.unwrap_or(config.seed);
        config.device = self.device.clone().unwrap_or(config.device);
        config.check()?;
        Ok(config)
    }
}

fn train<T: Task>(task: &T, config: &TrainConfig, out: &Path, common: &CommonFlags) -> Result<ExitCode> {
    let outcome = run(task, config, out, common.talk())?;
    let metrics = serde_json::to_string(&outcome.metrics)?;
    common.talk().say(&format!("{out:?}: {} steps, {} kB, {metrics}", outcome.steps, outcome.bytes / 1024));
    common.talk().event("done", json!({ "steps": outcome.steps, "metrics": outcome.metrics, "out": out }));
    if outcome.finished {
        return Ok(ExitCode::Done);
    }
    common.talk().say(&format!(
        "time limit reached at step {} of {}; run the same command again to resume",
        outcome.steps, config.steps
    ));
    Ok(ExitCode::Stopped)
}

fn eval_identity(data: &Dataset, weights: &Path, device: &str) -> Result<serde_json::Value> {
    let config = TrainConfig { steps: 1, cache_images: 2, device: device.into(), ..Default::default() };
    let task = RecognizerTask::open(data, &config)?;
    load_weights(&task, weights)?;
    Ok(task.evaluate()?)
}

fn eval_perceptual(data: &Dataset, weights: &str, device: &str) -> Result<serde_json::Value> {
    let device = device::parse(device)?;
    let net =
        Perceptual::open(weights, device)?.ok_or_else(|| Failure::usage("--perceptual none: nothing to measure"))?;
    let rows: Vec<usize> = (0..data.len()).filter(|&i| data.labels(i).split != "train").take(24).collect();
    let pictures = rows.iter().map(|&i| Ok(data::rgb_from_encoded(&data.frame_with(i, &["image"])?.image)?));
    let pictures: Vec<Tensor> = pictures.collect::<Result<_>>()?;
    let ours = |a: &Tensor, b: &Tensor| {
        tch::no_grad(|| net.distance(&a.to_device(device), &b.to_device(device))).double_value(&[])
    };
    let l2 = |a: &Tensor, b: &Tensor| (a - b).square().mean(Kind::Float).double_value(&[]);
    let dissimilarity = |a: &Tensor, b: &Tensor| -metric::ssim(a, b).double_value(&[0]);
    Ok(json!({
        "protocol": format!("{} pictures of identities that were not trained on", pictures.len()),
        "lpips-self": ordering::ordering(&pictures, &ours)?,
        "l2": ordering::ordering(&pictures, &l2)?,
        "ssim": ordering::ordering(&pictures, &dissimilarity)?,
    }))
}

fn compare(a: &Path, b: &Path, perceptual: &str) -> Result<ExitCode> {
    let read = |path: &Path| -> Result<Tensor> {
        let bytes = std::fs::read(path).map_err(|e| Failure::missing(format!("{e}: {path:?}")))?;
        let t = data::rgb_from_encoded(&bytes).map_err(|e| Failure::bad_data(format!("{e}: {path:?}")))?;
        Ok(t.unsqueeze(0))
    };
    let (ta, tb) = (read(a)?, read(b)?);
    if ta.size() != tb.size() {
        let what = format!("images of different size: {:?} {a:?} and {:?} {b:?}", &ta.size()[2..], &tb.size()[2..]);
        return Err(Failure::bad_data(what).into());
    }
    let side = ta.size()[2].min(ta.size()[3]);
    if side < nets::losses::ssim::WINDOW {
        return Err(Failure::bad_data(format!("image side of {side} px, expected at least 11: {a:?}")).into());
    }
    let net = Perceptual::open(perceptual, Device::Cpu)?;
    let value = |t: Tensor| t.double_value(&[0]);
    println!(
        "{:#}",
        json!({
            "psnr_db": value(metric::psnr(&ta, &tb)),
            "mae": value(metric::mae(&ta, &tb)),
            "ssim": value(metric::ssim(&ta, &tb)),
            "ms_ssim": (side >= 176).then(|| value(metric::ms_ssim(&ta, &tb))),
            "flip": value(metric::flip(&ta, &tb)),
            "lpips-self": net.as_ref().map(|n| value(tch::no_grad(|| n.distances(&ta, &tb)))),
            "lpips-self-weights": net.as_ref().map(Perceptual::source),
        })
    );
    Ok(ExitCode::Done)
}
