//! Differentiable 3D Gaussian splatting: project → sort → rasterize, and the backward pass.
//!
//! ```
//! use splat::{Camera, Colors, Gaussians, Settings, Upstream, backward, forward};
//! let red = Gaussians {
//!     means: vec![0.0; 3],
//!     quats: vec![1.0, 0.0, 0.0, 0.0],
//!     log_scales: vec![0.02f32.ln(); 3],
//!     opacity_logits: vec![3.0],
//!     colors: vec![1.0, 0.0, 0.0],
//!     kind: Colors::Features { channels: 3 },
//! };
//! let eye = glam::Vec3::new(0.0, 0.0, 0.6);
//! let cameras = [Camera::look_at(eye, glam::Vec3::ZERO, glam::Vec3::Y, 200.0, 64, 64)];
//! let settings = Settings::default();
//! let (images, saved) = forward(red.slices(), &cameras, &settings)?;
//! assert!(images[0].color[(32 * 64 + 32) * 3] > 0.9);
//! // The loss is the sum of all channels: its gradient by each is 1.
//! let ones = vec![1.0; images[0].color.len()];
//! let upstream = [Upstream { color: &ones, alpha: None, depth: None }];
//! let gradients = backward(red.slices(), &cameras, &settings, &saved, &upstream)?;
//! assert!(gradients.log_scales[0] > 0.0, "a larger Gaussian is brighter");
//! # Ok::<(), splat::Error>(())
//! ```
//!
//! Modules: what a picture is made of (`camera`, `gaussians`), the picture (`rasterize`, and `reference`, its
//! specification), what a fit needs besides (`loss`, `adam`, `densify`), the same on a GPU (`cuda`), and files (`files`).
//!
//! Invariant: no files but those of Gaussians, no torch, no globals.
//! World: right-handed, meters, y up, the head faces +z. Camera: x right, y down, z forward.
//! Image: pixels, origin top left, pixel centers at +0.5.
#![deny(missing_docs)]

pub mod camera;
pub mod error;
pub mod gaussians;
pub mod rasterize;
pub mod reference;

pub mod adam;
pub mod densify;
pub mod loss;
pub mod splitmix;

pub mod cuda;

pub mod dotsplat;
pub mod files;
pub mod ply;
pub mod spz;

pub use camera::Camera;
pub use error::Error;
pub use gaussians::{Colors, GaussianSlices, Gaussians};
pub use rasterize::{Cutoff, Gradients, Instructions, Rendered, Saved, Settings, Stats, Upstream, backward, forward};
