//! The passes back from the images, as a row of launches.
use super::Error;
use super::args::{
    BlendBackArgs, CAMERA_FLOATS, GatherArgs, PixelBackArgs, ReduceArgs, THREADS, TILE_PIXELS, ViewTable, WARPS,
    cutoff_width, run, scene_args,
};
use super::device::{DeviceGradients, DeviceUpstream};
use super::engine::Address;
use super::frame::Frame;
use super::pool::{Buffer, Pool};
use crate::rasterize::Depth;

/// The way back of one frame.
pub struct BackwardPass<'a> {
    pub pool: &'a Pool,
    pub frame: &'a Frame,
    pub upstream: &'a DeviceUpstream,
    pub gradients: &'a DeviceGradients,
}

impl BackwardPass<'_> {
    /// # Safety
    /// As [`super::Rasterizer::backward`].
    pub unsafe fn run(&self) -> Result<(), Error> {
        // SAFETY: passed on to the caller; all other addresses are buffers of the sizes that the kernels name.
        unsafe {
            let upstream = self.pixels()?;
            let slots = self.buckets(&upstream)?;
            drop(upstream);
            self.gather(&slots)
        }
    }

    fn background(&self) -> Address {
        let table = ViewTable::new(self.frame.size.images, self.frame.gaussians.kind.channels());
        self.frame.saved.view_table.address().offset(table.background)
    }

    /// Upstream gradients in the order of tiles; and the gradient by the background.
    ///
    /// # Safety
    /// As [`super::Rasterizer::backward`].
    unsafe fn pixels(&self) -> Result<Buffer, Error> {
        let (pool, frame, size) = (self.pool, self.frame, &self.frame.size);
        let (n_tiles, channels) = (size.n_tiles(), frame.gaussians.kind.channels());
        let upstream = pool.take::<f32>(n_tiles * frame.variant.state_floats() * TILE_PIXELS)?;
        let shares = pool.take::<f32>(n_tiles * channels)?;
        let args = PixelBackArgs {
            end_states: frame.saved.end_states.address(),
            background: self.background(),
            by_color: self.upstream.color,
            by_alpha: self.upstream.alpha,
            by_depth: self.upstream.depth,
            upstream: upstream.address(),
            background_shares: shares.address(),
            width: size.width as u32,
            height: size.height as u32,
            tiles_x: size.tiles[0] as u32,
            tiles_y: size.tiles[1] as u32,
            expected_depth: (frame.settings.depth == Depth::Expected) as u32,
        };
        // SAFETY: passed on to the caller.
        unsafe {
            run(pool.engine(), &frame.programs.back, "pixels_back", (n_tiles, TILE_PIXELS), &args)?;
            if !self.gradients.background.is_none() {
                self.reduce(&shares, self.gradients.background, (1, n_tiles, channels))?;
            }
        }
        Ok(upstream)
    }

    /// The gradient slot of every instance.
    ///
    /// # Safety
    /// `upstream` is of this frame.
    unsafe fn buckets(&self, upstream: &Buffer) -> Result<Buffer, Error> {
        let (pool, frame, saved) = (self.pool, self.frame, &self.frame.saved);
        let slots = pool.take::<f32>(frame.capacity * frame.variant.slot_floats())?;
        // As many as there are where that is known, else as many as there may be: those past the end leave at once.
        let known = if frame.counts.is_ready()? { Some(frame.counted()?.buckets) } else { None };
        let args = BlendBackArgs {
            splats: saved.splats.address(),
            slots: saved.slots.address(),
            owners: saved.owners.address(),
            starts: saved.starts.address(),
            bucket_starts: saved.bucket_starts.address(),
            bucket_tiles: saved.bucket_tiles.address(),
            bucket_states: saved.bucket_states.address(),
            lasts: saved.lasts.address(),
            tile_lasts: saved.tile_lasts.address(),
            upstream: upstream.address(),
            gradients: slots.address(),
            n_buckets: saved.counters_at.offset(8),
            tiles_x: frame.size.tiles[0] as u32,
            tiles_y: frame.size.tiles[1] as u32,
            cutoff_width: cutoff_width(&frame.settings),
        };
        let blocks = known.unwrap_or(frame.size.buckets(frame.capacity)).div_ceil(WARPS);
        // SAFETY: passed on to the caller.
        unsafe { run(pool.engine(), &frame.programs.back, "blend_back", (blocks, WARPS * 32), &args)? };
        Ok(slots)
    }

    /// From slots to the gradients by Gaussians and cameras.
    ///
    /// # Safety
    /// `slots` is of this frame.
    unsafe fn gather(&self, slots: &Buffer) -> Result<(), Error> {
        let (pool, frame, saved, out) = (self.pool, self.frame, &self.frame.saved, self.gradients);
        let (images, n_scenes) = (frame.size.images, frame.gaussians.n_scenes);
        let blocks = frame.gaussians.n_gaussians.div_ceil(THREADS);
        let shares = pool.take::<f32>(images * blocks * CAMERA_FLOATS)?;
        let wanted = !out.cameras.is_none();
        let args = GatherArgs {
            scene: scene_args(&frame.gaussians, &frame.settings, &frame.size, saved.view_table.address()),
            counts: saved.counts.address(),
            first_slots: saved.first_slots.address(),
            slots: slots.address(),
            total: saved.counters_at,
            means: out.means,
            quats: out.quats,
            log_scales: out.log_scales,
            opacity_logits: out.opacity_logits,
            colors: out.colors,
            mean_2d: out.mean_2d,
            mean_2d_abs: out.mean_2d_abs,
            camera_shares: if wanted { shares.address() } else { Address::NONE },
        };
        // SAFETY: passed on to the caller.
        unsafe {
            run(pool.engine(), &frame.programs.back, "gather", (blocks * n_scenes, THREADS), &args)?;
            if wanted { self.reduce(&shares, out.cameras, (images, blocks, CAMERA_FLOATS)) } else { Ok(()) }
        }
    }

    /// Sums `[groups, shares, width]` to `[groups, width]`.
    ///
    /// # Safety
    /// Both have those sizes.
    unsafe fn reduce(
        &self,
        shares: &Buffer,
        sums: Address,
        (groups, n_shares, width): (usize, usize, usize),
    ) -> Result<(), Error> {
        let args = ReduceArgs { shares: shares.address(), sums, n_shares: n_shares as u32, width: width as u32 };
        let program = &self.frame.programs.back;
        // SAFETY: passed on to the caller.
        unsafe { run(self.pool.engine(), program, "reduce_shares", (groups * width, 256), &args) }
    }
}
