//! Draws Gaussians into images, and gives every gradient back.
//!
//! Per camera: project → sort by depth → bin into 16×16 tiles → blend front to back; and the backward pass, where
//! each (Gaussian, tile) pair writes its own gradient slot and each Gaussian sums its slots in a fixed order. No sum
//! depends on the number of threads, so images and gradients are bit-identical at any thread count.
//!
//! Constants, as everywhere in the field: a Gaussian is dropped where its alpha is under 1/255, alpha is capped at 0.999, a pixel
//! is finished before the Gaussian that would bring its transmittance to 1e-4 or less, the projected covariance is
//! dilated by 0.3 px² and pixels are sampled at their centers. Depth order is camera z, ties by index.
//!
//! Letters: `N` Gaussians, `C` channels, `H` `W` pixels.

mod batch;
mod blend;
mod blend_back;
mod color;
mod gather;
pub(crate) mod harmonics;
mod instructions;
mod lanes;
mod pool;
mod project;
mod project_back;
mod slots;
mod splat;
mod tiles;
mod vectors;
mod view;

pub use batch::{SceneViews, backward_batch, forward_batch};
pub use instructions::Instructions;
pub use pool::Pool;
pub(crate) use {instructions::Kernel, lanes::Lanes, project::sigmoid, view::LEAST_ALPHA};

use crate::{Camera, Error, GaussianSlices};
use rayon::prelude::*;

/// Alpha under which a Gaussian does not touch a pixel.
pub const ALPHA_CUT: f32 = 1.0 / 255.0;
/// Greatest alpha of one Gaussian at one pixel.
pub const ALPHA_CAP: f32 = 0.999;
/// A pixel stops before the Gaussian that would bring its transmittance to this or less.
pub const TRANSMITTANCE_STOP: f32 = 1e-4;
/// Added to both variances of the projected covariance, px².
pub const DILATION_PX2: f32 = 0.3;

/// How alpha ends at [`ALPHA_CUT`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cutoff {
    /// A step, as all rasterizers have it.
    Hard,
    /// Alpha is multiplied by a smoothstep that rises from 0 at the cut to 1 at the cut plus `width`: differentiable
    /// once, for tests by finite differences.
    Smooth {
        /// Alpha over which it rises, e.g. 4e-3.
        width: f32,
    },
}

/// What [`Rendered::depth`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// `Σ wᵢ zᵢ`
    Accumulated,
    /// `Σ wᵢ zᵢ / Σ wᵢ`, and 0 where nothing is.
    Expected,
}

/// What belongs to the picture rather than to the scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `[C]` behind everything, linear; empty is black.
    pub background: Vec<f32>,
    /// Scales opacity by the area that the dilation added (Yu et al. 2024, "Mip-Splatting", the 2D filter), so that
    /// small Gaussians keep their energy.
    pub antialiased: bool,
    /// Gaussians nearer than this (camera z, meters) are dropped.
    pub near_m: f32,
    /// Gaussians farther than this (camera z, meters) are dropped.
    pub far_m: f32,
    /// Gaussians whose radius (three standard deviations along the longer axis, pixels) is at most this are dropped.
    pub radius_clip_px: f32,
    /// What the depth image holds.
    pub depth: Depth,
    /// Also gives [`Gradients::mean_2d_abs`], for a tenth more time.
    pub absolute_gradients: bool,
    /// How alpha ends at [`ALPHA_CUT`].
    pub cutoff: Cutoff,
    /// Which copy of the inner loops runs. Each is bit-reproducible; two of them differ by rounding.
    pub instructions: Instructions,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            background: Vec::new(),
            antialiased: false,
            near_m: 0.01,
            far_m: 1e4,
            radius_clip_px: 0.0,
            depth: Depth::Accumulated,
            absolute_gradients: false,
            cutoff: Cutoff::Hard,
            instructions: Instructions::best(),
        }
    }
}

/// How many Gaussians were drawn and why the others were not; the sum is N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Drawn into at least one tile.
    pub visible: usize,
    /// A NaN or infinity among the parameters or in what follows from them, or a quaternion of length zero.
    pub culled_non_finite: usize,
    /// Outside `near_m..=far_m`.
    pub culled_depth: usize,
    /// Opacity under [`ALPHA_CUT`].
    pub culled_transparent: usize,
    /// Radius within [`Settings::radius_clip_px`].
    pub culled_small: usize,
    /// Touches no pixel center of the image.
    pub culled_outside: usize,
}

/// One image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// W, pixels.
    pub width: usize,
    /// H, pixels.
    pub height: usize,
    /// C.
    pub channels: usize,
    /// `[H, W, C]` linear, premultiplied by alpha, background added: `Σ wᵢ cᵢ + (1 − alpha) · background`.
    pub color: Vec<f32>,
    /// `[H, W]` in 0..1: `Σ wᵢ`.
    pub alpha: Vec<f32>,
    /// `[H, W]` accumulated or expected depth of the Gaussians' centers, meters of camera z, as [`Settings::depth`] says.
    pub depth: Vec<f32>,
    /// `[N]` three standard deviations along the longer axis of each projected Gaussian, pixels; 0 if it was not drawn.
    pub radii: Vec<f32>,
    /// What was drawn and what was not.
    pub stats: Stats,
}

impl Rendered {
    /// `[N]` which Gaussians were drawn into at least one tile.
    pub fn visible(&self) -> impl ExactSizeIterator<Item = bool> + '_ {
        self.radii.iter().map(|r| *r > 0.0)
    }
}

/// What [`backward`] needs of the forward pass. Opaque.
#[derive(Debug)]
pub struct Saved {
    pub(crate) views: Vec<view::View>,
    pub(crate) n_gaussians: usize,
    pool: Pool,
}

impl Saved {
    /// (Gaussian, tile) pairs of all images: what the time of both passes goes with.
    pub fn instances(&self) -> usize {
        self.views.iter().map(|view| view.tiles.len()).sum()
    }
}

impl Drop for Saved {
    fn drop(&mut self) {
        self.pool.take_back_views(std::mem::take(&mut self.views));
    }
}

/// Gradient of the loss by one image. One per camera.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// `[H, W, C]` by [`Rendered::color`].
    pub color: &'a [f32],
    /// `[H, W]` by [`Rendered::alpha`].
    pub alpha: Option<&'a [f32]>,
    /// `[H, W]` by [`Rendered::depth`].
    pub depth: Option<&'a [f32]>,
}

/// Gradient of the loss by every input, summed over the cameras where they share it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// `[N, 3]` by the means, 1/m.
    pub means: Vec<f32>,
    /// `[N, 4]` by the quaternions as given (the normalization is part of the function).
    pub quats: Vec<f32>,
    /// `[N, 3]`
    pub log_scales: Vec<f32>,
    /// `[N]`
    pub opacity_logits: Vec<f32>,
    /// `[N, kind.stride()]`
    pub colors: Vec<f32>,
    /// `[C]`, also where the background was left empty.
    pub background: Vec<f32>,
    /// `[cameras]` by a twist ξ = (translation ρ in meters, rotation φ in radians) that multiplies from the left,
    /// `Exp(ξ) · camera_from_world`: both act in camera space. [`Camera::twisted`] takes the step.
    pub camera_pose: Vec<[f32; 6]>,
    /// `[cameras]` by fx, fy, cx, cy.
    pub intrinsics: Vec<[f32; 4]>,
    /// `[N]` length of (∂L/∂x, ∂L/∂y), x, y being the projected mean in pixels; summed over cameras. It drives
    /// densification (Kerbl et al. 2023).
    pub mean_2d: Vec<f32>,
    /// `[N]` length of (Σ|∂L/∂x|, Σ|∂L/∂y|), the sums running over the pixels and x, y being the projected mean in pixels;
    /// summed over cameras. It drives densification (Ye et al. 2024, "AbsGS"). Empty unless
    /// [`Settings::absolute_gradients`] asks for it.
    pub mean_2d_abs: Vec<f32>,
}

/// Draws the Gaussians as each camera sees them.
///
/// A batch of different scenes is a call of [`forward_batch`]. Gaussians that cannot be drawn (NaN, infinity, behind the
/// camera) are left out and counted in [`Rendered::stats`]; they get a gradient of zero.
///
/// Projection: Zwicker et al. 2002, "EWA splatting"; blending: Kerbl et al. 2023, "3D Gaussian Splatting", eq. 3.
///
/// # Errors
/// [`Error::Shape`] if an array has another size than its documentation says, [`Error::Camera`] and
/// [`Error::Setting`] for those that make no image, [`Error::TooManyPairs`] if Gaussians cover more tiles than can be counted.
pub fn forward(
    gaussians: GaussianSlices<'_>,
    cameras: &[Camera],
    settings: &Settings,
) -> Result<(Vec<Rendered>, Saved), Error> {
    Pool::default().forward(gaussians, cameras, settings)
}

impl Pool {
    /// As [`forward`], in the memory that earlier passes left here.
    ///
    /// # Errors
    /// As [`forward`].
    pub fn forward(
        &self,
        gaussians: GaussianSlices<'_>,
        cameras: &[Camera],
        settings: &Settings,
    ) -> Result<(Vec<Rendered>, Saved), Error> {
        check(gaussians, cameras, settings)?;
        let drawn: Result<Vec<(Rendered, view::View)>, Error> = cameras
            .par_iter()
            .map(|camera| {
                let (mut image, mut view) = (self.image(), self.view());
                view.draw(&gaussians, camera, settings, &mut image)?;
                Ok((image, view))
            })
            .collect();
        let (images, views) = drawn?.into_iter().unzip();
        Ok((images, Saved { views, n_gaussians: gaussians.len(), pool: self.clone() }))
    }
}

/// Gradients of a loss by everything that [`forward`] read, given its gradients by the images. `gaussians`, `cameras`
/// and `settings` must be those of the forward pass that gave `saved`.
///
/// # Errors
/// As [`forward`]; [`Error::Shape`] also if `saved` stems from other sizes.
pub fn backward(
    gaussians: GaussianSlices<'_>,
    cameras: &[Camera],
    settings: &Settings,
    saved: &Saved,
    upstream: &[Upstream<'_>],
) -> Result<Gradients, Error> {
    check(gaussians, cameras, settings)?;
    same("saved: Gaussians", saved.n_gaussians, gaussians.len())?;
    same("saved: cameras", saved.views.len(), cameras.len())?;
    same("upstream: cameras", upstream.len(), cameras.len())?;
    for ((camera, up), view) in cameras.iter().zip(upstream).zip(&saved.views) {
        let pixels = camera.width * camera.height;
        same("saved: pixels", view.width * view.height, pixels)?;
        same("upstream color", up.color.len(), pixels * gaussians.kind.channels())?;
        same("upstream alpha", up.alpha.map_or(pixels, <[f32]>::len), pixels)?;
        same("upstream depth", up.depth.map_or(pixels, <[f32]>::len), pixels)?;
    }
    Ok(gather::gradients(gaussians, cameras, settings, saved, upstream))
}

fn check(gaussians: GaussianSlices<'_>, cameras: &[Camera], settings: &Settings) -> Result<(), Error> {
    gaussians.check()?;
    cameras.iter().try_for_each(Camera::check)?;
    settings.check(gaussians.kind.channels())
}

impl Settings {
    pub(crate) fn check(&self, channels: usize) -> Result<(), Error> {
        if !self.background.is_empty() {
            same("background", self.background.len(), channels)?;
        }
        let require =
            |what, ok: bool, expected, got| if ok { Ok(()) } else { Err(Error::Setting { what, expected, got }) };
        for &value in &self.background {
            require("background", value.is_finite(), "finite values", value)?;
        }
        require("near_m", self.near_m >= 0.0 && self.near_m.is_finite(), "at least 0", self.near_m)?;
        let radius = self.radius_clip_px;
        require("radius_clip_px", radius >= 0.0 && radius.is_finite(), "at least 0", radius)?;
        require("far_m", self.far_m > self.near_m, "more than near_m", self.far_m)?;
        match self.cutoff {
            Cutoff::Hard => Ok(()),
            Cutoff::Smooth { width } => {
                require("cutoff width", (1e-6..1.0).contains(&width), "an alpha from 1e-6 to 1", width)
            }
        }
    }
}

fn same(what: &'static str, got: usize, expected: usize) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::Shape { what, expected: vec![expected], got: vec![got] }) }
}
