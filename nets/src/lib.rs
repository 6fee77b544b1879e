//! Torch begins here: what the tracker, the prior and the inversion share.
//!
//! [`custom`] gives hand-written operations a gradient; the rest is blocks, losses, optimizer and checkpoints.
//! Invariant: a run resumed from a checkpoint on the CPU continues bit for bit.
//! Images are `[B, C, H, W]` unless said otherwise; `B` batch, `N` Gaussians, `K` codes, `L` landmarks.
#![deny(missing_docs)]

// Hand-written gradients, the rasterizer, and what is bound to a mesh.
pub mod custom;
pub mod render;
pub mod rigged;
// Blocks.
pub mod attention;
pub mod conv;
pub mod mlp;
pub mod noise;
pub mod unet;
pub mod uv;
pub mod vq;
// Pictures and draws.
pub mod align;
pub mod augment;
pub mod data;
pub mod dice;
// Losses and figures.
pub mod flip;
pub mod identity;
pub mod loss;
pub mod metric;
pub mod ordering;
pub mod perceptual;
pub mod ssim;
// Training.
pub mod checkpoint;
pub mod device;
pub mod ema;
pub mod loader;
pub mod optim;
pub mod pth;
pub mod schedule;
mod stand_in;
pub mod tool;
pub mod train;
pub mod train_identity;
pub mod train_perceptual;
pub mod trainer;
pub mod verification;

pub mod error;

pub use checkpoint::Checkpoint;
pub use error::Error;
pub use perceptual::Perceptual;
pub use render::{GaussianTensors, RenderedTensors, render};
pub use rigged::Rigged;
