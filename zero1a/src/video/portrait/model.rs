//! The public networks put together, behind the interface that SymGEN asks through.
use super::clip::ClipVision;
use super::config::{ClipConfig, UnetConfig, VaeConfig, read};
use super::files::{fill, find, read as weights};
use super::guider::{GuiderConfig, PoseGuider};
use super::motion::MotionConfig;
use super::transformer::Bank;
use super::unet::{Frames, Role, Unet};
use super::vae::AutoencoderKl;
use crate::video::{Condition, VideoModel};
use anyhow::{Context, Result};
use nets::blocks::diffusion::{Betas, NoiseSchedule};
use std::cell::RefCell;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// Sizes of all networks.
#[derive(Clone, Debug, Default)]
pub struct PortraitConfig {
    /// The autoencoder.
    pub vae: VaeConfig,
    /// Reference and denoising network.
    pub unet: UnetConfig,
    /// The image encoder.
    pub clip: ClipConfig,
    /// The motion modules.
    pub motion: MotionConfig,
    /// The pose guider.
    pub guider: GuiderConfig,
    /// Side of the pictures, pixels, and most frames at once.
    pub size: PortraitSize,
}

/// What a picture and a window measure.
#[derive(Clone, Copy, Debug)]
pub struct PortraitSize {
    /// Side of the pictures, pixels.
    pub side: i64,
    /// Most frames at once.
    pub window: i64,
}

impl Default for PortraitSize {
    /// AniPortrait's.
    fn default() -> Self {
        PortraitSize { side: 512, window: 16 }
    }
}

/// The networks, frozen.
#[derive(Debug)]
pub struct PortraitVideo {
    schedule: NoiseSchedule,
    vae: AutoencoderKl,
    clip: ClipVision,
    reference: Unet,
    denoise: Unet,
    guider: PoseGuider,
    side: i64,
    window: i64,
    latent: [i64; 3],
    /// The last person, so that the reference network runs once a person, not once a step.
    last_person: RefCell<Option<Person>>,
}

/// What the denoising network is conditioned on.
#[derive(Debug)]
struct Person {
    reference: Tensor,
    /// `[1, 1, 768]`
    context: Tensor,
    /// What the reference network's self-attentions saw.
    bank: Vec<Tensor>,
}

/// A store per file, so that each network's names are those of its file.
#[derive(Debug)]
pub struct Stores {
    /// The autoencoder's variables.
    pub vae: nn::VarStore,
    /// The image encoder's.
    pub clip: nn::VarStore,
    /// The reference network's.
    pub reference: nn::VarStore,
    /// The denoising network's, motion modules included.
    pub denoise: nn::VarStore,
    /// The pose guider's.
    pub guider: nn::VarStore,
}

impl PortraitVideo {
    /// From a folder laid out as [`super::files`] says. Autoencoder, U-Nets and image encoder are as large as the folder's
    /// `config.json`s say; the rest of `config` holds.
    ///
    /// # Errors
    /// A file or tensor that is missing or misshaped, by its name.
    pub fn load(folder: &Path, config: PortraitConfig, device: Device) -> Result<Self> {
        let config = PortraitConfig {
            vae: read(&folder.join("sd-vae-ft-mse/config.json"))?,
            unet: read(&folder.join("stable-diffusion-v1-5/unet/config.json"))?,
            clip: read(&folder.join("image_encoder/config.json"))?,
            ..config
        };
        let (model, mut stores) = Self::blank(&config, device)?;
        let in_folder = |names: &[&str]| weights(&find(folder, names)?);
        let vae = weights(&find(&folder.join("sd-vae-ft-mse"), &["diffusion_pytorch_model"])?)?;
        fill(&stores.vae, &[vae]).context("sd-vae-ft-mse")?;
        let clip = weights(&find(&folder.join("image_encoder"), &["model", "pytorch_model"])?)?;
        fill(&stores.clip, &[clip]).context("image_encoder")?;
        fill(&stores.reference, &[in_folder(&["reference_unet"])?]).context("reference_unet")?;
        let denoise = [in_folder(&["denoising_unet"])?, in_folder(&["motion_module"])?];
        fill(&stores.denoise, &denoise).context("denoising_unet")?;
        fill(&stores.guider, &[in_folder(&["pose_guider"])?]).context("pose_guider")?;
        stores.freeze();
        Ok(model)
    }

    /// The networks with weights of zero, and the stores to fill.
    ///
    /// # Errors
    /// Sizes that do not go together.
    pub fn blank(c: &PortraitConfig, device: Device) -> Result<(Self, Stores)> {
        c.unet.check()?;
        let store = || nn::VarStore::new(device);
        let stores = Stores { vae: store(), clip: store(), reference: store(), denoise: store(), guider: store() };
        let latent_side = c.size.side >> (c.vae.block_out_channels.len() - 1);
        let model = PortraitVideo {
            schedule: NoiseSchedule::new(Betas::Linear, 8.5e-4, 0.012, 1000).with_zero_terminal_snr(),
            vae: AutoencoderKl::new(stores.vae.root(), &c.vae),
            clip: ClipVision::new(stores.clip.root(), &c.clip),
            reference: Unet::new(stores.reference.root(), &c.unet, Role::Reference),
            denoise: Unet::new(stores.denoise.root(), &c.unet, Role::Denoise(c.motion)),
            guider: PoseGuider::new(stores.guider.root(), c.unet.block_out_channels[0], c.guider),
            side: c.size.side,
            window: c.size.window,
            latent: [c.vae.latent_channels, latent_side, latent_side],
            last_person: RefCell::new(None),
        };
        Ok((model, stores))
    }

    fn check(&self, what: &str, t: &Tensor, expected: [i64; 3]) -> Result<()> {
        Ok(nets::error::check_shape(what, t, &[-1, expected[0], expected[1], expected[2]])?)
    }

    /// Runs `f` with what is known of a person, which is found out if it is another than last time.
    fn with_person<T>(&self, reference: &Tensor, f: impl FnOnce(&Person) -> T) -> Result<T> {
        let mut last = self.last_person.borrow_mut();
        let person = match last.take() {
            Some(person) if person.reference.equal(reference) => person,
            _ => self.meet(reference)?,
        };
        let out = f(&person);
        *last = Some(person);
        Ok(out)
    }

    /// The landmark pyramid of maps `[F, 3, S, S]` in 0..=1, [`PoseGuider::forward`].
    pub fn landmark_features(&self, maps: &Tensor) -> Vec<Tensor> {
        self.guider.forward(&(maps * 2.0 - 1.0))
    }

    /// The embedding `[B, P]` of pictures that are prepared for the image encoder, [`ClipVision::forward`].
    pub fn embed(&self, prepared: &Tensor) -> Tensor {
        self.clip.forward(prepared)
    }

    /// Takes `embedding` `[1, P]` for that of `reference` `[3, S, S]` from now on, instead of the image encoder's own.
    ///
    /// # Errors
    /// A picture of another size.
    pub fn meet_as(&self, reference: &Tensor, embedding: &Tensor) -> Result<()> {
        *self.last_person.borrow_mut() = Some(self.person(reference, embedding)?);
        Ok(())
    }

    fn meet(&self, reference: &Tensor) -> Result<Person> {
        self.person(reference, &self.clip.embed(&reference.unsqueeze(0)))
    }

    fn person(&self, reference: &Tensor, embedding: &Tensor) -> Result<Person> {
        let context = embedding.unsqueeze(1);
        let latents = self.encode(&reference.unsqueeze(0)).context("reference")?;
        let timesteps = Tensor::zeros([1], (Kind::Int64, reference.device()));
        let mut bank = Bank::Write(Vec::new());
        let frames = Frames { latents: &latents, timesteps: &timesteps, context: &context, maps: &[] };
        let _ = self.reference.forward(frames, &mut bank);
        let Bank::Write(bank) = bank else { unreachable!("a bank that was opened for writing") };
        Ok(Person { reference: reference.shallow_clone(), context, bank })
    }
}

impl Stores {
    /// No gradients.
    pub fn freeze(&mut self) {
        for vars in [&mut self.vae, &mut self.clip, &mut self.reference, &mut self.denoise, &mut self.guider] {
            vars.freeze();
        }
    }
}

impl VideoModel for PortraitVideo {
    fn size(&self) -> i64 {
        self.side
    }

    fn latent_shape(&self) -> [i64; 3] {
        self.latent
    }

    fn window(&self) -> i64 {
        self.window
    }

    fn encode(&self, pictures: &Tensor) -> Result<Tensor> {
        self.check("pictures", pictures, [3, self.side, self.side])?;
        Ok(tch::no_grad(|| self.vae.encode(&(pictures * 2.0 - 1.0))))
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        self.check("latents", latents, self.latent)?;
        // Frame by frame: at 512 pixels a clip at once would take gigabytes.
        let frame = |z: Tensor| ((self.vae.decode(&z) + 1.0) * 0.5).clamp(0.0, 1.0);
        Ok(tch::no_grad(|| Tensor::cat(&latents.split(1, 0).into_iter().map(frame).collect::<Vec<_>>(), 0)))
    }

    fn velocity(&self, latents: &Tensor, timestep: i64, condition: &Condition, guidance: f64) -> Result<Tensor> {
        let frames = latents.size()[0];
        self.check("latents", latents, self.latent)?;
        nets::error::check_shape("landmark maps", &condition.maps, &[frames, 3, self.side, self.side])?;
        nets::error::check_shape("reference", &condition.reference, &[3, self.side, self.side])?;
        anyhow::ensure!(frames <= self.window, "{frames} frames in a window of {}", self.window);
        let _no_grad = tch::no_grad_guard();
        // Classifier-free guidance: the clip twice, first without the person. Both are conditioned on the maps.
        let (clips, unconditional) = if guidance == 1.0 { (1, 0) } else { (2, frames) };
        let twice = |t: &Tensor| t.repeat([clips, 1, 1, 1]);
        let maps: Vec<Tensor> = self.landmark_features(&condition.maps).iter().map(twice).collect();
        let timesteps = Tensor::full([clips], timestep, (Kind::Int64, latents.device()));
        let v = self.with_person(&condition.reference, |person| {
            let context = match clips {
                1 => person.context.shallow_clone(),
                _ => Tensor::cat(&[person.context.zeros_like(), person.context.shallow_clone()], 0),
            };
            let batch = twice(latents);
            let input = Frames { latents: &batch, timesteps: &timesteps, context: &context, maps: &maps };
            self.denoise.forward(input, &mut Bank::reading(&person.bank, unconditional))
        })?;
        if clips == 1 {
            return Ok(v);
        }
        let (without, with) = (v.narrow(0, 0, frames), v.narrow(0, frames, frames));
        Ok(&without + (with - &without) * guidance)
    }

    /// AniPortrait's.
    fn guidance(&self) -> f64 {
        3.5
    }

    fn alphas_cumprod(&self) -> &[f64] {
        self.schedule.alphas_cumprod()
    }
}
