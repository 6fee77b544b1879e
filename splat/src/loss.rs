//! The loss that Gaussians are fitted by: `(1 − λ) mean |x − y| + λ (1 − mean SSIM)`, and its gradient.
//!
//! Kerbl et al. 2023, eq. 7 with SSIM for D-SSIM. Similarity after Wang et al. 2004: Gaussian window of 11 pixels,
//! σ = 1.5, K₁ = 0.01, K₂ = 0.03, range 1, each channel by itself; only windows that lie whole inside the image count.
use crate::Error;

/// Pixels of the window.
pub const WINDOW: usize = 11;
/// (0.01 · 1)²
pub const C1: f32 = 1e-4;
/// (0.03 · 1)²
pub const C2: f32 = 9e-4;

/// Sizes of a stack of images, `[I, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// I.
    pub images: usize,
    /// H, pixels; at least [`WINDOW`].
    pub height: usize,
    /// W, pixels; at least [`WINDOW`].
    pub width: usize,
    /// C.
    pub channels: usize,
}

impl Stack {
    /// Floats of the stack.
    pub fn len(self) -> usize {
        self.images * self.height * self.width * self.channels
    }

    /// True if it holds nothing.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Windows of the stack, all channels.
    pub fn windows(self) -> usize {
        self.images * (self.height + 1 - WINDOW) * (self.width + 1 - WINDOW) * self.channels
    }

    /// # Errors
    /// [`Error::Shape`] if no window fits.
    pub fn check(self) -> Result<(), Error> {
        let small = self.height < WINDOW || self.width < WINDOW;
        if self.is_empty() || small {
            let got = vec![self.images, self.height, self.width, self.channels];
            return Err(Error::Shape { what: "images of the loss", expected: vec![1, WINDOW, WINDOW, 1], got });
        }
        Ok(())
    }
}

/// The window's weights, which sum to one.
pub fn window() -> [f32; WINDOW] {
    let weight = |i: usize| {
        let d = i as f64 - (WINDOW / 2) as f64;
        (-d * d / (2.0 * 1.5 * 1.5)).exp()
    };
    let sum: f64 = (0..WINDOW).map(weight).sum();
    std::array::from_fn(|i| (weight(i) / sum) as f32)
}

/// Loss of `image` against `target` `[I, H, W, C]`, and its gradient by `image`; `lambda` is the share of SSIM in 0..=1.
///
/// # Errors
/// [`Error::Shape`] if an array has another size than `stack` says or no window fits.
pub fn l1_ssim(image: &[f32], target: &[f32], stack: Stack, lambda: f32) -> Result<(f32, Vec<f32>), Error> {
    stack.check()?;
    for (what, got) in [("image of the loss", image.len()), ("target of the loss", target.len())] {
        if got != stack.len() {
            return Err(Error::Shape { what, expected: vec![stack.len()], got: vec![got] });
        }
    }
    let l1_weight = (1.0 - lambda as f64) / stack.len() as f64;
    let similarity_weight = -(lambda as f64) / stack.windows() as f64;
    let mut gradient: Vec<f32> =
        image.iter().zip(target).map(|(x, y)| (l1_weight * sign(x - y) as f64) as f32).collect();
    let l1: f64 = image.iter().zip(target).map(|(x, y)| (x - y).abs() as f64).sum();
    let mut similarity_sum = 0.0;
    for plane in 0..stack.images * stack.channels {
        similarity_sum += Plane { image, target, stack, plane }.similarity(similarity_weight, &mut gradient);
    }
    let loss = l1_weight * l1 + lambda as f64 + similarity_weight * similarity_sum;
    Ok((loss as f32, gradient))
}

fn sign(v: f32) -> f32 {
    if v > 0.0 {
        1.0
    } else if v < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// One channel of one image.
struct Plane<'a> {
    image: &'a [f32],
    target: &'a [f32],
    stack: Stack,
    plane: usize,
}

impl Plane<'_> {
    fn at(&self, x: usize, y: usize) -> usize {
        let Stack { height, width, channels, .. } = self.stack;
        let (image, channel) = (self.plane / channels, self.plane % channels);
        ((image * height + y) * width + x) * channels + channel
    }

    /// Sum of similarity over the windows; adds `weight` times its slope to `gradient`. Window by window, as one would
    /// write it down: the kernel's two passes of one dimension must come to the same.
    fn similarity(&self, weight: f64, gradient: &mut [f32]) -> f64 {
        let w = window();
        let mut sum = 0.0;
        for top in 0..=self.stack.height - WINDOW {
            for left in 0..=self.stack.width - WINDOW {
                let mut m = [0.0f64; 5];
                for (j, i) in (0..WINDOW * WINDOW).map(|k| (k / WINDOW, k % WINDOW)) {
                    let at = self.at(left + i, top + j);
                    let (x, y, share) = (self.image[at] as f64, self.target[at] as f64, (w[i] * w[j]) as f64);
                    for (m, v) in m.iter_mut().zip([x, y, x * x, y * y, x * y]) {
                        *m += share * v;
                    }
                }
                let (similarity, slopes) = similarity(m);
                sum += similarity;
                for (j, i) in (0..WINDOW * WINDOW).map(|k| (k / WINDOW, k % WINDOW)) {
                    let at = self.at(left + i, top + j);
                    let by_pixel =
                        slopes[0] + 2.0 * self.image[at] as f64 * slopes[1] + self.target[at] as f64 * slopes[2];
                    gradient[at] += (weight * (w[i] * w[j]) as f64 * by_pixel) as f32;
                }
            }
        }
        sum
    }
}

/// Similarity of one window (Wang et al. 2004, eq. 13) from E[x], E[y], E[x²], E[y²], E[xy], and its slopes by E[x],
/// E[x²], E[xy].
fn similarity([x, y, xx, yy, xy]: [f64; 5]) -> (f64, [f64; 3]) {
    let (c1, c2) = (C1 as f64, C2 as f64);
    let (a1, a2) = (2.0 * x * y + c1, 2.0 * (xy - x * y) + c2);
    let (b1, b2) = (x * x + y * y + c1, xx - x * x + yy - y * y + c2);
    let s = a1 * a2 / (b1 * b2);
    let by_x = 2.0 * y * (a2 - a1) / (b1 * b2) - 2.0 * x * s / b1 + 2.0 * x * s / b2;
    (s, [by_x, -s / b2, 2.0 * a1 / (b1 * b2)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut v = seed;
        let next = |_| {
            v = v.wrapping_mul(1664525).wrapping_add(1013904223);
            (v >> 8) as f32 / (1 << 24) as f32
        };
        (0..n).map(next).collect()
    }

    #[test]
    fn an_image_is_like_itself() {
        let stack = Stack { images: 1, height: 13, width: 14, channels: 2 };
        let image = noise(stack.len(), 1);
        let (loss, gradient) = l1_ssim(&image, &image, stack, 0.2).unwrap();
        assert!(loss.abs() < 1e-6 && gradient.iter().all(|g| g.abs() < 1e-6), "{loss}");
    }

    /// Constant images differ in luminance alone: (2ab + C1) / (a² + b² + C1).
    #[test]
    fn flat_images_by_hand() {
        let stack = Stack { images: 1, height: 12, width: 12, channels: 1 };
        let (a, b) = (0.25f32, 0.5f32);
        let (loss, _) = l1_ssim(&vec![a; stack.len()], &vec![b; stack.len()], stack, 0.2).unwrap();
        let want = 0.8 * 0.25 + 0.2 * (1.0 - (2.0 * a * b + C1) / (a * a + b * b + C1));
        assert!((loss - want).abs() < 1e-6, "{loss} against {want}");
    }

    #[test]
    fn gradient_is_the_slope() {
        let stack = Stack { images: 2, height: 13, width: 12, channels: 2 };
        let (image, target) = (noise(stack.len(), 2), noise(stack.len(), 3));
        let (_, gradient) = l1_ssim(&image, &target, stack, 0.7).unwrap();
        let greatest = gradient.iter().fold(0.0f32, |a, g| a.max(g.abs()));
        for i in (0..stack.len()).step_by(41) {
            let at = |step: f32| {
                let mut moved = image.clone();
                moved[i] += step;
                l1_ssim(&moved, &target, stack, 0.7).unwrap().0
            };
            // The loss is a mean of f32 size 1e-7 of rounding; a step of 1e-2 leaves it at 1e-5 of the slope.
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((gradient[i] - slope).abs() < 0.03 * greatest, "{i}: {} against {slope}", gradient[i]);
        }
    }

    #[test]
    fn too_small_is_an_error() {
        let stack = Stack { images: 1, height: 10, width: 20, channels: 1 };
        assert!(matches!(l1_ssim(&[0.0; 200], &[0.0; 200], stack, 0.2), Err(Error::Shape { .. })));
    }
}
