//! Who makes clips: a video model conditioned on landmark maps, or a stand-in of a test.
use crate::clips::FrameSpec;
use crate::config::Regeneration;
use crate::video::{self, ChainConfig, Condition, VideoModel};
use anyhow::Result;
use nets::blocks::diffusion::{add_noise, angle, ddim_step};
use tch::{Device, Tensor};

/// What a clip is to show. `F` frames.
pub struct ClipRequest<'a> {
    /// Cameras and expressions.
    pub frame_specs: &'a [FrameSpec],
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
    fn generate(&self, request: &ClipRequest) -> Result<Tensor>;
    /// Frames out of what the avatar looks like: inverted or noised, then denoised.
    ///
    /// # Errors
    /// What the model says.
    fn regenerate(&self, request: &ClipRequest, renders: &Tensor) -> Result<Tensor>;
    /// What the model takes noised renders for, at a share 0..=1 of the timesteps, in one step: score distillation.
    ///
    /// # Errors
    /// What the model says.
    fn denoise(&self, request: &ClipRequest, renders: &Tensor, share: f64) -> Result<Tensor>;
}

/// A video model with the person whom it is to show.
pub struct VideoMaker<'a> {
    /// The model.
    pub model: &'a dyn VideoModel,
    /// How it is gone through.
    pub chain: ChainConfig,
    /// What remaking starts from.
    pub regeneration: Regeneration,
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
    fn noise(&self, request: &ClipRequest) -> Tensor {
        video::noise(self.model, request.frame_specs.len() as i64, request.seed, self.device)
    }

    fn condition(&self, request: &ClipRequest) -> Condition {
        Condition::new(self.reference.to_device(self.device), &self.reference_landmarks, request.landmarks)
    }
}

impl ClipMaker for VideoMaker<'_> {
    fn size(&self) -> usize {
        self.model.size() as usize
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn generate(&self, request: &ClipRequest) -> Result<Tensor> {
        // Out of noise alone, whatever the strength of remaking.
        let chain = ChainConfig { strength: 1.0, ..self.chain };
        self.model.decode(&video::sample(self.model, &self.noise(request), &self.condition(request), &chain)?)
    }

    fn regenerate(&self, request: &ClipRequest, renders: &Tensor) -> Result<Tensor> {
        let condition = self.condition(request);
        let clean = self.model.encode(&renders.to_device(self.device))?;
        let noisy = match self.regeneration {
            Regeneration::Inversion => video::invert(self.model, &clean, &condition, &self.chain)?,
            Regeneration::Sdedit => match self.chain.levels(self.model).first() {
                Some(level) => add_noise(&clean, &self.noise(request), level.angle),
                None => clean,
            },
        };
        self.model.decode(&video::sample(self.model, &noisy, &condition, &self.chain)?)
    }

    fn denoise(&self, request: &ClipRequest, renders: &Tensor, share: f64) -> Result<Tensor> {
        let alphas = self.model.alphas_cumprod();
        let timestep = ((share * alphas.len() as f64) as usize).min(alphas.len() - 1);
        let level = angle(alphas[timestep]);
        let clean = self.model.encode(&renders.to_device(self.device))?;
        let noisy = add_noise(&clean, &self.noise(request), level);
        let condition = self.condition(request);
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
