//! What the caller hands over: addresses on the device, and what lies there.
use super::engine::Address;
use crate::Colors;

/// Gaussians of a batch of scenes that have equally many, on the device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceGaussians {
    /// `[B, N, 3]` meters, world.
    pub means: Address,
    /// `[B, N, 4]` w x y z.
    pub quats: Address,
    /// `[B, N, 3]`
    pub log_scales: Address,
    /// `[B, N]`
    pub opacity_logits: Address,
    /// `[B, N, kind.stride()]`
    pub colors: Address,
    /// How `colors` is read.
    pub kind: Colors,
    /// B.
    pub n_scenes: usize,
    /// N.
    pub n_gaussians: usize,
}

/// Where the images go, one per camera.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceImages {
    /// `[I, H, W, C]`, as [`crate::Rendered::color`].
    pub color: Address,
    /// `[I, H, W]`, or none.
    pub alpha: Address,
    /// `[I, H, W]`, or none: images without depth are faster.
    pub depth: Address,
    /// `[I, N]` as [`crate::Rendered::radii`], or none.
    pub radii: Address,
}

/// Gradients of a loss by the images.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceUpstream {
    /// `[I, H, W, C]`
    pub color: Address,
    /// `[I, H, W]`, or none.
    pub alpha: Address,
    /// `[I, H, W]`, or none; ignored if no depth was drawn.
    pub depth: Address,
}

/// Where the gradients go; what was there is overwritten.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceGradients {
    /// `[B, N, 3]`
    pub means: Address,
    /// `[B, N, 4]`
    pub quats: Address,
    /// `[B, N, 3]`
    pub log_scales: Address,
    /// `[B, N]`
    pub opacity_logits: Address,
    /// `[B, N, kind.stride()]`
    pub colors: Address,
    /// `[B, N]` as [`crate::Gradients::mean_2d`], or none.
    pub mean_2d: Address,
    /// `[B, N]` as [`crate::Gradients::mean_2d_abs`], or none.
    pub mean_2d_abs: Address,
    /// `[C]`, or none.
    pub background: Address,
    /// `[I, 10]` pose twist, then fx, fy, cx, cy; or none.
    pub cameras: Address,
}
