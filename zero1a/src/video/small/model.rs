//! The small model behind the interface that SymGEN asks through.
use super::config::SmallConfig;
use super::unet::{Conditions, EmbeddedConditions, SpaceTimeUnet};
use super::vae::Vae;
use crate::video::{Condition, VideoModel};
use anyhow::{Context, Result};
use nets::blocks::diffusion::NoiseSchedule;
use nets::{Checkpoint, Error};
use std::cell::RefCell;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// Value of the header's `net` in weight files of this model.
pub const NET: &str = "effigy-video-2";

/// The networks of a small model.
#[derive(Debug)]
pub struct SmallVideo {
    config: SmallConfig,
    schedule: NoiseSchedule,
    pub(super) vae: Vae,
    pub(super) unet: SpaceTimeUnet,
    /// The last condition, embedded once per clip, not once per step.
    last: RefCell<Option<LastCondition>>,
}

/// A condition and its embeddings.
#[derive(Debug)]
struct LastCondition {
    given: [Tensor; 4],
    embedded: EmbeddedConditions,
}

/// The configuration that a weight file of ours was trained with.
///
/// # Errors
/// [`Error::Format`] if it has none, or one of another version.
pub fn config_of(file: &Checkpoint, path: &Path) -> Result<SmallConfig, Error> {
    let fail = |what: String| Error::Format { what, path: path.to_path_buf() };
    let text = file.notes.get("config").ok_or_else(|| fail("no configuration in the header".into()))?;
    let config: SmallConfig = toml::from_str(text).map_err(|e| fail(format!("configuration in the header: {e}")))?;
    config.check()?;
    Ok(config)
}

impl SmallVideo {
    /// From a file that `zero1a train-video` wrote.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`], [`Error::Missing`] or [`Error::Shape`].
    pub fn load(path: &Path, device: Device) -> Result<Self, Error> {
        let file = Checkpoint::load(path)?;
        file.expect_net(NET)?;
        let mut vars = nn::VarStore::new(device);
        let model = Self::untrained(&vars.root(), config_of(&file, path)?);
        file.restore_vars("", &vars)?;
        vars.freeze();
        nets::blocks::conv::weights_channels_last(&vars);
        Ok(model)
    }

    /// With weights drawn from torch's generator, as `model.vae` and `model.unet` under `root`.
    pub fn untrained(root: &nn::Path, config: SmallConfig) -> Self {
        let (vae, unet) =
            (Vae::new(root / "model" / "vae", &config), SpaceTimeUnet::new(root / "model" / "unet", &config));
        Self::of(config, vae, unet)
    }

    pub(super) fn of(config: SmallConfig, vae: Vae, unet: SpaceTimeUnet) -> Self {
        SmallVideo { schedule: config.schedule(), config, vae, unet, last: RefCell::new(None) }
    }

    /// Sizes.
    pub fn config(&self) -> &SmallConfig {
        &self.config
    }

    /// Calls `f` with the embeddings of a condition.
    fn with_embedded<R>(&self, condition: &Condition, f: impl FnOnce(&EmbeddedConditions) -> R) -> Result<R> {
        let c = condition;
        let given = [&c.reference, &c.reference_map, &c.maps, &c.moved].map(Tensor::shallow_clone);
        let same =
            |last: &LastCondition| last.given.iter().zip(&given).all(|(a, b)| a.size() == b.size() && a.equal(b));
        let mut last = self.last.borrow_mut();
        if !last.as_ref().is_some_and(same) {
            let conditions = Conditions {
                reference: self.encode(&c.reference.unsqueeze(0)).context("reference")?,
                reference_maps: c.reference_map.unsqueeze(0),
                maps: c.maps.shallow_clone(),
                moved: self.encode(&c.moved).context("moved reference")?,
            };
            let known = Tensor::ones([1], (Kind::Float, c.maps.device()));
            *last = Some(LastCondition { given, embedded: self.unet.embed(&conditions, &known) });
        }
        Ok(f(&last.as_ref().expect("just embedded").embedded))
    }

    fn check(&self, what: &str, t: &Tensor, expected: [i64; 3]) -> Result<()> {
        Ok(nets::error::check_shape(what, t, &[-1, expected[0], expected[1], expected[2]])?)
    }
}

impl VideoModel for SmallVideo {
    fn size(&self) -> i64 {
        self.config.size
    }

    fn latent_shape(&self) -> [i64; 3] {
        [self.config.latent, self.config.latent_side(), self.config.latent_side()]
    }

    fn window(&self) -> i64 {
        self.config.window
    }

    fn encode(&self, pictures: &Tensor) -> Result<Tensor> {
        self.check("pictures", pictures, [3, self.config.size, self.config.size])?;
        Ok(tch::no_grad(|| self.vae.encode(&nets::blocks::conv::channels_last(pictures)).contiguous()))
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        self.check("latents", latents, self.latent_shape())?;
        Ok(tch::no_grad(|| self.vae.decode(&nets::blocks::conv::channels_last(latents)).contiguous()))
    }

    fn velocity(&self, latents: &Tensor, timestep: i64, condition: &Condition, guidance: f64) -> Result<Tensor> {
        let (frames, size) = (latents.size()[0], self.config.size);
        self.check("latents", latents, self.latent_shape())?;
        nets::error::check_shape("landmark maps", &condition.maps, &[frames, 3, size, size])?;
        nets::error::check_shape("moved reference", &condition.moved, &[frames, 3, size, size])?;
        nets::error::check_shape("reference", &condition.reference, &[3, size, size])?;
        anyhow::ensure!(frames <= self.window(), "{frames} frames in a window of {}", self.window());
        let _no_grad = tch::no_grad_guard();
        // Classifier-free guidance: the clip twice, conditioned and unconditional.
        let clips = if guidance == 1.0 { 1 } else { 2 };
        let timesteps = Tensor::full([clips], timestep, (Kind::Int64, latents.device()));
        let noisy = nets::blocks::conv::channels_last(&latents.repeat([clips, 1, 1, 1]));
        let v = self.with_embedded(condition, |embedded| match clips {
            1 => self.unet.forward(&noisy, &timesteps, embedded),
            _ => self.unet.forward(&noisy, &timesteps, &embedded.with_unconditional()),
        })?;
        let v = v.contiguous();
        if clips == 1 {
            return Ok(v);
        }
        let (with, without) = (v.narrow(0, 0, frames), v.narrow(0, frames, frames));
        Ok(&without + (with - &without) * guidance)
    }

    /// As its card's `clips_by_guidance` and the example `regenerate` have it.
    fn guidance(&self) -> f64 {
        1.5
    }

    fn alphas_cumprod(&self) -> &[f64] {
        self.schedule.alphas_cumprod()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{ChainConfig, noise, sample};

    fn small() -> SmallConfig {
        SmallConfig {
            size: 32,
            vae_widths: vec![8, 8],
            widths: vec![8, 16],
            head_width: 8,
            window: 3,
            ..Default::default()
        }
    }

    #[test]
    fn makes_clips_longer_than_its_window_and_refuses_other_sizes() {
        tch::manual_seed(1);
        let model = SmallVideo::untrained(&nn::VarStore::new(Device::Cpu).root(), small());
        let rand = |size: &[i64]| Tensor::rand(size, (Kind::Float, Device::Cpu));
        let condition = Condition {
            reference: rand(&[3, 32, 32]),
            reference_map: rand(&[3, 32, 32]),
            maps: rand(&[5, 3, 32, 32]),
            moved: rand(&[5, 3, 32, 32]),
        };
        let chain = ChainConfig { steps: 2, guidance: Some(2.0), overlap: 1, ..ChainConfig::WHOLE };
        let latents = sample(&model, &noise(&model, 5, 3, Device::Cpu), &condition, &chain).unwrap();
        assert_eq!(latents.size(), [5, 4, 8, 8]);
        assert_eq!(model.decode(&latents).unwrap().size(), [5, 3, 32, 32]);
        assert!(model.encode(&rand(&[5, 3, 16, 16])).is_err());
        assert!(model.velocity(&latents, 3, &condition, 1.0).is_err(), "five frames in a window of three");
    }

    #[test]
    fn a_weight_file_without_its_configuration_is_refused() {
        let path = std::env::temp_dir().join(format!("effigy-video-{}.safetensors", std::process::id()));
        let mut file = Checkpoint::new(3);
        file.note("net", NET).save(&path).unwrap();
        let error = SmallVideo::load(&path, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("no configuration"), "{error}");
        let vars = nn::VarStore::new(Device::Cpu);
        SmallVideo::untrained(&vars.root(), small());
        file.note("config", toml::to_string(&small()).unwrap()).put_vars("", &vars).save(&path).unwrap();
        assert_eq!(SmallVideo::load(&path, Device::Cpu).unwrap().config(), &small());
        std::fs::remove_file(path).unwrap();
    }
}
