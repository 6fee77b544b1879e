//! What the kernels take, field by field as in common.cuh and the `.cu` files, and how they are launched.
use super::Error;
use super::device::DeviceGaussians;
use super::engine::{self, Address, Engine, Launch};
use super::frame::Size;
use super::program::Program;
use crate::{Camera, Settings};

/// Pixels a tile side and in it, as in common.cuh.
pub const TILE: usize = 16;
pub const TILE_PIXELS: usize = TILE * TILE;
/// Threads a block where a thread has one item, warps a block where a warp has one.
pub const THREADS: usize = 128;
pub const WARPS: usize = 4;
/// Floats of a camera's gradient: pose, intrinsics.
pub const CAMERA_FLOATS: usize = 10;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct SceneArgs {
    pub means: Address,
    pub quats: Address,
    pub log_scales: Address,
    pub opacity_logits: Address,
    pub colors: Address,
    pub lenses: Address,
    pub n_gaussians: u32,
    pub n_scenes: u32,
    pub n_views: u32,
    pub tiles_x: u32,
    pub tiles_y: u32,
    pub antialiased: u32,
    pub near_m: f32,
    pub far_m: f32,
    pub radius_clip_px: f32,
}

#[repr(C)]
pub struct ProjectArgs {
    pub scene: SceneArgs,
    pub splats: Address,
    pub outlines: Address,
    pub depth_keys: Address,
    pub counts: Address,
    pub radii: Address,
    pub stats: Address,
}

#[repr(C)]
pub struct EmitArgs {
    pub order: Address,
    pub counts: Address,
    pub offsets: Address,
    pub outlines: Address,
    pub first_slots: Address,
    pub keys: Address,
    pub owners: Address,
    pub total: Address,
    pub n_pairs: u32,
    pub n_gaussians: u32,
    pub tiles_x: u32,
    pub tiles_y: u32,
}

#[repr(C)]
pub struct TileArgs {
    pub keys: Address,
    pub total: Address,
    pub starts: Address,
    pub bucket_counts: Address,
    pub n_tiles: u32,
}

#[repr(C)]
pub struct Lists {
    pub splats: Address,
    pub slots: Address,
    pub owners: Address,
    pub starts: Address,
    pub bucket_starts: Address,
    pub bucket_tiles: Address,
    pub bucket_states: Address,
    pub lasts: Address,
    pub tile_lasts: Address,
    pub tiles_x: u32,
    pub tiles_y: u32,
    pub cutoff_width: f32,
}

#[repr(C)]
pub struct BlendArgs {
    pub lists: Lists,
    pub end_states: Address,
    pub background: Address,
    pub color: Address,
    pub alpha: Address,
    pub depth: Address,
    pub width: u32,
    pub height: u32,
    pub expected_depth: u32,
}

#[repr(C)]
pub struct PixelBackArgs {
    pub end_states: Address,
    pub background: Address,
    pub by_color: Address,
    pub by_alpha: Address,
    pub by_depth: Address,
    pub upstream: Address,
    pub background_shares: Address,
    pub width: u32,
    pub height: u32,
    pub tiles_x: u32,
    pub tiles_y: u32,
    pub expected_depth: u32,
}

#[repr(C)]
pub struct BlendBackArgs {
    pub lists: Lists,
    pub upstream: Address,
    pub gradients: Address,
    pub n_buckets: Address,
}

#[repr(C)]
pub struct GatherArgs {
    pub scene: SceneArgs,
    pub counts: Address,
    pub first_slots: Address,
    pub slots: Address,
    pub total: Address,
    pub means: Address,
    pub quats: Address,
    pub log_scales: Address,
    pub opacity_logits: Address,
    pub colors: Address,
    pub mean_2d: Address,
    pub mean_2d_abs: Address,
    pub camera_shares: Address,
}

#[repr(C)]
pub struct ReduceArgs {
    pub shares: Address,
    pub sums: Address,
    pub n_shares: u32,
    pub width: u32,
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
pub struct ViewTable {
    pub background: usize,
    pub n_pairs: usize,
}

impl ViewTable {
    pub fn new(images: usize, channels: usize) -> Self {
        let background = 4 * LENS_FLOATS * images;
        ViewTable { background, n_pairs: background + 4 * channels }
    }

    pub fn bytes(cameras: &[Camera], background: &[f32], channels: usize, n_pairs: usize) -> Vec<u8> {
        let lenses = cameras.iter().flat_map(lens_floats);
        let background = (0..channels).map(|c| background.get(c).copied().unwrap_or(0.0));
        let floats = lenses.chain(background).flat_map(f32::to_le_bytes);
        floats.chain((n_pairs as u32).to_le_bytes()).collect()
    }
}

pub fn scene_args(gaussians: &DeviceGaussians, settings: &Settings, size: &Size, lenses: Address) -> SceneArgs {
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

/// # Safety
/// As [`Engine::launch`].
pub unsafe fn run<A>(
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
