//! The backward pass: per camera tile by tile into slots, then per Gaussian over its slots and cameras.
use super::blend_back::{self, SHAPE_SLOTS, TileUpstream};
use super::instructions::Kernel;
use super::lanes::{Block, Lanes, Plane, SIDE, TILE, WIDTH, place};
use super::project::Lens;
use super::project_back::Moments;
use super::slots::Slots;
use super::view::{CHUNK, LEAST_ALPHA, View};
use super::{Depth, Gradients, Saved, Settings, Upstream};
use crate::{Camera, GaussianSlices};
use rayon::prelude::*;
use std::sync::atomic::Ordering::Relaxed;

/// A chunk of Gaussians' outputs.
struct Chunk<'a> {
    means: &'a mut [f32],
    quats: &'a mut [f32],
    log_scales: &'a mut [f32],
    opacity_logits: &'a mut [f32],
    colors: &'a mut [f32],
    mean_2d: &'a mut [f32],
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
    let mut out = saved.pool.gradients();
    out.resize(gaussians.len(), gaussians.kind.stride(), settings.absolute_gradients);
    if cameras.is_empty() {
        out.fill_zero();
    }
    let mut background = vec![0.0f64; gaussians.kind.channels()];
    let (mut poses, mut intrinsics) = (Vec::new(), Vec::new());
    let mut chunks = chunks_of(&mut out, gaussians.kind.stride());
    // Camera after camera, so that one camera's slots are in memory at a time.
    for (index, ((camera, view), up)) in cameras.iter().zip(&saved.views).zip(upstream).enumerate() {
        let lens = &Lens::new(camera, settings);
        let total = saved.pool.with_slots(view.tiles.len() * view.slot_blocks(), |slots| {
            add_f64(&mut background, &pixels_backward(view, settings, up, slots));
            let (gaussians, slots, fresh) = (&gaussians, &*slots, index == 0);
            let backward = |(chunk, out)| {
                let first = chunk * CHUNK;
                settings.instructions.run(ChunkBackward { gaussians, first, lens, view, slots, fresh, out })
            };
            let shares: Vec<[f64; 10]> = chunks.par_iter_mut().enumerate().map(backward).collect();
            shares.iter().fold([0.0; 10], |mut total, share| {
                add_f64(&mut total, share);
                total
            })
        });
        poses.push([0, 1, 2, 3, 4, 5].map(|i| total[i] as f32));
        intrinsics.push([6, 7, 8, 9].map(|i| total[i] as f32));
    }
    out.background = background.into_iter().map(|v| v as f32).collect();
    (out.camera_pose, out.intrinsics) = (poses, intrinsics);
    out
}

impl Gradients {
    /// For N Gaussians of `stride` colors; what is in it stays.
    fn resize(&mut self, n: usize, stride: usize, absolute: bool) {
        self.means.resize(3 * n, 0.0);
        self.quats.resize(4 * n, 0.0);
        self.log_scales.resize(3 * n, 0.0);
        self.opacity_logits.resize(n, 0.0);
        self.colors.resize(stride * n, 0.0);
        self.mean_2d.resize(n, 0.0);
        self.mean_2d_abs.resize(if absolute { n } else { 0 }, 0.0);
    }

    fn fill_zero(&mut self) {
        let shape = [&mut self.means, &mut self.quats, &mut self.log_scales, &mut self.opacity_logits];
        let rest = [&mut self.colors, &mut self.mean_2d, &mut self.mean_2d_abs];
        shape.into_iter().chain(rest).for_each(|part| part.fill(0.0));
    }
}

fn chunks_of(out: &mut Gradients, stride: usize) -> Vec<Chunk<'_>> {
    let mut colors = out.colors.chunks_mut((CHUNK * stride).max(1));
    let mut absolute = out.mean_2d_abs.chunks_mut(CHUNK);
    out.means
        .chunks_mut(3 * CHUNK)
        .zip(out.quats.chunks_mut(4 * CHUNK))
        .zip(out.log_scales.chunks_mut(3 * CHUNK))
        .zip(out.opacity_logits.chunks_mut(CHUNK))
        .zip(out.mean_2d.chunks_mut(CHUNK))
        .map(|((((means, quats), log_scales), opacity_logits), mean_2d)| Chunk {
            means,
            quats,
            log_scales,
            opacity_logits,
            colors: colors.next().unwrap_or_default(),
            mean_2d,
            mean_2d_abs: absolute.next().unwrap_or_default(),
        })
        .collect()
}

/// Adds one camera's gradients to one chunk of Gaussians; returns the chunk's share of its pose and intrinsics.
struct ChunkBackward<'a, 'b> {
    gaussians: &'a GaussianSlices<'a>,
    first: usize,
    lens: &'a Lens,
    view: &'a View,
    /// `[slots, slot_blocks]`
    slots: &'a [Block],
    /// The first camera: what was there is not added to.
    fresh: bool,
    out: &'a mut Chunk<'b>,
}

impl Kernel for ChunkBackward<'_, '_> {
    type Output = [f64; 10];

    #[inline(always)]
    fn run<L: Lanes>(mut self) -> [f64; 10] {
        let mut camera = [0.0f64; 10];
        let mut sums = vec![0.0; self.view.slot_blocks() * WIDTH];
        for i in 0..self.out.opacity_logits.len() {
            if self.sum_slots(i, &mut sums) {
                self.add_gaussian(i, &sums, &mut camera);
            } else if self.fresh {
                self.clear_gaussian(i);
            }
        }
        camera
    }
}

impl ChunkBackward<'_, '_> {
    /// Sums the slots of the chunk's Gaussian `i`, in order; false if none of them counted.
    #[inline(always)]
    fn sum_slots(&self, i: usize, sums: &mut [f32]) -> bool {
        let (slots, blocks) = (self.view.tiles.slots(self.first + i), self.view.slot_blocks());
        let mut any = false;
        for slot in slots.filter(|&slot| self.view.tiles.touched[slot].load(Relaxed) != 0) {
            for (sums, part) in sums.chunks_exact_mut(WIDTH).zip(&self.slots[slot * blocks..][..blocks]) {
                for i in 0..WIDTH {
                    sums[i] = if any { sums[i] + part.0[i] } else { part.0[i] };
                }
            }
            any = true;
        }
        any
    }

    fn clear_gaussian(&mut self, i: usize) {
        let (out, stride) = (&mut self.out, self.gaussians.kind.stride());
        out.means[3 * i..3 * i + 3].fill(0.0);
        out.quats[4 * i..4 * i + 4].fill(0.0);
        out.log_scales[3 * i..3 * i + 3].fill(0.0);
        (out.opacity_logits[i], out.mean_2d[i]) = (0.0, 0.0);
        out.colors[i * stride..(i + 1) * stride].fill(0.0);
        out.mean_2d_abs.get_mut(i).into_iter().for_each(|v| *v = 0.0);
    }

    /// Adds the gradients of the chunk's Gaussian `i`, or sets them if they are fresh.
    #[inline(always)]
    fn add_gaussian(&mut self, i: usize, sums: &[f32], camera: &mut [f64; 10]) {
        let (gaussians, out, n) = (self.gaussians, &mut self.out, self.first + i);
        let (stride, lens) = (gaussians.kind.stride(), self.lens);
        let (shape, by_values) = sums[..SHAPE_SLOTS + self.view.planes].split_at(SHAPE_SLOTS);
        let moments = Moments { g: shape[0], gx: shape[1], gy: shape[2], gxx: shape[3], gxy: shape[4], gyy: shape[5] };
        let (by_color, by_depth) = by_values.split_at(by_values.len() - 1);
        let (stored, rgb) = (&mut out.colors[i * stride..(i + 1) * stride], self.view.splats[n].rgb);
        let by_mean = lens.color_backward(gaussians, n, (rgb, by_color), stored, self.fresh);
        let gradient = lens.backward(gaussians, n, &moments, by_depth[0], by_mean);
        let fresh = self.fresh;
        put(fresh, &mut out.means[3 * i..3 * i + 3], &gradient.mean);
        put(fresh, &mut out.quats[4 * i..4 * i + 4], &gradient.quat);
        put(fresh, &mut out.log_scales[3 * i..3 * i + 3], &gradient.log_scale);
        put(fresh, &mut out.opacity_logits[i..=i], &[gradient.opacity_logit]);
        put(fresh, &mut out.mean_2d[i..=i], &[gradient.mean_2d[0].hypot(gradient.mean_2d[1])]);
        if !out.mean_2d_abs.is_empty() {
            // The tile loop differentiated log2(alpha).
            let length = (shape[6] * shape[6] + shape[7] * shape[7]).sqrt() * std::f32::consts::LN_2;
            put(fresh, &mut out.mean_2d_abs[i..=i], &[length]);
        }
        for (t, v) in camera.iter_mut().zip(gradient.pose.iter().chain(&gradient.intrinsics)) {
            *t += *v as f64;
        }
    }
}

/// Sets what is fresh, adds to what is not.
#[inline(always)]
fn put(fresh: bool, to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t = if fresh { *f } else { *t + f });
}

fn add_f64(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// Tiles back to front into `slots`; returns the gradient by the background.
fn pixels_backward(view: &View, settings: &Settings, up: &Upstream<'_>, slots: &mut [Block]) -> Vec<f64> {
    let slots = &Slots::new(slots, view.slot_blocks());
    let order = view.tiles.longest_first();
    let mut shares: Vec<(u32, Vec<f32>)> = order
        .into_par_iter()
        .with_max_len(1)
        .map(|tile| (tile, tile_backward(view, tile as usize, settings, up, slots)))
        .collect();
    shares.sort_unstable_by_key(|(tile, _)| *tile);
    let mut background = vec![0.0; view.planes - 1];
    for (_, share) in shares {
        background.iter_mut().zip(share).for_each(|(sum, share)| *sum += share as f64);
    }
    background
}

/// One tile: fetches its pixels' gradients, runs the kernel, and returns the gradient by the background.
fn tile_backward(view: &View, tile: usize, settings: &Settings, up: &Upstream<'_>, slots: &Slots<'_>) -> Vec<f32> {
    let channels = view.planes - 1;
    let (pixels, [left, top]) = (&view.pixels[tile], view.corner(tile));
    let mut planes = vec![Plane::default(); view.planes];
    let mut by_transmittance = Plane::default();
    let inside = [TILE.min(view.width - left), TILE.min(view.height - top)];
    for (x, y) in (0..inside[1]).flat_map(|y| (0..inside[0]).step_by(SIDE).map(move |x| (x, y))) {
        let (block, lane) = place(x, y);
        let at = (top + y) * view.width + left + x;
        let count = SIDE.min(inside[0] - x);
        let color = &up.color[at * channels..(at + count) * channels];
        // Three channels of four pixels: all lengths are constants.
        if let (Ok(color), [r, g, b, _]) = (<&[f32; 3 * SIDE]>::try_from(color), &mut planes[..]) {
            for i in 0..SIDE {
                let lane = (lane + i) % WIDTH;
                (r[block].0[lane], g[block].0[lane], b[block].0[lane]) =
                    (color[3 * i], color[3 * i + 1], color[3 * i + 2]);
            }
        } else {
            for (c, plane) in planes[..channels].iter_mut().enumerate() {
                for (i, &g) in color[c..].iter().step_by(channels).enumerate() {
                    plane[block].0[lane + i] = g;
                }
            }
        }
        for i in 0..count {
            if let Some(by_alpha) = up.alpha {
                by_transmittance[block].0[lane + i] = -by_alpha[at + i];
            }
            if let Some(by_depth) = up.depth {
                planes[channels][block].0[lane + i] = by_depth[at + i];
            }
        }
    }
    if settings.depth == Depth::Expected {
        let sums = &view.canvas[tile * view.planes + channels];
        through_expected_depth(sums, &pixels.transmittance, &mut planes[channels], &mut by_transmittance);
    }
    let upstream = TileUpstream { planes: &planes, by_transmittance, background: &settings.background };
    let (tile, cutoff, absolute) = (view.tile(tile), settings.cutoff, settings.absolute_gradients);
    settings.instructions.run(blend_back::Backward { tile, pixels, upstream, slots, cutoff, absolute })
}

/// From the gradient by `sum / alpha` to that by `sum`, in place; adds to the gradient by `transmittance` = 1 − alpha. Where
/// alpha is under [`LEAST_ALPHA`] the divisor is a constant.
fn through_expected_depth(sums: &Plane, transmittance: &Plane, by_depth: &mut Plane, by_transmittance: &mut Plane) {
    for block in 0..WIDTH {
        for lane in 0..WIDTH {
            let alpha = 1.0 - transmittance[block].0[lane];
            let g = &mut by_depth[block].0[lane];
            if alpha > LEAST_ALPHA {
                by_transmittance[block].0[lane] += *g * sums[block].0[lane] / (alpha * alpha);
            }
            *g /= alpha.max(LEAST_ALPHA);
        }
    }
}
