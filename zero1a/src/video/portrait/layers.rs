//! Layers that start at zero, because their weights come from a file.
use tch::nn;

const ZERO: nn::Init = nn::Init::Const(0.0);

/// Square convolution.
pub fn conv(p: nn::Path, from: i64, to: i64, size: i64, stride: i64, padding: i64) -> nn::Conv2D {
    let config = nn::ConvConfig { stride, padding, ws_init: ZERO, bs_init: ZERO, ..Default::default() };
    nn::conv2d(p, from, to, size, config)
}

/// Linear layer with a bias.
pub fn linear(p: nn::Path, from: i64, to: i64) -> nn::Linear {
    nets::blocks::attention::linear(p, from, to, nets::blocks::mlp::Last::Zero)
}

/// Normalisation over groups of channels.
pub fn group_norm(p: nn::Path, groups: i64, channels: i64, eps: f64) -> nn::GroupNorm {
    nn::group_norm(p, groups, channels, nn::GroupNormConfig { eps, ..Default::default() })
}

/// Normalisation of each token.
pub fn layer_norm(p: nn::Path, width: i64) -> nn::LayerNorm {
    nn::layer_norm(p, vec![width], Default::default())
}
