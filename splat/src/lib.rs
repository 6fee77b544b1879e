//! Differentiable 3D Gaussian splatting: project → sort → rasterize, and the same way back.
//!
//! Invariant: no files (but the `.ply` reader and writer), no torch, no globals.
//! World: right-handed, metres, y up, the head faces +z. Camera: x right, y down, z forward.
//! Image: pixels, origin top left, pixel centres at +0.5.
#![deny(missing_docs)]

pub mod camera;
pub mod error;
pub mod gaussians;
pub mod ply;
pub mod rasterize;
pub mod reference;

pub use camera::Camera;
pub use error::Error;
pub use gaussians::{Colors, GaussianSlices, Gaussians};
pub use rasterize::{Cutoff, Gradients, Instructions, Rendered, Saved, Settings, Stats, Upstream, backward, forward};
