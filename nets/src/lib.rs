//! Torch begins here: what the tracker, the prior and the inversion share.
//!
//! [`custom`] gives hand-written operations a gradient; the rest is blocks, losses, optimizer and checkpoints.
//! Invariant: a run resumed from a checkpoint on the CPU continues bit for bit.
//! Images are `[B, C, H, W]` unless said otherwise; `B` batch, `N` Gaussians, `K` codes, `L` landmarks.
#![deny(missing_docs)]

pub mod checkpoint;
pub mod custom;
pub mod device;
pub mod ema;
pub mod error;
pub mod optim;
pub mod render;
pub mod schedule;
pub mod train;

pub use checkpoint::Checkpoint;
pub use error::Error;
