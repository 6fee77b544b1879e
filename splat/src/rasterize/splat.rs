//! A projected Gaussian in the form that tiles and pixels read: which of them it touches.
use super::lanes::{Block, Lanes, SIDE, TILE};
use super::project::Footprint;
use std::f32::consts::LOG2_E;
use std::ops::Range;

/// Planes whose values a [`Splat`] holds itself, if the image has just as many: three channels and depth.
pub const OWN_PLANES: usize = 4;

/// A little under log2 of the cut: what may be touched is judged in other words than alpha, and may only err towards too much.
const LOG2_TOUCH: f32 = -7.994_353_4 - 0.015;

/// Pixels from the tile's left to each block's.
const BLOCK_LEFT: Block = Block([0.0, 4.0, 8.0, 12.0, 0.0, 4.0, 8.0, 12.0, 0.0, 4.0, 8.0, 12.0, 0.0, 4.0, 8.0, 12.0]);
/// Pixels from the tile's top to each block's.
const BLOCK_TOP: Block = Block([0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 4.0, 4.0, 8.0, 8.0, 8.0, 8.0, 12.0, 12.0, 12.0, 12.0]);

/// One cache line; pixels. With d = pixel − mean, log2(alpha) = `log2_opacity` + `xx`·dx² + `xy`·dx·dy + `yy`·dy².
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct Splat {
    pub mean: [f32; 2],
    pub xx: f32,
    pub xy: f32,
    pub yy: f32,
    pub log2_opacity: f32,
    /// dx of the greatest alpha at a given dy, per dy.
    lean_x: f32,
    /// dy of the greatest alpha at a given dx, per dx.
    lean_y: f32,
    /// Camera z, meters.
    pub depth: f32,
    /// If there are three channels; others are kept apart.
    pub rgb: [f32; 3],
}

/// The ellipse where alpha falls to the cut, and the tiles within it.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    mean: [f32; 2],
    /// At dy it spans x = mean + slope·dy ± √(span − shrink·dy²).
    slope: f32,
    span: f32,
    shrink: f32,
    /// Greatest dy.
    far_y: f32,
    /// dy of the rightmost point; the leftmost is opposite.
    dy_right: f32,
}

impl Splat {
    #[inline(always)]
    pub fn new(f: &Footprint, rgb: [f32; 3]) -> Self {
        let [xx, xy, yy] = f.covariance;
        let scale = -0.5 * LOG2_E / f.determinant;
        Splat {
            mean: f.mean,
            xx: scale * yy,
            xy: -2.0 * scale * xy,
            yy: scale * xx,
            log2_opacity: f.opacity.log2(),
            lean_x: xy / yy,
            lean_y: xy / xx,
            depth: f.depth,
            rgb,
        }
    }

    /// Red, green, blue and depth: the values of its own planes.
    #[inline(always)]
    pub fn values<const PLANES: usize>(&self) -> [f32; PLANES] {
        let all = [self.rgb[0], self.rgb[1], self.rgb[2], self.depth];
        let mut own = [0.0; PLANES];
        own.copy_from_slice(&all[..PLANES]);
        own
    }

    #[inline(always)]
    pub fn log2_alpha<L: Lanes>(&self, dx: L, dy: L) -> L {
        let along = L::all(self.xx).mul_add(dx, L::all(self.xy) * dy);
        along.mul_add(dx, (L::all(self.yy) * dy).mul_add(dy, L::all(self.log2_opacity)))
    }

    /// One bit per 4×4 block of the tile at `corner` that it may touch.
    ///
    /// log2(alpha) is concave, so its greatest value over a block is at the mean if that lies inside, else on one of
    /// the two sides that face the mean (Radl et al. 2024, "StopThePop", section 4.2).
    #[inline(always)]
    pub fn blocks<L: Lanes>(&self, corner: [f32; 2]) -> u32 {
        let left = L::load(&BLOCK_LEFT) + L::all(corner[0] + 0.5 - self.mean[0]);
        let top = L::load(&BLOCK_TOP) + L::all(corner[1] + 0.5 - self.mean[1]);
        let reach = L::all((SIDE - 1) as f32);
        let (right, bottom) = (left + reach, top + reach);
        let zero = L::all(0.0);
        let (near_x, near_y) = (zero.max(left).min(right), zero.max(top).min(bottom));
        let on_side = self.log2_alpha(near_x, (L::all(self.lean_y) * near_x).max(top).min(bottom));
        let on_edge = self.log2_alpha((L::all(self.lean_x) * near_y).max(left).min(right), near_y);
        L::bits(on_side.max(on_edge).at_least(L::all(LOG2_TOUCH)))
    }
}

impl Outline {
    #[inline(always)]
    pub fn new(f: &Footprint) -> Self {
        let [xx, xy, yy] = f.covariance;
        // A little beyond the cut, as `LOG2_TOUCH`.
        let reach = 2.0 * (f.reach + 0.01);
        Outline {
            mean: f.mean,
            slope: xy / yy,
            span: reach * f.determinant / yy,
            shrink: f.determinant / (yy * yy),
            far_y: (reach * yy).sqrt(),
            dy_right: xy * (reach / xx).sqrt(),
        }
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

/// Tiles that hold a pixel center within `low..=high`, both pixels.
#[inline(always)]
fn tile_range(low: f32, high: f32, count: usize) -> Range<usize> {
    let end = (count * TILE) as f32;
    let first = (low - 0.5).ceil().clamp(0.0, end) as usize / TILE;
    let last = ((high - 0.5).floor() + 1.0).clamp(0.0, end) as usize;
    first..last.div_ceil(TILE).max(first)
}

#[cfg(test)]
mod tests {
    use super::super::ALPHA_CUT;
    use super::super::instructions::{Instructions, Kernel};
    use super::super::lanes::place;
    use super::*;

    struct Blocks(Splat, [f32; 2]);

    impl Kernel for Blocks {
        type Output = u32;

        #[inline(always)]
        fn run<L: Lanes>(self) -> u32 {
            self.0.blocks::<L>(self.1)
        }
    }

    #[test]
    fn cut_is_the_constant() {
        assert!((ALPHA_CUT.log2() - 0.015 - LOG2_TOUCH).abs() < 1e-6);
    }

    /// Every pixel where alpha reaches the cut lies in a tile of the list and in a block of the mask.
    #[test]
    fn no_pixel_is_missed_and_few_are_idle() {
        let (mut listed, mut idle, mut blocks, mut idle_blocks) = (0, 0, 0, 0);
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
                radius: 0.0,
            };
            let (splat, outline) = (Splat::new(&footprint, [0.0; 3]), Outline::new(&footprint));
            for tile in 0..49 {
                let (row, column) = (tile / 7, tile % 7);
                let is_listed = outline.tile_rows(7).contains(&row) && outline.tile_columns(row, 7).contains(&column);
                let corner = [16.0 * column as f32, 16.0 * row as f32];
                let mut touched = 0u32;
                for (x, y) in (0..256).map(|i| (i % 16, i / 16)) {
                    let (dx, dy) =
                        (corner[0] + x as f32 + 0.5 - splat.mean[0], corner[1] + y as f32 + 0.5 - splat.mean[1]);
                    let log2 = splat.log2_opacity + splat.xx * dx * dx + splat.xy * dx * dy + splat.yy * dy * dy;
                    touched |= ((log2.exp2() >= 1.0 / 255.0) as u32) << place(x, y).0;
                }
                assert!(is_listed || touched == 0, "seed {seed}: tile {column} {row} is missed");
                for set in Instructions::available() {
                    let mask = set.run(Blocks(splat, corner));
                    assert_eq!(touched & !mask, 0, "seed {seed}, tile {column} {row}, {}", set.name());
                    blocks += mask.count_ones();
                    idle_blocks += (mask & !touched).count_ones();
                }
                listed += is_listed as usize;
                idle += (is_listed && touched == 0) as usize;
            }
        }
        assert!(listed > 1000 && idle * 12 < listed, "{idle} of {listed} listed tiles are touched nowhere");
        assert!(idle_blocks * 12 < blocks, "{idle_blocks} of {blocks} blocks are touched nowhere");
    }
}
