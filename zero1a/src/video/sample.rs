//! From noise to a clip: DDIM without added noise.
use super::chain::ChainConfig;
use super::{Condition, VideoModel, window};
use anyhow::Result;
use nets::blocks::diffusion::ddim_step;
use tch::{Device, Kind, Tensor};

/// Denoises latents `[F, C, s, s]` that are at the noisiest of the chain's levels down to clean ones.
///
/// # Errors
/// What the model says.
pub fn sample(model: &dyn VideoModel, noisy: &Tensor, condition: &Condition, chain: &ChainConfig) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let levels = chain.levels(model);
    let guidance = chain.guidance_of(model);
    let mut x = noisy.shallow_clone();
    for (i, level) in levels.iter().enumerate() {
        let v = window::velocity(model, &x, level.timestep, condition, guidance, chain.overlap)?;
        let next = levels.get(i + 1).map_or(0.0, |l| l.angle);
        x = ddim_step(&x, &v, next - level.angle);
    }
    Ok(x)
}

/// Noise for `frames` latents, the same for the same seed on every device.
pub fn noise(model: &dyn VideoModel, frames: i64, seed: u64, device: Device) -> Tensor {
    let [channels, side, _] = model.latent_shape();
    let values = nets::rng::normals(seed, (frames * channels * side * side) as usize);
    Tensor::from_slice(&values).view([frames, channels, side, side]).to_kind(Kind::Float).to_device(device)
}
