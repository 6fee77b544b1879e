//! The forward pass of one camera.
use super::blend::{Pixels, Splat, Tile};
use super::lanes::{Plane, TILE};
use super::project::{Culled, Footprint, Lens};
use super::tiles::{Tiles, depth_order};
use super::{Cutoff, Rendered, Settings, Stats};
use crate::{Camera, GaussianSlices};
use rayon::prelude::*;

/// Gaussians a task: part of the layout, never taken from the thread count.
pub const CHUNK: usize = 1024;

/// What one camera saw: everything its backward pass reads.
#[derive(Debug)]
pub struct View {
    pub width: usize,
    pub height: usize,
    /// Channels and depth.
    pub planes: usize,
    /// Front to back.
    pub splats: Vec<Splat>,
    /// `[splats, planes]`
    pub values: Vec<f32>,
    pub tiles: Tiles,
    /// `[tiles]`
    pub pixels: Vec<Pixels>,
}

/// Draws every camera's image, in order.
pub fn draw_all(gaussians: GaussianSlices<'_>, cameras: &[Camera], settings: &Settings) -> (Vec<Rendered>, Vec<View>) {
    cameras.par_iter().map(|camera| draw(gaussians, camera, settings)).unzip()
}

fn draw(gaussians: GaussianSlices<'_>, camera: &Camera, settings: &Settings) -> (Rendered, View) {
    let lens = Lens::new(camera, settings);
    let (footprints, order, stats) = visible(&lens, &gaussians);
    let planes = gaussians.kind.channels() + 1;
    let mut values = vec![0.0; order.len() * planes];
    let colored: Vec<bool> = values
        .par_chunks_mut(planes)
        .zip(&footprints)
        .zip(&order)
        .with_min_len(CHUNK)
        .map(|((out, footprint), &n)| {
            out[planes - 1] = footprint.depth;
            lens.color(&gaussians, n as usize, &mut out[..planes - 1])
        })
        .collect();
    let (footprints, order, values, stats) = without_broken_colors(footprints, order, values, stats, &colored);
    let splats: Vec<Splat> =
        footprints.par_iter().zip(&order).with_min_len(CHUNK).map(|(f, &n)| Splat::new(f, n)).collect();
    let tiles = Tiles::new(&footprints, [camera.width.div_ceil(TILE), camera.height.div_ceil(TILE)]);
    let mut view =
        View { width: camera.width, height: camera.height, planes, splats, values, tiles, pixels: Vec::new() };
    let mut canvas: Vec<Plane> = vec![[[0.0; TILE]; TILE]; view.n_tiles() * planes];
    let smooth = matches!(settings.cutoff, Cutoff::Smooth { .. });
    view.pixels = canvas
        .par_chunks_mut(planes)
        .enumerate()
        .map(|(index, out)| settings.instructions.forward(smooth, &view.tile(index, settings), out))
        .collect();
    (compose(&view, &canvas, settings, stats), view)
}

/// Footprints front to back, the Gaussians they belong to, and the counts.
fn visible(lens: &Lens, gaussians: &GaussianSlices<'_>) -> (Vec<Footprint>, Vec<u32>, Stats) {
    let projected: Vec<Result<Footprint, Culled>> =
        (0..gaussians.len()).into_par_iter().with_min_len(CHUNK).map(|n| lens.project(gaussians, n)).collect();
    let mut stats = Stats::default();
    let mut keys = Vec::with_capacity(gaussians.len());
    for (n, result) in projected.iter().enumerate() {
        match result {
            Ok(footprint) => keys.push((footprint.depth, n as u32)),
            Err(Culled::NonFinite) => stats.culled_non_finite += 1,
            Err(Culled::Depth) => stats.culled_depth += 1,
            Err(Culled::Transparent) => stats.culled_transparent += 1,
            Err(Culled::Outside) => stats.culled_outside += 1,
        }
    }
    stats.visible = keys.len();
    let order = depth_order(keys);
    let footprints =
        order.par_iter().with_min_len(CHUNK).filter_map(|&n| projected[n as usize].ok()).collect::<Vec<_>>();
    (footprints, order, stats)
}

/// Drops the Gaussians whose colour is not finite; usually there are none and nothing is touched.
fn without_broken_colors(
    footprints: Vec<Footprint>,
    order: Vec<u32>,
    values: Vec<f32>,
    mut stats: Stats,
    sound: &[bool],
) -> (Vec<Footprint>, Vec<u32>, Vec<f32>, Stats) {
    let broken = sound.iter().filter(|ok| !**ok).count();
    if broken == 0 {
        return (footprints, order, values, stats);
    }
    stats.visible -= broken;
    stats.culled_non_finite += broken;
    let planes = values.len() / sound.len();
    let kept: Vec<usize> = (0..sound.len()).filter(|&i| sound[i]).collect();
    (
        kept.iter().map(|&i| footprints[i]).collect(),
        kept.iter().map(|&i| order[i]).collect(),
        kept.iter().flat_map(|&i| values[i * planes..(i + 1) * planes].iter().copied()).collect(),
        stats,
    )
}

/// From tiles of planes to an image of pixels, over the background.
fn compose(view: &View, canvas: &[Plane], settings: &Settings, stats: Stats) -> Rendered {
    let (width, height, channels) = (view.width, view.height, view.planes - 1);
    let mut image = Rendered {
        width,
        height,
        channels,
        color: vec![0.0; width * height * channels],
        alpha: vec![0.0; width * height],
        depth: vec![0.0; width * height],
        stats,
    };
    let background = |c: usize| settings.background.get(c).copied().unwrap_or(0.0);
    let rows = image.alpha.par_chunks_mut(width).zip(image.depth.par_chunks_mut(width)).enumerate();
    let color_rows: Vec<&mut [f32]> = image.color.chunks_mut((width * channels).max(1)).collect();
    let fill = |y: usize, alpha: &mut [f32], depth: &mut [f32], color: &mut [f32]| {
        for x in 0..width {
            let tile = (y / TILE) * view.tiles.size[0] + x / TILE;
            let planes = &canvas[tile * view.planes..][..view.planes];
            let light = view.pixels[tile].transmittance[y % TILE][x % TILE];
            alpha[x] = 1.0 - light;
            depth[x] = planes[channels][y % TILE][x % TILE];
            for c in 0..channels {
                color[x * channels + c] = planes[c][y % TILE][x % TILE] + light * background(c);
            }
        }
    };
    if channels == 0 {
        rows.for_each(|(y, (alpha, depth))| fill(y, alpha, depth, &mut []));
    } else {
        rows.zip(color_rows).for_each(|((y, (alpha, depth)), color)| fill(y, alpha, depth, color));
    }
    image
}

impl View {
    pub fn n_tiles(&self) -> usize {
        self.tiles.size[0] * self.tiles.size[1]
    }

    /// Column and row of a tile's first pixel.
    pub fn corner(&self, tile: usize) -> [usize; 2] {
        [tile % self.tiles.size[0] * TILE, tile / self.tiles.size[0] * TILE]
    }

    /// The tile as the kernels want it.
    pub fn tile(&self, index: usize, settings: &Settings) -> Tile<'_> {
        let [x, y] = self.corner(index);
        Tile {
            splats: &self.splats,
            values: &self.values,
            planes: self.planes,
            instances: self.tiles.instances(index),
            corner: [x as f32, y as f32],
            inside: [(self.width - x).min(TILE), (self.height - y).min(TILE)],
            cutoff_width: match settings.cutoff {
                Cutoff::Hard => 1.0,
                Cutoff::Smooth { width } => width,
            },
        }
    }
}
