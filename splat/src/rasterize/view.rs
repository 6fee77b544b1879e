//! The forward pass of one camera.
use super::blend::{self, Pixels, Tile};
use super::instructions::Kernel;
use super::lanes::{Block, Lanes, Plane, SIDE, TILE, WIDTH, place};
use super::project::{Culled, Lens};
use super::splat::{OWN_PLANES, Outline, Splat};
use super::tiles::{NOT_DRAWN, Tiles};
use super::{Depth, Rendered, Settings, Stats};
use crate::{Camera, Error, GaussianSlices};
use rayon::prelude::*;
use std::ops::AddAssign;

/// Gaussians a task: part of the layout, never taken from the thread count.
pub const CHUNK: usize = 1024;
/// Alpha under which the expected depth is that of nothing: divided by this instead (as gsplat does).
pub const LEAST_ALPHA: f32 = 1e-10;

/// What one camera saw: everything its backward pass reads. Its memory is kept from picture to picture.
#[derive(Debug, Default)]
pub struct View {
    pub width: usize,
    pub height: usize,
    /// Channels and depth.
    pub planes: usize,
    /// `[N]`; of any content where not drawn.
    pub splats: Vec<Splat>,
    /// `[N, planes]`, or empty if the splats hold them.
    pub values: Vec<f32>,
    pub tiles: Tiles,
    /// `[tiles]`
    pub pixels: Vec<Pixels>,
    /// `[tiles, planes]` Σ wᵢ valueᵢ
    pub canvas: Vec<Plane>,
    /// `[N]` number of tiles touched.
    counts: Vec<u32>,
    /// `[N]`
    depths: Vec<f32>,
    /// `[N / CHUNK]` the tiles of each chunk's Gaussians, one after the other.
    chunk_tiles: Vec<Vec<u32>>,
}

impl View {
    /// Draws what `camera` sees into `image`; the memory of both is used again.
    pub fn draw(
        &mut self,
        gaussians: &GaussianSlices<'_>,
        camera: &Camera,
        settings: &Settings,
        image: &mut Rendered,
    ) -> Result<(), Error> {
        (self.width, self.height) = (camera.width, camera.height);
        self.planes = gaussians.kind.channels() + 1;
        let size = [camera.width.div_ceil(TILE), camera.height.div_ceil(TILE)];
        image.radii.resize(gaussians.len(), 0.0);
        image.stats = self.project(gaussians, &Lens::new(camera, settings), settings, size, &mut image.radii);
        self.tiles.list::<CHUNK>(&self.depths, &self.counts, &self.chunk_tiles, size)?;
        self.blend(settings);
        self.compose(settings, image);
        Ok(())
    }

    fn project(
        &mut self,
        gaussians: &GaussianSlices<'_>,
        lens: &Lens,
        settings: &Settings,
        tiles: [usize; 2],
        radii: &mut [f32],
    ) -> Stats {
        let (n, width) = (gaussians.len(), if self.planes == OWN_PLANES { 0 } else { self.planes });
        self.splats.resize(n, Splat::default());
        self.values.resize(n * width, 0.0);
        self.counts.resize(n, 0);
        self.depths.resize(n, 0.0);
        self.chunk_tiles.resize(n.div_ceil(CHUNK), Vec::new());
        let mut values = self.values.chunks_mut((CHUNK * width).max(1));
        let parts: Vec<_> = self
            .splats
            .chunks_mut(CHUNK)
            .zip(self.counts.chunks_mut(CHUNK))
            .zip(self.depths.chunks_mut(CHUNK))
            .zip(radii.chunks_mut(CHUNK))
            .zip(&mut self.chunk_tiles)
            .enumerate()
            .map(|(chunk, ((((splats, counts), depths), radii), listed))| {
                let (first, values) = (chunk * CHUNK, values.next().unwrap_or_default());
                ProjectChunk { gaussians, lens, first, tiles, splats, values, counts, depths, radii, listed }
            })
            .collect();
        let stats: Vec<Stats> = parts.into_par_iter().map(|part| settings.instructions.run(part)).collect();
        stats.into_iter().fold(Stats::default(), |mut all, part| {
            all += part;
            all
        })
    }

    fn blend(&mut self, settings: &Settings) {
        let n_tiles = self.n_tiles();
        self.pixels.resize(n_tiles, Pixels::default());
        self.canvas.resize(n_tiles * self.planes, Plane::default());
        let (mut pixels, mut canvas) = (std::mem::take(&mut self.pixels), std::mem::take(&mut self.canvas));
        let outputs = pixels.iter_mut().zip(canvas.chunks_mut(self.planes));
        in_order_of(&self.tiles.longest_first(), outputs).into_par_iter().with_max_len(1).for_each(
            |(index, (pixels, planes))| {
                let (tile, cutoff) = (self.tile(index), settings.cutoff);
                settings.instructions.run(blend::Forward { tile, planes, pixels, cutoff });
            },
        );
        (self.pixels, self.canvas) = (pixels, canvas);
    }

    /// From tiles of planes to an image of pixels, over the background.
    fn compose(&self, settings: &Settings, image: &mut Rendered) {
        let (width, height, channels) = (self.width, self.height, self.planes - 1);
        (image.width, image.height, image.channels) = (width, height, channels);
        image.color.resize(width * height * channels, 0.0);
        image.alpha.resize(width * height, 0.0);
        image.depth.resize(width * height, 0.0);
        // Of each row of pixels: alpha, depth, color. Zero channels have no color to split into rows.
        let mut colors = image.color.chunks_mut((width * channels).max(1));
        let rows: Vec<_> = image
            .alpha
            .chunks_mut(width)
            .zip(image.depth.chunks_mut(width))
            .map(|(alpha, depth)| (alpha, depth, colors.next().unwrap_or_default()))
            .collect();
        rows.into_par_iter().with_min_len(TILE).enumerate().for_each(|(y, (alpha, depth, color))| {
            for x in (0..width).step_by(SIDE) {
                let tile = (y / TILE) * self.tiles.size[0] + x / TILE;
                let at = place(x % TILE, y % TILE);
                let planes = &self.canvas[tile * self.planes..][..self.planes];
                let transmittance = four(&self.pixels[tile].transmittance, at);
                let end = (x + SIDE).min(width);
                let opaque = transmittance.map(|transmittance| 1.0 - transmittance);
                alpha[x..end].copy_from_slice(&opaque[..end - x]);
                let mut sums = four(&planes[channels], at);
                if settings.depth == Depth::Expected {
                    sums.iter_mut().zip(opaque).for_each(|(sum, alpha)| *sum /= alpha.max(LEAST_ALPHA));
                }
                depth[x..end].copy_from_slice(&sums[..end - x]);
                let color = &mut color[x * channels..end * channels];
                // Three channels of four pixels: all lengths are constants.
                if let (Ok(color), [r, g, b, _]) = (<&mut [f32; 3 * SIDE]>::try_from(&mut *color), planes) {
                    interleave(color, [four(r, at), four(g, at), four(b, at)]);
                } else {
                    for (c, plane) in planes[..channels].iter().enumerate() {
                        color[c..].iter_mut().step_by(channels).zip(four(plane, at)).for_each(|(out, v)| *out = v);
                    }
                }
                if !settings.background.is_empty() {
                    for (out, transmittance) in color.chunks_exact_mut(channels).zip(transmittance) {
                        out.iter_mut().zip(&settings.background).for_each(|(out, b)| *out += transmittance * b);
                    }
                }
            }
        });
    }

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
            touched: &self.tiles.touched,
            corner: [x as f32, y as f32],
            inside: [(self.width - x).min(TILE), (self.height - y).min(TILE)],
        }
    }

    /// Blocks of a slot: the shape's sums and the planes'.
    pub fn slot_blocks(&self) -> usize {
        (super::blend_back::SHAPE_SLOTS + self.planes).div_ceil(std::mem::size_of::<Block>() / 4)
    }
}

/// Four pixels of a row.
#[inline(always)]
fn four(plane: &Plane, (block, lane): (usize, usize)) -> [f32; SIDE] {
    std::array::from_fn(|i| plane[block].0[(lane + i) % WIDTH])
}

/// From pixels by channel to channels by pixel.
#[inline(always)]
fn interleave(out: &mut [f32; 3 * SIDE], channels: [[f32; SIDE]; 3]) {
    for i in 0..SIDE {
        for c in 0..3 {
            out[3 * i + c] = channels[c][i];
        }
    }
}

/// `items` with their indices, in the order given (a permutation).
fn in_order_of<T>(order: &[u32], items: impl Iterator<Item = T>) -> Vec<(usize, T)> {
    let mut items: Vec<Option<T>> = items.map(Some).collect();
    order.iter().filter_map(|&i| Some((i as usize, items[i as usize].take()?))).collect()
}

/// A chunk of Gaussians through one camera.
struct ProjectChunk<'a> {
    gaussians: &'a GaussianSlices<'a>,
    lens: &'a Lens,
    first: usize,
    /// Tiles across and down.
    tiles: [usize; 2],
    splats: &'a mut [Splat],
    values: &'a mut [f32],
    counts: &'a mut [u32],
    depths: &'a mut [f32],
    radii: &'a mut [f32],
    listed: &'a mut Vec<u32>,
}

impl Kernel for ProjectChunk<'_> {
    type Output = Stats;

    #[inline(always)]
    fn run<L: Lanes>(mut self) -> Stats {
        let mut stats = Stats::default();
        self.listed.clear();
        for i in 0..self.splats.len() {
            let before = self.listed.len();
            let drawn = self.gaussian(i);
            match drawn {
                Ok(()) => stats.visible += 1,
                Err(Culled::NonFinite) => stats.culled_non_finite += 1,
                Err(Culled::Depth) => stats.culled_depth += 1,
                Err(Culled::Transparent) => stats.culled_transparent += 1,
                Err(Culled::Small) => stats.culled_small += 1,
                Err(Culled::Outside) => stats.culled_outside += 1,
            }
            if drawn.is_err() {
                (self.depths[i], self.radii[i]) = (NOT_DRAWN, 0.0);
            }
            self.counts[i] = (self.listed.len() - before) as u32;
        }
        stats
    }
}

impl ProjectChunk<'_> {
    #[inline(always)]
    fn gaussian(&mut self, i: usize) -> Result<(), Culled> {
        let (n, channels) = (self.first + i, self.gaussians.kind.channels());
        let footprint = self.lens.project(self.gaussians, n)?;
        let mut rgb = [0.0; 3];
        let color = if channels + 1 == OWN_PLANES {
            &mut rgb[..]
        } else {
            let row = &mut self.values[i * (channels + 1)..][..channels + 1];
            row[channels] = footprint.depth;
            &mut row[..channels]
        };
        if !self.lens.color(self.gaussians, n, color) {
            return Err(Culled::NonFinite);
        }
        let (outline, before) = (Outline::new(&footprint), self.listed.len());
        for row in outline.tile_rows(self.tiles[1]) {
            let first = (row * self.tiles[0]) as u32;
            self.listed.extend(outline.tile_columns(row, self.tiles[0]).map(|column| first + column as u32));
        }
        if self.listed.len() == before {
            return Err(Culled::Outside);
        }
        self.splats[i] = Splat::new(&footprint, rgb);
        (self.depths[i], self.radii[i]) = (footprint.depth, footprint.radius);
        Ok(())
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.visible += other.visible;
        self.culled_non_finite += other.culled_non_finite;
        self.culled_depth += other.culled_depth;
        self.culled_transparent += other.culled_transparent;
        self.culled_small += other.culled_small;
        self.culled_outside += other.culled_outside;
    }
}
