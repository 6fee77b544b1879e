//! L1 and SSIM of a picture in one pass: `splat`'s fused loss as an operation of torch.
use nets::bridge::custom::custom;
use splat::loss::L1Ssim;
use tch::{Device, Kind, Tensor};

/// `l1 · mean |a − b| + ssim · (1 − SSIM)` of pictures `[1, 3, H, W]`; a gradient flows to `a` alone. On the CPU windows at
/// the border see zeros beyond it (as 3DGS has it), on a GPU they are left out.
pub fn l1_and_ssim(a: &Tensor, b: &Tensor, l1: f64, ssim: f64) -> Tensor {
    if a.device() != Device::Cpu || l1 + ssim <= 0.0 {
        return nets::losses::image::l1(a, b) * l1 + nets::losses::image::ssim_loss(a, b) * ssim;
    }
    let size = a.size();
    let loss = L1Ssim {
        width: size[3] as usize,
        height: size[2] as usize,
        channels: size[1] as usize,
        ssim_weight: (ssim / (l1 + ssim)) as f32,
    };
    let pixels = |t: &Tensor| -> Vec<f32> {
        Vec::try_from(t.detach().permute([0, 2, 3, 1]).contiguous().view([-1])).expect("pictures are floats")
    };
    let mut outputs = custom(&[a], || {
        let found = loss.compare(&pixels(a), &pixels(b)).expect("both pictures have one size");
        let value = Tensor::from((found.value * (l1 + ssim)) as f32);
        let gradient = Tensor::from_slice(&found.gradient).view([1, size[2], size[3], size[1]]) * (l1 + ssim);
        let backward = move |g: &[Option<Tensor>]| vec![g[0].as_ref().map(|g| gradient.permute([0, 3, 1, 2]) * g)];
        (vec![value], backward)
    });
    outputs.remove(0).to_kind(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let i = Tensor::arange(3 * 24 * 20, (Kind::Float, Device::Cpu));
        let a = ((&i * 0.37).sin() * 0.3 + 0.5).view([1, 3, 24, 20]).set_requires_grad(true);
        let b = (&a.detach() * 0.8 + ((&i * 0.91).cos() * 0.1 + 0.1).view([1, 3, 24, 20])).clamp(0.0, 1.0);
        let value = |a: &Tensor| l1_and_ssim(a, &b, 0.8, 0.4).double_value(&[]);
        l1_and_ssim(&a, &b, 0.8, 0.4).backward();
        let step = 5e-3;
        let moved = |sign: f64| {
            let m = a.detach().copy();
            _ = m.get(0).get(1).get(9).get(11).g_add_scalar_(sign * step);
            value(&m)
        };
        let gradient = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let got = a.grad().double_value(&[0, 1, 9, 11]);
        assert!((got - gradient).abs() < 0.1 * gradient.abs().max(1e-4), "{got} against {gradient}");
        assert!(value(&b) < 1e-6);
    }
}
