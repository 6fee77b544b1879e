//! Figures of quality, one per image: `[B]`. Images are `[B, 3, H, W]`, sRGB values in 0..=1 as they are shown.
//!
//! Distances of networks trained by us live beside the networks and have names of their own, `lpips-self`
//! ([`crate::losses::perceptual`]) and `csim-self` ([`crate::losses::recognizer`]): they are not the public metrics.
use crate::losses::ssim::{ssim_map, ssim_parts};
use head::ibug;
use tch::{Kind, Tensor};

pub use crate::losses::flip::flip;
pub use crate::losses::ssim::ssim;

/// Mean over everything but the batch.
fn per_image(t: &Tensor) -> Tensor {
    t.flatten(1, -1).mean_dim([1i64].as_slice(), false, Kind::Float)
}

/// Peak signal-to-noise ratio in dB for a peak of 1; equal images give 100 (infinity would spoil means).
pub fn psnr(a: &Tensor, b: &Tensor) -> Tensor {
    per_image(&(a - b).square()).clamp_min(1e-10).log10() * -10.0
}

/// The same over the pixels of a mask `[B, 1, H, W]`, weighted by it.
pub fn psnr_masked(a: &Tensor, b: &Tensor, mask: &Tensor) -> Tensor {
    let weight = mask.expand_as(a);
    let mse = per_image(&((a - b).square() * &weight)) / per_image(&weight).clamp_min(1e-8);
    mse.clamp_min(1e-10).log10() * -10.0
}

/// Mean absolute difference.
pub fn mae(a: &Tensor, b: &Tensor) -> Tensor {
    per_image(&(a - b).abs())
}

/// Multi-scale structural similarity (Wang et al. 2003): five scales, halved by 2×2 means, the published exponents.
///
/// # Panics
/// If a side has fewer than 176 pixels: the window no longer fits the smallest scale.
pub fn ms_ssim(a: &Tensor, b: &Tensor) -> Tensor {
    const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
    let side = a.size()[2].min(a.size()[3]);
    assert!(side >= 176, "five scales need 176 pixels a side, got {side}");
    let (mut a, mut b) = (a.shallow_clone(), b.shallow_clone());
    let mut product = Tensor::from(1f32).to_device(a.device());
    for (scale, exponent) in EXPONENTS.into_iter().enumerate() {
        let mean =
            if scale + 1 < EXPONENTS.len() { per_image(&ssim_parts(&a, &b).1) } else { per_image(&ssim_map(&a, &b)) };
        product = &product * mean.clamp_min(0.0).pow_tensor_scalar(exponent); // not in place: the gradient needs each
        let halved = |t: &Tensor| t.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None);
        (a, b) = (halved(&a), halved(&b));
    }
    product
}

/// Normalized mean error of landmarks: mean distance over `L`, divided by the distance of the outer eye corners
/// (of the 68 of iBUG): the 300-W protocol (Sagonas et al. 2013). `[B, L, 2]` pixels, L ≥ 68 → `[B]`.
pub fn landmark_nme(predicted: &Tensor, truth: &Tensor) -> Tensor {
    let distance = |d: Tensor| d.square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float).sqrt();
    let eyes = distance(truth.select(1, ibug::RIGHT_EYE_OUTER as i64) - truth.select(1, ibug::LEFT_EYE_OUTER as i64))
        .clamp_min(1e-6);
    distance(predicted - truth).mean_dim([1i64].as_slice(), false, Kind::Float) / eyes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::ssim::tests::images;
    use tch::Device;

    #[test]
    fn psnr_of_a_known_error() {
        let a = Tensor::full([2, 3, 8, 8], 0.5, (Kind::Float, Device::Cpu));
        let b = &a + 0.1;
        let got = psnr(&a, &b);
        assert_eq!(got.size(), [2]);
        assert!((got.double_value(&[0]) - 20.0).abs() < 1e-3);
        assert!((psnr(&a, &a).double_value(&[1]) - 100.0).abs() < 1e-3);
        let mask = Tensor::zeros([2, 1, 8, 8], (Kind::Float, Device::Cpu));
        let _ = mask.narrow(2, 0, 2).fill_(1.0);
        assert!((psnr_masked(&a, &b, &mask).double_value(&[0]) - 20.0).abs() < 1e-3);
        assert!((mae(&a, &b).double_value(&[0]) - 0.1).abs() < 1e-5);
    }

    #[test]
    fn similarity_falls_with_noise() {
        tch::manual_seed(5);
        let (a, _) = images();
        let a = a.upsample_bilinear2d([192, 192], false, None, None);
        let at = |noise: f64| {
            let b = (&a + Tensor::randn_like(&a) * noise).clamp(0.0, 1.0);
            (ms_ssim(&a, &b).double_value(&[0]), ssim(&a, &b).double_value(&[0]))
        };
        let (clean, some, much) = (at(0.0), at(0.02), at(0.2));
        assert!((clean.0 - 1.0).abs() < 1e-4 && (clean.1 - 1.0).abs() < 1e-4);
        assert!(clean.0 > some.0 && some.0 > much.0 && clean.1 > some.1 && some.1 > much.1);
    }

    #[test]
    fn landmark_error_is_relative_to_the_eyes() {
        let truth = Tensor::zeros([1, 68, 2], (Kind::Float, Device::Cpu));
        let _ = truth.get(0).get(45).get(0).fill_(50.0);
        let got = landmark_nme(&(&truth + 3.0), &truth).double_value(&[0]);
        assert!((got - 18f64.sqrt() / 50.0).abs() < 1e-6);
    }
}
