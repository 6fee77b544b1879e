//! The image loss on the device; the kernels are in `loss.cu`.
use super::Error;
use super::engine::{self, Address, Engine, Launch};
use super::pool::{Buffer, Pool};
use super::program::Program;
use crate::loss::Stack;
use std::sync::Arc;

const TILE: usize = 16;
const THREADS: usize = TILE * TILE;

/// [`crate::loss::l1_ssim`] on an engine.
pub struct DeviceLoss {
    pool: Pool,
    program: Program,
    stack: Stack,
    /// λ, the share of similarity.
    lambda: f32,
}

/// Where one loss is computed.
#[derive(Clone, Copy, Debug)]
pub struct LossPass {
    /// `[I, H, W, C]`
    pub image: Address,
    /// `[I, H, W, C]`
    pub target: Address,
    /// `[1]`, written.
    pub loss: Address,
    /// `[I, H, W, C]` of the loss by `image`, written; or none.
    pub gradient: Address,
}

#[repr(C)]
struct LossArgs {
    image: Address,
    target: Address,
    slopes: Address,
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
    l1_weight: f32,
    similarity_weight: f32,
    constant: f32,
}

impl DeviceLoss {
    /// For images of one size; `lambda` is the share of similarity, 0..=1.
    ///
    /// # Errors
    /// [`Error::Input`] if no window fits into the images.
    pub fn new(engine: Arc<dyn Engine>, stack: Stack, lambda: f32) -> Result<Self, Error> {
        stack.check()?;
        Ok(DeviceLoss { pool: Pool::new(engine), program: Program::loss(stack.channels), stack, lambda })
    }

    /// Loss and gradient, both written to the device.
    ///
    /// # Errors
    /// What the device or the compiler answers.
    ///
    /// # Safety
    /// The addresses have the sizes said and stay good until the device has finished.
    pub unsafe fn run(&self, pass: &LossPass) -> Result<(), Error> {
        let Stack { images, height, width, channels } = self.stack;
        let blocks = images * channels * height.div_ceil(TILE) * width.div_ceil(TILE);
        let slopes: Buffer = self.pool.take::<f32>(3 * self.stack.len())?;
        let shares: Buffer = self.pool.take::<f32>(2 * blocks)?;
        let args = LossArgs {
            image: pass.image,
            target: pass.target,
            slopes: slopes.address(),
            shares: shares.address(),
            gradient: pass.gradient,
            width: width as u32,
            height: height as u32,
            n_images: images as u32,
            l1_weight: (1.0 - self.lambda) / self.stack.len() as f32,
            similarity_weight: -self.lambda / self.stack.windows() as f32,
        };
        let sum = LossSumArgs {
            shares: shares.address(),
            loss: pass.loss,
            n: blocks as u32,
            l1_weight: args.l1_weight,
            similarity_weight: args.similarity_weight,
            constant: self.lambda,
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
