//! The passes to the images, as a row of launches.
use super::Error;
use super::args::{
    BlendArgs, EmitArgs, ProjectArgs, THREADS, TILE_PIXELS, TileArgs, ViewTable, cutoff_width, run, scene_args,
};
use super::device::{DeviceGaussians, DeviceImages};
use super::engine::Address;
use super::frame::{COUNTERS, Frame, Programs, REASONS, Saved, Size};
use super::pool::{Buffer, Pool};
use super::program::Variant;
use super::sort::{self, Scanned, Zeros};
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

/// Of all (image, Gaussian) pairs.
struct Projected {
    splats: Buffer,
    outlines: Buffer,
    depth_keys: Buffer,
    counts: Buffer,
}

/// Of all (Gaussian, tile) pairs.
struct Listed {
    first_slots: Buffer,
    owners: Buffer,
    slots: Buffer,
    starts: Buffer,
    bucket_starts: Buffer,
}

impl ForwardPass<'_> {
    /// # Safety
    /// As [`super::Rasterizer::forward`].
    pub unsafe fn run(self) -> Result<Frame, Error> {
        let engine = self.pool.engine();
        let view_table = self.upload_views()?;
        let head = (COUNTERS + REASONS * self.size.images).next_multiple_of(2);
        let mut zeros = Zeros::new(self.pool, head + self.sort_words())?;
        let counters = zeros.take(head);
        // SAFETY: the caller's addresses are as they say; all others are buffers of the sizes that the kernels name.
        unsafe {
            let Projected { splats, counts, outlines, depth_keys } = self.project(view_table.address(), counters)?;
            let binned = (outlines, depth_keys, counts.address());
            let listed = self.list(binned, view_table.address(), counters, &mut zeros)?;
            let fetched = engine.fetch(counters, 4 * (COUNTERS + REASONS * self.size.images))?;
            let saved = self.blend((splats, counts), listed, (view_table, zeros, counters))?;
            Ok(Frame {
                variant: self.variant,
                programs: self.programs,
                gaussians: *self.gaussians,
                settings: self.settings.clone(),
                size: self.size,
                capacity: self.capacity,
                saved,
                counts: fetched,
            })
        }
    }

    fn upload_views(&self) -> Result<Buffer, Error> {
        let channels = self.gaussians.kind.channels();
        let bytes = ViewTable::bytes(self.cameras, &self.settings.background, channels, self.pairs);
        let table = self.pool.take::<u8>(bytes.len())?;
        // SAFETY: as many bytes as were asked for.
        unsafe { self.pool.engine().write(table.address(), &bytes)? };
        Ok(table)
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
    unsafe fn project(&self, lenses: Address, counters: Address) -> Result<Projected, Error> {
        let (pool, pairs) = (self.pool, self.pairs);
        let out = Projected {
            splats: pool.take::<f32>(pairs * self.variant.splat_floats())?,
            outlines: pool.take::<f32>(pairs * 8)?,
            depth_keys: pool.take::<u32>(pairs)?,
            counts: pool.take::<u32>(pairs)?,
        };
        let args = ProjectArgs {
            scene: scene_args(self.gaussians, self.settings, &self.size, lenses),
            splats: out.splats.address(),
            outlines: out.outlines.address(),
            depth_keys: out.depth_keys.address(),
            counts: out.counts.address(),
            radii: self.images.radii,
            stats: counters.offset(4 * COUNTERS),
        };
        let all = if pairs == 0 { 0 } else { self.gaussians.n_scenes * self.gaussians.n_gaussians };
        // SAFETY: passed on to the caller.
        unsafe { run(pool.engine(), &self.programs.draw, "project", (all.div_ceil(THREADS), THREADS), &args)? };
        Ok(out)
    }

    /// Which Gaussians touch which tiles, front to back. Takes what only it needs.
    ///
    /// # Safety
    /// The buffers are as the kernels say.
    unsafe fn list(
        &self,
        (outlines, depth_keys, counts): (Buffer, Buffer, Address),
        view_table: Address,
        counters: Address,
        zeros: &mut Zeros,
    ) -> Result<Listed, Error> {
        let (pool, engine, pairs, capacity) = (self.pool, self.pool.engine(), self.pairs, self.capacity);
        let n_pairs = view_table.offset(ViewTable::new(self.size.images, self.gaussians.kind.channels()).n_pairs);
        // SAFETY: the table holds the number of pairs there.
        let by_depth = unsafe { sort::sort(pool, depth_keys, (n_pairs, pairs), DEPTH_PASSES, zeros)? };
        let order = by_depth.values;
        drop(by_depth.keys);
        let offsets = pool.take::<u32>(pairs)?;
        let from = Scanned { values: counts, index: order.address(), n: pairs };
        // SAFETY: `order` is a permutation of the pairs.
        unsafe { sort::scan(engine, &from, offsets.address(), (counters, capacity), zeros)? };
        let first_slots = pool.take::<u32>(pairs)?;
        let (keys, owners) = (pool.take::<u32>(capacity)?, pool.take::<u32>(capacity)?);
        let args = EmitArgs {
            order: order.address(),
            counts,
            offsets: offsets.address(),
            outlines: outlines.address(),
            first_slots: first_slots.address(),
            keys: keys.address(),
            owners: owners.address(),
            total: counters,
            n_pairs: pairs as u32,
            n_gaussians: self.gaussians.n_gaussians as u32,
            tiles_x: self.size.tiles[0] as u32,
            tiles_y: self.size.tiles[1] as u32,
        };
        // SAFETY: as above; the kernel writes no more than was kept.
        unsafe { run(engine, &self.programs.draw, "emit_instances", (pairs.div_ceil(THREADS), THREADS), &args)? };
        // SAFETY: as above.
        let by_tile = unsafe { sort::sort(pool, keys, (counters, capacity), self.tile_passes(), zeros)? };
        // SAFETY: as above.
        let (starts, bucket_starts) = unsafe { self.tile_starts(&by_tile.keys, counters, zeros)? };
        Ok(Listed { first_slots, owners, slots: by_tile.values, starts, bucket_starts })
    }

    /// Where each tile's instances and buckets begin.
    ///
    /// # Safety
    /// `keys` are sorted.
    unsafe fn tile_starts(
        &self,
        keys: &Buffer,
        counters: Address,
        zeros: &mut Zeros,
    ) -> Result<(Buffer, Buffer), Error> {
        let (pool, n_tiles) = (self.pool, self.size.n_tiles());
        let starts = pool.take::<u32>(n_tiles + 1)?;
        let (bucket_counts, bucket_starts) = (pool.take::<u32>(n_tiles)?, pool.take::<u32>(n_tiles)?);
        let args = TileArgs {
            keys: keys.address(),
            total: counters,
            starts: starts.address(),
            bucket_counts: bucket_counts.address(),
            n_tiles: n_tiles as u32,
        };
        let from = Scanned { values: bucket_counts.address(), index: Address::NONE, n: n_tiles };
        let most = self.size.buckets(self.capacity);
        // SAFETY: passed on to the caller.
        unsafe {
            run(pool.engine(), &self.programs.draw, "tile_ranges", (n_tiles.div_ceil(THREADS), THREADS), &args)?;
            sort::scan(pool.engine(), &from, bucket_starts.address(), (counters.offset(8), most), zeros)?;
        }
        Ok((starts, bucket_starts))
    }

    /// # Safety
    /// As [`super::Rasterizer::forward`].
    unsafe fn blend(
        &self,
        (splats, counts): (Buffer, Buffer),
        listed: Listed,
        (view_table, counters, counters_at): (Buffer, Zeros, Address),
    ) -> Result<Saved, Error> {
        let (pool, size, n_tiles) = (self.pool, &self.size, self.size.n_tiles());
        let (buckets, state) = (size.buckets(self.capacity), self.variant.state_floats() * TILE_PIXELS);
        let saved = Saved {
            view_table,
            _counters: counters,
            counters_at,
            splats,
            counts,
            first_slots: listed.first_slots,
            owners: listed.owners,
            slots: listed.slots,
            starts: listed.starts,
            bucket_starts: listed.bucket_starts,
            bucket_tiles: pool.take::<u32>(buckets)?,
            bucket_states: pool.take::<f32>(buckets * state)?,
            end_states: pool.take::<f32>(n_tiles * state)?,
            lasts: pool.take::<u32>(n_tiles * TILE_PIXELS)?,
            tile_lasts: pool.take::<u32>(n_tiles)?,
        };
        let table = ViewTable::new(size.images, self.gaussians.kind.channels());
        let args = BlendArgs {
            splats: saved.splats.address(),
            slots: saved.slots.address(),
            owners: saved.owners.address(),
            starts: saved.starts.address(),
            bucket_starts: saved.bucket_starts.address(),
            bucket_tiles: saved.bucket_tiles.address(),
            bucket_states: saved.bucket_states.address(),
            end_states: saved.end_states.address(),
            lasts: saved.lasts.address(),
            tile_lasts: saved.tile_lasts.address(),
            background: saved.view_table.address().offset(table.background),
            color: self.images.color,
            alpha: self.images.alpha,
            depth: self.images.depth,
            width: size.width as u32,
            height: size.height as u32,
            tiles_x: size.tiles[0] as u32,
            tiles_y: size.tiles[1] as u32,
            expected_depth: (self.settings.depth == Depth::Expected) as u32,
            cutoff_width: cutoff_width(self.settings),
        };
        // SAFETY: passed on to the caller.
        unsafe { run(pool.engine(), &self.programs.draw, "blend", (n_tiles, TILE_PIXELS), &args)? };
        Ok(saved)
    }
}
