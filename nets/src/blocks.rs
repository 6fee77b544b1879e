//! Network blocks, and the noise schedule of diffusion models.

pub mod attention;
pub mod conv;
pub mod diffusion;
pub mod mlp;
pub mod unet;
pub mod vq;
