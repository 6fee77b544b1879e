//! Our own video model: small enough to be trained from nothing on renders, and to make a clip in seconds on a CPU.
//!
//! [`vae`] turns pictures into latents, [`unet`] denoises the latents of a clip's frames together; [`guider`] encodes where
//! the face is and by [`reference`] who it is. [`train_vae`] and [`train_unet`] train them on clips ([`data`]).
pub mod block;
pub mod config;
pub mod data;
pub mod figures;
pub mod guider;
pub mod model;
pub mod reference;
pub mod train_unet;
pub mod train_vae;
pub mod unet;
pub mod vae;

pub use config::SmallConfig;
pub use model::SmallVideo;
