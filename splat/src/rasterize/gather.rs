//! The backward pass: per camera tile by tile into slots, then per Gaussian over its slots and cameras.
use super::back::{self, SHAPE_SLOTS, TileUpstream};
use super::instructions::Kernel;
use super::lanes::{Plane, TILE};
use super::project::{Lens, Moments};
use super::view::{CHUNK, View};
use super::{Gradients, Saved, Settings, Upstream};
use crate::{Camera, GaussianSlices};
use rayon::prelude::*;

/// What the pixels of one camera say.
struct FromPixels {
    /// `[instances, SHAPE_SLOTS + planes]`
    slots: Vec<f32>,
    /// `[N]` index into the splats; `u32::MAX` for those not drawn.
    splat_of_gaussian: Vec<u32>,
    /// `[C]`
    background: Vec<f64>,
}

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
    let n = gaussians.len();
    let from_pixels: Vec<FromPixels> =
        saved.views.par_iter().zip(upstream).map(|(view, up)| pixels_backward(view, n, settings, up)).collect();
    let lenses: Vec<Lens> = cameras.iter().map(|camera| Lens::new(camera, settings)).collect();
    let stride = gaussians.kind.stride();
    let mut out = Gradients {
        means: vec![0.0; 3 * n],
        quats: vec![0.0; 4 * n],
        log_scales: vec![0.0; 3 * n],
        opacity_logits: vec![0.0; n],
        colors: vec![0.0; stride * n],
        background: vec![0.0; gaussians.kind.channels()],
        camera_pose: vec![[0.0; 6]; cameras.len()],
        intrinsics: vec![[0.0; 4]; cameras.len()],
        mean_2d_abs: vec![0.0; n],
    };
    let per_chunk: Vec<Vec<[f64; 10]>> = chunks_of(&mut out, stride)
        .into_par_iter()
        .enumerate()
        .map(|(index, out)| {
            let (gaussians, lenses, from_pixels) = (&gaussians, &lenses[..], &from_pixels[..]);
            let first = index * CHUNK;
            settings.instructions.run(ChunkBackward { gaussians, first, lenses, saved, from_pixels, out })
        })
        .collect();
    for camera in 0..cameras.len() {
        let mut total = [0.0f64; 10];
        for chunk in &per_chunk {
            total.iter_mut().zip(&chunk[camera]).for_each(|(t, v)| *t += v);
        }
        out.camera_pose[camera] = [0, 1, 2, 3, 4, 5].map(|i| total[i] as f32);
        out.intrinsics[camera] = [6, 7, 8, 9].map(|i| total[i] as f32);
    }
    for c in 0..out.background.len() {
        out.background[c] = from_pixels.iter().map(|f| f.background[c]).sum::<f64>() as f32;
    }
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

/// Gradients of one chunk of Gaussians; returns its share of each camera's pose and intrinsics.
struct ChunkBackward<'a> {
    gaussians: &'a GaussianSlices<'a>,
    first: usize,
    lenses: &'a [Lens],
    saved: &'a Saved,
    from_pixels: &'a [FromPixels],
    out: Chunk<'a>,
}

impl Kernel for ChunkBackward<'_> {
    type Output = Vec<[f64; 10]>;

    #[inline(always)]
    fn run<const FMA: bool>(mut self) -> Vec<[f64; 10]> {
        let mut camera_sums = vec![[0.0f64; 10]; self.lenses.len()];
        let mut sums = Vec::new();
        for (camera, total) in camera_sums.iter_mut().enumerate() {
            self.sum_slots(camera, &mut sums);
            let width = SHAPE_SLOTS + self.saved.views[camera].planes;
            for (i, sums) in sums.chunks_exact(width).enumerate() {
                let splat = self.from_pixels[camera].splat_of_gaussian[self.first + i];
                if splat != u32::MAX {
                    self.add_splat(i, camera, splat as usize, sums, total);
                }
            }
        }
        camera_sums
    }
}

impl ChunkBackward<'_> {
    /// `[chunk, SHAPE_SLOTS + planes]` sums over the slots of each Gaussian, in order. Before anything else and alone
    /// in its loop, so that the cache misses overlap.
    #[inline(always)]
    fn sum_slots(&self, camera: usize, sums: &mut Vec<f32>) {
        let (view, pixels) = (&self.saved.views[camera], &self.from_pixels[camera]);
        let (n, width) = (self.out.opacity_logits.len(), SHAPE_SLOTS + view.planes);
        sums.clear();
        sums.resize(n * width, 0.0);
        let splats = &pixels.splat_of_gaussian[self.first..self.first + n];
        for (sum, &splat) in sums.chunks_exact_mut(width).zip(splats) {
            if splat != u32::MAX {
                for &position in view.tiles.positions(splat as usize) {
                    add(sum, &pixels.slots[position as usize * width..][..width]);
                }
            }
        }
    }

    /// Adds what one camera says of the chunk's Gaussian `i`.
    #[inline(always)]
    fn add_splat(&mut self, i: usize, camera: usize, splat: usize, sums: &[f32], total: &mut [f64; 10]) {
        let (gaussians, out, n) = (self.gaussians, &mut self.out, self.first + i);
        let (view, stride) = (&self.saved.views[camera], gaussians.kind.stride());
        let (shape, by_values) = sums.split_at(SHAPE_SLOTS);
        let moments = Moments { g: shape[0], gx: shape[1], gy: shape[2], gxx: shape[3], gxy: shape[4], gyy: shape[5] };
        let (by_color, by_depth) = by_values.split_at(view.planes - 1);
        let color = &view.values[splat * view.planes..][..view.planes - 1];
        let stored = &mut out.colors[i * stride..(i + 1) * stride];
        let lens = &self.lenses[camera];
        let by_mean = lens.color_backward(gaussians, n, color, by_color, stored);
        let gradient = lens.backward(gaussians, n, &moments, by_depth[0], by_mean);
        add(&mut out.means[3 * i..3 * i + 3], &gradient.mean);
        add(&mut out.quats[4 * i..4 * i + 4], &gradient.quat);
        add(&mut out.log_scales[3 * i..3 * i + 3], &gradient.log_scale);
        out.opacity_logits[i] += gradient.opacity_logit;
        // The tile loop differentiated log2(alpha).
        out.mean_2d_abs[i] += (shape[6] * shape[6] + shape[7] * shape[7]).sqrt() * std::f32::consts::LN_2;
        for (t, v) in total.iter_mut().zip(gradient.pose.iter().chain(&gradient.intrinsics)) {
            *t += *v as f64;
        }
    }
}

#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}

/// Tiles back to front, then each splat's slots in a fixed order.
fn pixels_backward(view: &View, n_gaussians: usize, settings: &Settings, up: &Upstream<'_>) -> FromPixels {
    let width = SHAPE_SLOTS + view.planes;
    let mut slots = vec![0.0f32; view.tiles.len() * width];
    let mut jobs = Vec::with_capacity(view.n_tiles());
    let mut rest = &mut slots[..];
    for tile in 0..view.n_tiles() {
        let (mine, others) = rest.split_at_mut(view.tiles.instances(tile).len() * width);
        rest = others;
        jobs.push((tile, mine));
    }
    let backgrounds: Vec<Vec<f64>> =
        jobs.into_par_iter().map(|(tile, slots)| tile_backward(view, tile, settings, up, slots)).collect();
    let mut background = vec![0.0; view.planes - 1];
    for tile in &backgrounds {
        background.iter_mut().zip(tile).for_each(|(t, v)| *t += v);
    }
    let mut splat_of_gaussian = vec![u32::MAX; n_gaussians];
    for (splat, s) in view.splats.iter().enumerate() {
        splat_of_gaussian[s.gaussian as usize] = splat as u32;
    }
    FromPixels { slots, splat_of_gaussian, background }
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
    settings.instructions.run(back::Backward { tile, pixels, upstream: &upstream, slots, cutoff });
    background
}
