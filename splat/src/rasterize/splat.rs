//! A projected Gaussian in the form that tiles and pixels read: which of them it touches.
use super::lanes::{TILE, fma};
use super::project::Footprint;
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// Planes whose values a [`Splat`] holds itself, if the image has just as many: three channels and depth.
pub const OWN_PLANES: usize = 4;

/// One cache line; pixels. With d = pixel − mean, log2(alpha) = `log2_opacity` + `xx`·dx² + `xy`·dx·dy + `yy`·dy².
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct Splat {
    pub mean: [f32; 2],
    pub xx: f32,
    pub xy: f32,
    pub yy: f32,
    pub log2_opacity: f32,
    /// Row at dy: alpha reaches the cut within x = mean + slope·dy ± √(span − shrink·dy²).
    slope: f32,
    span: f32,
    shrink: f32,
    /// Greatest dy where alpha reaches the cut.
    far_y: f32,
    /// dy of the rightmost such point; the leftmost is opposite.
    dy_right: f32,
    /// Camera z, metres.
    pub depth: f32,
    /// Index into the Gaussians.
    pub gaussian: u32,
    /// If there are three channels; others are kept apart.
    pub rgb: [f32; 3],
}

impl Splat {
    #[inline(always)]
    pub fn new(f: &Footprint, gaussian: u32, rgb: [f32; 3]) -> Self {
        let [xx, xy, yy] = f.covariance;
        let scale = -0.5 * LOG2_E / f.determinant;
        // A little beyond the cut: the exact test is alpha's, these may only err towards too much.
        let reach = 2.0 * (f.reach + 0.01);
        Splat {
            mean: f.mean,
            xx: scale * yy,
            xy: -2.0 * scale * xy,
            yy: scale * xx,
            log2_opacity: f.opacity.log2(),
            slope: xy / yy,
            span: reach * f.determinant / yy,
            shrink: f.determinant / (yy * yy),
            far_y: (reach * yy).sqrt(),
            dy_right: xy * (reach / xx).sqrt(),
            depth: f.depth,
            gaussian,
            rgb,
        }
    }

    /// Red, green, blue and depth: the values of its own planes.
    #[inline(always)]
    pub fn values<const PLANES: usize>(&self) -> [f32; PLANES] {
        let all = [self.rgb[0], self.rgb[1], self.rgb[2], self.depth];
        std::array::from_fn(|p| all[p])
    }

    /// One bit per row of the tile at `corner` that the splat may touch.
    #[inline(always)]
    pub fn rows<const FMA: bool>(&self, corner: [f32; 2]) -> u32 {
        const MARGIN_PX: f32 = 0.02;
        let (left, right) = (corner[0] + 0.5 - MARGIN_PX - self.mean[0], corner[0] + 15.5 + MARGIN_PX - self.mean[0]);
        let top = corner[1] + 0.5 - self.mean[1];
        let mut bits = [0u32; TILE];
        for r in 0..TILE {
            let dy = top + r as f32;
            let squared = fma::<FMA>(-self.shrink * dy, dy, self.span);
            let half = (if squared > 0.0 { squared } else { 0.0 }).sqrt();
            let middle = self.slope * dy;
            let hit = (squared > 0.0) & (middle + half >= left) & (middle - half <= right);
            bits[r] = (hit as u32) << r;
        }
        bits.iter().fold(0, |all, b| all | b)
    }

    /// Rows of tiles that it may touch, of `count`.
    #[inline(always)]
    pub fn tile_rows(&self, count: usize) -> Range<usize> {
        tile_range(self.mean[1] - self.far_y, self.mean[1] + self.far_y, count)
    }

    /// Of row `row` of tiles, those that it touches, of `count`: one range, for the ellipse is convex.
    #[inline(always)]
    pub fn tile_columns(&self, row: usize, count: usize) -> Range<usize> {
        let top = (row * TILE) as f32 + 0.5 - self.mean[1];
        let low = top.clamp(-self.far_y, self.far_y);
        let high = (top + (TILE - 1) as f32).clamp(-self.far_y, self.far_y);
        // The outline's x at the row's point nearest to the rightmost (leftmost) one.
        let (right, left) = (self.dy_right.clamp(low, high), (-self.dy_right).clamp(low, high));
        let half = |dy: f32| (self.span - self.shrink * dy * dy).max(0.0).sqrt();
        tile_range(
            self.mean[0] + self.slope * left - half(left),
            self.mean[0] + self.slope * right + half(right),
            count,
        )
    }
}

/// Tiles that hold a pixel centre within `low..=high`, both pixels.
#[inline(always)]
fn tile_range(low: f32, high: f32, count: usize) -> Range<usize> {
    let end = (count * TILE) as f32;
    let first = (low - 0.5).ceil().clamp(0.0, end) as usize / TILE;
    let last = ((high - 0.5).floor() + 1.0).clamp(0.0, end) as usize;
    first..last.div_ceil(TILE).max(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel where alpha reaches the cut lies in a tile of the list and in a row of the mask.
    #[test]
    fn no_pixel_is_missed_and_few_tiles_are_idle() {
        let (mut listed, mut idle) = (0, 0);
        for seed in 0..400u32 {
            let number = |i: u32| ((seed * 16 + i).wrapping_mul(2654435761) >> 8) as f32 / (1 << 24) as f32;
            let (a, b) = (1.0 + 400.0 * number(0).powi(3), 1.0 + 60.0 * number(1).powi(2));
            let (sin, cos) = (6.3 * number(2)).sin_cos();
            let covariance = [a * cos * cos + b * sin * sin, (a - b) * sin * cos, a * sin * sin + b * cos * cos];
            let opacity = 0.005 + 0.99 * number(3);
            let footprint = Footprint {
                mean: [120.0 * number(4) - 10.0, 120.0 * number(5) - 10.0],
                covariance,
                determinant: a * b,
                opacity,
                depth: 1.0,
                reach: (255.0 * opacity).ln(),
            };
            let splat = Splat::new(&footprint, 0, [0.0; 3]);
            for tile in 0..49 {
                let (row, column) = (tile / 7, tile % 7);
                let is_listed = splat.tile_rows(7).contains(&row) && splat.tile_columns(row, 7).contains(&column);
                let mask = splat.rows::<false>([16.0 * column as f32, 16.0 * row as f32]);
                let mut touched = false;
                for y in 0..16 {
                    for x in 0..16 {
                        let dx = (16 * column + x) as f32 + 0.5 - splat.mean[0];
                        let dy = (16 * row + y) as f32 + 0.5 - splat.mean[1];
                        let log2 = splat.log2_opacity + splat.xx * dx * dx + splat.xy * dx * dy + splat.yy * dy * dy;
                        if log2.exp2() >= 1.0 / 255.0 {
                            touched = true;
                            assert!(is_listed && mask >> y & 1 == 1, "seed {seed}, tile {column} {row}, {x} {y}");
                        }
                    }
                }
                listed += is_listed as usize;
                idle += (is_listed && !touched) as usize;
            }
        }
        assert!(listed > 1000 && idle * 12 < listed, "{idle} of {listed} listed tiles are touched nowhere");
    }
}
