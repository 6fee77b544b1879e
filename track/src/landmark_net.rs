//! The first generation's network, read from weights of layout `track-1`: 68 landmarks with their uncertainty, the head's
//! coverage, and whether it is a face at all. [`crate::face_net`] succeeds it; this one goes when its weights do.
//!
//! A small U-shaped network. Landmarks come from heat maps by soft-argmax (Sun et al. 2018, "Integral Human Pose
//! Regression"), uncertainty as the scale of a Laplace distribution learned beside them (Kendall and Gal 2017).
//! Letters: `B` batch, `L` = 68 landmarks, `S` = [`SIDE`].
use crate::layers::{Conv, ConvNorm, Residual, head, normalised};
use crate::networks::flat;
use crate::picture::Canvas;
use crate::reading::{Reading, tensor_of};
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// Side of the crop, pixels.
pub const SIDE: usize = 128;
/// Side of the coverage map.
pub const ALPHA_SIDE: usize = 64;
/// Side of the heat maps.
pub const HEAT_SIDE: usize = 32;
/// Landmarks: the iBUG points.
pub const LANDMARKS: usize = head::ibug::COUNT;

/// The network.
#[derive(Debug)]
pub struct LandmarkNet {
    stem: ConvNorm,
    down4: ConvNorm,
    mix4: Residual,
    down8: ConvNorm,
    mix8: Vec<Residual>,
    down16: ConvNorm,
    mix16: Vec<Residual>,
    up8: ConvNorm,
    fuse8: ConvNorm,
    up4: ConvNorm,
    skip4: ConvNorm,
    fuse4: ConvNorm,
    heat: nn::Conv2D,
    up2: ConvNorm,
    skip2: ConvNorm,
    fuse2: ConvNorm,
    alpha: nn::Conv2D,
    spread: nn::Linear,
    is_face: nn::Linear,
}

/// What it says of a batch.
pub struct LandmarkOutput {
    /// `[B, L, 32, 32]` logits of the heat maps.
    pub heat: Tensor,
    /// `[B, L, 2]` pixels of the crop.
    pub points: Tensor,
    /// `[B, L]` logarithm of the Laplace scale, pixels.
    pub log_spread: Tensor,
    /// `[B, 1, 64, 64]` logits of the coverage.
    pub alpha: Tensor,
    /// `[B]` logit of being a face.
    pub is_face: Tensor,
}

impl LandmarkNet {
    /// Fresh weights under `path`.
    pub fn new(path: nn::Path) -> Self {
        let l = LANDMARKS as i64;
        LandmarkNet {
            stem: ConvNorm::new(&path / "stem", Conv::down(3, 16)),
            down4: ConvNorm::new(&path / "down4", Conv::down(16, 32)),
            mix4: Residual::new(&path / "mix4", 32, 1),
            down8: ConvNorm::new(&path / "down8", Conv::down(32, 64)),
            mix8: (0..2).map(|i| Residual::new(&path / "mix8" / i, 64, 1)).collect(),
            down16: ConvNorm::new(&path / "down16", Conv::down(64, 128)),
            mix16: (0..2).map(|i| Residual::new(&path / "mix16" / i, 128, 1)).collect(),
            up8: ConvNorm::linear(&path / "up8", Conv::one(128, 64)),
            fuse8: ConvNorm::new(&path / "fuse8", Conv::three(64, 64)),
            up4: ConvNorm::linear(&path / "up4", Conv::one(64, 48)),
            skip4: ConvNorm::linear(&path / "skip4", Conv::one(32, 48)),
            fuse4: ConvNorm::new(&path / "fuse4", Conv::three(48, 48)),
            heat: head(&path / "heat", 48, l, 0.0),
            up2: ConvNorm::linear(&path / "up2", Conv::one(48, 16)),
            skip2: ConvNorm::linear(&path / "skip2", Conv::one(16, 16)),
            fuse2: ConvNorm::new(&path / "fuse2", Conv::three(16, 16)),
            alpha: head(&path / "alpha", 16, 1, 0.0),
            spread: nn::linear(&path / "spread", 128, l, Default::default()),
            is_face: nn::linear(&path / "is_face", 128, 1, Default::default()),
        }
    }

    /// `rgb` `[B, 3, S, S]` in 0..=1.
    pub fn forward(&self, rgb: &Tensor, train: bool) -> LandmarkOutput {
        let x2 = normalised(rgb).apply_t(&self.stem, train);
        let x4 = x2.apply_t(&self.down4, train).apply_t(&self.mix4, train);
        let mut x8 = x4.apply_t(&self.down8, train);
        for block in &self.mix8 {
            x8 = x8.apply_t(block, train);
        }
        let mut x16 = x8.apply_t(&self.down16, train);
        for block in &self.mix16 {
            x16 = x16.apply_t(block, train);
        }
        let pooled = x16.mean_dim([2i64, 3].as_slice(), false, Kind::Float);
        let y8 = (doubled(&x16.apply_t(&self.up8, train)) + x8).relu().apply_t(&self.fuse8, train);
        let y4 = (doubled(&y8.apply_t(&self.up4, train)) + x4.apply_t(&self.skip4, train)).relu();
        let y4 = y4.apply_t(&self.fuse4, train);
        let heat = self.heat.forward(&y4);
        let y2 = (doubled(&y4.apply_t(&self.up2, train)) + x2.apply_t(&self.skip2, train)).relu();
        LandmarkOutput {
            points: soft_argmax(&heat),
            heat,
            log_spread: self.spread.forward(&pooled).clamp(-3.0, 4.0),
            alpha: self.alpha.forward(&y2.apply_t(&self.fuse2, train)),
            is_face: self.is_face.forward(&pooled).squeeze_dim(1),
        }
    }

    /// Reads crops, averaging each with its mirror image.
    pub fn read(&self, crops: &[Canvas], device: tch::Device) -> Vec<Reading> {
        tch::no_grad(|| {
            let x = tensor_of(crops).to_device(device);
            let straight = self.forward(&x, false);
            let mirrored = self.forward(&x.flip([3]), false);
            let order: Vec<i64> = (0..LANDMARKS).map(|i| crate::face::mirror_of(i) as i64).collect();
            let order = Tensor::from_slice(&order).to_device(device);
            let back = mirrored.points.index_select(1, &order);
            let width = Tensor::from_slice(&[SIDE as f32, 0.0]).to_device(device);
            let sign = Tensor::from_slice(&[-1.0f32, 1.0]).to_device(device);
            let points = (straight.points + (back * sign + width)) * 0.5;
            let log_spread = (straight.log_spread + mirrored.log_spread.index_select(1, &order)) * 0.5;
            let alpha = (straight.alpha.sigmoid() + mirrored.alpha.sigmoid().flip([3])) * 0.5;
            let is_face = ((straight.is_face + mirrored.is_face) * 0.5).sigmoid();
            let points: Vec<f32> = flat(&points);
            let spread: Vec<f32> = flat(&log_spread.exp());
            let alpha: Vec<f32> = flat(&alpha);
            let is_face: Vec<f32> = flat(&is_face);
            let of = |i: usize| Reading {
                points: points[i * LANDMARKS * 2..(i + 1) * LANDMARKS * 2].chunks(2).map(|p| [p[0], p[1]]).collect(),
                spread_px: spread[i * LANDMARKS..(i + 1) * LANDMARKS].to_vec(),
                alpha: alpha[i * ALPHA_SIDE * ALPHA_SIDE..(i + 1) * ALPHA_SIDE * ALPHA_SIDE].to_vec(),
                is_face: is_face[i],
                beyond: None,
            };
            (0..crops.len()).map(of).collect()
        })
    }
}

/// `[B, C, H, W]` → `[B, C, 2H, 2W]`, bilinear.
fn doubled(x: &Tensor) -> Tensor {
    let size = x.size();
    x.upsample_bilinear2d([2 * size[2], 2 * size[3]], false, None, None)
}

/// Expected position under the softmax of each map: `[B, L, h, h]` → `[B, L, 2]` in pixels of the crop.
fn soft_argmax(heat: &Tensor) -> Tensor {
    let (b, l, h, w) = heat.size4().expect("heat maps have four dimensions");
    let p = heat.contiguous().view([b, l, h * w]).softmax(-1, Kind::Float).view([b, l, h, w]);
    let step = SIDE as f64 / h as f64;
    let grid = (Tensor::arange(h, (Kind::Float, heat.device())) + 0.5) * step;
    let x = (p.sum_dim_intlist([2i64].as_slice(), false, Kind::Float) * &grid).sum_dim_intlist(
        [2i64].as_slice(),
        false,
        Kind::Float,
    );
    let y = (p.sum_dim_intlist([3i64].as_slice(), false, Kind::Float) * &grid).sum_dim_intlist(
        [2i64].as_slice(),
        false,
        Kind::Float,
    );
    Tensor::stack(&[x, y], -1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::ibug;
    use tch::Device;

    #[test]
    fn shapes_are_as_documented() {
        let vars = nn::VarStore::new(Device::Cpu);
        let net = LandmarkNet::new(vars.root());
        let out = net.forward(&Tensor::rand([2, 3, 128, 128], (Kind::Float, Device::Cpu)), true);
        assert_eq!(out.points.size(), [2, 68, 2]);
        assert_eq!(out.heat.size(), [2, 68, 32, 32]);
        assert_eq!(out.log_spread.size(), [2, 68]);
        assert_eq!(out.alpha.size(), [2, 1, 64, 64]);
        assert_eq!(out.is_face.size(), [2]);
    }

    #[test]
    fn soft_argmax_finds_a_peak() {
        let heat = Tensor::full([1, 1, 32, 32], -20.0, (Kind::Float, Device::Cpu));
        let _ = heat.get(0).get(0).get(5).get(20).fill_(20.0);
        let p = soft_argmax(&heat);
        assert!((p.double_value(&[0, 0, 0]) - 82.0).abs() < 1e-2, "column 20 of 4 px, at its centre");
        assert!((p.double_value(&[0, 0, 1]) - 22.0).abs() < 1e-2);
    }

    #[test]
    fn reading_a_mirrored_crop_mirrors_the_answer() {
        tch::manual_seed(3);
        let vars = nn::VarStore::new(Device::Cpu);
        let net = LandmarkNet::new(vars.root());
        let mut crop = Canvas::new(SIDE, SIDE);
        for (i, v) in crop.planes[1].iter_mut().enumerate() {
            *v = ((i * 37) % 101) as f32 / 101.0;
        }
        let mut mirror = crop.clone();
        mirror.planes.iter_mut().for_each(|p| p.chunks_exact_mut(SIDE).for_each(<[f32]>::reverse));
        let (a, b) = (&net.read(&[crop], Device::Cpu)[0], &net.read(&[mirror], Device::Cpu)[0]);
        let (left, right) = (a.points[ibug::RIGHT_EYE_OUTER], b.points[ibug::LEFT_EYE_OUTER]);
        assert!((left[0] + right[0] - SIDE as f32).abs() < 1e-2 && (left[1] - right[1]).abs() < 1e-2);
    }
}
