//! The loss that Gaussians are fitted with, L1 and SSIM, and its gradient, in three passes over the image.
//!
//! SSIM: Wang et al. 2004, "Image quality assessment", eq. 13, with an 11×11 Gaussian window of σ = 1.5 pixels and zeros
//! beyond the frame, as Kerbl et al. 2023 have it. Letters: `H` `W` pixels, `C` channels.
use crate::Error;
use crate::rasterize::{Instructions, Kernel, Lanes};
use rayon::prelude::*;

/// Half the window.
pub(crate) const REACH: usize = 5;
/// The window along one axis, σ = 1.5, sum 1: outermost to middle; it is symmetric.
pub(crate) const WINDOW: [f32; REACH + 1] =
    [0.001_028_38, 0.007_598_758, 0.036_000_773, 0.109_360_69, 0.213_005_54, 0.266_011_7];
/// (0.01 · range)², for values from 0 to 1.
pub(crate) const C1: f32 = 1e-4;
/// (0.03 · range)²
pub(crate) const C2: f32 = 9e-4;

/// The size of an image, and how much of each loss counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct L1Ssim {
    /// W
    pub width: usize,
    /// H
    pub height: usize,
    /// C
    pub channels: usize,
    /// λ in `(1 − λ) · L1 + λ · (1 − SSIM)`; Kerbl et al. take 0.2.
    pub ssim_weight: f32,
}

/// A loss, its parts and its gradient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loss {
    /// `(1 − λ) · l1 + λ · (1 − ssim)`
    pub value: f64,
    /// Mean of |image − target|.
    pub l1: f64,
    /// Mean over pixels and channels.
    pub ssim: f64,
    /// `[H, W, C]` of `value` by the image.
    pub gradient: Vec<f32>,
}

impl L1Ssim {
    /// Compares `image` with `target`, both `[H, W, C]` with values about 0 to 1. The same at any thread count.
    ///
    /// # Errors
    /// [`Error::Shape`] if an image has another size.
    pub fn compare(&self, image: &[f32], target: &[f32]) -> Result<Loss, Error> {
        let row = self.width * self.channels;
        for (what, got) in [("image", image.len()), ("target", target.len())] {
            if got != self.height * row {
                let expected = vec![self.height, self.width, self.channels];
                return Err(Error::Shape { what, expected, got: vec![got] });
            }
        }
        if image.is_empty() {
            return Ok(Loss { ssim: 1.0, ..Loss::default() });
        }
        let set = Instructions::best();
        // Each row of `along`: five products' horizontal means; of `partials`: those of the three derivatives.
        let mut along = vec![0.0; 5 * image.len()];
        along.par_chunks_mut(5 * row).enumerate().for_each(|(y, out)| {
            let (image, target) = (&image[y * row..][..row], &target[y * row..][..row]);
            set.run(Products { image, target, channels: self.channels, out });
        });
        let mut partials = vec![0.0; 3 * image.len()];
        let ssim: Vec<f64> = partials
            .par_chunks_mut(3 * row)
            .enumerate()
            .map(|(y, out)| set.run(Similarity { along: &along, y, row, channels: self.channels, out }))
            .collect();
        let mut gradient = vec![0.0; image.len()];
        let l1: Vec<f64> = gradient
            .par_chunks_mut(row)
            .enumerate()
            .map(|(y, out)| {
                let (image, target) = (&image[y * row..][..row], &target[y * row..][..row]);
                set.run(Gradient { partials: &partials, image, target, y, weight: self.ssim_weight, out })
            })
            .collect();
        let count = image.len() as f64;
        let (ssim, l1) = (ssim.iter().sum::<f64>() / count, l1.iter().sum::<f64>() / count);
        let weight = self.ssim_weight as f64;
        Ok(Loss { value: (1.0 - weight) * l1 + weight * (1.0 - ssim), l1, ssim, gradient })
    }
}

/// Adds to `out` the window's mean of `from` along a row of interleaved channels.
#[inline(always)]
fn blur_along(from: &[f32], channels: usize, out: &mut [f32]) {
    let n = from.len();
    for tap in 0..=2 * REACH {
        let weight = WINDOW[tap.min(2 * REACH - tap)];
        let (back, ahead) = (REACH.saturating_sub(tap) * channels, tap.saturating_sub(REACH) * channels);
        // out[i] += weight · from[i − back + ahead], where that is inside.
        let length = n.saturating_sub(back + ahead);
        if length > 0 {
            let (to, from) = (&mut out[back..back + length], &from[ahead..ahead + length]);
            to.iter_mut().zip(from).for_each(|(to, from)| *to += weight * from);
        }
    }
}

/// Adds to `out` (one row of maps) the window's mean of `maps` over the rows around `y`.
#[inline(always)]
fn blur_across(maps: &[f32], y: usize, out: &mut [f32]) {
    let (n, height) = (out.len(), maps.len() / out.len());
    for other in y.saturating_sub(REACH)..(y + REACH + 1).min(height) {
        let weight = WINDOW[REACH - other.abs_diff(y)];
        out.iter_mut().zip(&maps[other * n..][..n]).for_each(|(to, from)| *to += weight * from);
    }
}

/// Horizontal means of x, y, x², y², x·y of one row.
struct Products<'a> {
    image: &'a [f32],
    target: &'a [f32],
    channels: usize,
    /// `[5, W·C]`
    out: &'a mut [f32],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let n = self.image.len();
        let mut product = vec![0.0; n];
        self.out.fill(0.0);
        for (which, out) in self.out.chunks_exact_mut(n).enumerate() {
            for i in 0..n {
                let (x, y) = (self.image[i], self.target[i]);
                product[i] = match which {
                    0 => x,
                    1 => y,
                    2 => x * x,
                    3 => y * y,
                    _ => x * y,
                };
            }
            blur_along(&product, self.channels, out);
        }
    }
}

/// SSIM of one row, summed, and the horizontal means of its derivatives by E[x], E[x²] and E[x·y].
struct Similarity<'a> {
    /// `[H, 5, W·C]`
    along: &'a [f32],
    y: usize,
    row: usize,
    channels: usize,
    /// `[3, W·C]`
    out: &'a mut [f32],
}

impl Kernel for Similarity<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f64 {
        let n = self.row;
        let (mut means, mut by) = (vec![0.0; 5 * n], vec![0.0; 3 * n]);
        blur_across(self.along, self.y, &mut means);
        let mut total = 0.0;
        for i in 0..n {
            let [mx, my, xx, yy, xy] = [0, 1, 2, 3, 4].map(|k| means[k * n + i]);
            let (vx, vy, cov) = (xx - mx * mx, yy - my * my, xy - mx * my);
            let (a, b) = (2.0 * mx * my + C1, 2.0 * cov + C2);
            let (c, d) = (mx * mx + my * my + C1, vx + vy + C2);
            let (per, ssim) = (1.0 / (c * d), a * b / (c * d));
            let (by_vx, by_cov) = (-ssim / d, 2.0 * a * per);
            total += ssim as f64;
            by[i] = 2.0 * my * b * per - 2.0 * mx * ssim / c - 2.0 * mx * by_vx - my * by_cov;
            by[n + i] = by_vx;
            by[2 * n + i] = by_cov;
        }
        self.out.fill(0.0);
        for (out, by) in self.out.chunks_exact_mut(n).zip(by.chunks_exact(n)) {
            blur_along(by, self.channels, out);
        }
        total
    }
}

/// Gradient of one row, and its sum of |x − y|.
struct Gradient<'a> {
    /// `[H, 3, W·C]`
    partials: &'a [f32],
    image: &'a [f32],
    target: &'a [f32],
    y: usize,
    weight: f32,
    out: &'a mut [f32],
}

impl Kernel for Gradient<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<L: Lanes>(self) -> f64 {
        let n = self.out.len();
        let mut by = vec![0.0; 3 * n];
        blur_across(self.partials, self.y, &mut by);
        let count = (self.partials.len() / 3) as f32;
        let (of_l1, of_ssim) = ((1.0 - self.weight) / count, -self.weight / count);
        let mut total = 0.0;
        for i in 0..n {
            let (x, y) = (self.image[i], self.target[i]);
            let sign = if x > y { 1.0 } else { 0.0 } - if x < y { 1.0 } else { 0.0 };
            self.out[i] = of_l1 * sign + of_ssim * (by[i] + 2.0 * x * by[n + i] + y * by[2 * n + i]);
            total += (x - y).abs() as f64;
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: L1Ssim = L1Ssim { width: 19, height: 14, channels: 3, ssim_weight: 0.3 };

    fn images() -> [Vec<f32>; 2] {
        let number = |i: usize, salt: usize| (((i * 37 + salt) * 2654435761) % 1009) as f32 / 1009.0;
        let wave = |i: usize| 0.5 + 0.3 * ((i / 3) as f32 * 0.21).sin();
        [1, 500].map(|salt| (0..SIZE.width * SIZE.height * 3).map(|i| 0.7 * wave(i) + 0.3 * number(i, salt)).collect())
    }

    /// The definition, pixel by pixel, in `f64`.
    fn plain(size: &L1Ssim, x: &[f64], y: &[f64]) -> [f64; 3] {
        let window = |d: i64| (-((d * d) as f64) / 4.5).exp();
        let norm: f64 = (-5..=5).map(window).sum();
        let (mut ssim, mut l1) = (0.0, 0.0);
        for at in 0..x.len() {
            let (c, px, py) = (
                at % size.channels,
                (at / size.channels % size.width) as i64,
                (at / size.channels / size.width) as i64,
            );
            let mut e = [0.0; 5];
            for (dy, dx) in (-5..=5).flat_map(|dy| (-5..=5).map(move |dx| (dy, dx))) {
                let (qx, qy) = (px + dx, py + dy);
                if qx >= 0 && qy >= 0 && qx < size.width as i64 && qy < size.height as i64 {
                    let q = (qy as usize * size.width + qx as usize) * size.channels + c;
                    let w = window(dx) * window(dy) / norm / norm;
                    for (e, v) in e.iter_mut().zip([x[q], y[q], x[q] * x[q], y[q] * y[q], x[q] * y[q]]) {
                        *e += w * v;
                    }
                }
            }
            let [mx, my, xx, yy, xy] = e;
            ssim += (2.0 * mx * my + 1e-4) * (2.0 * (xy - mx * my) + 9e-4)
                / ((mx * mx + my * my + 1e-4) * (xx - mx * mx + yy - my * my + 9e-4));
            l1 += (x[at] - y[at]).abs();
        }
        let (ssim, l1, w) = (ssim / x.len() as f64, l1 / x.len() as f64, size.ssim_weight as f64);
        [(1.0 - w) * l1 + w * (1.0 - ssim), l1, ssim]
    }

    #[test]
    fn values_match_the_definition_gradients_the_differences() {
        let [x, y] = images();
        let got = SIZE.compare(&x, &y).unwrap();
        let wide = |v: &[f32]| v.iter().map(|v| *v as f64).collect::<Vec<f64>>();
        let (mut x, y) = (wide(&x), wide(&y));
        for (got, want) in [got.value, got.l1, got.ssim].into_iter().zip(plain(&SIZE, &x, &y)) {
            assert!((got - want).abs() < 2e-6, "{got} against {want}");
        }
        let greatest = got.gradient.iter().fold(0.0f32, |m, g| m.max(g.abs())) as f64;
        for i in (0..x.len()).step_by(7) {
            let old = x[i];
            let mut at = |step: f64| {
                x[i] = old + step;
                plain(&SIZE, &x, &y)[0]
            };
            let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
            x[i] = old;
            assert!(
                (got.gradient[i] as f64 - numeric).abs() < 1e-4 * greatest,
                "[{i}] {} against {numeric}",
                got.gradient[i]
            );
        }
    }

    #[test]
    fn an_image_is_like_itself() {
        let [x, _] = images();
        let got = SIZE.compare(&x, &x).unwrap();
        assert!((got.ssim - 1.0).abs() < 1e-6 && got.l1 == 0.0);
        // E[x²] − E[x]² cancels to rounding, which the least denominators (1e-3) blow up.
        assert!(got.gradient.iter().all(|g| g.abs() < 1e-6), "{:?}", got.gradient.iter().copied().fold(0.0, f32::max));
    }

    #[test]
    fn sizes_are_checked_and_may_be_tiny() {
        let [x, y] = images();
        assert!(matches!(SIZE.compare(&x[1..], &y), Err(Error::Shape { what: "image", .. })));
        for (width, height) in [(1, 1), (2, 1), (1, 9), (0, 3)] {
            let size = L1Ssim { width, height, ..SIZE };
            let n = width * height * 3;
            let got = size.compare(&x[..n], &y[..n]).unwrap();
            assert!(got.gradient.len() == n && got.gradient.iter().all(|g| g.is_finite()));
        }
    }
}
