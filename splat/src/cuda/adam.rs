//! Adam on the device; the kernel is in `adam.cu`.
use super::Error;
use super::engine::{self, Address, Engine, Launch};
use super::program::Program;
use crate::adam::{BETA1, BETA2, EPSILON};
use std::sync::Arc;

/// Arrays of one launch, threads a block, numbers a thread; as in adam.cu.
const MOST_ARRAYS: usize = 8;
const THREADS: usize = 256;
const ITEMS: usize = 4;

/// [`crate::adam::Adam`] on an engine: eight arrays a launch. Who calls it keeps the moments.
pub struct DeviceAdam {
    engine: Arc<dyn Engine>,
    program: Program,
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
    pub rate: Rate,
}

/// Step sizes within one array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// One for all.
    Same(f32),
    /// Of every `stride` numbers the first `head` have one rate and the others another: the zeroth harmonic and the rest.
    Split {
        /// Numbers a row.
        stride: usize,
        /// How many of them come first.
        head: usize,
        /// Of those.
        rate: f32,
        /// Of the others.
        tail_rate: f32,
    },
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
    tail_rate: f32,
    stride: u32,
    head: u32,
}

#[repr(C)]
struct AdamArgs {
    arrays: [ArrayArgs; MOST_ARRAYS],
    n_arrays: u32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    correction1: f32,
    correction2: f32,
}

impl DeviceAdam {
    /// On `engine`.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        DeviceAdam { engine, program: Program::adam() }
    }

    /// Moves the arrays.
    ///
    /// # Errors
    /// What the device or the compiler answers.
    ///
    /// # Safety
    /// The addresses have the sizes said and stay good until the device has finished.
    pub unsafe fn step(&self, step: &AdamStep<'_>) -> Result<(), Error> {
        let correction1 = 1.0 - BETA1.powi(step.step as i32);
        let correction2 = 1.0 - BETA2.powi(step.step as i32);
        for group in step.arrays.chunks(MOST_ARRAYS) {
            let mut arrays = [ArrayArgs::default(); MOST_ARRAYS];
            let mut blocks = 0;
            for (to, from) in arrays.iter_mut().zip(group) {
                let AdamArray { values, gradient, mean, square, n, rate } = *from;
                let (stride, head, rate, tail_rate) = match rate {
                    Rate::Same(rate) => (1, 1, rate, rate),
                    Rate::Split { stride, head, rate, tail_rate } => (stride as u32, head as u32, rate, tail_rate),
                };
                let (n_values, first_block) = (n as u32, blocks as u32);
                *to = ArrayArgs {
                    values,
                    gradient,
                    mean,
                    square,
                    n: n_values,
                    first_block,
                    rate,
                    tail_rate,
                    stride,
                    head,
                };
                blocks += n.div_ceil(THREADS * ITEMS);
            }
            if blocks == 0 {
                continue;
            }
            let n_arrays = group.len() as u32;
            let (beta1, beta2, epsilon) = (BETA1, BETA2, EPSILON);
            let args = AdamArgs { arrays, n_arrays, beta1, beta2, epsilon, correction1, correction2 };
            let launch = Launch { program: &self.program, kernel: "adam", blocks, threads: THREADS };
            // SAFETY: passed on to the caller.
            unsafe { engine::launch(&*self.engine, launch, &args)? };
        }
        Ok(())
    }
}
