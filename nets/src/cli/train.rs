//! `nets train-perceptual` and `nets train-identity`
use anyhow::Result;
use formats::Dataset;
use formats::exit::ExitCode;
use formats::flags::{CommonFlags, RehearsalFlags};
use nets::Error;
use nets::training::perceptual_task::PerceptualTask;
use nets::training::recognizer_task::RecognizerTask;
use nets::training::trainer::{Task, TrainConfig, run};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Samples per step, unless the configuration says otherwise.
const PERCEPTUAL_BATCH: usize = 8;
const RECOGNIZER_BATCH: usize = 32;

#[derive(clap::Args)]
pub struct Train {
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

impl Train {
    pub fn perceptual(&self, common: &CommonFlags) -> Result<ExitCode> {
        self.run(common, PERCEPTUAL_BATCH, PerceptualTask::open, PerceptualTask::data)
    }

    pub fn recognizer(&self, common: &CommonFlags) -> Result<ExitCode> {
        self.run(common, RECOGNIZER_BATCH, RecognizerTask::open, RecognizerTask::data)
    }

    /// `open` reads the data and builds the network, `data` says what was read.
    fn run<T: Task>(
        &self,
        common: &CommonFlags,
        batch: usize,
        open: fn(&Dataset, &TrainConfig) -> Result<T, Error>,
        data: fn(&T) -> &str,
    ) -> Result<ExitCode> {
        let config = self.config(common, batch)?;
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        let task = open(&Dataset::open(&self.data)?, &config)?;
        if let Some(code) = self.tell(data(&task), &config) {
            return Ok(code);
        }
        common.talk().say(data(&task));
        train(&task, &config, &self.out, common)
    }

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
