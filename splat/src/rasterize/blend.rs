//! Blends one tile, front to back.
use super::instructions::Kernel;
use super::lanes::{Block, Lanes, Plane, SIDE, TILE, WIDTH, place};
use super::splat::{OWN_PLANES, Splat};
use super::tiles::Instance;
use super::{ALPHA_CAP, ALPHA_CUT, Cutoff, TRANSMITTANCE_STOP};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Splats that are copied together, while the next as many are asked for: their cache misses overlap.
pub const STAGE: usize = 16;
/// A place that no instance has: pixels that nothing touched.
const NONE: f32 = -1.0;

/// What a tile reads.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// `[N]`
    pub splats: &'a [Splat],
    /// `[N, planes]`: channels, then camera z; empty if there are [`OWN_PLANES`].
    pub values: &'a [f32],
    pub planes: usize,
    /// Front to back.
    pub instances: &'a [Instance],
    /// `[slots]` one bit per block of its tile where the instance counted.
    pub touched: &'a [AtomicU16],
    /// Image position of the tile's corner, pixels.
    pub corner: [f32; 2],
    /// Columns and rows that lie in the image.
    pub inside: [usize; 2],
}

impl<'a> Tile<'a> {
    /// Values of a splat in the planes that are not its own, of which there are `PLANES`.
    #[inline(always)]
    pub fn others<const PLANES: usize>(&self, splat: usize) -> &'a [f32] {
        if PLANES == self.planes { &[] } else { &self.values[splat * self.planes..][..self.planes] }
    }
}

/// What the backward pass needs of each pixel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pixels {
    /// After the last Gaussian.
    pub transmittance: Plane,
    /// Place in the tile's list of the last Gaussian that counted (a whole number); negative if none.
    pub last: Plane,
    /// Length of the list up to the last of all these.
    pub end: usize,
}

/// A splat at the pixels of a tile.
pub struct Placed<'a, L> {
    splat: &'a Splat,
    /// From the mean to the pixels of the tile's first block.
    dx: L,
    dy: L,
}

/// A splat at the sixteen pixels of one block.
pub struct At<L> {
    pub dx: L,
    pub dy: L,
    /// `xx · dx + xy · dy`
    pub along: L,
    /// Of alpha, before the cutoff and the cap.
    pub log2: L,
}

impl<'a, L: Lanes> Placed<'a, L> {
    #[inline(always)]
    pub fn new(splat: &'a Splat, corner: [f32; 2]) -> Self {
        const X: Block = Block([0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3., 0., 1., 2., 3.]);
        const Y: Block = Block([0., 0., 0., 0., 1., 1., 1., 1., 2., 2., 2., 2., 3., 3., 3., 3.]);
        Placed {
            splat,
            dx: L::load(&X) + L::all(corner[0] + 0.5 - splat.mean[0]),
            dy: L::load(&Y) + L::all(corner[1] + 0.5 - splat.mean[1]),
        }
    }

    #[inline(always)]
    pub fn at(&self, block: usize) -> At<L> {
        let (splat, dx) = (self.splat, self.dx + L::all((block % SIDE * SIDE) as f32));
        let dy = self.dy + L::all((block / SIDE * SIDE) as f32);
        let along = L::all(splat.xx).mul_add(dx, L::all(splat.xy) * dy);
        let constant = (L::all(splat.yy) * dy).mul_add(dy, L::all(splat.log2_opacity));
        At { dx, dy, along, log2: along.mul_add(dx, constant) }
    }
}

/// Alpha at sixteen pixels.
pub struct Alpha<L: Lanes> {
    /// Before the cutoff and the cap.
    pub raw: L,
    /// As blended; anything where the Gaussian does not touch.
    pub blended: L,
    /// Where the Gaussian touches.
    pub touches: L::Mask,
    /// Derivative of `blended` by `raw`.
    pub slope: L,
}

impl<L: Lanes> Alpha<L> {
    #[inline(always)]
    pub fn new<const SMOOTH: bool>(log2: L, cutoff_width: f32) -> Self {
        let (raw, cap, cut) = (log2.exp2(), L::all(ALPHA_CAP), L::all(ALPHA_CUT));
        let capped = raw.min(cap);
        let open = L::all(1.0).or_zero(cap.above(raw));
        if !SMOOTH {
            return Alpha { raw, blended: capped, touches: raw.at_least(cut), slope: open };
        }
        let (zero, one, per_width) = (L::all(0.0), L::all(1.0), L::all(1.0 / cutoff_width));
        let t = ((raw - cut) * per_width).max(zero).min(one);
        let step = t * t * (L::all(3.0) - L::all(2.0) * t);
        let rise = L::all(6.0) * t * (one - t) * per_width;
        Alpha { raw, blended: capped * step, touches: step.above(zero), slope: open * step + capped * rise }
    }
}

/// Takes the lowest bit out of a mask of blocks that is not empty.
#[inline(always)]
pub fn take_block(mask: &mut u32) -> usize {
    let block = mask.trailing_zeros() as usize;
    *mask &= *mask - 1;
    block % WIDTH
}

/// Blends `tile`; `planes` receives Σ wᵢ valueᵢ.
pub struct Forward<'a> {
    pub tile: Tile<'a>,
    pub planes: &'a mut [Plane],
    pub pixels: &'a mut Pixels,
    pub cutoff: Cutoff,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        // A constant number of planes keeps their values in registers.
        match (self.cutoff, self.tile.planes) {
            (Cutoff::Hard, OWN_PLANES) => self.planes::<L, false, OWN_PLANES>(0.0),
            (Cutoff::Hard, _) => self.planes::<L, false, 0>(0.0),
            (Cutoff::Smooth { width }, OWN_PLANES) => self.planes::<L, true, OWN_PLANES>(width),
            (Cutoff::Smooth { width }, _) => self.planes::<L, true, 0>(width),
        }
    }
}

impl Forward<'_> {
    /// `PLANES` of the splats' own planes are blended, or all of the table's.
    #[inline(always)]
    fn planes<L: Lanes, const SMOOTH: bool, const PLANES: usize>(self, cutoff_width: f32) {
        let (tile, planes, pixels) = (&self.tile, self.planes, self.pixels);
        assert_eq!(planes.len(), tile.planes);
        planes.fill(Plane::default());
        *pixels = Pixels { transmittance: Plane::default(), last: [Block([NONE; WIDTH]); WIDTH], end: 0 };
        // Transmittance of unfinished pixels; negative once finished, or outside the image.
        let mut transmittance = initial_transmittance(tile.inside);
        // A block may have live pixels where this has its bit.
        let mut live = live_blocks::<L>(&transmittance);
        let mut staged = [Splat::default(); STAGE];
        for (stage, instances) in tile.instances.chunks(STAGE).enumerate() {
            for (to, from) in staged.iter_mut().zip(instances) {
                *to = tile.splats[from.splat()];
            }
            for next in tile.instances.iter().skip((stage + 1) * STAGE).take(STAGE) {
                L::prefetch(&tile.splats[next.splat()]);
            }
            for (index, (splat, instance)) in staged.iter().zip(instances).enumerate() {
                let mut blocks = splat.blocks::<L>(tile.corner) & live;
                if blocks == 0 {
                    continue;
                }
                let place = stage * STAGE + index;
                let (own, others) = (splat.values::<PLANES>(), tile.others::<PLANES>(instance.splat()));
                let placed = Placed::<L>::new(splat, tile.corner);
                let mut counted = 0u32;
                while blocks != 0 {
                    let block = take_block(&mut blocks);
                    let alpha = Alpha::<L>::new::<SMOOTH>(placed.at(block).log2, cutoff_width);
                    let before = L::load(&transmittance[block]);
                    let after = alpha.blended.neg_mul_add(before, before);
                    let counts = L::both(alpha.touches, after.above(L::all(TRANSMITTANCE_STOP)));
                    let weight = (alpha.blended * before).or_zero(counts);
                    // Touched, but not counted: finished.
                    let finished = L::all(0.0) - before.abs();
                    after.or_else(counts, finished.or_else(alpha.touches, before)).store(&mut transmittance[block]);
                    counted |= ((L::bits(counts) != 0) as u32) << block;
                    let last = &mut pixels.last[block];
                    L::all(place as f32).or_else(counts, L::load(last)).store(last);
                    let (inner, outer) = planes.split_at_mut(PLANES);
                    for p in 0..PLANES {
                        let sum = &mut inner[p][block];
                        weight.mul_add(L::all(own[p]), L::load(sum)).store(sum);
                    }
                    for (plane, &value) in outer.iter_mut().zip(others) {
                        let sum = &mut plane[block];
                        weight.mul_add(L::all(value), L::load(sum)).store(sum);
                    }
                }
                if counted != 0 {
                    tile.touched[instance.slot()].store(counted as u16, Relaxed);
                    pixels.end = place + 1;
                }
            }
            live = live_blocks::<L>(&transmittance);
            if live == 0 {
                break;
            }
        }
        for (to, from) in pixels.transmittance.iter_mut().zip(&transmittance) {
            L::load(from).abs().store(to);
        }
    }
}

/// 1 inside the image, −1 outside.
fn initial_transmittance(inside: [usize; 2]) -> Plane {
    if inside == [TILE, TILE] {
        return [Block([1.0; WIDTH]); WIDTH];
    }
    let mut transmittance = [Block([-1.0; WIDTH]); WIDTH];
    for (x, y) in (0..inside[1].min(TILE)).flat_map(|y| (0..inside[0].min(TILE)).map(move |x| (x, y))) {
        let (block, lane) = place(x, y);
        transmittance[block].0[lane] = 1.0;
    }
    transmittance
}

/// One bit per block that has a pixel above 0.
#[inline(always)]
fn live_blocks<L: Lanes>(transmittance: &Plane) -> u32 {
    let mut bits = 0;
    for block in 0..WIDTH {
        bits |= ((L::bits(L::load(&transmittance[block]).above(L::all(0.0))) != 0) as u32) << block;
    }
    bits
}
