//! Sharpens a coarse matte along the edges of the picture: guided filter (He, Sun, Tang 2013) on brightness, then the color of
//! the background beside it.

use glam::Vec3;

/// A square plane, row-major `[side, side]`.
#[derive(Clone, Copy, Debug)]
pub struct Square<'a> {
    /// `[side, side]`
    pub values: &'a [f32],
    /// Pixels.
    pub side: usize,
}

impl Square<'_> {
    /// Bilinear at a place of 0..=1 across and down, pixel centers at +0.5; the edge is repeated.
    pub fn sample(&self, at: [f32; 2]) -> f32 {
        let corner = |place: f32| {
            let u = (place * self.side as f32 - 0.5).clamp(0.0, (self.side - 1) as f32);
            (u as usize, (u as usize + 1).min(self.side - 1), u.fract())
        };
        let ((x0, x1, fx), (y0, y1, fy)) = (corner(at[0]), corner(at[1]));
        let row = |y: usize| {
            let [left, right] = [x0, x1].map(|x| self.values[y * self.side + x]);
            left + (right - left) * fx
        };
        row(y0) + (row(y1) - row(y0)) * fy
    }
}

/// The windows of the filter.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Pixels of the guide.
    pub radius: usize,
    /// Variance of brightness below which a window counts as flat.
    pub epsilon: f32,
}

/// `coarse` coverage filtered under `guide` (brightness 0..=1), both of the same size.
pub fn refine(coarse: Square, guide: Square, Window { radius, epsilon }: Window) -> Vec<f32> {
    let (p, guide, size) = (coarse.values, guide.values, guide.side);
    let mean = |v: &[f32]| box_mean(v, size, radius);
    let product = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(x, y)| x * y).collect() };
    let (mean_i, mean_p) = (mean(guide), mean(p));
    let (mean_ii, mean_ip) = (mean(&product(guide, guide)), mean(&product(guide, p)));
    let mut a = vec![0.0; p.len()];
    let mut b = vec![0.0; p.len()];
    for i in 0..p.len() {
        let variance = mean_ii[i] - mean_i[i] * mean_i[i];
        a[i] = (mean_ip[i] - mean_i[i] * mean_p[i]) / (variance + epsilon);
        b[i] = mean_p[i] - a[i] * mean_i[i];
    }
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    (0..p.len())
        .map(|i| {
            let q = mean_a[i] * guide[i] + mean_b[i];
            // Sure places stay sure; the filter only moves the edge.
            let sure = ((p[i] - 0.5).abs() * 2.0).powi(6);
            contrast(q + sure * (p[i] - q))
        })
        .collect()
}

/// Pixels this near to the edge of the coverage are unsure, and means are taken over windows of these radii, over the side.
const UNSURE: f32 = 0.012;
const WINDOWS: [f32; 2] = [0.03, 0.1];
/// Share of a window that must be sure for its mean to count.
const ENOUGH: f32 = 0.02;
/// Distance between the mean colors of head and background from which they begin to tell the edge, and from which they do.
const CONTRAST: (f32, f32) = (0.1, 0.3);
/// How far a color is from the background's that is not the background, beyond so many of its standard deviations.
const DIFFERS: (f32, f32) = (0.02, 0.12);
const DEVIATIONS: f32 = 2.0;
/// Deviation of the background's color up to which it tells something, and from which it does not.
const UNIFORM: (f32, f32) = (0.05, 0.15);

/// Takes from the coverage `alpha` of an `rgb` picture (planes `[size, size]`, 0..=1) what looks like the background beside it:
/// a network's edge is some pixels off, and a head cut out along it has a halo. Changes nothing far from the edge, and nothing
/// where both sides look alike or the background is not uniform.
pub fn without_background(rgb: [&[f32]; 3], alpha: &[f32], size: usize) -> Vec<f32> {
    let reach = ((size as f32 * UNSURE).round() as usize).max(1);
    let sure = |is: &dyn Fn(f32) -> bool| -> Vec<f32> {
        let marked: Vec<f32> = alpha.iter().map(|a| is(*a) as u8 as f32).collect();
        box_mean(&marked, size, reach).into_iter().map(|m| (m > 0.999) as u8 as f32).collect()
    };
    let [head, ground] = [sure(&|a| a > 0.95), sure(&|a| a < 0.05)];
    let [heads, grounds] = [&head, &ground].map(|sure| WINDOWS.map(|window| Means::new(rgb, sure, size, window)));
    let share = |v: f32, (from, to): (f32, f32)| ((v - from) / (to - from)).clamp(0.0, 1.0);
    (0..alpha.len())
        .map(|i| {
            if head[i] + ground[i] > 0.0 {
                return alpha[i];
            }
            let mean = |windows: &[Means]| windows.iter().find_map(|means| means.at(i));
            let (Some((front, _)), Some((back, deviation))) = (mean(&heads), mean(&grounds)) else { return alpha[i] };
            let color = Vec3::new(rgb[0][i], rgb[1][i], rgb[2][i]);
            let differs = share(color.distance(back) - DEVIATIONS * deviation, DIFFERS);
            let told = share(front.distance(back), CONTRAST) * (1.0 - share(deviation, UNIFORM));
            alpha[i] * (1.0 - told * (1.0 - differs))
        })
        .collect()
}

/// Mean and deviation of the color of the sure pixels around each pixel.
struct Means {
    planes: [Vec<f32>; 3],
    /// Of the squared length of the color.
    squares: Vec<f32>,
    weight: Vec<f32>,
}

impl Means {
    fn new(rgb: [&[f32]; 3], sure: &[f32], size: usize, window: f32) -> Self {
        let radius = ((size as f32 * window).round() as usize).max(1);
        let mean = |value: &dyn Fn(usize) -> f32| {
            let of_sure: Vec<f32> = sure.iter().enumerate().map(|(i, s)| value(i) * s).collect();
            box_mean(&of_sure, size, radius)
        };
        let planes = rgb.map(|plane| mean(&|i| plane[i]));
        let squares = mean(&|i| rgb.iter().map(|plane| plane[i] * plane[i]).sum());
        Means { planes, squares, weight: box_mean(sure, size, radius) }
    }

    fn at(&self, i: usize) -> Option<(Vec3, f32)> {
        let weight = self.weight[i];
        let mean = Vec3::new(self.planes[0][i], self.planes[1][i], self.planes[2][i]) / weight;
        let variance = self.squares[i] / weight - mean.length_squared();
        (weight > ENOUGH).then(|| (mean, variance.max(0.0).sqrt()))
    }
}

/// Near 0 becomes 0, near 1 becomes 1.
fn contrast(v: f32) -> f32 {
    ((v - 0.2) / 0.6).clamp(0.0, 1.0)
}

/// Mean over a square window, cut at the border; by running sums.
fn box_mean(v: &[f32], size: usize, radius: usize) -> Vec<f32> {
    let line = |values: &mut dyn FnMut(usize) -> f32| -> Vec<f32> {
        let mut sums = vec![0.0f64; size + 1];
        for i in 0..size {
            sums[i + 1] = sums[i] + values(i) as f64;
        }
        (0..size)
            .map(|i| {
                let (low, high) = (i.saturating_sub(radius), (i + radius + 1).min(size));
                ((sums[high] - sums[low]) / (high - low) as f64) as f32
            })
            .collect()
    };
    let mut rows = Vec::with_capacity(size * size);
    for y in 0..size {
        rows.extend(line(&mut |x| v[y * size + x]));
    }
    let mut out = vec![0.0; size * size];
    for x in 0..size {
        for (y, value) in line(&mut |y| rows[y * size + x]).into_iter().enumerate() {
            out[y * size + x] = value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_within_the_matte_is_cut_away_by_its_color() {
        // The head begins at column 60 of 128, the matte 2 columns before it and fades over 8; a strand of hair sticks out.
        let size = 128;
        let is_head = |x: usize, y: usize| x >= 60 || (y == 64 && x >= 56);
        let plane = |head: f32, ground: f32| -> Vec<f32> {
            (0..size * size).map(|i| if is_head(i % size, i / size) { head } else { ground }).collect()
        };
        let rgb = [plane(0.4, 0.8), plane(0.3, 0.75), plane(0.2, 0.8)];
        let alpha: Vec<f32> = (0..size * size).map(|i| ((i % size) as f32 / 8.0 - 6.5).clamp(0.0, 1.0)).collect();
        let made = without_background([&rgb[0], &rgb[1], &rgb[2]], &alpha, size);
        let row = |y: usize| &made[y * size..(y + 1) * size];
        assert!(row(30)[..60].iter().all(|a| *a < 0.01) && row(30)[60..].iter().all(|a| *a == 1.0), "{:?}", row(30));
        assert_eq!(row(64)[57], alpha[57], "the strand");
        // Without contrast the matte stays.
        let flat = vec![0.5; size * size];
        assert_eq!(without_background([&flat, &flat, &flat], &alpha, size), alpha);
    }

    #[test]
    fn the_edge_moves_to_where_the_picture_has_it() {
        // The guide changes at column 34 of 64; the coarse matte is blurred around column 32.
        let guide: Vec<f32> = (0..64 * 64).map(|i| if i % 64 >= 34 { 0.9 } else { 0.1 }).collect();
        let small: Vec<f32> = (0..16 * 16).map(|i| ((i % 16) as f32 / 2.0 - 3.5).clamp(0.0, 1.0)).collect();
        let small = Square { values: &small, side: 16 };
        let coarse: Vec<f32> = (0..64 * 64)
            .map(|i| small.sample([(i % 64) as f32 + 0.5, (i / 64) as f32 + 0.5].map(|v| v / 64.0)))
            .collect();
        let matte = refine(
            Square { values: &coarse, side: 64 },
            Square { values: &guide, side: 64 },
            Window { radius: 6, epsilon: 1e-3 },
        );
        let row = &matte[32 * 64..33 * 64];
        assert!(row[20] < 0.02 && row[45] > 0.98);
        let jump = row[34] - row[33];
        assert!(jump > 0.4, "most of the edge lies between columns 33 and 34: {jump}");
    }
}
