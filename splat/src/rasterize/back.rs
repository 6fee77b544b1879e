//! One tile back to front: gradients of each (Gaussian, tile) pair into its own slot.
//!
//! With wᵢ = αᵢ Tᵢ, image = Σ wᵢ vᵢ + T background and alpha = 1 − T, T being what the last Gaussian leaves:
//! ∂L/∂αᵢ = Tᵢ (vᵢ·g) − (Σ_{j>i} wⱼ (vⱼ·g) + T (background·g − g_alpha)) / (1 − αᵢ), where g is the gradient by the pixel.
use super::blend::{Pixels, Tile, cut_alpha, raw_alpha};
use super::lanes::{Row, TILE, TILE_PIXELS, fma, sum};

/// Floats of a slot before the planes: g, gx, gy, gxx, gxy, gyy (see `project::Moments`), |∂x|, |∂y|.
pub const SHAPE_SLOTS: usize = 8;

/// Gradients by a tile's pixels, 0 outside the image.
pub struct TileUpstream<'a> {
    /// `[planes, 16, 16]`: by the channels, then by the depth.
    pub planes: &'a [f32],
    /// T (background·g − g_alpha) of each pixel.
    pub behind: [Row; TILE],
}

/// Writes `slots` `[instances, SHAPE_SLOTS + planes]`, which must be zero.
#[inline(always)]
pub fn backward<const FMA: bool, const SMOOTH: bool>(
    tile: &Tile<'_>,
    pixels: &Pixels,
    upstream: &TileUpstream<'_>,
    slots: &mut [f32],
) {
    match tile.planes {
        4 => backward_planes::<FMA, SMOOTH, 4>(tile, pixels, upstream, slots),
        _ => backward_planes::<FMA, SMOOTH, 0>(tile, pixels, upstream, slots),
    }
}

#[inline(always)]
fn backward_planes<const FMA: bool, const SMOOTH: bool, const PLANES: usize>(
    tile: &Tile<'_>,
    pixels: &Pixels,
    upstream: &TileUpstream<'_>,
    slots: &mut [f32],
) {
    let n_planes = if PLANES > 0 { PLANES } else { tile.planes };
    assert_eq!(upstream.planes.len(), n_planes * TILE_PIXELS);
    let mut transmittance = pixels.transmittance;
    let mut behind = upstream.behind;
    let last_of_row = pixels.last.map(|row| row.iter().fold(-1, |a, &b| a.max(b)));
    let end = last_of_row.iter().fold(-1, |a, &b| a.max(b)) + 1;
    let mut by_plane = vec![[0.0f32; TILE]; n_planes];
    for position in (0..end as usize).rev() {
        let splat = &tile.splats[tile.instances[position] as usize];
        let mut rows = splat.rows::<FMA>(tile.corner) & rows_at_least(&last_of_row, position as i32);
        if rows == 0 {
            continue;
        }
        let values = &tile.values[tile.instances[position] as usize * n_planes..][..n_planes];
        let left = tile.corner[0] + 0.5 - splat.mean[0];
        let top = tile.corner[1] + 0.5 - splat.mean[1];
        let mut shape = [[0.0f32; TILE]; SHAPE_SLOTS];
        by_plane.iter_mut().for_each(|row| *row = [0.0; TILE]);
        while rows != 0 {
            let r = (rows.trailing_zeros() as usize) & (TILE - 1);
            rows &= rows - 1;
            let dy = top + r as f32;
            let (linear, constant) = (splat.xy * dy, fma::<FMA>(splat.yy * dy, dy, splat.log2_opacity));
            let mut along: Row = [0.0; TILE];
            for p in 0..n_planes {
                let g = &upstream.planes[p * TILE_PIXELS + r * TILE..][..TILE];
                for i in 0..TILE {
                    along[i] = fma::<FMA>(values[p], g[i], along[i]);
                }
            }
            let (light, rest, last) = (&mut transmittance[r], &mut behind[r], &pixels.last[r]);
            let mut weight: Row = [0.0; TILE];
            let [s0, sx, sy, sxx, sxy, syy, abs_x, abs_y] = &mut shape;
            for i in 0..TILE {
                let dx = left + i as f32;
                let raw = raw_alpha::<FMA>(splat, linear, constant, dx);
                let (alpha, slope) = cut_alpha::<SMOOTH>(raw, tile.cutoff_width);
                let counts = last[i] >= position as i32;
                let (alpha, slope) = if counts { (alpha, slope) } else { (0.0, 0.0) };
                let per_light = 1.0 / (1.0 - alpha);
                light[i] *= per_light;
                weight[i] = alpha * light[i];
                let by_alpha = fma::<FMA>(light[i], along[i], -rest[i] * per_light);
                rest[i] = fma::<FMA>(weight[i], along[i], rest[i]);
                let g = by_alpha * slope * raw;
                let (gx, gy) = (g * dx, g * dy);
                s0[i] += g;
                sx[i] += gx;
                sy[i] += gy;
                sxx[i] = fma::<FMA>(gx, dx, sxx[i]);
                sxy[i] = fma::<FMA>(gx, dy, sxy[i]);
                syy[i] = fma::<FMA>(gy, dy, syy[i]);
                abs_x[i] += fma::<FMA>(2.0 * splat.xx, gx, splat.xy * gy).abs();
                abs_y[i] += fma::<FMA>(2.0 * splat.yy, gy, splat.xy * gx).abs();
            }
            for p in 0..n_planes {
                let (g, out) = (&upstream.planes[p * TILE_PIXELS + r * TILE..][..TILE], &mut by_plane[p]);
                for i in 0..TILE {
                    out[i] = fma::<FMA>(weight[i], g[i], out[i]);
                }
            }
        }
        let slot = &mut slots[position * (SHAPE_SLOTS + n_planes)..][..SHAPE_SLOTS + n_planes];
        for (out, row) in slot.iter_mut().zip(shape.iter().chain(&by_plane)) {
            *out = sum(row);
        }
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
