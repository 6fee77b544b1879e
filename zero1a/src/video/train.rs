//! `zero1a train-video`: the small video model from nothing, on clips cut from datagen's shards.
//!
//! The VAE first, then the U-Net on its latents. Both go on from the checkpoints beside the output, bit for bit on the
//! CPU, and what is done is not done again.
use super::small::SmallConfig;
use super::small::data::ClipData;
use super::small::train_unet::{Begin, UnetTask};
use super::small::train_vae::VaeTask;
use anyhow::Result;
use formats::Dataset;
use formats::exit::ExitCode;
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::progress::Talk;
use nets::training::trainer::{self, Outcome, TrainConfig, checkpoint_path, device_of};
use nets::{Error, Perceptual};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Numbers of a training of the video model.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoTrainConfig {
    /// Sizes of the networks.
    pub model: SmallConfig,
    /// Frames of a training clip.
    pub frames: usize,
    /// Weights of the VAE's perceptual loss: a file, `random` or `none`.
    pub perceptual: String,
    /// Training of the VAE; a batch is pictures.
    pub vae: TrainConfig,
    /// Training of the U-Net; a batch is clips.
    pub unet: TrainConfig,
}

impl Default for VideoTrainConfig {
    fn default() -> Self {
        let common = TrainConfig { cache_images: 12_000, ..Default::default() };
        VideoTrainConfig {
            model: SmallConfig::default(),
            frames: 4,
            perceptual: "weights/perceptual.safetensors".into(),
            vae: TrainConfig { batch: 16, lr: 2e-3, ..common.clone() },
            unet: TrainConfig { batch: 4, lr: 1e-3, ..common },
        }
    }
}

/// What `zero1a train-video` takes on the command line, besides the common flags.
#[derive(Clone, Debug, clap::Args)]
pub struct TrainVideo {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Dataset from `datagen render` with fixed framing and one light per person, see configs/video-data.toml; may be
    /// repeated.
    #[arg(long, required = true)]
    pub data: Vec<PathBuf>,
    /// Weights file to write (half precision); card, checkpoints and the VAE file are written next to it.
    #[arg(long)]
    pub out: PathBuf,
    /// Initial weights of the small video model; their VAE stays unchanged.
    #[arg(long, conflicts_with_all = ["vae_steps", "vae_minutes"])]
    pub from: Option<PathBuf>,
    /// Number of VAE steps; overrides the configuration.
    #[arg(long)]
    pub vae_steps: Option<u64>,
    /// Time limit of this call for the VAE, minutes; overrides the configuration.
    #[arg(long)]
    pub vae_minutes: Option<f64>,
    /// Number of U-Net steps; overrides the configuration.
    #[arg(long)]
    pub steps: Option<u64>,
    /// Time limit of this call for the U-Net, minutes; overrides the configuration.
    #[arg(long)]
    pub minutes: Option<f64>,
    /// Compute device: `auto`, `cpu` or `cuda:N`; overrides the configuration.
    #[arg(long)]
    pub device: Option<String>,
}

impl TrainVideo {
    /// The resolved configuration.
    ///
    /// # Errors
    /// A file or key that does not fit; values no run can have.
    pub fn config(&self, common: &CommonFlags) -> Result<VideoTrainConfig> {
        let mut config: VideoTrainConfig = formats::config::load(common.config.as_deref(), &common.sets)?;
        config.vae.steps = self.vae_steps.unwrap_or(config.vae.steps);
        config.vae.minutes = self.vae_minutes.unwrap_or(config.vae.minutes);
        config.unet.steps = self.steps.unwrap_or(config.unet.steps);
        config.unet.minutes = self.minutes.unwrap_or(config.unet.minutes);
        for part in [&mut config.vae, &mut config.unet] {
            part.seed = common.seed.unwrap_or(part.seed);
            part.device = self.device.clone().unwrap_or(part.device.clone());
            part.check()?;
        }
        config.model.check()?;
        Ok(config)
    }

    /// Checks everything, then trains what is not trained yet.
    ///
    /// # Errors
    /// Each with its exit code.
    pub fn run(&self, common: &CommonFlags) -> Result<ExitCode> {
        let config = self.config(common)?;
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        let data = self.data.iter().map(|path| Dataset::open(path)).collect::<Result<Vec<_>, _>>()?;
        let rows: usize = data.iter().map(Dataset::len).sum();
        let summary = || format!("would train on clips of {rows} rows, seed {}: {:?}", config.unet.seed, self.out);
        if let Some(code) = self.rehearsal.tell(summary) {
            return Ok(code);
        }
        let outcome = train(&data, &config, self.from.as_deref(), &self.out, common.talk())?;
        common.talk().event("done", serde_json::json!({ "steps": outcome.steps, "metrics": outcome.metrics }));
        Ok(if outcome.finished { ExitCode::Done } else { ExitCode::Stopped })
    }
}

/// The VAE's own file, between the two trainings.
pub fn vae_path(out: &Path) -> PathBuf {
    out.with_extension("vae.safetensors")
}

/// Trains VAE and U-Net, or the U-Net of the model `from`, or goes on; writes `out` and its card. Stops early, `finished` false, if the time for either is up.
///
/// # Errors
/// A configuration that does not fit the checkpoints; data or files; a loss that is no number.
pub fn train(
    data: &[Dataset],
    config: &VideoTrainConfig,
    from: Option<&Path>,
    out: &Path,
    talk: Talk,
) -> Result<Outcome, Error> {
    let cache = config.vae.cache_images.max(config.unet.cache_images);
    let clips = Rc::new(ClipData::open(data, &config.model, config.frames, cache, config.unet.seed)?);
    talk.say(clips.origin());
    let vae_file = vae_path(out);
    if from.is_none() && !is_done(&vae_file) {
        let perceptual = Perceptual::open(&config.perceptual, device_of(&config.vae)?)?;
        let task = VaeTask::new(clips.clone(), &config.model, &config.vae, perceptual)?;
        let outcome = trainer::run(&task, &config.vae, &vae_file, talk)?;
        talk.say(&format!("VAE: {} steps, {}", outcome.steps, outcome.metrics));
        if !outcome.finished {
            return Ok(outcome);
        }
        // Its checkpoint marks it as unfinished.
        let checkpoint = checkpoint_path(&vae_file);
        std::fs::remove_file(&checkpoint).map_err(Error::io(&checkpoint))?;
    }
    let begin = from.map_or(Begin::Vae(&vae_file), Begin::Model);
    let task = UnetTask::open(clips, &config.model, &config.unet, config.frames, begin)?;
    let outcome = trainer::run(&task, &config.unet, out, talk)?;
    talk.say(&format!("{out:?}: {} steps, {} kB, {}", outcome.steps, outcome.bytes / 1024, outcome.metrics));
    Ok(outcome)
}

fn is_done(vae_file: &Path) -> bool {
    vae_file.exists() && !checkpoint_path(vae_file).exists()
}
