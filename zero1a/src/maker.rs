//! Who makes clips: a video model, told by landmark maps; or whatever else a test puts in its place.
use crate::clips::Moment;
use crate::config::RemadeFrom;
use crate::video::{self, ChainConfig, Condition, VideoModel};
use anyhow::Result;
use nets::blocks::diffusion::{add_noise, angle, ddim_step};
use tch::{Device, Tensor};

/// What a clip is to show. `F` frames.
pub struct Ask<'a> {
    /// Cameras and expressions.
    pub moments: &'a [Moment],
    /// Landmarks of each frame, pixels.
    pub landmarks: &'a [Vec<[f32; 2]>],
    /// Of the noise, where there is any.
    pub seed: u64,
}

/// Makes the frames of clips. Pictures are `[F, 3, S, S]`, display RGB.
pub trait ClipMaker {
    /// S, pixels.
    fn size(&self) -> usize;
    /// What made the clips, for their rows.
    fn name(&self) -> &str;
    /// Frames out of noise: plain generation.
    ///
    /// # Errors
    /// What the model says.
    fn make(&self, ask: &Ask) -> Result<Tensor>;
    /// Frames out of what the avatar looks like: inverted or noised, then denoised.
    ///
    /// # Errors
    /// What the model says.
    fn remake(&self, ask: &Ask, renders: &Tensor) -> Result<Tensor>;
    /// What the model takes noised renders for, at a share 0..=1 of the timesteps, in one step: score distillation.
    ///
    /// # Errors
    /// What the model says.
    fn denoised(&self, ask: &Ask, renders: &Tensor, share: f64) -> Result<Tensor>;
}

/// A video model with the person whom it is to show.
pub struct VideoMaker<'a> {
    /// The model.
    pub model: &'a dyn VideoModel,
    /// How it is gone through.
    pub chain: ChainConfig,
    /// What remaking starts from.
    pub remade_from: RemadeFrom,
    /// The person, `[3, S, S]`.
    pub reference: Tensor,
    /// Landmarks of the reference (pixels of S).
    pub reference_landmarks: Vec<[f32; 2]>,
    /// As rows bear it.
    pub name: String,
    /// Where the model computes.
    pub device: Device,
}

impl VideoMaker<'_> {
    fn noise(&self, ask: &Ask) -> Tensor {
        video::noise(self.model, ask.moments.len() as i64, ask.seed, self.device)
    }

    fn condition(&self, ask: &Ask) -> Condition {
        Condition::new(self.reference.to_device(self.device), &self.reference_landmarks, ask.landmarks)
    }
}

impl ClipMaker for VideoMaker<'_> {
    fn size(&self) -> usize {
        self.model.size() as usize
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn make(&self, ask: &Ask) -> Result<Tensor> {
        // Out of noise alone, whatever the strength of remaking.
        let chain = ChainConfig { strength: 1.0, ..self.chain };
        self.model.decode(&video::sample(self.model, &self.noise(ask), &self.condition(ask), &chain)?)
    }

    fn remake(&self, ask: &Ask, renders: &Tensor) -> Result<Tensor> {
        let condition = self.condition(ask);
        let clean = self.model.encode(&renders.to_device(self.device))?;
        let noisy = match self.remade_from {
            RemadeFrom::Inverted => video::invert(self.model, &clean, &condition, &self.chain)?,
            RemadeFrom::Noised => match self.chain.levels(self.model).first() {
                Some(level) => add_noise(&clean, &self.noise(ask), level.angle),
                None => clean,
            },
        };
        self.model.decode(&video::sample(self.model, &noisy, &condition, &self.chain)?)
    }

    fn denoised(&self, ask: &Ask, renders: &Tensor, share: f64) -> Result<Tensor> {
        let alphas = self.model.alphas_cumprod();
        let timestep = ((share * alphas.len() as f64) as usize).min(alphas.len() - 1);
        let level = angle(alphas[timestep]);
        let clean = self.model.encode(&renders.to_device(self.device))?;
        let noisy = add_noise(&clean, &self.noise(ask), level);
        let condition = self.condition(ask);
        let v = video::window::velocity(
            self.model,
            &noisy,
            timestep as i64,
            &condition,
            self.chain.guidance_of(self.model),
            self.chain.overlap,
        )?;
        self.model.decode(&ddim_step(&noisy, &v, -level))
    }
}
