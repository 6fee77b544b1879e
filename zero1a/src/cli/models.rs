//! The models of a command: named, opened, and recorded in the outputs.
use anyhow::{Context, Result};
use formats::digest;
use formats::exit::{ExitCode, Failure};
use formats::provenance::Provenance;
use head::HeadModel;
use nets::losses::perceptual::Perceptual;
use nets::losses::recognizer::Recognizer;
use std::path::{Path, PathBuf};
use tch::Device;
use track::networks::Networks;
use zero1a::config::{Landmarks, RunConfig};
use zero1a::video::portrait::clip::ClipVision;
use zero1a::video::portrait::files::find;
use zero1a::video::{self, VideoModel};

/// Where they lie.
#[derive(clap::Args)]
pub struct Models {
    /// Head model.
    #[arg(long)]
    pub head: PathBuf,
    /// Video model: weights from `zero1a train-video`, or the folder of a public portrait model.
    #[arg(long, default_value = "weights/video.safetensors")]
    video: PathBuf,
    /// Weights of the tracker.
    #[arg(long, default_value = "weights/track.safetensors")]
    pub tracker: PathBuf,
    /// Weights of the perceptual network; `random` or `none`.
    #[arg(long, default_value = "weights/perceptual.safetensors")]
    perceptual: String,
    /// Weights of the face recognizer used for metrics; `none` to omit it.
    #[arg(long, alias = "recogniser", default_value = "weights/identity.safetensors")]
    recognizer: String,
    /// Folder of a CLIP image encoder (`config.json`, `model.safetensors` or `pytorch_model.bin`) for the `clip-i` metric.
    #[arg(long)]
    clip: Option<PathBuf>,
    /// Compute device: `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto")]
    device: String,
}

/// The models of a run, opened.
pub struct Opened {
    pub head: HeadModel,
    pub tracker: Networks,
    pub perceptual: Option<Perceptual>,
    pub recognizer: Option<Recognizer>,
    pub clip: Option<ClipVision>,
    pub device: Device,
}

impl Models {
    pub fn open(&self) -> Result<Opened> {
        let device = nets::device::parse(&self.device)?;
        nets::bridge::render::check_device(device)?;
        Ok(Opened {
            head: HeadModel::load(&self.head)?,
            tracker: Networks::load(&self.tracker, device)?,
            perceptual: Perceptual::open(&self.perceptual, device)?,
            recognizer: match self.recognizer.as_str() {
                "none" => None,
                path => Some(
                    Recognizer::load(Path::new(path), device).context("the recognizer (--recognizer none omits it)")?,
                ),
            },
            clip: self.clip.as_ref().map(|folder| ClipVision::load(folder, device)).transpose()?,
            device,
        })
    }

    /// The video model, and what rows call it.
    pub fn open_video(&self, device: Device) -> Result<(Box<dyn VideoModel>, String)> {
        let hash = digest::sha256_of_file(&self.video_weights()?)?;
        let kind = if self.video.is_dir() { "portrait" } else { "small" };
        Ok((video::open(&self.video, device)?, format!("{kind} video model {}", &hash[..16])))
    }

    /// The file that tells one video model from another: of a public folder the denoising network.
    fn video_weights(&self) -> Result<PathBuf> {
        if self.video.is_dir() {
            return Ok(find(&self.video, &["denoising_unet"])?);
        }
        if !self.video.is_file() {
            let text = format!("no video model at {:?}; train one with `zero1a train-video`", self.video);
            return Err(Failure::new(ExitCode::MissingInput, text).into());
        }
        Ok(self.video.clone())
    }

    /// What a run of `config` on a reference picture depends on.
    pub fn provenance(&self, config: &RunConfig, reference: &[u8]) -> Result<Provenance> {
        let toml = formats::config::to_toml(config)?;
        let mut provenance = Provenance::new("zero1a", env!("CARGO_PKG_VERSION"), &toml, config.seed)
            .with_input("head", &self.head)?
            .with_input("video", &self.video_weights()?)?;
        if Path::new(&self.perceptual).is_file() {
            provenance = provenance.with_input("perceptual", Path::new(&self.perceptual))?;
        } else {
            provenance.inputs.push(("perceptual".into(), self.perceptual.clone()));
        }
        if config.landmarks == Landmarks::Detected {
            provenance = provenance.with_input("tracker", &self.tracker)?;
        }
        provenance.inputs.push(("reference".into(), digest::hex(&digest::sha256(reference))));
        Ok(provenance)
    }
}
