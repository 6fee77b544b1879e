//! Hand-written gradients, the `splat` rasterizer on tensors, and Gaussians bound to a mesh.

pub mod custom;
pub mod render;
pub mod rigged;
pub mod uv;
