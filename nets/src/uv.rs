//! Bilinear lookup in UV maps: from texels to Gaussians.
use tch::Tensor;

/// Values of `map` at fixed texture coordinates.
///
/// | name    | shape          | meaning                                                                        |
/// |---------|----------------|--------------------------------------------------------------------------------|
/// | `map`   | `[B, C, H, W]` | row 0 is at v = 1 (as pictures of UV maps lie); texel centres at `(i + 0.5)/W` |
/// | `uv`    | `[N, 2]`       | u to the right, v up, 0..=1; beyond the outer texel centres the edge repeats   |
/// | returns | `[B, C, N]`    |                                                                                |
///
/// Differentiable in `map` (and in `uv`).
pub fn uv_sample(map: &Tensor, uv: &Tensor) -> Tensor {
    let (b, n) = (map.size()[0], uv.size()[0]);
    let x = uv.select(1, 0) * 2.0 - 1.0;
    let y = uv.select(1, 1) * -2.0 + 1.0;
    let grid = Tensor::stack(&[x, y], 1).view([1, 1, n, 2]).expand([b, 1, n, 2], false);
    const BILINEAR: i64 = 0;
    const BORDER: i64 = 1;
    map.grid_sampler(&grid, BILINEAR, BORDER, false).squeeze_dim(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn texel_centres_give_texels_and_v_points_up() {
        let map = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([1, 1, 3, 4]);
        let uv = Tensor::from_slice(&[0.125f32, 5.0 / 6.0, 0.875, 5.0 / 6.0, 0.125, 1.0 / 6.0, 0.25, 0.5]).view([4, 2]);
        let got: Vec<f32> = Vec::try_from(uv_sample(&map, &uv).flatten(0, -1)).unwrap();
        let want = [0.0, 3.0, 8.0, 4.5];
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{got:?}");
    }

    #[test]
    fn a_linear_map_is_reproduced_and_its_gradient_sums_to_one() {
        let (h, w) = (8, 16);
        let u = (Tensor::arange(w, (Kind::Float, Device::Cpu)) + 0.5) / w as f64;
        let map = u.view([1, 1, 1, w]).expand([2, 1, h, w], false).contiguous().set_requires_grad(true);
        let uv = Tensor::from_slice(&[0.3f32, 0.4, 0.71, 0.9]).view([2, 2]);
        let got = uv_sample(&map, &uv);
        assert_eq!(got.size(), [2, 1, 2]);
        assert!((got.double_value(&[1, 0, 0]) - 0.3).abs() < 1e-6);
        got.sum(Kind::Float).backward();
        assert!((map.grad().sum(Kind::Float).double_value(&[]) - 4.0).abs() < 1e-5);
    }
}
