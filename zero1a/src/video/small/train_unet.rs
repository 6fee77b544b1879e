//! Training of the space-time U-Net on the latents of clips.
use super::config::{SmallConfig, TIMESTEPS};
use super::data::{Clip, ClipData};
use super::figures;
use super::model::{self, SmallVideo, config_of};
use super::train_vae;
use super::unet::{Conditions, SpaceTimeUnet};
use super::vae::Vae;
use formats::card::WeightsCard;
use nets::blocks::conv::{channels_last, weights_channels_last};
use nets::blocks::diffusion::{NoiseSchedule, add_noise, velocity};
use nets::rng::Rng;
use nets::training::loader::BatchFn;
use nets::training::means::Means;
use nets::training::trainer::{Task, TrainConfig, device_of};
use nets::{Checkpoint, Error};
use serde_json::json;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tch::{Device, Kind, Tensor, nn};

/// Fraction of the clips that are unconditional, for classifier-free guidance (Ho and Salimans 2022).
const UNCONDITIONAL: f32 = 0.1;
/// Largest signal-to-noise ratio that counts in full (Hang et al. 2023, min-SNR-γ).
const MIN_SNR: f64 = 5.0;

/// What a training begins from.
#[derive(Clone, Copy, Debug)]
pub enum Begin<'a> {
    /// The file that [`train_vae`] wrote.
    Vae(&'a Path),
    /// A whole model of the same configuration.
    Model(&'a Path),
}

impl Begin<'_> {
    fn path(&self) -> &Path {
        let (Begin::Vae(path) | Begin::Model(path)) = self;
        path
    }

    fn read(&self, config: &SmallConfig) -> Result<Checkpoint, Error> {
        let path = self.path();
        let file = Checkpoint::load(path)?;
        let found = config_of(&file, path)?;
        let (net, same) = match self {
            Begin::Vae(_) => (train_vae::NET, found.vae() == config.vae()),
            Begin::Model(_) => (model::NET, found == *config),
        };
        file.expect_net(net)?;
        if !same {
            let why = format!("{path:?} has another configuration; remove it, or start without it");
            return Err(Error::Config { key: "model".into(), why });
        }
        Ok(file)
    }
}

/// A clip, its noise level, and whether it is conditioned.
#[derive(Clone, Debug)]
pub struct NoisedClip {
    clip: Clip,
    timestep: i64,
    known: bool,
}

/// The U-Net, the latents of all pictures, and the loss.
pub struct UnetTask {
    vars: nn::VarStore,
    model: SmallVideo,
    schedule: NoiseSchedule,
    train: TrainConfig,
    frames: usize,
    data: Rc<ClipData>,
    /// `[N, C, s, s]`, unit spread, by row of the data.
    latents: Tensor,
    vae_metrics: serde_json::Value,
    /// The weights that it began from, by their digest.
    from: Option<String>,
}

impl UnetTask {
    /// The VAE is frozen and becomes part of this model's file. Clips have `frames`.
    ///
    /// # Errors
    /// [`Error::Config`] if what it begins from is of another configuration; a file that cannot be read.
    pub fn open(
        data: Rc<ClipData>,
        config: &SmallConfig,
        train: &TrainConfig,
        frames: usize,
        begin: Begin,
    ) -> Result<Self, Error> {
        config.check()?;
        train.check()?;
        let file = begin.read(config)?;
        tch::manual_seed(train.seed as i64);
        let mut vars = nn::VarStore::new(device_of(train)?);
        let mut vae = Vae::new(vars.root() / "model" / "vae", config);
        file.restore_vars("", &vars)?;
        vars.freeze();
        let latents = encode_all(&mut vae, &data, vars.device());
        let unet = SpaceTimeUnet::new(vars.root() / "model" / "unet", config);
        let mut from = None;
        if let Begin::Model(path) = begin {
            file.restore_vars("", &vars)?;
            from = Some(formats::digest::sha256_of_file(path)?);
        }
        weights_channels_last(&vars);
        let mut vae_metrics = WeightsCard::read(begin.path())?.metrics;
        if let Some(all) = vae_metrics.as_object_mut() {
            all.retain(|name, _| name.starts_with("vae_"));
        }
        Ok(UnetTask {
            vars,
            model: SmallVideo::of(config.clone(), vae, unet),
            schedule: config.schedule(),
            train: train.clone(),
            frames,
            data,
            latents,
            vae_metrics,
            from,
        })
    }

    fn rows_of(&self, rows: &[usize]) -> Tensor {
        let rows: Vec<i64> = rows.iter().map(|&r| r as i64).collect();
        self.latents.index_select(0, &Tensor::from_slice(&rows).to_device(self.latents.device()))
    }

    /// Mean of the squared error of v per clip, `[B]`.
    fn errors(&self, clips: &[NoisedClip]) -> Tensor {
        let device = self.vars.device();
        let frames: Vec<usize> = clips.iter().flat_map(|c| c.clip.frames.clone()).collect();
        let references: Vec<usize> = clips.iter().map(|c| c.clip.reference).collect();
        let known: Vec<f32> = clips.iter().map(|c| f32::from(u8::from(c.known))).collect();
        let timesteps: Vec<i64> = clips.iter().map(|c| c.timestep).collect();

        let clean = self.rows_of(&frames);
        let noise = clean.randn_like();
        let per_clip = |f: &dyn Fn(&Tensor, &Tensor, f64) -> Tensor| {
            let parts = clean.chunk(clips.len() as i64, 0).into_iter().zip(noise.chunk(clips.len() as i64, 0));
            let parts: Vec<Tensor> =
                parts.zip(clips).map(|((x, e), c)| f(&x, &e, self.schedule.angle(c.timestep))).collect();
            Tensor::cat(&parts, 0)
        };
        let (noisy, target) = (per_clip(&add_noise), per_clip(&velocity));
        let moved = clips.iter().map(|c| self.data.moved(c.clip.reference, &c.clip.frames, device));
        let moved = Tensor::cat(&moved.collect::<Vec<_>>(), 0);
        let conditions = Conditions {
            reference: channels_last(&self.rows_of(&references)),
            reference_maps: channels_last(&self.data.maps(&references, device)),
            maps: channels_last(&self.data.maps(&frames, device)),
            moved: tch::no_grad(|| self.model.vae.encode(&channels_last(&moved))),
        };
        let embedded = self.model.unet.embed(&conditions, &Tensor::from_slice(&known).to_device(device));
        let timesteps = Tensor::from_slice(&timesteps).to_device(device);
        let v = self.model.unet.forward(&channels_last(&noisy), &timesteps, &embedded);
        (v - target).square().reshape([clips.len() as i64, -1]).mean_dim([1i64].as_slice(), false, Kind::Float)
    }

    /// Error of v at some noise levels, on the held-out clips.
    fn error_by_level(&self) -> serde_json::Value {
        tch::manual_seed(7);
        let clips = self.data.held_out_clips(self.frames);
        let at = |timestep: i64| {
            let noised: Vec<NoisedClip> =
                clips.iter().map(|clip| NoisedClip { clip: clip.clone(), timestep, known: true }).collect();
            self.errors(&noised).mean(Kind::Double).double_value(&[])
        };
        let levels = [50i64, 200, 400, 600, 800, 999];
        levels.iter().map(|&t| (t.to_string(), json!(at(t)))).collect::<serde_json::Map<_, _>>().into()
    }
}

/// Weight of the error of v that makes it an error of x0 weighted by the signal-to-noise ratio, kept between 1 (Salimans
/// and Ho 2022, truncated) and [`MIN_SNR`]. Levels of noise alone count too.
fn weight(schedule: &NoiseSchedule, timestep: i64) -> f64 {
    let alpha = schedule.alphas_cumprod()[timestep as usize];
    let snr = alpha / (1.0 - alpha);
    snr.clamp(1.0, MIN_SNR) / (snr + 1.0)
}

/// Latents of all pictures; sets the VAE's mean and spread by those of the training people.
fn encode_all(vae: &mut Vae, data: &ClipData, device: Device) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let rows: Vec<usize> = (0..data.len()).collect();
    let raw: Vec<Tensor> =
        rows.chunks(64).map(|rows| vae.posterior(&channels_last(&data.pictures(rows, device))).mean).collect();
    let raw = Tensor::cat(&raw, 0).contiguous();
    let train: Vec<i64> = data.train_rows().iter().map(|&r| r as i64).collect();
    vae.measure(&raw.index_select(0, &Tensor::from_slice(&train).to_device(device)));
    vae.normalised(&raw)
}

impl Task for UnetTask {
    type Batch = Vec<NoisedClip>;

    fn net(&self) -> &'static str {
        model::NET
    }

    fn shipped(&self) -> &'static str {
        "model"
    }

    fn model_config(&self) -> Option<String> {
        Some(toml::to_string(&self.model.config()).expect("a flat table"))
    }

    fn vars(&self) -> &nn::VarStore {
        &self.vars
    }

    fn batches(&self) -> BatchFn<Vec<NoisedClip>> {
        let (drawer, seed, batch) = (self.data.drawer(self.frames), self.train.seed, self.train.batch);
        Arc::new(move |step| {
            let draw = |k: usize| {
                let rng = &mut Rng::new(&[seed, 0xc11b, step, k as u64]);
                // One of each part of the noise levels.
                let share = (k as f32 + rng.unit()) / batch as f32;
                let timestep = ((share * TIMESTEPS as f32) as i64).min(TIMESTEPS as i64 - 1);
                NoisedClip { timestep, known: !rng.chance(UNCONDITIONAL), clip: drawer.draw(rng) }
            };
            Ok((0..batch).map(draw).collect())
        })
    }

    fn loss(&self, batch: &Vec<NoisedClip>, step: u64, means: &mut Means) -> Result<Tensor, Error> {
        let errors = self.errors(batch);
        let weights: Vec<f32> = batch.iter().map(|c| weight(&self.schedule, c.timestep) as f32).collect();
        means.add("v", &errors.mean(Kind::Float), step)?;
        Ok((errors * Tensor::from_slice(&weights).to_device(self.vars.device())).mean(Kind::Float))
    }

    fn evaluate(&self) -> Result<serde_json::Value, Error> {
        let _no_grad = tch::no_grad_guard();
        let mut metrics = figures::of_clips(&self.model, &self.data)?;
        let protocol = format!("mean squared error of v, unit-spread latents, held-out people, {} frames", self.frames);
        metrics["velocity_error"] = json!({ "value": self.error_by_level(), "protocol": protocol });
        if let (Some(all), Some(vae)) = (metrics.as_object_mut(), self.vae_metrics.as_object()) {
            all.extend(vae.clone());
        }
        Ok(metrics)
    }

    fn describe(&self, card: &mut WeightsCard) {
        card.what =
            "reference picture, landmark maps and noise → a clip of the person; heads in the middle, chin to crown \
                     0.6 to 0.72 of the picture, white behind; VAE and space-time U-Net"
                .into();
        card.architecture = json!(self.model.config());
        card.data = self.data.origin().into();
        card.provenance.tool = "zero1a".into();
        card.provenance.inputs.extend(self.from.iter().map(|sha| ("from".into(), sha.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_counts_and_clean_ones_least() {
        let schedule = SmallConfig::default().schedule();
        assert_eq!(weight(&schedule, 999), 1.0);
        assert!((0..1000).all(|t| weight(&schedule, t) > 0.0 && weight(&schedule, t) <= 1.0));
        assert!(weight(&schedule, 0) < 0.01 && weight(&schedule, 700) > 0.9);
    }
}
