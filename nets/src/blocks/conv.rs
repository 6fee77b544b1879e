//! Convolution blocks: plain, residual, halving and doubling.
//!
//! They compute in the number format of their input, `f32` or `bf16`; weights stay `f32`. Processors with AMX train three
//! times as fast in `bf16`.
//! Normalization is by groups (Wu and He 2018): independent of the batch, the same in training and use.
use tch::Tensor;
use tch::nn::{self, Module};

/// Slope of [`leaky`] for negative values.
pub const LEAKY_SLOPE: f64 = 0.2;

/// Leaky rectifier with slope [`LEAKY_SLOPE`].
pub fn leaky(x: &Tensor) -> Tensor {
    crate::bridge::custom::leaky_relu(x, LEAKY_SLOPE)
}

/// Weights for a layer followed by [`leaky`] (He et al. 2015, eq. 15): variance `2 / ((1 + slope²) · fan_in)`.
pub fn init_leaky(fan_in: i64) -> nn::Init {
    nn::Init::Randn { mean: 0.0, stdev: (2.0 / ((1.0 + LEAKY_SLOPE * LEAKY_SLOPE) * fan_in as f64)).sqrt() }
}

/// A convolution with bias that keeps the size at stride 1.
#[derive(Debug)]
pub struct Conv2d {
    /// `[to, from, k, k]` and `[to]`
    pub layer: nn::Conv2D,
    stride: i64,
    padding: i64,
}

impl Conv2d {
    /// Kernel of `size` × `size`.
    pub fn new(p: nn::Path, [from, to]: [i64; 2], size: i64, stride: i64, weights: nn::Init) -> Self {
        let padding = (size - 1) / 2;
        let bs_init = nn::Init::Const(0.0);
        let config = nn::ConvConfig { stride, padding, ws_init: weights, bs_init, ..Default::default() };
        Conv2d { layer: nn::conv2d(p, from, to, size, config), stride, padding }
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (kind, layer) = (x.kind(), &self.layer);
        let bias = layer.bs.as_ref().map(|bias| bias.to_kind(kind));
        x.conv2d(&layer.ws.to_kind(kind), bias.as_ref(), [self.stride; 2], [self.padding; 2], [1; 2], 1)
    }
}

/// 3×3 convolution that keeps the size.
pub fn conv3(p: nn::Path, from: i64, to: i64) -> Conv2d {
    Conv2d::new(p, [from, to], 3, 1, init_leaky(from * 9))
}

/// 1×1 convolution.
pub fn conv1(p: nn::Path, from: i64, to: i64) -> Conv2d {
    Conv2d::new(p, [from, to], 1, 1, init_leaky(from))
}

/// 3×3 convolution that starts at zero: the block it ends starts as the identity, or the net as its mean.
pub fn conv3_zero(p: nn::Path, from: i64, to: i64) -> Conv2d {
    Conv2d::new(p, [from, to], 3, 1, nn::Init::Const(0.0))
}

/// 4×4 convolution of stride 2: half the size (even sizes), every input pixel seen equally often.
pub fn halve(p: nn::Path, from: i64, to: i64) -> Conv2d {
    Conv2d::new(p, [from, to], 4, 2, init_leaky(from * 16))
}

/// Twice the size by repeating pixels; follow with [`conv3`] (no chequerboard, unlike transposed convolutions:
/// Odena et al. 2016).
pub fn double(x: &Tensor) -> Tensor {
    let size = x.size();
    let n = size.len();
    x.upsample_nearest2d([2 * size[n - 2], 2 * size[n - 1]], None, None)
}

/// Group normalization with groups of about 8 channels.
pub fn norm(p: nn::Path, channels: i64) -> nn::GroupNorm {
    let groups = (1..=channels / 8).rev().find(|g| channels % g == 0).unwrap_or(1);
    nn::group_norm(p, groups, channels, Default::default())
}

/// Lays an image out with channels innermost: 1.4 to 1.5 times faster convolutions on the CPU in f32. Values and shape
/// stay; convolutions keep the layout.
pub fn channels_last(t: &Tensor) -> Tensor {
    t.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// Puts all 4-dimensional weights of a store into the layout of [`channels_last`], in place.
pub fn weights_channels_last(vars: &nn::VarStore) {
    tch::no_grad(|| {
        for (_, t) in vars.variables() {
            if t.dim() == 4 && t.size()[2] > 1 {
                let mut data = t.detach();
                let laid = channels_last(&data);
                data.set_data(&laid);
                let mut t = t;
                t.set_data(&laid);
            }
        }
    });
}

/// `x + conv(act(norm(conv(act(norm(x))))))`, pre-activation (He et al. 2016); the last convolution starts at zero.
#[derive(Debug)]
pub struct ResBlock {
    norm1: nn::GroupNorm,
    conv1: Conv2d,
    norm2: nn::GroupNorm,
    conv2: Conv2d,
    skip: Option<Conv2d>,
}

impl ResBlock {
    /// A 1×1 convolution carries the sum where the widths differ.
    pub fn new(p: nn::Path, from: i64, to: i64) -> Self {
        ResBlock {
            norm1: norm(&p / "norm1", from),
            conv1: conv3(&p / "conv1", from, to),
            norm2: norm(&p / "norm2", to),
            conv2: conv3_zero(&p / "conv2", to, to),
            skip: (from != to).then(|| conv1(&p / "skip", from, to)),
        }
    }
}

impl Module for ResBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let inner = leaky(&x.apply(&self.norm1)).apply(&self.conv1);
        let inner = leaky(&inner.apply(&self.norm2)).apply(&self.conv2);
        match &self.skip {
            Some(skip) => x.apply(skip) + inner,
            None => x + inner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn sizes_widths_and_layout() {
        let vars = nn::VarStore::new(Device::Cpu);
        let p = vars.root();
        let x = channels_last(&Tensor::randn([2, 3, 16, 24], (Kind::Float, Device::Cpu)));
        let y = x.apply(&halve(&p / "h", 3, 24)).apply(&ResBlock::new(&p / "r", 24, 32));
        assert_eq!(y.size(), [2, 32, 8, 12]);
        assert_eq!(double(&y).size(), [2, 32, 16, 24]);
        assert_eq!(y.apply(&conv3(&p / "c", 32, 5)).size(), [2, 5, 8, 12]);
    }

    #[test]
    fn bf16_in_bf16_out_and_f32_gradients() {
        let vars = nn::VarStore::new(Device::Cpu);
        let layer = conv3(vars.root() / "c", 8, 8);
        let x = Tensor::randn([1, 8, 9, 9], (Kind::Float, Device::Cpu));
        let y = leaky(&x.to_kind(Kind::BFloat16).apply(&layer));
        assert_eq!(y.kind(), Kind::BFloat16);
        assert!(y.to_kind(Kind::Float).allclose(&leaky(&x.apply(&layer)), 0.02, 0.05, false));
        y.sum(Kind::Float).backward();
        assert_eq!(vars.variables()["c.weight"].grad().kind(), Kind::Float);
    }

    #[test]
    fn a_residual_block_starts_as_the_identity() {
        let vars = nn::VarStore::new(Device::Cpu);
        let x = Tensor::randn([1, 16, 8, 8], (Kind::Float, Device::Cpu));
        assert_eq!(x.apply(&ResBlock::new(vars.root(), 16, 16)), x);
    }

    #[test]
    fn leaky_layers_keep_the_scale() {
        let vars = nn::VarStore::new(Device::Cpu);
        let mut x = Tensor::randn([4, 64, 16, 16], (Kind::Float, Device::Cpu));
        for i in 0..6 {
            x = leaky(&x.apply(&conv1(&vars.root() / i, 64, 64)));
        }
        let rms = x.square().mean(Kind::Float).sqrt().double_value(&[]);
        assert!((0.5..2.0).contains(&rms), "{rms} after six layers");
    }

    #[test]
    fn weights_change_layout_not_value() {
        let vars = nn::VarStore::new(Device::Cpu);
        let c = conv3(vars.root() / "c", 8, 8);
        let x = Tensor::randn([1, 8, 9, 9], (Kind::Float, Device::Cpu));
        let before = x.apply(&c);
        weights_channels_last(&vars);
        assert_eq!(vars.variables()["c.weight"].stride(), [72, 1, 24, 8]);
        assert!(x.apply(&c).allclose(&before, 1e-5, 1e-5, false));
        assert!(c.layer.ws.requires_grad());
    }
}
