//! The same rasterizer on an NVIDIA GPU: forward and backward passes, the image loss and Adam, on device addresses and
//! a stream that may be another library's.
//!
//! ```no_run
//! use splat::cuda::{Error, Gpu, Rasterizer};
//! use splat::{Camera, Gaussians, Gradients, Settings, Upstream};
//!
//! fn gradients(gaussians: &Gaussians, cameras: &[Camera], upstream: &[Upstream]) -> Result<Gradients, Error> {
//!     let mut rasterizer = Rasterizer::new(Gpu::new(0)?);
//!     let (_images, saved) = rasterizer.forward_slices(gaussians.slices(), cameras, &Settings::default())?;
//!     rasterizer.backward_slices(&saved, upstream)
//! }
//! ```
//!
//! Kernels are `.cu` text beside the Rust that they mirror. NVRTC compiles them at run time for the GPU at hand, once:
//! the binary is kept on disk. So nothing here needs CUDA to build, and a program starts where no driver is.
//!
//! | step                       | kernels                                          | mirrors            |
//! |----------------------------|--------------------------------------------------|--------------------|
//! | project all cameras        | `project`                                        | `project.rs`       |
//! | sort by depth, ties by id  | `sort_histogram`, `sort_starts`, 4 × `sort_pass` | `tiles.rs`         |
//! | list (Gaussian, tile)      | `scan`, `emit_instances`                         | `tiles.rs`         |
//! | sort by tile, stable       | as above, 1–3 passes; `tile_ranges`, `scan`      | `tiles.rs`         |
//! | blend                      | `blend`                                          | `blend.rs`         |
//! | back through the pixels    | `pixels_back`, `blend_back`                      | `blend_back.rs`    |
//! | back through the projection| `gather`, 2 × `reduce_shares`                    | `project_back.rs`  |
//!
//! Invariant: run after run gives the same bits. Every instance writes its own gradient slot, every Gaussian sums its
//! slots in order, cameras and background are summed by trees of fixed shape; atomics only count in integers.

// What is asked for, and what comes back.
mod device;
mod frame;
mod rasterizer;
mod slices;
// The rows of launches.
mod adam;
mod args;
mod backward;
mod forward;
mod loss;
mod sort;
// The device, and programs for it.
mod cache;
mod context;
mod driver;
mod engine;
mod gpu;
mod landing;
mod library;
pub mod nvrtc;
mod pool;
pub mod program;

mod error;

pub use adam::{AdamArray, AdamStep, DeviceAdam, Rate};
pub use device::{DeviceGaussians, DeviceGradients, DeviceImages, DeviceUpstream};
pub use engine::{Address, Engine, Fetched, Launch};
pub use error::Error;
pub use frame::Frame;
pub use gpu::Gpu;
pub use loss::{DeviceLoss, LossPass};
pub use rasterizer::{Overflow, Rasterizer};
pub use slices::SavedSlices;
