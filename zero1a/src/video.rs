//! What SymGEN asks of a portrait video model, whoever trained it.
//!
//! Letters: `F` frames of a clip, `S` side of a picture in pixels, `C` latent channels, `s` side of a latent.
//! Pictures are `[F, 3, S, S]`, straight sRGB in 0..=1; latents `[F, C, s, s]`, scaled to unit spread.
//! [`sample()`] and [`invert()`] lead along a chain of noise levels ([`ChainConfig`]) whatever the model.
use crate::landmark_map;
use anyhow::Result;
use tch::Tensor;

pub mod chain;
pub mod invert;
pub mod moved;
pub mod open;
pub mod portrait;
pub mod sample;
pub mod small;
pub mod train;
pub mod window;

pub use chain::{ChainConfig, Level};
pub use invert::invert;
pub use open::open;
pub use sample::{noise, sample};

#[cfg(test)]
mod gaussian;

/// What a clip is conditioned on.
pub struct Condition {
    /// The person, `[3, S, S]`.
    pub reference: Tensor,
    /// Landmark map of the reference, `[3, S, S]`.
    pub reference_map: Tensor,
    /// Landmark maps of the frames to be made, `[F, 3, S, S]`.
    pub maps: Tensor,
    /// The reference moved to each frame's landmarks, `[F, 3, S, S]`; see [`moved`].
    pub moved: Tensor,
}

impl Condition {
    /// Of a reference `[3, S, S]` with its landmarks and those of the frames, the first 68 each, pixels of S; on the
    /// reference's device.
    pub fn new(reference: Tensor, own: &[[f32; 2]], frames: &[Vec<[f32; 2]>]) -> Self {
        let (size, device) = (reference.size()[2] as usize, reference.device());
        let own = &own[..landmark_map::LANDMARKS];
        Condition {
            reference_map: landmark_map::draw(own, size).to_device(device),
            maps: landmark_map::draw_all(frames, size).to_device(device),
            moved: moved::moved(&reference, own, frames),
            reference,
        }
    }

    /// Some of the frames alone.
    pub fn window(&self, start: i64, frames: i64) -> Self {
        Condition {
            reference: self.reference.shallow_clone(),
            reference_map: self.reference_map.shallow_clone(),
            maps: self.maps.narrow(0, start, frames),
            moved: self.moved.narrow(0, start, frames),
        }
    }
}

/// A frozen latent video diffusion model that shows one person moving as landmark maps say.
pub trait VideoModel {
    /// Side of its pictures, pixels.
    fn size(&self) -> i64;
    /// Shape of one frame's latent, `[C, s, s]`.
    fn latent_shape(&self) -> [i64; 3];
    /// Most frames that it denoises at once; longer clips go through overlapping windows.
    fn window(&self) -> i64;
    /// Pictures → latents (the mean of the posterior), frame by frame.
    ///
    /// # Errors
    /// Pictures of another size.
    fn encode(&self, pictures: &Tensor) -> Result<Tensor>;
    /// Latents → pictures, frame by frame.
    ///
    /// # Errors
    /// Latents of another size.
    fn decode(&self, latents: &Tensor) -> Result<Tensor>;
    /// v of one window at a noise level.
    ///
    /// `latents` `[F, C, s, s]` at `timestep` (0..1000, as trained); `guidance` 1 is the conditional prediction alone,
    /// else `uncond + guidance·(cond − uncond)`.
    ///
    /// # Errors
    /// Shapes that do not fit, or more frames than [`VideoModel::window`].
    fn velocity(&self, latents: &Tensor, timestep: i64, condition: &Condition, guidance: f64) -> Result<Tensor>;
    /// Classifier-free guidance that its clips come out best with.
    fn guidance(&self) -> f64;
    /// ᾱ by timestep, `[1000]`, decreasing; the last is 0 (zero terminal SNR).
    fn alphas_cumprod(&self) -> &[f64];
}
