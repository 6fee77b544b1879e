//! Blends one tile, front to back.
use super::instructions::Kernel;
use super::lanes::{Plane, Row, TILE, add_scaled, exp2, fma};
use super::splat::{OWN_PLANES, Splat};
use super::{ALPHA_CAP, ALPHA_CUT, Cutoff, TRANSMITTANCE_STOP};

/// Splats that are copied together before they are blended, so that their cache misses overlap.
pub const STAGE: usize = 16;

/// What a tile reads.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    /// Sorted by depth.
    pub splats: &'a [Splat],
    /// `[splats, planes]`: channels, then camera z; empty if there are [`OWN_PLANES`].
    pub values: &'a [f32],
    pub planes: usize,
    /// Indices into `splats`, front to back.
    pub instances: &'a [u32],
    /// Image position of the tile's corner, pixels.
    pub corner: [f32; 2],
    /// Columns and rows that lie in the image.
    pub inside: [usize; 2],
}

impl<'a> Tile<'a> {
    /// Values of a splat in the planes that are not its own, of which there are `PLANES`.
    #[inline(always)]
    pub fn others<const PLANES: usize>(&self, splat: u32) -> &'a [f32] {
        if PLANES == self.planes { &[] } else { &self.values[splat as usize * self.planes..][..self.planes] }
    }
}

/// What the way back needs of each pixel.
#[derive(Clone, Debug)]
pub struct Pixels {
    /// After the last Gaussian.
    pub transmittance: [Row; TILE],
    /// Position in the tile's instances of the last Gaussian that counted; −1 if none.
    pub last: [[i32; TILE]; TILE],
}

/// Alpha at a pixel before the cutoff and the cap, from log2(alpha).
#[inline(always)]
pub fn raw_alpha<const FMA: bool>(splat: &Splat, linear: f32, constant: f32, dx: f32) -> f32 {
    exp2::<FMA>(fma::<FMA>(fma::<FMA>(splat.xx, dx, linear), dx, constant))
}

/// Alpha as blended and its derivative by the raw alpha; both 0 under the cut.
#[inline(always)]
pub fn cut_alpha<const SMOOTH: bool>(raw: f32, width: f32) -> (f32, f32) {
    let capped = if raw < ALPHA_CAP { raw } else { ALPHA_CAP };
    let open = if raw < ALPHA_CAP { 1.0 } else { 0.0 };
    if SMOOTH {
        let t = ((raw - ALPHA_CUT) / width).clamp(0.0, 1.0);
        let step = t * t * (3.0 - 2.0 * t);
        (capped * step, open * step + capped * 6.0 * t * (1.0 - t) / width)
    } else if raw >= ALPHA_CUT {
        (capped, open)
    } else {
        (0.0, 0.0)
    }
}

/// Blends `tile`; `planes` receives Σ wᵢ valueᵢ and must be zero.
pub struct Forward<'a> {
    pub tile: Tile<'a>,
    pub planes: &'a mut [Plane],
    pub cutoff: Cutoff,
}

impl Kernel for Forward<'_> {
    type Output = Pixels;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Pixels {
        // A constant number of planes keeps them inside the one loop over a row's pixels.
        let (tile, planes) = (&self.tile, self.planes);
        match (self.cutoff, self.tile.planes) {
            (Cutoff::Hard, OWN_PLANES) => forward_planes::<FMA, false, OWN_PLANES>(tile, planes, 0.0),
            (Cutoff::Hard, _) => forward_planes::<FMA, false, 0>(tile, planes, 0.0),
            (Cutoff::Smooth { width }, OWN_PLANES) => forward_planes::<FMA, true, OWN_PLANES>(tile, planes, width),
            (Cutoff::Smooth { width }, _) => forward_planes::<FMA, true, 0>(tile, planes, width),
        }
    }
}

/// `PLANES` of the splats' own planes are blended in the loop over pixels, or all of the table's after it.
#[inline(always)]
fn forward_planes<const FMA: bool, const SMOOTH: bool, const PLANES: usize>(
    tile: &Tile<'_>,
    planes: &mut [Plane],
    cutoff_width: f32,
) -> Pixels {
    assert_eq!(planes.len(), tile.planes);
    let mut last = [[-1; TILE]; TILE];
    // Transmittance; negative once the pixel is finished, or if it lies outside the image.
    let mut light = [[-1.0f32; TILE]; TILE];
    for row in &mut light[..tile.inside[1]] {
        row[..tile.inside[0]].fill(1.0);
    }
    let mut staged = [Splat::default(); STAGE];
    for (stage, instances) in tile.instances.chunks(STAGE).enumerate() {
        let live_rows = rows_above_zero(&light);
        if live_rows == 0 {
            break;
        }
        for (to, &from) in staged.iter_mut().zip(instances) {
            *to = tile.splats[from as usize];
        }
        for (index, (splat, &instance)) in staged.iter().zip(instances).enumerate() {
            let mut rows = splat.rows::<FMA>(tile.corner) & live_rows;
            if rows == 0 {
                continue;
            }
            let position = (stage * STAGE + index) as i32;
            let own: [f32; PLANES] = splat.values();
            let others = tile.others::<PLANES>(instance);
            let left = tile.corner[0] + 0.5 - splat.mean[0];
            let top = tile.corner[1] + 0.5 - splat.mean[1];
            while rows != 0 {
                let r = (rows.trailing_zeros() as usize) & (TILE - 1);
                rows &= rows - 1;
                let dy = top + r as f32;
                let (linear, constant) = (splat.xy * dy, fma::<FMA>(splat.yy * dy, dy, splat.log2_opacity));
                let (light, last) = (&mut light[r], &mut last[r]);
                let (inner, outer) = planes.split_at_mut(PLANES);
                let mut weight: Row = [0.0; TILE];
                for i in 0..TILE {
                    let raw = raw_alpha::<FMA>(splat, linear, constant, left + i as f32);
                    let (alpha, _) = cut_alpha::<SMOOTH>(raw, cutoff_width);
                    let before = light[i];
                    let next = fma::<FMA>(-alpha, before, before);
                    let counts = next > TRANSMITTANCE_STOP;
                    let w = if counts { alpha * before } else { 0.0 };
                    light[i] = if counts { next } else { -before.abs() };
                    last[i] = if counts & (alpha > 0.0) { position } else { last[i] };
                    for p in 0..PLANES {
                        inner[p][r][i] = fma::<FMA>(w, own[p], inner[p][r][i]);
                    }
                    weight[i] = w;
                }
                for (plane, &value) in outer.iter_mut().zip(others) {
                    add_scaled::<FMA>(&mut plane[r], &weight, value);
                }
            }
        }
    }
    Pixels { transmittance: light.map(|row| row.map(f32::abs)), last }
}

/// One bit per row that has a pixel above 0.
#[inline(always)]
fn rows_above_zero(rows: &[Row; TILE]) -> u32 {
    let mut bits = 0;
    for r in 0..TILE {
        let mut any = 0u32;
        for i in 0..TILE {
            any |= (rows[r][i] > 0.0) as u32;
        }
        bits |= any << r;
    }
    bits
}
