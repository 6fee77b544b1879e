//! The backward pass: per camera tile by tile into slots, then per Gaussian over its slots and cameras.
use super::blend_back::{self, SHAPE_SLOTS, TileUpstream};
use super::instructions::Kernel;
use super::lanes::{Plane, TILE};
use super::project::Lens;
use super::project_back::Moments;
use super::view::{CHUNK, View};
use super::{Gradients, Saved, Settings, Upstream};
use crate::{Camera, GaussianSlices};
use rayon::prelude::*;

/// A chunk of Gaussians' outputs.
struct Chunk<'a> {
    means: &'a mut [f32],
    quats: &'a mut [f32],
    log_scales: &'a mut [f32],
    opacity_logits: &'a mut [f32],
    colors: &'a mut [f32],
    mean_2d_abs: &'a mut [f32],
}

/// All gradients; sizes are checked by the caller.
pub fn gradients(
    gaussians: GaussianSlices<'_>,
    cameras: &[Camera],
    settings: &Settings,
    saved: &Saved,
    upstream: &[Upstream<'_>],
) -> Gradients {
    let (n, stride) = (gaussians.len(), gaussians.kind.stride());
    let mut out = Gradients {
        means: vec![0.0; 3 * n],
        quats: vec![0.0; 4 * n],
        log_scales: vec![0.0; 3 * n],
        opacity_logits: vec![0.0; n],
        colors: vec![0.0; stride * n],
        background: vec![],
        camera_pose: vec![],
        intrinsics: vec![],
        mean_2d_abs: vec![0.0; n],
    };
    let mut background = vec![0.0f64; gaussians.kind.channels()];
    let (mut poses, mut intrinsics) = (Vec::new(), Vec::new());
    let mut chunks = chunks_of(&mut out, stride);
    // Camera after camera, so that one camera's slots are in memory at a time.
    let mut slots = Vec::new();
    for ((camera, view), up) in cameras.iter().zip(&saved.views).zip(upstream) {
        slots.resize(view.tiles.len() * (SHAPE_SLOTS + view.planes), 0.0);
        add_f64(&mut background, &pixels_backward(view, settings, up, &mut slots));
        let lens = &Lens::new(camera, settings);
        let shares: Vec<[f64; 10]> = chunks
            .par_iter_mut()
            .enumerate()
            .map(|(index, out)| {
                let (gaussians, first, slots) = (&gaussians, index * CHUNK, &slots[..]);
                settings.instructions.run(ChunkBackward { gaussians, first, lens, view, slots, out })
            })
            .collect();
        let mut total = [0.0f64; 10];
        shares.iter().for_each(|share| add_f64(&mut total, share));
        poses.push([0, 1, 2, 3, 4, 5].map(|i| total[i] as f32));
        intrinsics.push([6, 7, 8, 9].map(|i| total[i] as f32));
    }
    out.background = background.into_iter().map(|v| v as f32).collect();
    (out.camera_pose, out.intrinsics) = (poses, intrinsics);
    out
}

fn chunks_of(out: &mut Gradients, stride: usize) -> Vec<Chunk<'_>> {
    let mut colors = out.colors.chunks_mut((CHUNK * stride).max(1));
    out.means
        .chunks_mut(3 * CHUNK)
        .zip(out.quats.chunks_mut(4 * CHUNK))
        .zip(out.log_scales.chunks_mut(3 * CHUNK))
        .zip(out.opacity_logits.chunks_mut(CHUNK))
        .zip(out.mean_2d_abs.chunks_mut(CHUNK))
        .map(|((((means, quats), log_scales), opacity_logits), mean_2d_abs)| Chunk {
            means,
            quats,
            log_scales,
            opacity_logits,
            colors: colors.next().unwrap_or(&mut []),
            mean_2d_abs,
        })
        .collect()
}

/// Adds one camera's gradients to one chunk of Gaussians; returns the chunk's share of its pose and intrinsics.
struct ChunkBackward<'a, 'b> {
    gaussians: &'a GaussianSlices<'a>,
    first: usize,
    lens: &'a Lens,
    view: &'a View,
    /// `[instances, SHAPE_SLOTS + planes]`
    slots: &'a [f32],
    out: &'a mut Chunk<'b>,
}

impl Kernel for ChunkBackward<'_, '_> {
    type Output = [f64; 10];

    #[inline(always)]
    fn run<const FMA: bool>(mut self) -> [f64; 10] {
        let mut camera = [0.0f64; 10];
        let (width, sums) = (SHAPE_SLOTS + self.view.planes, self.sum_slots());
        for (i, sums) in sums.chunks_exact(width).enumerate() {
            if !self.view.tiles.positions(self.first + i).is_empty() {
                self.add_gaussian(i, sums, &mut camera);
            }
        }
        camera
    }
}

impl ChunkBackward<'_, '_> {
    /// `[chunk, SHAPE_SLOTS + planes]` sums over the slots of each Gaussian, in order. Before anything else and alone
    /// in its loop, so that the cache misses overlap.
    #[inline(always)]
    fn sum_slots(&self) -> Vec<f32> {
        let (n, width) = (self.out.opacity_logits.len(), SHAPE_SLOTS + self.view.planes);
        let mut sums = vec![0.0; n * width];
        for (i, sum) in sums.chunks_exact_mut(width).enumerate() {
            for &position in self.view.tiles.positions(self.first + i) {
                add(sum, &self.slots[position as usize * width..][..width]);
            }
        }
        sums
    }

    /// Adds the gradients of the chunk's Gaussian `i`.
    #[inline(always)]
    fn add_gaussian(&mut self, i: usize, sums: &[f32], camera: &mut [f64; 10]) {
        let (gaussians, out, n) = (self.gaussians, &mut self.out, self.first + i);
        let (stride, lens) = (gaussians.kind.stride(), self.lens);
        let (shape, by_values) = sums.split_at(SHAPE_SLOTS);
        let moments = Moments { g: shape[0], gx: shape[1], gy: shape[2], gxx: shape[3], gxy: shape[4], gyy: shape[5] };
        let (by_color, by_depth) = by_values.split_at(by_values.len() - 1);
        let stored = &mut out.colors[i * stride..(i + 1) * stride];
        let by_mean = lens.color_backward(gaussians, n, by_color, stored);
        let gradient = lens.backward(gaussians, n, &moments, by_depth[0], by_mean);
        add(&mut out.means[3 * i..3 * i + 3], &gradient.mean);
        add(&mut out.quats[4 * i..4 * i + 4], &gradient.quat);
        add(&mut out.log_scales[3 * i..3 * i + 3], &gradient.log_scale);
        out.opacity_logits[i] += gradient.opacity_logit;
        // The tile loop differentiated log2(alpha).
        out.mean_2d_abs[i] += (shape[6] * shape[6] + shape[7] * shape[7]).sqrt() * std::f32::consts::LN_2;
        for (t, v) in camera.iter_mut().zip(gradient.pose.iter().chain(&gradient.intrinsics)) {
            *t += *v as f64;
        }
    }
}

#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

fn add_f64(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// Tiles back to front into `slots`; returns the gradient by the background.
fn pixels_backward(view: &View, settings: &Settings, up: &Upstream<'_>, slots: &mut [f32]) -> Vec<f64> {
    let mut jobs = Vec::with_capacity(view.n_tiles());
    let mut rest = slots;
    for tile in 0..view.n_tiles() {
        let (mine, others) = rest.split_at_mut(view.tiles.instances(tile).len() * (SHAPE_SLOTS + view.planes));
        rest = others;
        jobs.push((tile, mine));
    }
    let by_tile: Vec<Vec<f64>> =
        jobs.into_par_iter().map(|(tile, slots)| tile_backward(view, tile, settings, up, slots)).collect();
    let mut background = vec![0.0; view.planes - 1];
    by_tile.iter().for_each(|tile| add_f64(&mut background, tile));
    background
}

/// One tile: fetches its pixels' gradients, runs the kernel, and returns the gradient by the background.
fn tile_backward(view: &View, tile: usize, settings: &Settings, up: &Upstream<'_>, slots: &mut [f32]) -> Vec<f64> {
    let channels = view.planes - 1;
    let (pixels, [left, top]) = (&view.pixels[tile], view.corner(tile));
    let mut planes: Vec<Plane> = vec![[[0.0; TILE]; TILE]; view.planes];
    let mut behind: Plane = [[0.0; TILE]; TILE];
    let mut background = vec![0.0f64; channels];
    for y in 0..TILE.min(view.height - top) {
        for x in 0..TILE.min(view.width - left) {
            let at = (top + y) * view.width + left + x;
            let light = pixels.transmittance[y][x];
            let mut by_light = -up.alpha.map_or(0.0, |a| a[at]);
            for c in 0..channels {
                let g = up.color[at * channels + c];
                planes[c][y][x] = g;
                by_light += settings.background.get(c).copied().unwrap_or(0.0) * g;
                background[c] += (light * g) as f64;
            }
            planes[channels][y][x] = up.depth.map_or(0.0, |d| d[at]);
            behind[y][x] = light * by_light;
        }
    }
    let upstream = TileUpstream { planes: &planes, behind };
    let (tile, cutoff) = (view.tile(tile), settings.cutoff);
    settings.instructions.run(blend_back::Backward { tile, pixels, upstream: &upstream, slots, cutoff });
    background
}
