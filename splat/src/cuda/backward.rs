//! The passes back from the images, as a row of launches.
use super::Error;
use super::args::{
    BlendBackArgs, CAMERA_FLOATS, GatherArgs, PixelBackArgs, ReduceArgs, THREADS, TILE_PIXELS, ViewTable, WARPS, run,
    scene_args,
};
use super::device::{DeviceGradients, DeviceUpstream};
use super::engine::Address;
use super::frame::Frame;
use super::pool::{Pieces, Pool, Scratch};
use crate::rasterize::Depth;

/// The backward pass of one frame.
pub struct BackwardPass<'a> {
    pub pool: &'a Pool,
    pub frame: &'a Frame,
    pub upstream: &'a DeviceUpstream,
    pub gradients: &'a DeviceGradients,
}

/// What only the pass itself needs; shapes as in the kernels' argument structures.
struct Working {
    /// Upstream gradients in the order of tiles.
    upstream: Address,
    background_shares: Address,
    slots: Address,
    camera_shares: Address,
    _scratch: Scratch,
}

impl BackwardPass<'_> {
    /// # Safety
    /// As [`super::Rasterizer::backward`].
    pub unsafe fn run(&self) -> Result<(), Error> {
        let working = self.working()?;
        // SAFETY: passed on to the caller; all other addresses are buffers of the sizes that the kernels name.
        unsafe {
            self.pixels(&working)?;
            self.buckets(&working)?;
            self.gather(&working)
        }
    }

    fn working(&self) -> Result<Working, Error> {
        let (frame, n_tiles) = (self.frame, self.frame.size.n_tiles());
        let mut pieces = Pieces::default();
        let upstream = pieces.add::<f32>(n_tiles * frame.variant.state_floats() * TILE_PIXELS);
        let background_shares = pieces.add::<f32>(n_tiles * frame.gaussians.kind.channels());
        let slots = pieces.add::<f32>(frame.capacity * frame.variant.slot_floats());
        let camera_shares = pieces.add::<f32>(frame.size.images * self.gaussian_blocks() * CAMERA_FLOATS);
        let scratch = self.pool.scratch(pieces)?;
        Ok(Working {
            upstream: scratch.at(upstream),
            background_shares: scratch.at(background_shares),
            slots: scratch.at(slots),
            camera_shares: scratch.at(camera_shares),
            _scratch: scratch,
        })
    }

    /// Blocks of a scene's Gaussians.
    fn gaussian_blocks(&self) -> usize {
        self.frame.gaussians.n_gaussians.div_ceil(THREADS)
    }

    /// Upstream gradients in the order of tiles; and the gradient by the background.
    ///
    /// # Safety
    /// As [`super::Rasterizer::backward`].
    unsafe fn pixels(&self, working: &Working) -> Result<(), Error> {
        let (frame, size) = (self.frame, &self.frame.size);
        let (n_tiles, channels) = (size.n_tiles(), frame.gaussians.kind.channels());
        let table = ViewTable::new(size.images, channels);
        let args = PixelBackArgs {
            end_states: frame.saved.end_states.address(),
            background: frame.saved.view_table.address().offset(table.background),
            by_color: self.upstream.color,
            by_alpha: self.upstream.alpha,
            by_depth: self.upstream.depth,
            upstream: working.upstream,
            background_shares: working.background_shares,
            width: size.width as u32,
            height: size.height as u32,
            tiles_x: size.tiles[0] as u32,
            tiles_y: size.tiles[1] as u32,
            expected_depth: (frame.settings.depth == Depth::Expected) as u32,
        };
        let program = &frame.programs.back;
        // SAFETY: passed on to the caller.
        unsafe {
            run(self.pool.engine(), program, "pixels_back", (n_tiles, TILE_PIXELS), &args)?;
            self.reduce(working.background_shares, self.gradients.background, (1, n_tiles, channels))
        }
    }

    /// The gradient slot of every instance.
    ///
    /// # Safety
    /// The pixels were launched.
    unsafe fn buckets(&self, working: &Working) -> Result<(), Error> {
        let (frame, saved) = (self.frame, &self.frame.saved);
        // As many as there are where that is known, else as many as there may be: those past the end leave at once.
        let known = if frame.counts.is_ready()? { Some(frame.counted()?.buckets) } else { None };
        let args = BlendBackArgs {
            lists: saved.lists(&frame.size, &frame.settings),
            upstream: working.upstream,
            gradients: working.slots,
            n_buckets: saved.counters.offset(8),
        };
        let blocks = known.unwrap_or(frame.size.buckets(frame.capacity, frame.variant.bucket())).div_ceil(WARPS);
        // SAFETY: passed on to the caller.
        unsafe { run(self.pool.engine(), &frame.programs.back, "blend_back", (blocks, WARPS * 32), &args) }
    }

    /// From slots to the gradients by Gaussians and cameras.
    ///
    /// # Safety
    /// The buckets were launched.
    unsafe fn gather(&self, working: &Working) -> Result<(), Error> {
        let (frame, saved, out) = (self.frame, &self.frame.saved, self.gradients);
        let blocks = self.gaussian_blocks();
        let args = GatherArgs {
            scene: scene_args(&frame.gaussians, &frame.settings, &frame.size, saved.view_table.address()),
            counts: saved.counts.address(),
            first_slots: saved.first_slots.address(),
            slots: working.slots,
            total: saved.counters,
            means: out.means,
            quats: out.quats,
            log_scales: out.log_scales,
            opacity_logits: out.opacity_logits,
            colors: out.colors,
            mean_2d: out.mean_2d,
            mean_2d_abs: out.mean_2d_abs,
            camera_shares: if out.cameras.is_none() { Address::NONE } else { working.camera_shares },
        };
        let all = blocks * frame.gaussians.n_scenes;
        // SAFETY: passed on to the caller.
        unsafe {
            run(self.pool.engine(), &frame.programs.back, "gather", (all, THREADS), &args)?;
            self.reduce(working.camera_shares, out.cameras, (frame.size.images, blocks, CAMERA_FLOATS))
        }
    }

    /// Sums `[groups, shares, width]` to `[groups, width]`, if that is wanted.
    ///
    /// # Safety
    /// Both have those sizes.
    unsafe fn reduce(
        &self,
        shares: Address,
        sums: Address,
        (groups, n_shares, width): (usize, usize, usize),
    ) -> Result<(), Error> {
        if sums.is_none() {
            return Ok(());
        }
        let args = ReduceArgs { shares, sums, n_shares: n_shares as u32, width: width as u32 };
        let program = &self.frame.programs.back;
        // SAFETY: passed on to the caller.
        unsafe { run(self.pool.engine(), program, "reduce_shares", (groups * width, 256), &args) }
    }
}
