//! The passes to the images, as a row of launches.
use super::Error;
use super::args::{BlendArgs, EmitArgs, ProjectArgs, THREADS, TILE_PIXELS, TileArgs, ViewTable, run, scene_args};
use super::device::{DeviceGaussians, DeviceImages};
use super::engine::Address;
use super::frame::{COUNTERS, Frame, Programs, REASONS, Saved, Size};
use super::pool::{Buffer, Pieces, Pool, Scratch};
use super::program::Variant;
use super::sort::{self, Room, Scanned, Zeros};
use crate::rasterize::Depth;
use crate::{Camera, Settings};
use std::sync::Arc;

/// Passes that sort the bits of a depth.
const DEPTH_PASSES: usize = 4;

/// One batch of images.
pub struct ForwardPass<'a> {
    pub pool: &'a Pool,
    pub programs: Arc<Programs>,
    pub variant: Variant,
    pub gaussians: &'a DeviceGaussians,
    pub cameras: &'a [Camera],
    pub settings: &'a Settings,
    pub images: &'a DeviceImages,
    pub size: Size,
    /// (image, Gaussian) pairs.
    pub pairs: usize,
    /// (Gaussian, tile) pairs there is room for.
    pub capacity: usize,
}

/// What only the pass itself needs; shapes as in the kernels' argument structures.
struct Working {
    outlines: Address,
    /// Pairs by depth.
    by_depth: Room,
    offsets: Address,
    /// Instances by tile; the first values are the frame's slots.
    by_tile: Room,
    bucket_counts: Address,
    _scratch: Scratch,
}

impl ForwardPass<'_> {
    /// # Safety
    /// As [`super::Rasterizer::forward`].
    pub unsafe fn run(self) -> Result<Frame, Error> {
        let mut saved = self.saved()?;
        let working = self.working(&saved)?;
        // SAFETY: the caller's addresses are as they say; all others are buffers of the sizes that the kernels name.
        let counts = unsafe {
            self.project(&saved, &working)?;
            self.list(&mut saved, &working)?;
            self.tile_starts(&mut saved, &working)?;
            let counts = self.pool.engine().fetch(saved.counters, 4 * self.counter_words())?;
            self.blend(&saved)?;
            counts
        };
        Ok(Frame {
            variant: self.variant,
            programs: self.programs,
            gaussians: *self.gaussians,
            settings: self.settings.clone(),
            size: self.size,
            capacity: self.capacity,
            saved,
            counts,
        })
    }

    fn saved(&self) -> Result<Saved, Error> {
        let (pool, pairs, capacity, n_tiles) = (self.pool, self.pairs, self.capacity, self.size.n_tiles());
        let (bucket, state) = (self.variant.bucket(), self.variant.state_floats() * TILE_PIXELS);
        let head = self.counter_words().next_multiple_of(2);
        let mut zeros = Zeros::new(pool, head + self.sort_words())?;
        Ok(Saved {
            view_table: self.upload_views()?,
            counters: zeros.take(head),
            zeros,
            splats: pool.take::<f32>(pairs * self.variant.splat_floats())?,
            counts: pool.take::<u32>(pairs)?,
            first_slots: pool.take::<u32>(pairs)?,
            owners: pool.take::<u32>(capacity)?,
            slots: pool.take::<u32>(capacity)?,
            starts: pool.take::<u32>(n_tiles + 1)?,
            bucket_starts: pool.take::<u32>(n_tiles)?,
            bucket_tiles: pool.take::<u32>(self.size.buckets(capacity, bucket))?,
            bucket_states: pool.take::<f32>(capacity / bucket * state)?,
            end_states: pool.take::<f32>(n_tiles * state)?,
            lasts: pool.take::<u32>(n_tiles * TILE_PIXELS)?,
            tile_lasts: pool.take::<u32>(n_tiles)?,
        })
    }

    fn working(&self, saved: &Saved) -> Result<Working, Error> {
        let mut pieces = Pieces::default();
        let outlines = pieces.add::<f32>(8 * self.pairs);
        let of_pairs = [(); 5].map(|()| pieces.add::<u32>(self.pairs));
        let of_instances = [(); 3].map(|()| pieces.add::<u32>(self.capacity));
        let bucket_counts = pieces.add::<u32>(self.size.n_tiles());
        let scratch = self.pool.scratch(pieces)?;
        let [keys, other_keys, order, other_order, offsets] = of_pairs.map(|piece| scratch.at(piece));
        let [tile_keys, other_tile_keys, other_slots] = of_instances.map(|piece| scratch.at(piece));
        Ok(Working {
            outlines: scratch.at(outlines),
            by_depth: Room { keys: [keys, other_keys], values: [order, other_order] },
            offsets,
            by_tile: Room { keys: [tile_keys, other_tile_keys], values: [saved.slots.address(), other_slots] },
            bucket_counts: scratch.at(bucket_counts),
            _scratch: scratch,
        })
    }

    fn upload_views(&self) -> Result<Buffer, Error> {
        let channels = self.gaussians.kind.channels();
        let bytes = ViewTable::bytes(self.cameras, &self.settings.background, channels, self.pairs);
        let table = self.pool.take::<u8>(bytes.len())?;
        // SAFETY: as many bytes as were asked for.
        unsafe { self.pool.engine().write(table.address(), &bytes)? };
        Ok(table)
    }

    fn counter_words(&self) -> usize {
        COUNTERS + REASONS * self.size.images
    }

    fn tile_passes(&self) -> usize {
        sort::passes_for(self.size.n_tiles())
    }

    fn sort_words(&self) -> usize {
        sort::sort_words(self.pairs, DEPTH_PASSES)
            + sort::scan_words(self.pairs)
            + sort::sort_words(self.capacity, self.tile_passes())
            + sort::scan_words(self.size.n_tiles())
    }

    /// # Safety
    /// As [`super::Rasterizer::forward`].
    unsafe fn project(&self, saved: &Saved, working: &Working) -> Result<(), Error> {
        let args = ProjectArgs {
            scene: scene_args(self.gaussians, self.settings, &self.size, saved.view_table.address()),
            splats: saved.splats.address(),
            outlines: working.outlines,
            depth_keys: working.by_depth.unsorted(DEPTH_PASSES),
            counts: saved.counts.address(),
            radii: self.images.radii,
            stats: saved.counters.offset(4 * COUNTERS),
        };
        let all = if self.pairs == 0 { 0 } else { self.gaussians.n_scenes * self.gaussians.n_gaussians };
        // SAFETY: passed on to the caller.
        unsafe { run(self.pool.engine(), &self.programs.draw, "project", (all.div_ceil(THREADS), THREADS), &args) }
    }

    /// Which Gaussians touch which tiles, front to back.
    ///
    /// # Safety
    /// The projection was launched.
    unsafe fn list(&self, saved: &mut Saved, working: &Working) -> Result<(), Error> {
        let (engine, pairs, passes) = (self.pool.engine(), self.pairs, self.tile_passes());
        let table = ViewTable::new(self.size.images, self.gaussians.kind.channels());
        let n_pairs = saved.view_table.address().offset(table.n_pairs);
        let (counts, order) = (saved.counts.address(), working.by_depth.values[0]);
        let from = Scanned { values: counts, index: order, n: pairs };
        let args = EmitArgs {
            order,
            counts,
            offsets: working.offsets,
            outlines: working.outlines,
            first_slots: saved.first_slots.address(),
            keys: working.by_tile.unsorted(passes),
            owners: saved.owners.address(),
            total: saved.counters,
            n_pairs: pairs as u32,
            n_gaussians: self.gaussians.n_gaussians as u32,
            tiles_x: self.size.tiles[0] as u32,
            tiles_y: self.size.tiles[1] as u32,
        };
        let kept = (saved.counters, self.capacity);
        // SAFETY: the table holds the number of pairs, the sort makes `order` a permutation of them, the scan keeps no more
        // instances than there is room for, and the kernel writes no more than those.
        unsafe {
            sort::sort(engine, &working.by_depth, (n_pairs, pairs), DEPTH_PASSES, &mut saved.zeros)?;
            sort::scan(engine, &from, working.offsets, kept, &mut saved.zeros)?;
            run(engine, &self.programs.draw, "emit_instances", (pairs.div_ceil(THREADS), THREADS), &args)?;
            sort::sort(engine, &working.by_tile, kept, passes, &mut saved.zeros)
        }
    }

    /// Where each tile's instances and buckets begin.
    ///
    /// # Safety
    /// The lists were launched.
    unsafe fn tile_starts(&self, saved: &mut Saved, working: &Working) -> Result<(), Error> {
        let (engine, n_tiles) = (self.pool.engine(), self.size.n_tiles());
        let args = TileArgs {
            keys: working.by_tile.keys[0],
            total: saved.counters,
            starts: saved.starts.address(),
            bucket_counts: working.bucket_counts,
            n_tiles: n_tiles as u32,
        };
        let from = Scanned { values: working.bucket_counts, index: Address::NONE, n: n_tiles };
        let total = (saved.counters.offset(8), self.size.buckets(self.capacity, self.variant.bucket()));
        // SAFETY: passed on to the caller.
        unsafe {
            run(engine, &self.programs.draw, "tile_ranges", (n_tiles.div_ceil(THREADS), THREADS), &args)?;
            sort::scan(engine, &from, saved.bucket_starts.address(), total, &mut saved.zeros)
        }
    }

    /// # Safety
    /// As [`super::Rasterizer::forward`]; the lists were launched.
    unsafe fn blend(&self, saved: &Saved) -> Result<(), Error> {
        let table = ViewTable::new(self.size.images, self.gaussians.kind.channels());
        let args = BlendArgs {
            lists: saved.lists(&self.size, self.settings),
            end_states: saved.end_states.address(),
            background: saved.view_table.address().offset(table.background),
            color: self.images.color,
            alpha: self.images.alpha,
            depth: self.images.depth,
            width: self.size.width as u32,
            height: self.size.height as u32,
            expected_depth: (self.settings.depth == Depth::Expected) as u32,
        };
        // SAFETY: passed on to the caller.
        unsafe { run(self.pool.engine(), &self.programs.draw, "blend", (self.size.n_tiles(), TILE_PIXELS), &args) }
    }
}
