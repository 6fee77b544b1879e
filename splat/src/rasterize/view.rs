//! The forward pass of one camera.
use super::blend::{self, Pixels, Splat, Tile};
use super::instructions::Kernel;
use super::lanes::{Plane, TILE};
use super::project::{Culled, Footprint, Lens};
use super::tiles::{Tiles, depth_order};
use super::{Rendered, Settings, Stats};
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
    let planes = gaussians.kind.channels() + 1;
    let projected = project_all(&gaussians, &Lens::new(camera, settings), settings);
    let (order, stats) = front_to_back(&projected.footprints);
    let footprints: Vec<Footprint> =
        order.par_iter().with_min_len(CHUNK).filter_map(|&n| projected.footprints[n as usize].ok()).collect();
    let splats: Vec<Splat> =
        footprints.par_iter().zip(&order).with_min_len(CHUNK).map(|(f, &n)| Splat::new(f, n)).collect();
    let mut values = vec![0.0; order.len() * planes];
    values.par_chunks_mut(planes).zip(&order).with_min_len(CHUNK).for_each(|(to, &n)| {
        to.copy_from_slice(&projected.values[n as usize * planes..][..planes]);
    });
    let tiles = Tiles::new(&footprints, [camera.width.div_ceil(TILE), camera.height.div_ceil(TILE)]);
    let mut view =
        View { width: camera.width, height: camera.height, planes, splats, values, tiles, pixels: Vec::new() };
    let mut canvas: Vec<Plane> = vec![[[0.0; TILE]; TILE]; view.n_tiles() * planes];
    view.pixels = canvas
        .par_chunks_mut(planes)
        .enumerate()
        .map(|(index, planes)| {
            let tile = view.tile(index);
            settings.instructions.run(blend::Forward { tile, planes, cutoff: settings.cutoff })
        })
        .collect();
    (compose(&view, &canvas, settings, stats), view)
}

/// Of all Gaussians, in their order.
struct Projected {
    /// `[N]`
    footprints: Vec<Result<Footprint, Culled>>,
    /// `[N, planes]`; 0 for those not drawn.
    values: Vec<f32>,
}

fn project_all(gaussians: &GaussianSlices<'_>, lens: &Lens, settings: &Settings) -> Projected {
    let (n, planes) = (gaussians.len(), gaussians.kind.channels() + 1);
    let mut out = Projected { footprints: vec![Err(Culled::Outside); n], values: vec![0.0; n * planes] };
    out.footprints.par_chunks_mut(CHUNK).zip(out.values.par_chunks_mut(CHUNK * planes)).enumerate().for_each(
        |(chunk, (footprints, values))| {
            let first = chunk * CHUNK;
            settings.instructions.run(ProjectChunk { gaussians, lens, first, footprints, values });
        },
    );
    out
}

struct ProjectChunk<'a> {
    gaussians: &'a GaussianSlices<'a>,
    lens: &'a Lens,
    first: usize,
    footprints: &'a mut [Result<Footprint, Culled>],
    values: &'a mut [f32],
}

impl Kernel for ProjectChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let planes = self.gaussians.kind.channels() + 1;
        for (i, (footprint, values)) in self.footprints.iter_mut().zip(self.values.chunks_exact_mut(planes)).enumerate()
        {
            let n = self.first + i;
            *footprint = self.lens.project(self.gaussians, n);
            if let Ok(drawn) = footprint {
                values[planes - 1] = drawn.depth;
                if !self.lens.color(self.gaussians, n, &mut values[..planes - 1]) {
                    *footprint = Err(Culled::NonFinite);
                }
            }
        }
    }
}

/// Indices of the Gaussians to draw, nearest first, and the counts.
fn front_to_back(footprints: &[Result<Footprint, Culled>]) -> (Vec<u32>, Stats) {
    let mut stats = Stats::default();
    let mut keys = Vec::with_capacity(footprints.len());
    for (n, result) in footprints.iter().enumerate() {
        match result {
            Ok(footprint) => keys.push((footprint.depth, n as u32)),
            Err(Culled::NonFinite) => stats.culled_non_finite += 1,
            Err(Culled::Depth) => stats.culled_depth += 1,
            Err(Culled::Transparent) => stats.culled_transparent += 1,
            Err(Culled::Outside) => stats.culled_outside += 1,
        }
    }
    stats.visible = keys.len();
    (depth_order(keys), stats)
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
    pub fn tile(&self, index: usize) -> Tile<'_> {
        let [x, y] = self.corner(index);
        Tile {
            splats: &self.splats,
            values: &self.values,
            planes: self.planes,
            instances: self.tiles.instances(index),
            corner: [x as f32, y as f32],
            inside: [(self.width - x).min(TILE), (self.height - y).min(TILE)],
        }
    }
}
