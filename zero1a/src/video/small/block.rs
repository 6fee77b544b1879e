//! Blocks of the small video model: a residual block conditioned on the noise level, attention over pixels, over frames.
use nets::blocks::attention::{Attention, AttentionConfig, FeedForward, image, linear, tokens};
use nets::blocks::conv::{Conv2d, conv1, conv3, conv3_zero, norm};
use nets::blocks::mlp::Last;
use tch::Tensor;
use tch::nn::{self, Module};

/// Residual block, pre-activation; an embedding scales and shifts what lies between its convolutions (FiLM, Perez et al.
/// 2018). It starts as the identity.
#[derive(Debug)]
pub struct FilmBlock {
    norm1: nn::GroupNorm,
    conv1: Conv2d,
    film: nn::Linear,
    norm2: nn::GroupNorm,
    conv2: Conv2d,
    skip: Option<Conv2d>,
}

impl FilmBlock {
    /// From `from` to `to` channels, conditioned on an embedding of width `embedding_width`.
    pub fn new(p: nn::Path, from: i64, to: i64, embedding_width: i64) -> Self {
        FilmBlock {
            norm1: norm(&p / "norm1", from),
            conv1: conv3(&p / "conv1", from, to),
            film: linear(&p / "film", embedding_width, 2 * to, Last::Zero),
            norm2: norm(&p / "norm2", to),
            conv2: conv3_zero(&p / "conv2", to, to),
            skip: (from != to).then(|| conv1(&p / "skip", from, to)),
        }
    }

    /// `x` `[B, from, h, w]`, `embedding` `[B, embedding_width]`.
    pub fn forward(&self, x: &Tensor, embedding: &Tensor) -> Tensor {
        let film = embedding.apply(&self.film).unsqueeze(-1).unsqueeze(-1).chunk(2, 1);
        let inner = x.apply(&self.norm1).silu().apply(&self.conv1);
        let inner = (inner.apply(&self.norm2) * (&film[0] + 1.0) + &film[1]).silu().apply(&self.conv2);
        match &self.skip {
            Some(skip) => x.apply(skip) + inner,
            None => x + inner,
        }
    }
}

/// Every pixel attends to the frame's own pixels and to the reference's (mutual self-attention, Cao et al. 2023), then a
/// small network on each.
#[derive(Debug)]
pub struct PixelAttention {
    norm: nn::LayerNorm,
    attention: Attention,
    feed_norm: nn::LayerNorm,
    feed: FeedForward,
}

impl PixelAttention {
    /// On `width` channels, heads of `head_width`.
    pub fn new(p: nn::Path, width: i64, head_width: i64) -> Self {
        let config = AttentionConfig::to_itself(width, width / head_width);
        PixelAttention {
            norm: nn::layer_norm(&p / "norm", vec![width], Default::default()),
            attention: Attention::new(&p / "attention", config, Last::Zero),
            feed_norm: nn::layer_norm(&p / "feed_norm", vec![width], Default::default()),
            feed: FeedForward::new(&p / "feed", width, 2, Last::Zero),
        }
    }

    /// `x` `[B, C, h, w]`; `reference` `[B, M, C]` tokens, normalised by their maker (zeros: no reference).
    pub fn forward(&self, x: &Tensor, reference: &Tensor) -> Tensor {
        let own = tokens(x);
        let asked = own.apply(&self.norm);
        let context = Tensor::cat(&[&asked, reference], 1);
        let mixed = own + self.attention.forward(&asked, &context);
        let fed = &mixed + mixed.apply(&self.feed_norm).apply(&self.feed);
        image(&fed, x.size()[2])
    }
}

/// Each pixel attends to its like in the clip's other frames. Frames are a set: what one shows is given by its landmark
/// map, so their order adds nothing, and a clip may have any length.
#[derive(Debug)]
pub struct FrameAttention {
    norm: nn::LayerNorm,
    attention: Attention,
}

impl FrameAttention {
    /// On `width` channels, heads of `head_width`.
    pub fn new(p: nn::Path, width: i64, head_width: i64) -> Self {
        let config = AttentionConfig::to_itself(width, width / head_width);
        FrameAttention {
            norm: nn::layer_norm(&p / "norm", vec![width], Default::default()),
            attention: Attention::new(&p / "attention", config, Last::Zero),
        }
    }

    /// `x` `[clips·F, C, h, w]`, the frames of a clip one after another.
    pub fn forward(&self, x: &Tensor, clips: i64) -> Tensor {
        let (n, c, h, w) = x.size4().expect("[clips·F, C, h, w]");
        let frames = n / clips;
        let columns = x.reshape([clips, frames, c, h * w]).permute([0, 3, 1, 2]).reshape([clips * h * w, frames, c]);
        let asked = columns.apply(&self.norm);
        let mixed = self.attention.forward(&asked, &asked);
        x + mixed.reshape([clips, h * w, frames, c]).permute([0, 2, 3, 1]).reshape([n, c, h, w])
    }
}

/// Half the size by moving each 2×2 block into channels: `[B, C, H, W]` → `[B, 4C, H/2, W/2]`.
pub fn fold(x: &Tensor) -> Tensor {
    x.pixel_unshuffle(2)
}

/// A stack of plain convolutions with SiLU between.
pub fn act(x: &Tensor, layer: &impl Module) -> Tensor {
    x.apply(layer).silu()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn randn(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    /// Zero-started layers hide what a block does; nudge them.
    fn nudge(vars: &nn::VarStore) {
        tch::no_grad(|| {
            for (_, mut t) in vars.variables() {
                let _ = t.g_add_(&(Tensor::randn_like(&t) * 0.1));
            }
        });
    }

    #[test]
    fn frames_are_a_set_and_clips_apart() {
        tch::manual_seed(1);
        let vars = nn::VarStore::new(Device::Cpu);
        let block = FrameAttention::new(vars.root(), 8, 4);
        nudge(&vars);
        let x = randn(&[6, 8, 3, 2]);
        let y = block.forward(&x, 2);
        let order = Tensor::from_slice(&[2i64, 0, 1, 3, 4, 5]);
        let shuffled = block.forward(&x.index_select(0, &order), 2);
        assert!(shuffled.allclose(&y.index_select(0, &order), 1e-5, 1e-5, false));
        let first = block.forward(&x.narrow(0, 0, 3), 1);
        assert!(first.allclose(&y.narrow(0, 0, 3), 1e-5, 1e-5, false));
    }

    #[test]
    fn the_reference_is_seen_and_zeros_are_not() {
        tch::manual_seed(1);
        let vars = nn::VarStore::new(Device::Cpu);
        let block = PixelAttention::new(vars.root(), 8, 4);
        nudge(&vars);
        let (x, reference) = (randn(&[2, 8, 3, 3]), randn(&[2, 5, 8]));
        let with = block.forward(&x, &reference);
        assert_eq!(with.size(), x.size());
        assert!(!with.allclose(&block.forward(&x, &reference.zeros_like()), 1e-3, 1e-3, false));
    }

    #[test]
    fn blocks_start_as_the_identity() {
        let vars = nn::VarStore::new(Device::Cpu);
        let p = vars.root();
        let x = randn(&[2, 8, 4, 4]);
        let film = FilmBlock::new(&p / "a", 8, 8, 6).forward(&x, &randn(&[2, 6]));
        let pixels = PixelAttention::new(&p / "b", 8, 4).forward(&x, &randn(&[2, 3, 8]));
        assert_eq!(film, x);
        assert!(pixels.equal(&x));
    }
}
