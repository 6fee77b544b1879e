//! Adam on the device; the kernel is in `adam.cu`.
use super::Error;
use super::engine::{self, Address, Engine, Launch};
use super::program::Program;
use crate::adam::Momentum;
use std::sync::Arc;

/// Arrays of one launch, threads a block, numbers a thread; as in adam.cu.
const MOST_ARRAYS: usize = 8;
const THREADS: usize = 256;
const ITEMS: usize = 4;

/// [`Momentum::step`] on an engine, all arrays in one launch.
pub struct Adam {
    engine: Arc<dyn Engine>,
    program: Program,
    momentum: Momentum,
}

/// One array of a step, each `[n]`.
#[derive(Clone, Copy, Debug)]
pub struct AdamArray {
    /// What is moved.
    pub values: Address,
    /// Of the loss by them.
    pub gradient: Address,
    /// Memory: running mean of the gradient.
    pub mean: Address,
    /// Memory: running mean of its square.
    pub square: Address,
    /// Numbers.
    pub n: usize,
    /// Length of a step.
    pub rate: f32,
}

/// One step of all arrays.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep<'a> {
    /// What is moved; any number.
    pub arrays: &'a [AdamArray],
    /// Counted from 1.
    pub step: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ArrayArgs {
    values: Address,
    gradient: Address,
    mean: Address,
    square: Address,
    n: u32,
    first_block: u32,
    rate: f32,
    unused: u32,
}

#[repr(C)]
struct AdamArgs {
    arrays: [ArrayArgs; MOST_ARRAYS],
    n_arrays: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    mean_scale: f32,
    square_scale: f32,
}

impl Adam {
    /// With these decays.
    pub fn new(engine: Arc<dyn Engine>, momentum: Momentum) -> Self {
        Adam { engine, program: Program::adam(), momentum }
    }

    /// Moves the arrays.
    ///
    /// # Errors
    /// What the device or the compiler answers.
    ///
    /// # Safety
    /// The addresses have the sizes said and stay good until the device has finished.
    pub unsafe fn step(&self, step: &AdamStep<'_>) -> Result<(), Error> {
        let [mean_scale, square_scale] = self.momentum.corrections(step.step);
        let Momentum { beta1, beta2, epsilon } = self.momentum;
        for group in step.arrays.chunks(MOST_ARRAYS) {
            let mut arrays = [ArrayArgs::default(); MOST_ARRAYS];
            let mut blocks = 0;
            for (to, from) in arrays.iter_mut().zip(group) {
                let AdamArray { values, gradient, mean, square, n, rate } = *from;
                *to = ArrayArgs {
                    values,
                    gradient,
                    mean,
                    square,
                    n: n as u32,
                    first_block: blocks as u32,
                    rate,
                    unused: 0,
                };
                blocks += n.div_ceil(THREADS * ITEMS);
            }
            if blocks == 0 {
                continue;
            }
            let n_arrays = group.len() as u32;
            let args = AdamArgs { arrays, n_arrays, beta1, beta2, epsilon, mean_scale, square_scale };
            let launch = Launch { program: &self.program, kernel: "adam", blocks, threads: THREADS };
            // SAFETY: passed on to the caller.
            unsafe { engine::launch(&*self.engine, launch, &args)? };
        }
        Ok(())
    }
}
