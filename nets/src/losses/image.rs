//! Image losses: scalars to be minimized. Images are `[B, C, H, W]` in 0..=1, masks `[B, 1, H, W]` in 0..=1.
use crate::losses::ssim::{WINDOW, ssim_map};
use tch::{Kind, Tensor};

/// Mean absolute difference.
pub fn l1(a: &Tensor, b: &Tensor) -> Tensor {
    (a - b).abs().mean(Kind::Float)
}

/// Mean absolute difference weighted by `weight` (any tensor that broadcasts, e.g. a mask): `Σ w |a − b| / Σ w`, the
/// sums over all values. No weight at all gives 0.
pub fn l1_masked(a: &Tensor, b: &Tensor, weight: &Tensor) -> Tensor {
    weighted_mean(&(a - b).abs(), weight)
}

/// Mean squared difference.
pub fn l2(a: &Tensor, b: &Tensor) -> Tensor {
    (a - b).square().mean(Kind::Float)
}

/// `√(x² + ε²) − ε`, averaged: L1 with a rounded tip (Charbonnier et al. 1994).
pub fn charbonnier(a: &Tensor, b: &Tensor, eps: f64) -> Tensor {
    ((a - b).square() + eps * eps).sqrt().mean(Kind::Float) - eps
}

/// Mean structural similarity ([`crate::losses::ssim`]), 1 for equal images.
pub fn ssim(a: &Tensor, b: &Tensor) -> Tensor {
    ssim_map(a, b).mean(Kind::Float)
}

/// `1 −` mean structural similarity.
pub fn ssim_loss(a: &Tensor, b: &Tensor) -> Tensor {
    1.0 - ssim(a, b)
}

/// The same over the windows whose center pixel the mask covers, weighted by it.
pub fn ssim_loss_masked(a: &Tensor, b: &Tensor, mask: &Tensor) -> Tensor {
    let (h, w) = (mask.size()[2], mask.size()[3]);
    let margin = WINDOW / 2;
    let mask = mask.narrow(2, margin, h - 2 * margin).narrow(3, margin, w - 2 * margin);
    weighted_mean(&(1.0 - ssim_map(a, b)), &mask)
}

/// Mean absolute difference of the finite differences along x and y: keeps edges sharp.
pub fn gradient_loss(a: &Tensor, b: &Tensor) -> Tensor {
    let d = a - b;
    let along = |dim: i64| d.diff::<Tensor>(1, dim, None, None).abs().mean(Kind::Float);
    along(2) + along(3)
}

/// Mean absolute Laplacian-like roughness of a UV map, `|f(x+1) − f(x)|` averaged along both axes (total variation).
pub fn total_variation(map: &Tensor) -> Tensor {
    let along = |dim: i64| map.diff::<Tensor>(1, dim, None, None).abs().mean(Kind::Float);
    along(2) + along(3)
}

fn weighted_mean(values: &Tensor, weight: &Tensor) -> Tensor {
    let weight = weight.expand_as(values);
    (values * &weight).sum(Kind::Float) / weight.sum(Kind::Float).clamp_min(1e-8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::ssim::tests::images;
    use tch::Device;

    fn value(t: Tensor) -> f64 {
        t.double_value(&[])
    }

    #[test]
    fn a_full_mask_changes_nothing_and_an_empty_one_gives_zero() {
        let (a, b) = images();
        let full = Tensor::ones([2, 1, 24, 20], (Kind::Float, Device::Cpu));
        assert!((value(l1(&a, &b)) - value(l1_masked(&a, &b, &full))).abs() < 1e-6);
        assert!((value(ssim_loss(&a, &b)) - value(ssim_loss_masked(&a, &b, &full))).abs() < 1e-6);
        assert_eq!(value(l1_masked(&a, &b, &full.zeros_like())), 0.0);
    }

    #[test]
    fn masked_pixels_do_not_count() {
        let (a, b) = images();
        let mask = Tensor::zeros([2, 1, 24, 20], (Kind::Float, Device::Cpu));
        let _ = mask.narrow(3, 0, 10).fill_(1.0);
        let left = value(l1(&a.narrow(3, 0, 10), &b.narrow(3, 0, 10)));
        assert!((value(l1_masked(&a, &b, &mask)) - left).abs() < 1e-6);
    }

    #[test]
    fn a_ramp_has_a_known_gradient_loss() {
        let ramp = Tensor::arange(8, (Kind::Float, Device::Cpu)).view([1, 1, 1, 8]).expand([1, 1, 6, 8], false) * 0.1;
        assert!((value(gradient_loss(&ramp, &ramp.zeros_like())) - 0.1).abs() < 1e-6);
        assert!((value(total_variation(&ramp)) - 0.1).abs() < 1e-6);
        assert!(value(gradient_loss(&ramp, &(&ramp + 0.3))) < 1e-6, "blind to a constant offset");
    }

    #[test]
    fn charbonnier_is_l1_far_from_zero() {
        let (a, b) = (Tensor::from(3.0f32), Tensor::from(1.0f32));
        assert!((value(charbonnier(&a, &b, 1e-3)) - 1.999).abs() < 1e-5);
    }
}
