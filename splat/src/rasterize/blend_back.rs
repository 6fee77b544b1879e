//! One tile back to front: gradients of each (Gaussian, tile) pair into its own slot.
//!
//! With wᵢ = αᵢ Tᵢ, image = Σ wᵢ vᵢ + T background and alpha = 1 − T, T being what the last Gaussian leaves:
//! ∂L/∂αᵢ = Tᵢ (vᵢ·g) − (Σ_{j>i} wⱼ (vⱼ·g) + T (background·g − g_alpha)) / (1 − αᵢ), where g is the gradient by the pixel.
use super::Cutoff;
use super::blend::{Alpha, Pixels, Placed, STAGE, Tile, take_block};
use super::instructions::Kernel;
use super::lanes::{Block, Lanes, Plane, WIDTH};
use super::slots::Slots;
use super::splat::{OWN_PLANES, Splat};
use std::sync::atomic::Ordering::Relaxed;

/// Floats of a slot before the planes: g, gx, gy, gxx, gxy, gyy (see `project_back::Moments`), |∂x|, |∂y|.
pub const SHAPE_SLOTS: usize = 8;

/// Gradients by a tile's pixels, 0 outside the image.
pub struct TileUpstream<'a> {
    /// By the channels, then by the depth `Σ wᵢ zᵢ`.
    pub planes: &'a [Plane],
    /// By the transmittance that is left, but for the background's share.
    pub by_transmittance: Plane,
    /// `[C]`, or empty for black.
    pub background: &'a [f32],
}

/// Writes the slots of those instances that counted, and returns the gradient by the background.
pub struct Backward<'a> {
    pub tile: Tile<'a>,
    pub pixels: &'a Pixels,
    pub upstream: TileUpstream<'a>,
    pub slots: &'a Slots<'a>,
    pub cutoff: Cutoff,
    /// Also |∂x| and |∂y|.
    pub absolute: bool,
}

impl Kernel for Backward<'_> {
    /// `[C]`
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<f32> {
        match (self.cutoff, self.tile.planes) {
            (Cutoff::Hard, OWN_PLANES) if self.absolute => self.planes::<L, false, true, OWN_PLANES>(0.0),
            (Cutoff::Hard, OWN_PLANES) => self.planes::<L, false, false, OWN_PLANES>(0.0),
            (Cutoff::Hard, _) => self.planes::<L, false, true, 0>(0.0),
            (Cutoff::Smooth { width }, OWN_PLANES) => self.planes::<L, true, true, OWN_PLANES>(width),
            (Cutoff::Smooth { width }, _) => self.planes::<L, true, true, 0>(width),
        }
    }
}

/// What changes from splat to splat.
struct State {
    /// Of each pixel, behind the splat at hand.
    transmittance: Plane,
    /// Σ of what the weights behind gave the loss, with the background's share.
    behind: Plane,
    /// Sums by the planes of the table.
    by_outer: Vec<Block>,
}

/// One splat in the tile.
struct Turn<'a> {
    splat: &'a Splat,
    others: &'a [f32],
    place: f32,
    blocks: u32,
}

impl Backward<'_> {
    /// `PLANES` of the splats' own planes are summed in registers, or all of the table's in memory.
    #[inline(always)]
    fn planes<L: Lanes, const SMOOTH: bool, const ABSOLUTE: bool, const PLANES: usize>(
        self,
        cutoff_width: f32,
    ) -> Vec<f32> {
        let (tile, pixels) = (&self.tile, self.pixels);
        assert_eq!(self.upstream.planes.len(), tile.planes);
        let mut state = State {
            transmittance: pixels.transmittance,
            behind: Plane::default(),
            by_outer: vec![Block::default(); tile.planes - PLANES],
        };
        let by_background = self.behind_all::<L>(&mut state.behind);
        let mut staged = [Splat::default(); STAGE];
        for (stage, instances) in tile.instances[..pixels.end].chunks(STAGE).enumerate().rev() {
            for (to, from) in staged.iter_mut().zip(instances) {
                *to = tile.splats[from.splat()];
            }
            for next in &tile.instances[stage.saturating_sub(1) * STAGE..stage * STAGE] {
                L::prefetch(&tile.splats[next.splat()]);
                L::prefetch(&tile.touched[next.slot()]);
            }
            for (index, (splat, instance)) in staged.iter().zip(instances).enumerate().rev() {
                let blocks = tile.touched[instance.slot()].load(Relaxed) as u32;
                if blocks == 0 {
                    continue;
                }
                let (others, place) = (tile.others::<PLANES>(instance.splat()), (stage * STAGE + index) as f32);
                let turn = Turn { splat, others, place, blocks };
                let sums = self.splat::<L, SMOOTH, ABSOLUTE, PLANES>(&turn, &mut state, cutoff_width);
                self.write_slot::<L>(instance.slot(), sums, &state.by_outer);
            }
        }
        by_background
    }

    /// What the remaining transmittance gave the loss, pixel by pixel; and the gradient by the background.
    #[inline(always)]
    fn behind_all<L: Lanes>(&self, behind: &mut Plane) -> Vec<f32> {
        let channels = self.tile.planes - 1;
        let transmittance = &self.pixels.transmittance;
        for block in 0..WIDTH {
            let mut by_transmittance = L::load(&self.upstream.by_transmittance[block]);
            for (plane, &value) in self.upstream.planes[..channels].iter().zip(self.upstream.background) {
                by_transmittance = L::load(&plane[block]).mul_add(L::all(value), by_transmittance);
            }
            (L::load(&transmittance[block]) * by_transmittance).store(&mut behind[block]);
        }
        let mut by_background = vec![0.0; channels];
        for (sum, plane) in by_background.iter_mut().zip(self.upstream.planes) {
            let mut rows = [L::all(0.0); WIDTH];
            for block in 0..WIDTH {
                rows[block] = L::load(&transmittance[block]) * L::load(&plane[block]);
            }
            let mut of_rows = Block::default();
            L::sums(&rows).store(&mut of_rows);
            *sum = of_rows.0.iter().sum();
        }
        by_background
    }

    /// The sixteen sums that fill a slot's first block, but for the planes of the table (those go to `state`).
    #[inline(always)]
    fn splat<L: Lanes, const SMOOTH: bool, const ABSOLUTE: bool, const PLANES: usize>(
        &self,
        turn: &Turn<'_>,
        state: &mut State,
        cutoff_width: f32,
    ) -> L {
        let splat = turn.splat;
        let own = splat.values::<PLANES>();
        let (inner, outer) = self.upstream.planes.split_at(PLANES);
        let placed = Placed::<L>::new(splat, self.tile.corner);
        let (zero, one) = (L::all(0.0), L::all(1.0));
        let mut sums = [zero; WIDTH];
        state.by_outer.fill(Block::default());
        let mut blocks = turn.blocks;
        while blocks != 0 {
            let block = take_block(&mut blocks);
            let at = placed.at(block);
            let alpha = Alpha::<L>::new::<SMOOTH>(at.log2, cutoff_width);
            let last = L::load(&self.pixels.last[block]);
            let counts = L::both(alpha.touches, last.at_least(L::all(turn.place)));
            let blended = alpha.blended.or_zero(counts);
            let mut along = zero;
            for (g, &value) in outer.iter().zip(turn.others) {
                along = L::load(&g[block]).mul_add(L::all(value), along);
            }
            for p in 0..PLANES {
                along = L::load(&inner[p][block]).mul_add(L::all(own[p]), along);
            }
            let (transmittance, behind) = (&mut state.transmittance[block], &mut state.behind[block]);
            let (after, rest) = (L::load(transmittance), L::load(behind));
            let per_light = one / (one - blended);
            let here = after * per_light;
            let weight = blended * here;
            let by_alpha = after.mul_add(along, zero - rest) * per_light;
            here.store(transmittance);
            weight.mul_add(along, rest).store(behind);
            for (sum, g) in state.by_outer.iter_mut().zip(outer) {
                weight.mul_add(L::load(&g[block]), L::load(sum)).store(sum);
            }
            for p in 0..PLANES {
                sums[SHAPE_SLOTS + p] = weight.mul_add(L::load(&inner[p][block]), sums[SHAPE_SLOTS + p]);
            }
            let g = (by_alpha * alpha.slope * alpha.raw).or_zero(counts);
            let (gx, gy) = (g * at.dx, g * at.dy);
            sums[0] = sums[0] + g;
            sums[1] = sums[1] + gx;
            sums[2] = sums[2] + gy;
            sums[3] = gx.mul_add(at.dx, sums[3]);
            sums[4] = gx.mul_add(at.dy, sums[4]);
            sums[5] = gy.mul_add(at.dy, sums[5]);
            if ABSOLUTE {
                let by_x = L::all(splat.xx).mul_add(at.dx, at.along);
                let by_y = L::all(splat.xy).mul_add(at.dx, L::all(2.0 * splat.yy) * at.dy);
                sums[6] = sums[6] + (g * by_x).abs();
                sums[7] = sums[7] + (g * by_y).abs();
            }
        }
        L::sums(&sums)
    }

    #[inline(always)]
    fn write_slot<L: Lanes>(&self, slot: usize, sums: L, by_outer: &[Block]) {
        let mut first = Block::default();
        sums.store(&mut first);
        if by_outer.is_empty() {
            return self.slots.write(slot, 0, first);
        }
        // The table's planes follow the shape's sums, over as many blocks as it takes.
        let mut flat = by_outer.chunks(WIDTH).flat_map(|rows| {
            let mut all = [L::all(0.0); WIDTH];
            all.iter_mut().zip(rows).for_each(|(to, from)| *to = L::load(from));
            let mut out = Block::default();
            L::sums(&all).store(&mut out);
            out.0.into_iter().take(rows.len())
        });
        for value in &mut first.0[SHAPE_SLOTS..] {
            *value = flat.next().unwrap_or(0.0);
        }
        self.slots.write(slot, 0, first);
        for part in 1..self.slots.blocks {
            self.slots.write(slot, part, Block(std::array::from_fn(|_| flat.next().unwrap_or(0.0))));
        }
    }
}
