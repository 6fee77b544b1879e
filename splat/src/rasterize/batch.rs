//! Several scenes with several cameras each, in one call.
use super::{Gradients, Pool, Rendered, Saved, Settings, Upstream};
use crate::{Camera, Error, GaussianSlices};
use rayon::prelude::*;

/// One scene of a batch and the cameras that look at it.
#[derive(Clone, Copy, Debug)]
pub struct SceneViews<'a> {
    /// The scene; its colors are its own.
    pub gaussians: GaussianSlices<'a>,
    /// Any number.
    pub cameras: &'a [Camera],
}

/// Draws every scene of `batch` as each of its cameras sees it, all views in parallel. As [`super::forward`] for each.
///
/// ```
/// # use splat::{Camera, Colors, GaussianSlices, Settings, rasterize::{Pool, SceneViews, backward_batch, forward_batch}};
/// // [B, N, …] arrays of B = 2 scenes with N = 3 Gaussians each.
/// let arrays = [vec![0.0; 2 * 3 * 3], vec![1.0; 2 * 3 * 4], vec![-4.0; 2 * 3 * 3], vec![1.0; 2 * 3], vec![0.5; 2 * 3 * 3]];
/// let [means, quats, log_scales, opacity_logits, colors] = &arrays;
/// let kind = Colors::Features { channels: 3 };
/// let all = GaussianSlices { means, quats, log_scales, opacity_logits, colors, kind };
/// let camera = Camera::look_at(glam::Vec3::Z, glam::Vec3::ZERO, glam::Vec3::Y, 60.0, 32, 32);
/// let cameras = [camera; 4];
/// let batch: Vec<SceneViews> =
///     all.scenes(2)?.into_iter().map(|gaussians| SceneViews { gaussians, cameras: &cameras }).collect();
/// let drawn = forward_batch(&Pool::default(), &batch, &Settings::default())?;
/// assert_eq!((drawn.len(), drawn[0].0.len()), (2, 4));
/// # Ok::<(), splat::Error>(())
/// ```
///
/// # Errors
/// As [`super::forward`], for the first scene that has one.
pub fn forward_batch(
    pool: &Pool,
    batch: &[SceneViews<'_>],
    settings: &Settings,
) -> Result<Vec<(Vec<Rendered>, Saved)>, Error> {
    batch.par_iter().map(|scene| pool.forward(scene.gaussians, scene.cameras, settings)).collect()
}

/// Gradients of each scene, given `[scenes][cameras]` the gradients by its images. As [`super::backward`] for each.
///
/// # Errors
/// As [`super::backward`], for the first scene that has one.
pub fn backward_batch(
    batch: &[SceneViews<'_>],
    settings: &Settings,
    saved: &[&Saved],
    upstream: &[&[Upstream<'_>]],
) -> Result<Vec<Gradients>, Error> {
    super::same("saved: scenes", saved.len(), batch.len())?;
    super::same("upstream: scenes", upstream.len(), batch.len())?;
    (batch, saved, upstream)
        .into_par_iter()
        .map(|(scene, saved, up)| super::backward(scene.gaussians, scene.cameras, settings, saved, up))
        .collect()
}

impl<'a> GaussianSlices<'a> {
    /// The `[B, N, …]` arrays of a batch as `n_scenes` = B scenes of N Gaussians.
    ///
    /// # Errors
    /// [`Error::Shape`] if the arrays disagree or do not divide into so many scenes.
    pub fn scenes(self, n_scenes: usize) -> Result<Vec<GaussianSlices<'a>>, Error> {
        self.check()?;
        if n_scenes == 0 || !self.len().is_multiple_of(n_scenes) {
            return Err(Error::Shape { what: "Gaussians of a batch", expected: vec![n_scenes], got: vec![self.len()] });
        }
        let n = self.len() / n_scenes;
        let part = |values: &'a [f32], stride: usize, b: usize| &values[b * n * stride..(b + 1) * n * stride];
        let scene = |b| GaussianSlices {
            means: part(self.means, 3, b),
            quats: part(self.quats, 4, b),
            log_scales: part(self.log_scales, 3, b),
            opacity_logits: part(self.opacity_logits, 1, b),
            colors: part(self.colors, self.kind.stride(), b),
            kind: self.kind,
        };
        Ok((0..n_scenes).map(scene).collect())
    }
}
