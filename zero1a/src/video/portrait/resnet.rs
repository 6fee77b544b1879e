//! Residual blocks and changes of size, as in `diffusers`' `ResnetBlock2D`, `Downsample2D`, `Upsample2D`.
use super::layers::{conv, group_norm, linear};
use nets::blocks::conv::double;
use tch::Tensor;
use tch::nn;

/// Two convolutions, each after group normalisation and SiLU; the timestep's embedding is added between them.
#[derive(Debug)]
pub struct Resnet {
    norm1: nn::GroupNorm,
    conv1: nn::Conv2D,
    time: Option<nn::Linear>,
    norm2: nn::GroupNorm,
    conv2: nn::Conv2D,
    shortcut: Option<nn::Conv2D>,
}

/// What all residual blocks of a network share.
#[derive(Clone, Copy, Debug)]
pub struct ResnetConfig {
    /// Groups of the normalisation.
    pub groups: i64,
    /// Summand under its root.
    pub eps: f64,
    /// Width of the timestep's embedding, if there is one.
    pub time: Option<i64>,
}

impl Resnet {
    /// From `from` to `to` channels.
    pub fn new(p: nn::Path, from: i64, to: i64, c: ResnetConfig) -> Self {
        Resnet {
            norm1: group_norm(&p / "norm1", c.groups, from, c.eps),
            conv1: conv(&p / "conv1", from, to, 3, 1, 1),
            time: c.time.map(|width| linear(&p / "time_emb_proj", width, to)),
            norm2: group_norm(&p / "norm2", c.groups, to, c.eps),
            conv2: conv(&p / "conv2", to, to, 3, 1, 1),
            shortcut: (from != to).then(|| conv(&p / "conv_shortcut", from, to, 1, 1, 0)),
        }
    }

    /// `x` `[B, from, h, w]`, `time` `[B, width]` where the block has one.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Tensor {
        let mut inner = x.apply(&self.norm1).silu().apply(&self.conv1);
        if let (Some(layer), Some(time)) = (&self.time, time) {
            inner += time.silu().apply(layer).unsqueeze(-1).unsqueeze(-1);
        }
        let inner = inner.apply(&self.norm2).silu().apply(&self.conv2);
        match &self.shortcut {
            Some(shortcut) => x.apply(shortcut) + inner,
            None => x + inner,
        }
    }
}

/// Half the size by a convolution of stride 2.
#[derive(Debug)]
pub struct Downsample {
    conv: nn::Conv2D,
    padding: Padding,
}

/// Where a [`Downsample`] pads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// One pixel all around: the U-Net.
    Around,
    /// One pixel right and below: the autoencoder.
    BelowRight,
}

impl Downsample {
    /// Under the block's `downsamplers.0`.
    pub fn new(block: &nn::Path, channels: i64, padding: Padding) -> Self {
        let pad = if padding == Padding::Around { 1 } else { 0 };
        Downsample { conv: conv(block / "downsamplers" / 0 / "conv", channels, channels, 3, 2, pad), padding }
    }

    /// `[B, C, h, w]` → `[B, C, h/2, w/2]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        match self.padding {
            Padding::Around => x.apply(&self.conv),
            Padding::BelowRight => x.constant_pad_nd([0, 1, 0, 1]).apply(&self.conv),
        }
    }
}

/// Twice the size by repeated pixels and a convolution.
#[derive(Debug)]
pub struct Upsample {
    conv: nn::Conv2D,
}

impl Upsample {
    /// Under the block's `upsamplers.0`.
    pub fn new(block: &nn::Path, channels: i64) -> Self {
        Upsample { conv: conv(block / "upsamplers" / 0 / "conv", channels, channels, 3, 1, 1) }
    }

    /// `[B, C, h, w]` → `[B, C, 2h, 2w]`
    pub fn forward(&self, x: &Tensor) -> Tensor {
        double(x).apply(&self.conv)
    }
}
