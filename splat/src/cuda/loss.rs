//! The image loss on the device; the kernels are in `loss.cu`.
use super::Error;
use super::engine::{self, Address, Engine, Launch};
use super::pool::{Buffer, Pool};
use super::program::Program;
use crate::loss::L1Ssim;
use std::sync::Arc;

const TILE: usize = 16;
const THREADS: usize = TILE * TILE;

/// [`L1Ssim::compare`] on an engine, for a stack of images: the mean over all.
pub struct DeviceLoss {
    pool: Pool,
    program: Program,
    loss: L1Ssim,
    n_images: usize,
}

/// Where one loss is computed.
#[derive(Clone, Copy, Debug)]
pub struct LossPass {
    /// `[I, H, W, C]`
    pub image: Address,
    /// `[I, H, W, C]`
    pub target: Address,
    /// `[3]`, written: the loss, its L1 part, the similarity, as in [`crate::loss::Loss`].
    pub loss: Address,
    /// `[I, H, W, C]` of the loss by `image`, written; or none.
    pub gradient: Address,
}

#[repr(C)]
struct LossArgs {
    image: Address,
    target: Address,
    partials: Address,
    shares: Address,
    gradient: Address,
    width: u32,
    height: u32,
    n_images: u32,
    l1_weight: f32,
    similarity_weight: f32,
}

#[repr(C)]
struct LossSumArgs {
    shares: Address,
    loss: Address,
    n: u32,
    count: f32,
    ssim_weight: f32,
}

impl DeviceLoss {
    /// For `n_images` images of the size that `loss` says.
    pub fn new(engine: Arc<dyn Engine>, loss: L1Ssim, n_images: usize) -> Self {
        DeviceLoss { pool: Pool::new(engine), program: Program::loss(loss.channels), loss, n_images }
    }

    /// Loss and gradient, both written to the device.
    ///
    /// # Errors
    /// What the device or the compiler answers.
    ///
    /// # Safety
    /// The addresses have the sizes said and stay good until the device has finished.
    pub unsafe fn run(&self, pass: &LossPass) -> Result<(), Error> {
        let L1Ssim { width, height, channels, ssim_weight } = self.loss;
        let (images, count) = (self.n_images, self.n_images * width * height * channels);
        let blocks = images * channels * height.div_ceil(TILE) * width.div_ceil(TILE);
        if blocks == 0 {
            return Ok(());
        }
        let partials: Buffer = self.pool.take::<f32>(3 * count)?;
        let shares: Buffer = self.pool.take::<f32>(2 * blocks)?;
        let args = LossArgs {
            image: pass.image,
            target: pass.target,
            partials: partials.address(),
            shares: shares.address(),
            gradient: pass.gradient,
            width: width as u32,
            height: height as u32,
            n_images: images as u32,
            l1_weight: (1.0 - ssim_weight) / count as f32,
            similarity_weight: -ssim_weight / count as f32,
        };
        let sum = LossSumArgs {
            shares: shares.address(),
            loss: pass.loss,
            n: blocks as u32,
            count: count as f32,
            ssim_weight,
        };
        let (engine, program, threads) = (self.pool.engine(), &self.program, THREADS);
        // SAFETY: passed on to the caller; the scratch has the sizes that loss.cu names.
        unsafe {
            engine::launch(engine, Launch { program, kernel: "loss", blocks, threads }, &args)?;
            engine::launch(engine, Launch { program, kernel: "loss_sum", blocks: 1, threads }, &sum)?;
            if !pass.gradient.is_none() {
                engine::launch(engine, Launch { program, kernel: "loss_back", blocks, threads }, &args)?;
            }
        }
        Ok(())
    }
}
