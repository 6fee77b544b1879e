//! Torch begins here: what the crates above share.
//!
//! [`bridge`] connects the rasterizer to autograd; [`blocks`], [`losses`] and [`training`] are what models are made of;
//! [`pictures`] turns rows into tensors, [`view`] into what a fit compares; [`weights`] is what lies on disk.
//! Invariant: a run resumed from a checkpoint on the CPU continues bit for bit.
//! Images are `[B, C, H, W]` unless said otherwise; `B` batch, `N` Gaussians, `K` codes, `L` landmarks.
#![deny(missing_docs)]

pub mod blocks;
pub mod bridge;
pub mod losses;
pub mod pictures;
pub mod training;
pub mod weights;

pub mod device;
pub mod error;
pub mod rng;
pub mod tool;
pub mod view;

pub use bridge::render::{GaussianTensors, RenderedTensors, render};
pub use bridge::rigged::Rigged;
pub use error::Error;
pub use losses::perceptual::Perceptual;
pub use weights::checkpoint::Checkpoint;
