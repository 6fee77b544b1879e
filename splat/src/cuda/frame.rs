//! What a forward pass leaves for its backward pass.
use super::Error;
use super::args::Lists;
use super::device::DeviceGaussians;
use super::engine::{Address, Fetched};
use super::pool::Buffer;
use super::program::{Program, Variant};
use super::sort::Zeros;
use crate::{Cutoff, Settings, Stats};
use std::sync::Arc;

/// Words before the stats: pairs kept and wanted, buckets kept and wanted.
pub const COUNTERS: usize = 4;
/// Reasons not to draw a Gaussian, per image.
pub const REASONS: usize = 5;

/// A batch of images and everything its backward pass reads, on the device.
pub struct Frame {
    pub(super) variant: Variant,
    pub(super) programs: Arc<Programs>,
    pub(super) gaussians: DeviceGaussians,
    pub(super) settings: Settings,
    pub(super) size: Size,
    /// (Gaussian, tile) pairs there is room for.
    pub(super) capacity: usize,
    pub(super) saved: Saved,
    pub(super) counts: Arc<dyn Fetched>,
}

/// The two programs of a variant.
pub struct Programs {
    pub draw: Program,
    pub back: Program,
}

impl Programs {
    pub fn new(variant: Variant) -> Self {
        Programs { draw: Program::draw(variant), back: Program::draw_back(variant) }
    }
}

/// Sizes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// I.
    pub images: usize,
    /// V: images a scene.
    pub views: usize,
    pub width: usize,
    pub height: usize,
    /// Across and down.
    pub tiles: [usize; 2],
}

impl Size {
    /// Tiles of all images.
    pub fn n_tiles(&self) -> usize {
        self.images * self.tiles[0] * self.tiles[1]
    }

    /// Buckets of `bucket` that `capacity` pairs can fill: whole ones, and one begun in each tile.
    pub fn buckets(&self, capacity: usize, bucket: usize) -> usize {
        capacity / bucket + self.n_tiles()
    }
}

/// Buffers; shapes as in the kernels' argument structures.
pub struct Saved {
    /// Lenses, background, number of pairs.
    pub view_table: Buffer,
    /// [`COUNTERS`], [`REASONS`] an image, and what scan and sort want cleared.
    pub zeros: Zeros,
    pub counters: Address,
    pub splats: Buffer,
    pub counts: Buffer,
    pub first_slots: Buffer,
    pub owners: Buffer,
    pub slots: Buffer,
    pub starts: Buffer,
    pub bucket_starts: Buffer,
    pub bucket_tiles: Buffer,
    pub bucket_states: Buffer,
    pub end_states: Buffer,
    pub lasts: Buffer,
    pub tile_lasts: Buffer,
}

impl Saved {
    /// What the kernels of both directions read of each tile.
    pub fn lists(&self, size: &Size, settings: &Settings) -> Lists {
        Lists {
            splats: self.splats.address(),
            slots: self.slots.address(),
            owners: self.owners.address(),
            starts: self.starts.address(),
            bucket_starts: self.bucket_starts.address(),
            bucket_tiles: self.bucket_tiles.address(),
            bucket_states: self.bucket_states.address(),
            lasts: self.lasts.address(),
            tile_lasts: self.tile_lasts.address(),
            tiles_x: size.tiles[0] as u32,
            tiles_y: size.tiles[1] as u32,
            cutoff_width: match settings.cutoff {
                Cutoff::Hard => 0.0,
                Cutoff::Smooth { width } => width,
            },
        }
    }
}

/// What the device counted.
#[derive(Clone, Debug)]
pub struct Counts {
    /// (Gaussian, tile) pairs.
    pub wanted: usize,
    /// Buckets in use.
    pub buckets: usize,
    /// One per image.
    pub stats: Vec<Stats>,
}

impl Frame {
    /// How many Gaussians each image shows and why not the others, in the order of the cameras. Waits for the device to
    /// have counted, not for the images.
    ///
    /// # Errors
    /// What the device failed with.
    pub fn stats(&self) -> Result<Vec<Stats>, Error> {
        Ok(self.counted()?.stats)
    }

    /// (Gaussian, tile) pairs of all images. Waits as [`Self::stats`].
    ///
    /// # Errors
    /// What the device failed with.
    pub fn instances(&self) -> Result<usize, Error> {
        Ok(self.counted()?.wanted)
    }

    /// [`Error::Overflow`] if the device is known to have had too little room. Does not wait.
    ///
    /// # Errors
    /// That, or what the device failed with.
    pub fn check(&self) -> Result<(), Error> {
        if !self.counts.is_ready()? {
            return Ok(());
        }
        let (wanted, capacity) = (self.counted()?.wanted, self.capacity);
        if wanted > capacity { Err(Error::Overflow { wanted, capacity }) } else { Ok(()) }
    }

    pub(super) fn counted(&self) -> Result<Counts, Error> {
        let bytes = self.counts.wait()?;
        let words: Vec<usize> =
            bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
        let stats = words[COUNTERS..].chunks_exact(REASONS).map(|reasons| Stats {
            visible: self.gaussians.n_gaussians - reasons.iter().sum::<usize>(),
            culled_non_finite: reasons[0],
            culled_depth: reasons[1],
            culled_transparent: reasons[2],
            culled_small: reasons[3],
            culled_outside: reasons[4],
        });
        Ok(Counts { wanted: words[1], buckets: words[2], stats: stats.collect() })
    }
}
