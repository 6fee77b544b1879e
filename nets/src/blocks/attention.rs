//! Attention with several heads, and what goes with it in a transformer (Vaswani et al. 2017).
//!
//! Sequences are `[B, N, W]`: `N` tokens of width `W`. Variables have the names of the public diffusion models
//! (`to_q`, `to_out.0`, `net.0.proj`), so that their files load as they are.
use crate::blocks::mlp::Last;
use tch::Tensor;
use tch::nn::{self, Module};

/// Attention of tokens to a context, which may be the tokens themselves.
#[derive(Debug)]
pub struct Attention {
    to_q: nn::Linear,
    to_k: nn::Linear,
    to_v: nn::Linear,
    to_out: nn::Linear,
    heads: i64,
}

/// Sizes of an [`Attention`].
#[derive(Clone, Copy, Debug)]
pub struct AttentionConfig {
    /// Width of the tokens.
    pub width: i64,
    /// Width of the context's tokens.
    pub context: i64,
    /// Heads; they share `inner`.
    pub heads: i64,
    /// Width of queries, keys and values, all heads together.
    pub inner: i64,
    /// Do queries, keys and values have a bias?
    pub bias: bool,
}

impl AttentionConfig {
    /// Tokens that attend to their like.
    pub fn to_itself(width: i64, heads: i64) -> Self {
        AttentionConfig { width, context: width, heads, inner: width, bias: false }
    }

    /// Tokens that attend to others, of width `context`.
    pub fn to_others(width: i64, context: i64, heads: i64) -> Self {
        AttentionConfig { width, context, heads, inner: width, bias: false }
    }
}

impl Attention {
    /// `last`: whether the output starts at zero.
    pub fn new(p: nn::Path, c: AttentionConfig, last: Last) -> Self {
        assert_eq!(c.inner % c.heads, 0, "{} channels over {} heads", c.inner, c.heads);
        let inner = nn::LinearConfig { bias: c.bias, ..Default::default() };
        Attention {
            to_q: nn::linear(&p / "to_q", c.width, c.inner, inner),
            to_k: nn::linear(&p / "to_k", c.context, c.inner, inner),
            to_v: nn::linear(&p / "to_v", c.context, c.inner, inner),
            to_out: linear(&p / "to_out" / 0, c.inner, c.width, last),
            heads: c.heads,
        }
    }

    /// `x` `[B, N, W]`, `context` `[B, M, Wc]` → `[B, N, W]`. Softmax of `q·k / √d` over the context's tokens.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let (b, n, _) = x.size3().expect("[B, N, W]");
        let split = |t: Tensor| t.reshape([b, -1, self.heads, t.size()[2] / self.heads]).transpose(1, 2);
        let (q, k, v) =
            (split(x.apply(&self.to_q)), split(context.apply(&self.to_k)), split(context.apply(&self.to_v)));
        let mixed = Tensor::scaled_dot_product_attention::<Tensor>(&q, &k, &v, None, 0.0, false, None, false);
        mixed.transpose(1, 2).reshape([b, n, -1]).apply(&self.to_out)
    }
}

/// A linear layer that starts at zero or not.
pub fn linear(p: nn::Path, from: i64, to: i64, last: Last) -> nn::Linear {
    let zero = nn::Init::Const(0.0);
    let config = match last {
        Last::Zero => nn::LinearConfig { ws_init: zero, bs_init: Some(zero), bias: true },
        Last::Random => nn::LinearConfig::default(),
    };
    nn::linear(p, from, to, config)
}

/// Two linear layers about a gate: `(a · gelu(b)) W`, with `a` and `b` the halves of `x W'` (Shazeer 2020, GEGLU).
#[derive(Debug)]
pub struct FeedForward {
    proj: nn::Linear,
    out: nn::Linear,
}

impl FeedForward {
    /// The gate is `times · width` wide.
    pub fn new(p: nn::Path, width: i64, times: i64, last: Last) -> Self {
        let inner = times * width;
        FeedForward {
            proj: linear(&p / "net" / 0 / "proj", width, 2 * inner, Last::Random),
            out: linear(&p / "net" / 2, inner, width, last),
        }
    }
}

impl Module for FeedForward {
    fn forward(&self, x: &Tensor) -> Tensor {
        let both = x.apply(&self.proj).chunk(2, -1);
        (&both[0] * both[1].gelu("none")).apply(&self.out)
    }
}

/// Positions or timesteps as waves: `[N]` → `[N, width]`, cosines of falling frequency, then sines (Ho et al. 2020; the
/// order of Stable Diffusion).
pub fn waves(at: &Tensor, width: i64) -> Tensor {
    let half = width / 2;
    let i = Tensor::arange(half, (tch::Kind::Float, at.device()));
    let frequency = (i * (-(10_000f64.ln()) / half as f64)).exp();
    let phase = at.to_kind(tch::Kind::Float).unsqueeze(1) * frequency.unsqueeze(0);
    Tensor::cat(&[phase.cos(), phase.sin()], 1)
}

/// An image's pixels as tokens: `[B, C, H, W]` → `[B, H·W, C]`.
pub fn tokens(image: &Tensor) -> Tensor {
    image.flatten(2, 3).transpose(1, 2)
}

/// Tokens back as an image of `height` rows: `[B, H·W, C]` → `[B, C, H, W]`.
pub fn image(tokens: &Tensor, height: i64) -> Tensor {
    let (b, n, c) = tokens.size3().expect("[B, N, W]");
    tokens.transpose(1, 2).reshape([b, c, height, n / height])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn randn(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    /// One head, written out.
    #[test]
    fn attends_by_softmax_of_products() {
        tch::manual_seed(2);
        let vars = nn::VarStore::new(Device::Cpu);
        let config = AttentionConfig::to_others(8, 6, 2);
        let attention = Attention::new(vars.root(), config, Last::Random);
        let (x, context) = (randn(&[3, 5, 8]), randn(&[3, 7, 6]));
        let (q, k, v) = (x.apply(&attention.to_q), context.apply(&attention.to_k), context.apply(&attention.to_v));
        let head = |h: i64| {
            let part = |t: &Tensor| t.narrow(2, 4 * h, 4);
            let weight = (part(&q).matmul(&part(&k).transpose(1, 2)) / 2.0).softmax(-1, Kind::Float);
            weight.matmul(&part(&v))
        };
        let want = Tensor::cat(&[head(0), head(1)], 2).apply(&attention.to_out);
        assert!(attention.forward(&x, &context).allclose(&want, 1e-5, 1e-5, false));
    }

    #[test]
    fn a_token_of_zeros_takes_weight_and_gives_nothing() {
        let vars = nn::VarStore::new(Device::Cpu);
        let attention = Attention::new(vars.root(), AttentionConfig::to_itself(4, 1), Last::Random);
        let (x, nothing) = (randn(&[1, 2, 4]), Tensor::zeros([1, 3, 4], (Kind::Float, Device::Cpu)));
        let bias = attention.to_out.bs.as_ref().unwrap().view([1, 1, 4]).expand([1, 2, 4], false);
        assert!(attention.forward(&x, &nothing).allclose(&bias, 1e-6, 1e-6, false));
    }

    #[test]
    fn starts_at_nothing_when_told() {
        let vars = nn::VarStore::new(Device::Cpu);
        let p = vars.root();
        let x = randn(&[2, 3, 8]);
        let attention = Attention::new(&p / "a", AttentionConfig::to_itself(8, 2), Last::Zero);
        let feed = FeedForward::new(&p / "f", 8, 4, Last::Zero);
        assert_eq!((attention.forward(&x, &x).abs() + x.apply(&feed).abs()).max().double_value(&[]), 0.0);
    }

    #[test]
    fn waves_start_at_one_and_zero() {
        let w = waves(&Tensor::from_slice(&[0i64, 1]), 4);
        let want = Tensor::from_slice(&[1f32, 1.0, 0.0, 0.0, 1f32.cos(), 0.01f32.cos(), 1f32.sin(), 0.01f32.sin()]);
        assert!(w.allclose(&want.view([2, 4]), 1e-6, 1e-6, false));
    }

    #[test]
    fn pixels_become_tokens_and_back() {
        let x = randn(&[2, 3, 4, 5]);
        assert_eq!(tokens(&x).size(), [2, 20, 3]);
        assert_eq!(image(&tokens(&x), 4), x);
    }
}
