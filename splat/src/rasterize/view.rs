//! The forward pass of one camera.
use super::blend::{self, Pixels, Tile};
use super::instructions::Kernel;
use super::lanes::{Plane, TILE};
use super::project::{Culled, Lens};
use super::splat::{OWN_PLANES, Splat};
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
    /// `[splats, planes]`, or empty if the splats hold them.
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
    let (splats, values) = in_order(&projected, &order, table_width(planes));
    let size = [camera.width.div_ceil(TILE), camera.height.div_ceil(TILE)];
    let tiles = Tiles::new(&splats, gaussians.len(), size, settings.instructions);
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
    /// `[N]`; unset for those not drawn.
    splats: Vec<Splat>,
    /// `[N, table_width]`
    values: Vec<f32>,
}

/// Floats a Gaussian in the table of values: none if the splat holds them itself.
fn table_width(planes: usize) -> usize {
    if planes == OWN_PLANES { 0 } else { planes }
}

fn project_all(gaussians: &GaussianSlices<'_>, lens: &Lens, settings: &Settings) -> Projected {
    let (n, width) = (gaussians.len(), table_width(gaussians.kind.channels() + 1));
    let mut out = Projected { culled: vec![None; n], splats: vec![Splat::default(); n], values: vec![0.0; n * width] };
    let mut tables = out.values.chunks_mut((CHUNK * width).max(1));
    let parts: Vec<_> = out
        .culled
        .chunks_mut(CHUNK)
        .zip(out.splats.chunks_mut(CHUNK))
        .map(|(culled, splats)| (culled, splats, tables.next().unwrap_or_default()))
        .collect();
    parts.into_par_iter().enumerate().for_each(|(chunk, (culled, splats, values))| {
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
        let channels = self.gaussians.kind.channels();
        let mut rgb = [0.0; 3];
        for i in 0..self.culled.len() {
            let n = self.first + i;
            let footprint = match self.lens.project(self.gaussians, n) {
                Ok(footprint) => footprint,
                Err(reason) => {
                    self.culled[i] = Some(reason);
                    continue;
                }
            };
            let color = if channels + 1 == OWN_PLANES {
                &mut rgb[..]
            } else {
                let row = &mut self.values[i * (channels + 1)..][..channels + 1];
                row[channels] = footprint.depth;
                &mut row[..channels]
            };
            if self.lens.color(self.gaussians, n, color) {
                self.splats[i] = Splat::new(&footprint, n as u32, rgb);
            } else {
                self.culled[i] = Some(Culled::NonFinite);
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

/// Splats and their rows of the table, nearest first.
fn in_order(projected: &Projected, order: &[u32], table_width: usize) -> (Vec<Splat>, Vec<f32>) {
    let mut splats = vec![Splat::default(); order.len()];
    splats.par_chunks_mut(CHUNK).zip(order.par_chunks(CHUNK)).for_each(|(splats, order)| {
        for (splat, &n) in splats.iter_mut().zip(order) {
            *splat = projected.splats[n as usize];
        }
    });
    let mut values = vec![0.0; order.len() * table_width];
    if table_width > 0 {
        values.par_chunks_mut(table_width).zip(order).with_min_len(CHUNK).for_each(|(row, &n)| {
            row.copy_from_slice(&projected.values[n as usize * table_width..][..table_width]);
        });
    }
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
