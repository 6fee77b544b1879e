//! The forward pass of one camera.
use super::blend::{self, Pixels, Tile};
use super::instructions::Kernel;
use super::lanes::{Plane, TILE};
use super::project::{Culled, Lens};
use super::splat::Splat;
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
    let (order, stats) = front_to_back(&projected);
    let (splats, values) = in_order(&projected, &order, planes);
    let size = [camera.width.div_ceil(TILE), camera.height.div_ceil(TILE)];
    let tiles = Tiles::new(&splats, size, settings.instructions);
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
    /// `[N]` why not drawn; `None` if drawn.
    culled: Vec<Option<Culled>>,
    /// `[N]` and `[N, planes]`; 0 for those not drawn.
    splats: Vec<Splat>,
    values: Vec<f32>,
}

fn project_all(gaussians: &GaussianSlices<'_>, lens: &Lens, settings: &Settings) -> Projected {
    let (n, planes) = (gaussians.len(), gaussians.kind.channels() + 1);
    let mut out = Projected { culled: vec![None; n], splats: vec![Splat::default(); n], values: vec![0.0; n * planes] };
    out.culled
        .par_chunks_mut(CHUNK)
        .zip(out.splats.par_chunks_mut(CHUNK))
        .zip(out.values.par_chunks_mut(CHUNK * planes))
        .enumerate()
        .for_each(|(chunk, ((culled, splats), values))| {
            let first = chunk * CHUNK;
            settings.instructions.run(ProjectChunk { gaussians, lens, first, culled, splats, values });
        });
    out
}

struct ProjectChunk<'a> {
    gaussians: &'a GaussianSlices<'a>,
    lens: &'a Lens,
    first: usize,
    culled: &'a mut [Option<Culled>],
    splats: &'a mut [Splat],
    values: &'a mut [f32],
}

impl Kernel for ProjectChunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let planes = self.gaussians.kind.channels() + 1;
        for (i, values) in self.values.chunks_exact_mut(planes).enumerate() {
            let n = self.first + i;
            match self.lens.project(self.gaussians, n) {
                Err(reason) => self.culled[i] = Some(reason),
                Ok(_) if !self.lens.color(self.gaussians, n, &mut values[..planes - 1]) => {
                    self.culled[i] = Some(Culled::NonFinite);
                }
                Ok(footprint) => {
                    values[planes - 1] = footprint.depth;
                    self.splats[i] = Splat::new(&footprint, n as u32);
                }
            }
        }
    }
}

/// Indices of the Gaussians to draw, nearest first, and the counts.
fn front_to_back(projected: &Projected) -> (Vec<u32>, Stats) {
    let mut stats = Stats::default();
    let mut keys = Vec::with_capacity(projected.culled.len());
    for (culled, splat) in projected.culled.iter().zip(&projected.splats) {
        match culled {
            None => keys.push((splat.depth, splat.gaussian)),
            Some(Culled::NonFinite) => stats.culled_non_finite += 1,
            Some(Culled::Depth) => stats.culled_depth += 1,
            Some(Culled::Transparent) => stats.culled_transparent += 1,
            Some(Culled::Outside) => stats.culled_outside += 1,
        }
    }
    stats.visible = keys.len();
    (depth_order(keys), stats)
}

fn in_order(projected: &Projected, order: &[u32], planes: usize) -> (Vec<Splat>, Vec<f32>) {
    let (mut splats, mut values) = (vec![Splat::default(); order.len()], vec![0.0; order.len() * planes]);
    splats.par_chunks_mut(CHUNK).zip(values.par_chunks_mut(CHUNK * planes)).zip(order.par_chunks(CHUNK)).for_each(
        |((splats, values), order)| {
            for ((splat, values), &n) in splats.iter_mut().zip(values.chunks_exact_mut(planes)).zip(order) {
                *splat = projected.splats[n as usize];
                values.copy_from_slice(&projected.values[n as usize * planes..][..planes]);
            }
        },
    );
    (splats, values)
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
    let background: Vec<f32> = (0..channels).map(|c| settings.background.get(c).copied().unwrap_or(0.0)).collect();
    // Of each row of pixels: alpha, depth, colour. Zero channels have no colour to split into rows.
    let mut colors = image.color.chunks_mut((width * channels).max(1));
    let rows: Vec<_> = image
        .alpha
        .chunks_mut(width)
        .zip(image.depth.chunks_mut(width))
        .map(|(alpha, depth)| (alpha, depth, colors.next().unwrap_or_default()))
        .collect();
    rows.into_par_iter().enumerate().for_each(|(y, (alpha, depth, color))| {
        for column in 0..view.tiles.size[0] {
            let tile = (y / TILE) * view.tiles.size[0] + column;
            let planes = &canvas[tile * view.planes..][..view.planes];
            let pixels = column * TILE..((column + 1) * TILE).min(width);
            let light = &view.pixels[tile].transmittance[y % TILE][..pixels.len()];
            alpha[pixels.clone()].iter_mut().zip(light).for_each(|(a, light)| *a = 1.0 - light);
            depth[pixels.clone()].copy_from_slice(&planes[channels][y % TILE][..pixels.len()]);
            let color = &mut color[pixels.start * channels..pixels.end * channels];
            for (c, background) in background.iter().enumerate() {
                let plane = &planes[c][y % TILE];
                for ((out, light), sum) in color[c..].iter_mut().step_by(channels).zip(light).zip(plane) {
                    *out = sum + light * background;
                }
            }
        }
    });
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
