//! One tile back to front: gradients of each (Gaussian, tile) pair into its own slot.
//!
//! With wᵢ = αᵢ Tᵢ, image = Σ wᵢ vᵢ + T background and alpha = 1 − T, T being what the last Gaussian leaves:
//! ∂L/∂αᵢ = Tᵢ (vᵢ·g) − (Σ_{j>i} wⱼ (vⱼ·g) + T (background·g − g_alpha)) / (1 − αᵢ), where g is the gradient by the pixel.
use super::Cutoff;
use super::blend::{Pixels, STAGE, Tile, cut_alpha, raw_alpha};
use super::instructions::Kernel;
use super::lanes::{Plane, Row, TILE, add_product, add_scaled, fma, sum};
use super::splat::{OWN_PLANES, Splat};

/// Floats of a slot before the planes: g, gx, gy, gxx, gxy, gyy (see `project_back::Moments`), |∂x|, |∂y|.
pub const SHAPE_SLOTS: usize = 8;

/// Gradients by a tile's pixels, 0 outside the image.
pub struct TileUpstream<'a> {
    /// By the channels, then by the depth.
    pub planes: &'a [Plane],
    /// T (background·g − g_alpha) of each pixel.
    pub behind: Plane,
}

/// Writes all of `slots` `[instances, SHAPE_SLOTS + planes]`.
pub struct Backward<'a> {
    pub tile: Tile<'a>,
    pub pixels: &'a Pixels,
    pub upstream: &'a TileUpstream<'a>,
    pub slots: &'a mut [f32],
    pub cutoff: Cutoff,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        match (self.cutoff, self.tile.planes) {
            (Cutoff::Hard, OWN_PLANES) => self.planes::<FMA, false, OWN_PLANES>(0.0),
            (Cutoff::Hard, _) => self.planes::<FMA, false, 0>(0.0),
            (Cutoff::Smooth { width }, OWN_PLANES) => self.planes::<FMA, true, OWN_PLANES>(width),
            (Cutoff::Smooth { width }, _) => self.planes::<FMA, true, 0>(width),
        }
    }
}

impl Backward<'_> {
    /// `PLANES` of the splats' own planes are summed in the loop over pixels, or all of the table's around it.
    #[inline(always)]
    fn planes<const FMA: bool, const SMOOTH: bool, const PLANES: usize>(self, cutoff_width: f32) {
        let (tile, pixels) = (&self.tile, self.pixels);
        assert_eq!(self.upstream.planes.len(), tile.planes);
        let mut state = State {
            transmittance: pixels.transmittance,
            behind: self.upstream.behind,
            by_outer: vec![[0.0; TILE]; tile.planes - PLANES],
        };
        let last_of_row = pixels.last.map(|row| row.iter().fold(-1, |a, &b| a.max(b)));
        let end = (last_of_row.iter().fold(-1, |a, &b| a.max(b)) + 1) as usize;
        let width = SHAPE_SLOTS + tile.planes;
        self.slots[end * width..].fill(0.0);
        let mut staged = [Splat::default(); STAGE];
        for (stage, instances) in tile.instances[..end].chunks(STAGE).enumerate().rev() {
            for (to, &from) in staged.iter_mut().zip(instances) {
                *to = tile.splats[from as usize];
            }
            for (index, (splat, &instance)) in staged.iter().zip(instances).enumerate().rev() {
                let position = stage * STAGE + index;
                let rows = splat.rows::<FMA>(tile.corner) & rows_at_least(&last_of_row, position as i32);
                let slot = &mut self.slots[position * width..][..width];
                if rows == 0 {
                    slot.fill(0.0);
                } else {
                    let (others, corner, position) = (tile.others::<PLANES>(instance), tile.corner, position as i32);
                    let at = At { splat, others, position, rows, corner, cutoff_width };
                    backward_splat::<FMA, SMOOTH, PLANES>(&at, pixels, self.upstream, &mut state, slot);
                }
            }
        }
    }
}

/// Of each pixel, behind the splat at hand.
struct State {
    transmittance: Plane,
    /// Σ of what the weights behind gave the loss, with the background's share.
    behind: Plane,
    /// Room for the sums of the planes outside the loop.
    by_outer: Vec<Row>,
}

/// One splat in the tile.
struct At<'a> {
    splat: &'a Splat,
    others: &'a [f32],
    position: i32,
    rows: u32,
    corner: [f32; 2],
    cutoff_width: f32,
}

#[inline(always)]
fn backward_splat<const FMA: bool, const SMOOTH: bool, const PLANES: usize>(
    at: &At<'_>,
    pixels: &Pixels,
    upstream: &TileUpstream<'_>,
    state: &mut State,
    slot: &mut [f32],
) {
    let (splat, mut rows) = (at.splat, at.rows);
    let own: [f32; PLANES] = splat.values();
    let (inner, outer) = upstream.planes.split_at(PLANES);
    let left = at.corner[0] + 0.5 - splat.mean[0];
    let top = at.corner[1] + 0.5 - splat.mean[1];
    // Σ over rows of g, g·dy, g·dy², |∂x|, |∂y|. A column's dx is the same in every row, so its moments can wait.
    let (mut columns, mut by_inner) = ([[0.0f32; TILE]; 5], [[0.0f32; TILE]; PLANES]);
    state.by_outer.fill([0.0; TILE]);
    while rows != 0 {
        let r = (rows.trailing_zeros() as usize) & (TILE - 1);
        rows &= rows - 1;
        let dy = top + r as f32;
        let (linear, constant) = (splat.xy * dy, fma::<FMA>(splat.yy * dy, dy, splat.log2_opacity));
        let mut outer_along: Row = [0.0; TILE];
        for (g, &value) in outer.iter().zip(at.others) {
            add_scaled::<FMA>(&mut outer_along, &g[r], value);
        }
        let (light, rest, last) = (&mut state.transmittance[r], &mut state.behind[r], &pixels.last[r]);
        let mut weight: Row = [0.0; TILE];
        let [s0, sy, syy, abs_x, abs_y] = &mut columns;
        let (lean_x, lean_y) = (splat.xy * dy, 2.0 * splat.yy * dy);
        for i in 0..TILE {
            let dx = left + i as f32;
            let raw = raw_alpha::<FMA>(splat, linear, constant, dx);
            let (alpha, slope) = cut_alpha::<SMOOTH>(raw, at.cutoff_width);
            let counts = last[i] >= at.position;
            let (alpha, slope) = if counts { (alpha, slope) } else { (0.0, 0.0) };
            let mut along = outer_along[i];
            for p in 0..PLANES {
                along = fma::<FMA>(own[p], inner[p][r][i], along);
            }
            let per_light = 1.0 / (1.0 - alpha);
            let here = light[i] * per_light;
            let w = alpha * here;
            let by_alpha = fma::<FMA>(here, along, -rest[i] * per_light);
            light[i] = here;
            rest[i] = fma::<FMA>(w, along, rest[i]);
            weight[i] = w;
            for p in 0..PLANES {
                by_inner[p][i] = fma::<FMA>(w, inner[p][r][i], by_inner[p][i]);
            }
            let g = by_alpha * slope * raw;
            s0[i] += g;
            sy[i] = fma::<FMA>(g, dy, sy[i]);
            syy[i] = fma::<FMA>(g, dy * dy, syy[i]);
            abs_x[i] = fma::<FMA>(g.abs(), fma::<FMA>(2.0 * splat.xx, dx, lean_x).abs(), abs_x[i]);
            abs_y[i] = fma::<FMA>(g.abs(), fma::<FMA>(splat.xy, dx, lean_y).abs(), abs_y[i]);
        }
        for (sum, g) in state.by_outer.iter_mut().zip(outer) {
            add_product::<FMA>(sum, &weight, &g[r]);
        }
    }
    let [s0, sy, syy, abs_x, abs_y] = columns;
    let (mut sx, mut sxx, mut sxy) = ([0.0; TILE], [0.0; TILE], [0.0; TILE]);
    for i in 0..TILE {
        let dx = left + i as f32;
        sx[i] = s0[i] * dx;
        sxx[i] = sx[i] * dx;
        sxy[i] = sy[i] * dx;
    }
    let shape: [Row; SHAPE_SLOTS] = [s0, sx, sy, sxx, sxy, syy, abs_x, abs_y];
    for (out, row) in slot.iter_mut().zip(shape.iter().chain(&by_inner).chain(&state.by_outer)) {
        *out = sum(row);
    }
}

/// One bit per row whose last position is at least `position`.
#[inline(always)]
fn rows_at_least(last_of_row: &[i32; TILE], position: i32) -> u32 {
    let mut bits = [0u32; TILE];
    for r in 0..TILE {
        bits[r] = ((last_of_row[r] >= position) as u32) << r;
    }
    bits.iter().fold(0, |all, b| all | b)
}
