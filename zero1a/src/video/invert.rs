//! From a clip to the noise that sampling would make it from: DDIM run upwards.
use super::chain::{ChainConfig, Level};
use super::{Condition, VideoModel, window};
use anyhow::Result;
use nets::blocks::diffusion::ddim_step;
use tch::Tensor;

/// Takes clean latents `[F, C, s, s]` up to the noisiest of the chain's levels, without guidance.
///
/// A step up takes v at the upper level from the lower level's sample, as if it changed little (Song et al. 2021). With
/// [`ChainConfig::refinements`] v is then taken from what the step arrived at, and the step repeated: the fixed point
/// `x↑ = (x↓ + sin δ · v(x↑)) / cos δ` is the exact inverse of the sampling step (as Pan et al. 2023, AIDI).
///
/// # Errors
/// What the model says.
pub fn invert(model: &dyn VideoModel, clean: &Tensor, condition: &Condition, chain: &ChainConfig) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let mut x = clean.shallow_clone();
    let mut from = 0.0;
    for level in chain.levels(model).iter().rev() {
        x = step_up(model, &x, from, level, condition, chain)?;
        from = level.angle;
    }
    Ok(x)
}

fn step_up(
    model: &dyn VideoModel,
    lower: &Tensor,
    from: f64,
    to: &Level,
    condition: &Condition,
    chain: &ChainConfig,
) -> Result<Tensor> {
    let velocity = |x: &Tensor| window::velocity(model, x, to.timestep, condition, 1.0, chain.overlap);
    let by = to.angle - from;
    let mut upper = ddim_step(lower, &velocity(lower)?, by);
    for _ in 0..chain.refinements {
        upper = (lower + velocity(&upper)? * by.sin()) / by.cos();
    }
    Ok(upper)
}
