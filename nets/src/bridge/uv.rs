//! Bilinear lookup in UV maps: from texels to Gaussians.
use crate::bridge::custom::custom;
use crate::bridge::render::floats;
use rayon::prelude::*;
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Values of `map` at fixed texture coordinates.
///
/// | name    | shape          | meaning                                                                        |
/// |---------|----------------|--------------------------------------------------------------------------------|
/// | `map`   | `[B, C, H, W]` | row 0 is at v = 1 (as pictures of UV maps lie); texel centers at `(i + 0.5)/W` |
/// | `uv`    | `[N, 2]`       | u to the right, v up, 0..=1; beyond the outer texel centers the edge repeats   |
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

/// [`uv_sample`] at places that never change, several times faster on the CPU: the four texels of every place, and the
/// places of every texel for the backward pass, are listed once. Sums run in a fixed order.
#[derive(Clone, Debug)]
pub struct UvSampler {
    taps: Arc<Taps>,
}

#[derive(Debug)]
struct Taps {
    height: usize,
    width: usize,
    /// `[N, 2]`
    uv: Vec<f32>,
    /// Per place: texel and weight.
    of_place: Vec<[(u32, f32); 4]>,
    /// Texel `t` is read by `of_texel[first[t]..first[t + 1]]`: place and weight.
    first: Vec<usize>,
    of_texel: Vec<(u32, f32)>,
}

impl UvSampler {
    /// For `uv` `[N, 2]` as in [`uv_sample`] and maps of `height` × `width` texels.
    pub fn new(uv: &Tensor, height: usize, width: usize) -> Self {
        let uv = tch::no_grad(|| uv.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous());
        let uv = floats(&uv).to_vec();
        let of_place: Vec<_> = uv.chunks_exact(2).map(|p| four_texels([p[0], p[1]], height, width)).collect();
        let mut first = vec![0; height * width + 1];
        of_place.iter().flatten().for_each(|(texel, _)| first[*texel as usize + 1] += 1);
        (0..height * width).for_each(|t| first[t + 1] += first[t]);
        let mut next = first.clone();
        let mut of_texel = vec![(0, 0.0); 4 * of_place.len()];
        for (place, taps) in of_place.iter().enumerate() {
            for (texel, weight) in taps {
                of_texel[next[*texel as usize]] = (place as u32, *weight);
                next[*texel as usize] += 1;
            }
        }
        UvSampler { taps: Arc::new(Taps { height, width, uv, of_place, first, of_texel }) }
    }

    /// Number of places N.
    pub fn len(&self) -> usize {
        self.taps.of_place.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[B, C, H, W]` → `[B, N, C]`, ready for a network per Gaussian. Differentiable in the map. On a GPU it is
    /// [`uv_sample`] in other words.
    ///
    /// # Panics
    /// If the map has another size than the sampler was made for.
    pub fn sample(&self, map: &Tensor) -> Tensor {
        let (batch, channels, h, w) = map.size4().expect("maps are [B, C, H, W]");
        let taps = self.taps.clone();
        assert_eq!((h as usize, w as usize), (taps.height, taps.width), "the size this sampler was made for");
        if map.device() != Device::Cpu || map.kind() != Kind::Float {
            let uv = Tensor::from_slice(&taps.uv).view([-1, 2]).to_device(map.device()).to_kind(map.kind());
            return uv_sample(map, &uv).transpose(1, 2);
        }
        let n = self.len() as i64;
        let mut outputs = custom(&[map], move || {
            let rows = map.detach().permute([0, 2, 3, 1]).contiguous();
            let out = Tensor::from_slice(&taps.forward(floats(&rows), channels as usize)).view([batch, n, channels]);
            (vec![out], move |up: &[Option<Tensor>]| {
                let up = up[0].as_ref().map(Tensor::contiguous);
                let back = |g: Tensor| {
                    let rows = taps.backward(floats(&g), channels as usize);
                    Tensor::from_slice(&rows).view([batch, h, w, channels]).permute([0, 3, 1, 2])
                };
                vec![up.map(back)]
            })
        });
        outputs.remove(0)
    }
}

impl Taps {
    /// `[B, H·W, C]` → `[B, N, C]`.
    fn forward(&self, rows: &[f32], channels: usize) -> Vec<f32> {
        let (n, texels) = (self.of_place.len(), self.height * self.width);
        let batch = rows.len() / (texels * channels).max(1);
        let mut out = vec![0.0; batch * n * channels];
        out.par_chunks_mut(channels.max(1)).enumerate().with_min_len(1024).for_each(|(i, to)| {
            let image = &rows[i / n * texels * channels..];
            for (texel, weight) in self.of_place[i % n] {
                add(to, &image[texel as usize * channels..][..channels], weight);
            }
        });
        out
    }

    /// `[B, N, C]` → `[B, H·W, C]`.
    fn backward(&self, grads: &[f32], channels: usize) -> Vec<f32> {
        let (n, texels) = (self.of_place.len(), self.height * self.width);
        let batch = grads.len() / (n * channels).max(1);
        let mut out = vec![0.0; batch * texels * channels];
        out.par_chunks_mut(channels.max(1)).enumerate().with_min_len(1024).for_each(|(i, to)| {
            let image = &grads[i / texels * n * channels..];
            for (place, weight) in &self.of_texel[self.first[i % texels]..self.first[i % texels + 1]] {
                add(to, &image[*place as usize * channels..][..channels], *weight);
            }
        });
        out
    }
}

fn add(to: &mut [f32], from: &[f32], weight: f32) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += weight * b);
}

/// The texels around a place and their weights, which sum to one.
fn four_texels(uv: [f32; 2], height: usize, width: usize) -> [(u32, f32); 4] {
    let axis = |at: f32, n: usize| {
        let at = (at * n as f32 - 0.5).clamp(0.0, (n - 1) as f32);
        let low = at.floor();
        (low as usize, (low as usize + 1).min(n - 1), at - low)
    };
    let (x0, x1, fx) = axis(uv[0], width);
    let (y0, y1, fy) = axis(1.0 - uv[1], height);
    let at = |y: usize, x: usize, weight: f32| ((y * width + x) as u32, weight);
    [at(y0, x0, (1.0 - fy) * (1.0 - fx)), at(y0, x1, (1.0 - fy) * fx), at(y1, x0, fy * (1.0 - fx)), at(y1, x1, fy * fx)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_lookup_equals_the_general_one_both_ways() {
        let numbers = |n: i64, phase: f64| ((Tensor::arange(n, (Kind::Float, Device::Cpu)) * 1.93 + phase) * 3.7).sin();
        let map = numbers(2 * 5 * 6 * 8, 0.1).view([2, 5, 6, 8]);
        let uv = numbers(2 * 300, 0.5).view([300, 2]) * 0.55 + 0.5; // some beyond the edge
        let weights = numbers(2 * 300 * 5, 0.9).view([2, 300, 5]);
        let general = map.copy().set_requires_grad(true);
        let listed = map.copy().set_requires_grad(true);
        let a = uv_sample(&general, &uv).transpose(1, 2);
        let b = UvSampler::new(&uv, 6, 8).sample(&listed);
        assert!(a.allclose(&b, 1e-5, 1e-5, false));
        (a * &weights).sum(Kind::Float).backward();
        (b * &weights).sum(Kind::Float).backward();
        assert!(general.grad().allclose(&listed.grad(), 1e-4, 1e-4, false));
    }

    #[test]
    fn texel_centers_give_texels_and_v_points_up() {
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
