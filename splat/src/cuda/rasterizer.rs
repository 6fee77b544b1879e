//! The passes as a row of launches.
use super::engine::{self, Address, Engine, Launch};
use super::frame::{COUNTERS, Frame, Programs, REASONS, Saved, Size};
use super::pool::{Buffer, Pool};
use super::program::{MOST_CHANNELS, Program, Variant};
use super::sort::{self, Scanned, Zeros};
use super::{Error, Fetched};
use crate::rasterize::{Cutoff, Depth};
use crate::{Camera, Colors, Settings};
use std::sync::Arc;

/// Pixels a tile side and in it; instances a bucket; as in common.cuh.
const TILE: usize = 16;
const TILE_PIXELS: usize = TILE * TILE;
pub const BUCKET: usize = 32;
/// Threads a block where a thread has one item, warps a block where a warp has one.
const THREADS: usize = 128;
const WARPS: usize = 4;
/// Passes that sort the bits of a depth.
const DEPTH_PASSES: usize = 4;
/// Pairs there is room for at first, per Gaussian and image; then as many as were counted and an eighth more.
const FIRST_GUESS: usize = 4;
const LEAST_CAPACITY: usize = 4096;
/// Floats of a camera's gradient: pose, intrinsics.
pub const CAMERA_FLOATS: usize = 10;
/// Most (image, Gaussian) pairs: twice that is an index of 32 bits.
const MOST_PAIRS: usize = 1 << 30;

/// Gaussians of a batch of scenes that have equally many, on the device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceGaussians {
    /// `[B, N, 3]` metres, world.
    pub means: Address,
    /// `[B, N, 4]` w x y z.
    pub quats: Address,
    /// `[B, N, 3]`
    pub log_scales: Address,
    /// `[B, N]`
    pub opacity_logits: Address,
    /// `[B, N, kind.stride()]`
    pub colors: Address,
    /// How `colors` is read.
    pub kind: Colors,
    /// B.
    pub n_scenes: usize,
    /// N.
    pub n_gaussians: usize,
}

/// Where the images go, one per camera.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceImages {
    /// `[I, H, W, C]`, as [`crate::Rendered::color`].
    pub color: Address,
    /// `[I, H, W]`, or none.
    pub alpha: Address,
    /// `[I, H, W]`, or none: images without depth are faster.
    pub depth: Address,
    /// `[I, N]` as [`crate::Rendered::radii`], or none.
    pub radii: Address,
}

/// Gradients of a loss by the images.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceUpstream {
    /// `[I, H, W, C]`
    pub color: Address,
    /// `[I, H, W]`, or none.
    pub alpha: Address,
    /// `[I, H, W]`, or none; ignored if no depth was drawn.
    pub depth: Address,
}

/// Where the gradients go; what was there is overwritten.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceGradients {
    /// `[B, N, 3]`
    pub means: Address,
    /// `[B, N, 4]`
    pub quats: Address,
    /// `[B, N, 3]`
    pub log_scales: Address,
    /// `[B, N]`
    pub opacity_logits: Address,
    /// `[B, N, kind.stride()]`
    pub colors: Address,
    /// `[B, N]` as [`crate::Gradients::mean_2d`], or none.
    pub mean_2d: Address,
    /// `[B, N]` as [`crate::Gradients::mean_2d_abs`], or none.
    pub mean_2d_abs: Address,
    /// `[C]`, or none.
    pub background: Address,
    /// `[I, 10]` pose twist, then fx, fy, cx, cy; or none.
    pub cameras: Address,
}

/// What happens when a frame has more (Gaussian, tile) pairs than there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Each forward pass launches everything, then waits until the pairs are counted (the images are still being made,
    /// so the device does not idle) and starts again with more room if there were too many. Never wrong.
    #[default]
    Wait,
    /// Never waits. An incomplete frame is an error of its backward pass or of [`Frame::check`], once the count has
    /// come; the next frame has the room.
    Defer,
}

/// Draws on one engine; keeps its memory from call to call.
pub struct Rasterizer {
    pool: Pool,
    overflow: Overflow,
    /// Pairs to make room for; 0 until something was counted.
    capacity: usize,
    /// Of the last frame.
    last_counts: Option<Arc<dyn Fetched>>,
    programs: Vec<(Variant, Arc<Programs>)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct SceneArgs {
    means: Address,
    quats: Address,
    log_scales: Address,
    opacity_logits: Address,
    colors: Address,
    lenses: Address,
    n_gaussians: u32,
    n_scenes: u32,
    n_views: u32,
    tiles_x: u32,
    tiles_y: u32,
    antialiased: u32,
    near_m: f32,
    far_m: f32,
    radius_clip_px: f32,
}

#[repr(C)]
struct ProjectArgs {
    scene: SceneArgs,
    splats: Address,
    outlines: Address,
    depth_keys: Address,
    counts: Address,
    radii: Address,
    stats: Address,
}

#[repr(C)]
struct EmitArgs {
    order: Address,
    counts: Address,
    offsets: Address,
    outlines: Address,
    first_slots: Address,
    keys: Address,
    owners: Address,
    total: Address,
    n_pairs: u32,
    n_gaussians: u32,
    tiles_x: u32,
    tiles_y: u32,
}

#[repr(C)]
struct TileArgs {
    keys: Address,
    total: Address,
    starts: Address,
    bucket_counts: Address,
    n_tiles: u32,
}

#[repr(C)]
struct BlendArgs {
    splats: Address,
    slots: Address,
    owners: Address,
    starts: Address,
    bucket_starts: Address,
    bucket_tiles: Address,
    bucket_states: Address,
    end_states: Address,
    lasts: Address,
    tile_lasts: Address,
    background: Address,
    color: Address,
    alpha: Address,
    depth: Address,
    width: u32,
    height: u32,
    tiles_x: u32,
    tiles_y: u32,
    expected_depth: u32,
    cutoff_width: f32,
}

#[repr(C)]
struct PixelBackArgs {
    end_states: Address,
    background: Address,
    by_color: Address,
    by_alpha: Address,
    by_depth: Address,
    upstream: Address,
    background_shares: Address,
    width: u32,
    height: u32,
    tiles_x: u32,
    tiles_y: u32,
    expected_depth: u32,
}

#[repr(C)]
struct BlendBackArgs {
    splats: Address,
    slots: Address,
    owners: Address,
    starts: Address,
    bucket_starts: Address,
    bucket_tiles: Address,
    bucket_states: Address,
    lasts: Address,
    tile_lasts: Address,
    upstream: Address,
    gradients: Address,
    n_buckets: Address,
    tiles_x: u32,
    tiles_y: u32,
    cutoff_width: f32,
}

#[repr(C)]
struct GatherArgs {
    scene: SceneArgs,
    counts: Address,
    first_slots: Address,
    slots: Address,
    total: Address,
    means: Address,
    quats: Address,
    log_scales: Address,
    opacity_logits: Address,
    colors: Address,
    mean_2d: Address,
    mean_2d_abs: Address,
    camera_shares: Address,
}

#[repr(C)]
struct ReduceArgs {
    shares: Address,
    sums: Address,
    n_shares: u32,
    width: u32,
}

/// As `Lens` in common.cuh.
const LENS_FLOATS: usize = 21;

fn lens_floats(camera: &Camera) -> [f32; LENS_FLOATS] {
    let m = camera.camera_from_world;
    let rotation = [0, 1, 2].map(|r| [m.col(0)[r], m.col(1)[r], m.col(2)[r]]);
    let t = [m.col(3)[0], m.col(3)[1], m.col(3)[2]];
    let eye = [0, 1, 2].map(|i| -(rotation[0][i] * t[0] + (rotation[1][i] * t[1] + rotation[2][i] * t[2])));
    let size = [camera.width as f32, camera.height as f32];
    let mut out = [0.0; LENS_FLOATS];
    let parts = rotation.as_flattened().iter().chain(&t).chain(&eye);
    let parts = parts.chain([&camera.fx, &camera.fy, &camera.cx, &camera.cy]).chain(&size);
    out.iter_mut().zip(parts).for_each(|(o, v)| *o = *v);
    out
}

/// Offsets within the table of a frame's cameras, in bytes.
struct ViewTable {
    background: usize,
    n_pairs: usize,
}

impl ViewTable {
    fn new(images: usize, channels: usize) -> Self {
        let background = 4 * LENS_FLOATS * images;
        ViewTable { background, n_pairs: background + 4 * channels }
    }

    fn bytes(cameras: &[Camera], background: &[f32], channels: usize, n_pairs: usize) -> Vec<u8> {
        let lenses = cameras.iter().flat_map(lens_floats);
        let background = (0..channels).map(|c| background.get(c).copied().unwrap_or(0.0));
        let floats = lenses.chain(background).flat_map(f32::to_le_bytes);
        floats.chain((n_pairs as u32).to_le_bytes()).collect()
    }
}

impl Rasterizer {
    /// On `engine`, usually a [`super::Gpu`].
    pub fn new(engine: impl Engine + 'static) -> Self {
        Self::shared(Arc::new(engine))
    }

    /// On an engine that others use too.
    pub fn shared(engine: Arc<dyn Engine>) -> Self {
        let (overflow, programs) = (Overflow::default(), Vec::new());
        Rasterizer { pool: Pool::new(engine), overflow, capacity: 0, last_counts: None, programs }
    }

    /// The same, with that answer to too many pairs.
    pub fn on_overflow(self, overflow: Overflow) -> Self {
        Rasterizer { overflow, ..self }
    }

    /// The same, with room for that many (Gaussian, tile) pairs in its first frame.
    pub fn with_capacity(self, pairs: usize) -> Self {
        Rasterizer { capacity: pairs.max(1), ..self }
    }

    /// Bytes held on the device for scratch and for frames.
    pub fn device_bytes(&self) -> usize {
        self.pool.total_bytes()
    }

    /// Gives idle memory back to the device.
    pub fn trim(&self) {
        self.pool.trim();
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Draws every scene as each of its cameras sees it; `cameras` are those of the first scene, then of the next, and
    /// all have images of one size.
    ///
    /// As [`crate::forward`], and with the same constants; images differ by rounding.
    ///
    /// # Errors
    /// [`Error::Input`] for what makes no image or more than [`MOST_CHANNELS`] channels; [`Error::TooLarge`]; what the
    /// device or the compiler answers.
    ///
    /// # Safety
    /// The addresses of `gaussians` and `images` have the sizes said and stay good until the device has finished; those
    /// of `gaussians` also for the frame's backward pass.
    pub unsafe fn forward(
        &mut self,
        gaussians: &DeviceGaussians,
        cameras: &[Camera],
        settings: &Settings,
        images: &DeviceImages,
    ) -> Result<Frame, Error> {
        let size = checked(gaussians, cameras, settings)?;
        let variant = Variant::new(gaussians.kind, !images.depth.is_none(), settings.cutoff);
        let programs = self.programs(variant)?;
        let pairs = size.images * gaussians.n_gaussians;
        self.learn_from_last()?;
        if self.capacity == 0 {
            self.capacity = (FIRST_GUESS * pairs).clamp(LEAST_CAPACITY, sort::MOST_KEYS);
        }
        loop {
            let pass = ForwardPass {
                pool: &self.pool,
                programs: programs.clone(),
                variant,
                gaussians,
                cameras,
                settings,
                images,
                size,
                pairs,
                capacity: self.capacity,
            };
            // SAFETY: passed on to the caller.
            let frame = unsafe { pass.run()? };
            self.last_counts = Some(frame.counts.clone());
            if self.overflow == Overflow::Defer || size.images == 0 {
                return Ok(frame);
            }
            let wanted = frame.counted()?.wanted;
            if wanted <= frame.capacity {
                return Ok(frame);
            }
            drop(frame);
            self.make_room(wanted)?;
        }
    }

    /// Gradients by everything that the frame was made from, given those by its images. As [`crate::backward`].
    ///
    /// # Errors
    /// [`Error::Overflow`] if the frame turns out incomplete; what the device answers.
    ///
    /// # Safety
    /// The frame is from this rasterizer; the addresses of `upstream` and `gradients` have the sizes said, and stay
    /// good until the device has finished.
    pub unsafe fn backward(
        &mut self,
        frame: &Frame,
        upstream: &DeviceUpstream,
        gradients: &DeviceGradients,
    ) -> Result<(), Error> {
        if let Err(incomplete) = frame.check() {
            self.learn_from_last()?;
            return Err(incomplete);
        }
        // SAFETY: passed on to the caller.
        unsafe { BackwardPass { pool: &self.pool, frame, upstream, gradients }.run() }
    }

    /// Makes room for what the last frame wanted, if that is known by now.
    fn learn_from_last(&mut self) -> Result<(), Error> {
        let Some(counts) = &self.last_counts else { return Ok(()) };
        if !counts.is_ready()? {
            return Ok(());
        }
        let bytes = counts.wait()?;
        self.last_counts = None;
        let wanted = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        if wanted > self.capacity { self.make_room(wanted) } else { Ok(()) }
    }

    fn make_room(&mut self, wanted: usize) -> Result<(), Error> {
        if wanted > sort::MOST_KEYS {
            return Err(Error::TooLarge { wanted, most: sort::MOST_KEYS });
        }
        self.capacity = (wanted + wanted / 8).clamp(LEAST_CAPACITY, sort::MOST_KEYS);
        // Buffers of the old size fit nothing any more.
        self.pool.trim();
        Ok(())
    }

    fn programs(&mut self, variant: Variant) -> Result<Arc<Programs>, Error> {
        if let Some((_, found)) = self.programs.iter().find(|(v, _)| *v == variant) {
            return Ok(found.clone());
        }
        let programs = Arc::new(Programs::new(variant));
        self.pool.engine().prepare(&[&programs.draw, &programs.back, sort::program()])?;
        self.programs.push((variant, programs.clone()));
        Ok(programs)
    }
}

/// Sizes of a batch, or why there can be none.
fn checked(gaussians: &DeviceGaussians, cameras: &[Camera], settings: &Settings) -> Result<Size, Error> {
    let channels = gaussians.kind.channels();
    settings.check(channels)?;
    cameras.iter().try_for_each(Camera::check)?;
    let shape =
        |what, expected, got| Err(crate::Error::Shape { what, expected: vec![expected], got: vec![got] }.into());
    if channels > MOST_CHANNELS {
        return shape("channels on a GPU", MOST_CHANNELS, channels);
    }
    let scenes = gaussians.n_scenes.max(1);
    if !cameras.len().is_multiple_of(scenes) {
        return shape("cameras: a multiple of the scenes", scenes, cameras.len());
    }
    if cameras.len() * gaussians.n_gaussians > MOST_PAIRS {
        return shape("Gaussians times cameras", MOST_PAIRS, cameras.len() * gaussians.n_gaussians);
    }
    let (width, height) = cameras.first().map_or((1, 1), |c| (c.width, c.height));
    for camera in cameras {
        if (camera.width, camera.height) != (width, height) {
            let (expected, got) = (vec![width, height], vec![camera.width, camera.height]);
            return Err(crate::Error::Shape { what: "images of one batch", expected, got }.into());
        }
    }
    let tiles = [width.div_ceil(TILE), height.div_ceil(TILE)];
    Ok(Size { images: cameras.len(), views: cameras.len() / scenes, width, height, tiles })
}

fn scene_args(gaussians: &DeviceGaussians, settings: &Settings, size: &Size, lenses: Address) -> SceneArgs {
    SceneArgs {
        means: gaussians.means,
        quats: gaussians.quats,
        log_scales: gaussians.log_scales,
        opacity_logits: gaussians.opacity_logits,
        colors: gaussians.colors,
        lenses,
        n_gaussians: gaussians.n_gaussians as u32,
        n_scenes: gaussians.n_scenes as u32,
        n_views: size.views as u32,
        tiles_x: size.tiles[0] as u32,
        tiles_y: size.tiles[1] as u32,
        antialiased: settings.antialiased as u32,
        near_m: settings.near_m,
        far_m: settings.far_m,
        radius_clip_px: settings.radius_clip_px,
    }
}

fn cutoff_width(settings: &Settings) -> f32 {
    match settings.cutoff {
        Cutoff::Hard => 0.0,
        Cutoff::Smooth { width } => width,
    }
}

/// # Safety
/// As [`Engine::launch`].
unsafe fn run<A>(
    engine: &dyn Engine,
    program: &Program,
    kernel: &'static str,
    (blocks, threads): (usize, usize),
    args: &A,
) -> Result<(), Error> {
    if blocks == 0 {
        return Ok(());
    }
    // SAFETY: passed on to the caller.
    unsafe { engine::launch(engine, Launch { program, kernel, blocks, threads }, args) }
}

/// One batch of images.
struct ForwardPass<'a> {
    pool: &'a Pool,
    programs: Arc<Programs>,
    variant: Variant,
    gaussians: &'a DeviceGaussians,
    cameras: &'a [Camera],
    settings: &'a Settings,
    images: &'a DeviceImages,
    size: Size,
    /// (image, Gaussian) pairs.
    pairs: usize,
    /// (Gaussian, tile) pairs there is room for.
    capacity: usize,
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
    /// As [`Rasterizer::forward`].
    unsafe fn run(self) -> Result<Frame, Error> {
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
    /// As [`Rasterizer::forward`].
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
    /// As [`Rasterizer::forward`].
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

/// The way back of one frame.
struct BackwardPass<'a> {
    pool: &'a Pool,
    frame: &'a Frame,
    upstream: &'a DeviceUpstream,
    gradients: &'a DeviceGradients,
}

impl BackwardPass<'_> {
    /// # Safety
    /// As [`Rasterizer::backward`].
    unsafe fn run(&self) -> Result<(), Error> {
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
    /// As [`Rasterizer::backward`].
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
