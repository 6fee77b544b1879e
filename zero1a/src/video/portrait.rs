//! Public portrait video models of the Stable Diffusion 1.5 family, from the user's own files: AniPortrait (Wei et al. 2024,
//! Apache-2.0) and what is laid out like it.
//!
//! The networks bear the public names, so that the public files load as they are: [`files`] says which, [`model`] puts them
//! together. [`vae`] is Stable Diffusion's autoencoder, [`unet`] the U-Net with or without [`motion`] modules, [`guider`] the
//! landmark pyramid, [`clip`] the image encoder.
pub mod clip;
pub mod config;
pub mod files;
pub mod guider;
pub mod layers;
pub mod model;
pub mod motion;
pub mod resnet;
pub mod transformer;
pub mod unet;
pub mod vae;

pub use model::PortraitVideo;
