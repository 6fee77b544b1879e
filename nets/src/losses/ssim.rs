//! Structural similarity (Wang et al. 2004): Gaussian window of 11 pixels, σ = 1.5, K₁ = 0.01, K₂ = 0.03, range 1.
//!
//! Only windows that lie whole inside the image count, so maps are 10 pixels smaller than images. The window is a
//! product with two banded matrices, which is faster than a depthwise convolution on the CPU.
use tch::{Kind, Tensor};

/// Pixels of the window.
pub const WINDOW: i64 = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// The window's weights, which sum to one.
pub fn window() -> [f64; WINDOW as usize] {
    let mut w = std::array::from_fn(|i| {
        let d = i as f64 - (WINDOW / 2) as f64;
        (-d * d / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = w.iter().sum();
    w.iter_mut().for_each(|v| *v /= sum);
    w
}

/// Similarity per pixel and channel, `[B, C, H − 10, W − 10]`, of two images `[B, C, H, W]` in 0..=1. Differentiable.
pub fn ssim_map(a: &Tensor, b: &Tensor) -> Tensor {
    let (luminance, contrast) = ssim_parts(a, b);
    luminance * contrast
}

/// The two factors of [`ssim_map`]: luminance, and contrast times structure.
///
/// # Panics
/// If the sizes differ or a side has fewer than 11 pixels.
pub fn ssim_parts(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    assert_eq!(a.size(), b.size(), "both images have one size");
    let (batch, _, h, w) = a.size4().expect("images are [B, C, H, W]");
    assert!(h >= WINDOW && w >= WINDOW, "an image of {w}x{h} is smaller than the window of {WINDOW}");
    let down = band(h, a).tr();
    let across = band(w, a);
    let stack = Tensor::cat(&[a.shallow_clone(), b.shallow_clone(), a * a, b * b, a * b], 0);
    let parts = down.matmul(&stack.matmul(&across)).split(batch, 0);
    let [mean_a, mean_b, aa, bb, ab] = &parts[..] else { unreachable!("five parts were stacked") };
    let (mean_a2, mean_b2, mean_ab) = (mean_a * mean_a, mean_b * mean_b, mean_a * mean_b);
    let luminance = (&mean_ab * 2.0 + C1) / (&mean_a2 + &mean_b2 + C1);
    let contrast = ((ab - mean_ab) * 2.0 + C2) / (aa - mean_a2 + bb - mean_b2 + C2);
    (luminance, contrast)
}

/// `[n, n − 10]`: column i holds the window at rows i to i + 10.
fn band(n: i64, like: &Tensor) -> Tensor {
    let columns = n - WINDOW + 1;
    let mut values = vec![0f32; (n * columns) as usize];
    let w = window();
    for column in 0..columns {
        for (k, weight) in w.iter().enumerate() {
            values[((column + k as i64) * columns + column) as usize] = *weight as f32;
        }
    }
    Tensor::from_slice(&values).view([n, columns]).to_device(like.device()).to_kind(like.kind())
}

/// Mean of [`ssim_map`] over pixels and channels, one value per image: `[B]`.
pub fn ssim(a: &Tensor, b: &Tensor) -> Tensor {
    ssim_map(a, b).mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tch::Device;

    pub(crate) fn images() -> (Tensor, Tensor) {
        let n = 2 * 3 * 24 * 20;
        let i = Tensor::arange(n, (Kind::Float, Device::Cpu));
        let a = ((&i * 0.37).sin() * 0.3 + (&i * 0.0011).cos() * 0.2 + 0.5).view([2, 3, 24, 20]);
        let b = (&a * 0.8 + ((&i * 0.91).cos() * 0.1 + 0.1).view([2, 3, 24, 20])).clamp(0.0, 1.0);
        (a, b)
    }

    /// The definition, window by window, in f64.
    fn direct(a: &Tensor, b: &Tensor, image: i64, channel: i64, y: i64, x: i64) -> f64 {
        let w = window();
        let (mut ma, mut mb, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for dy in 0..WINDOW {
            for dx in 0..WINDOW {
                let weight = w[dy as usize] * w[dx as usize];
                let at = [image, channel, y + dy, x + dx];
                let (p, q) = (a.double_value(&at), b.double_value(&at));
                ma += weight * p;
                mb += weight * q;
                aa += weight * p * p;
                bb += weight * q * q;
                ab += weight * p * q;
            }
        }
        let (va, vb, cov) = (aa - ma * ma, bb - mb * mb, ab - ma * mb);
        (2.0 * ma * mb + C1) * (2.0 * cov + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2))
    }

    #[test]
    fn equals_the_definition() {
        let (a, b) = images();
        let map = ssim_map(&a, &b);
        assert_eq!(map.size(), [2, 3, 14, 10]);
        for (i, c, y, x) in [(0, 0, 0, 0), (1, 2, 13, 9), (0, 1, 7, 4)] {
            let (got, want) = (map.double_value(&[i, c, y, x]), direct(&a, &b, i, c, y, x));
            assert!((got - want).abs() < 1e-4, "{got} against {want}");
        }
    }

    #[test]
    fn one_for_equal_images_and_differentiable() {
        let (a, b) = images();
        assert!((ssim(&a, &a).mean(Kind::Float).double_value(&[]) - 1.0).abs() < 1e-5);
        let (a, b) = (a.to_kind(Kind::Double).set_requires_grad(true), b.to_kind(Kind::Double));
        let loss = |a: &Tensor| ssim_map(a, &b).mean(Kind::Double);
        loss(&a).backward();
        let e = 1e-4;
        let moved = |sign: f64| {
            let m = a.detach().copy();
            let _ = m.get(1).get(0).get(9).get(11).g_add_scalar_(sign * e);
            loss(&m).double_value(&[])
        };
        let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * e);
        assert!((a.grad().double_value(&[1, 0, 9, 11]) - numeric).abs() < 1e-7);
    }
}
