//! Attention over the pixels of a frame: a transformer block, its place in a U-Net, and the bank that carries the reference
//! network's tokens into the denoising one (mutual self-attention).
use super::layers::{conv, group_norm, layer_norm};
use nets::blocks::attention::{Attention, AttentionConfig, FeedForward, image, tokens};
use nets::blocks::mlp::Last;
use tch::Tensor;
use tch::nn;

/// What a network does with the tokens that its self-attentions see.
#[derive(Debug)]
pub enum Bank {
    /// Nothing.
    Closed,
    /// Appends them, in the order of the blocks: the reference network.
    Write(Vec<Tensor>),
    /// Adds those written, in the same order, to the keys and values: the denoising network.
    Read {
        /// Each `[1, N, W]`.
        tokens: Vec<Tensor>,
        /// How many were read.
        next: usize,
        /// The first frames of the batch are unconditional: they attend to their own tokens alone.
        unconditional: i64,
    },
}

impl Bank {
    /// To read what was written, from the start; the first `unconditional` frames do not.
    pub fn reading(written: &[Tensor], unconditional: i64) -> Self {
        Bank::Read { tokens: written.iter().map(Tensor::shallow_clone).collect(), next: 0, unconditional }
    }

    /// What a self-attention of tokens `own` gives.
    fn attend(&mut self, attention: &Attention, own: &Tensor) -> Tensor {
        match self {
            Bank::Closed => attention.forward(own, own),
            Bank::Write(written) => {
                written.push(own.shallow_clone());
                attention.forward(own, own)
            }
            Bank::Read { tokens, next, unconditional } => {
                let reference = &tokens[*next];
                *next += 1;
                let (b, unconditional) = (own.size()[0], *unconditional);
                let conditioned = own.narrow(0, unconditional, b - unconditional);
                let all = Tensor::cat(&[&conditioned, &reference.expand([b - unconditional, -1, -1], false)], 1);
                let conditioned = attention.forward(&conditioned, &all);
                if unconditional == 0 {
                    return conditioned;
                }
                let alone = own.narrow(0, 0, unconditional);
                Tensor::cat(&[attention.forward(&alone, &alone), conditioned], 0)
            }
        }
    }
}

/// Self-attention, attention to a context if there is one, feed-forward; each after layer normalisation, each added
/// (`diffusers`' `BasicTransformerBlock`).
#[derive(Debug)]
struct Block {
    norm1: nn::LayerNorm,
    attn1: Attention,
    cross: Option<(nn::LayerNorm, Attention)>,
    norm3: nn::LayerNorm,
    ff: FeedForward,
}

/// Sizes of a [`Transformer`].
#[derive(Clone, Copy, Debug)]
pub struct TransformerConfig {
    /// Channels of the image.
    pub channels: i64,
    /// Width of the tokens.
    pub inner: i64,
    /// Heads.
    pub heads: i64,
    /// Width of the context's tokens, if any.
    pub context: Option<i64>,
    /// Groups of the normalisation.
    pub groups: i64,
}

/// One [`Block`] between 1×1 convolutions (`diffusers`' `Transformer2DModel`).
#[derive(Debug)]
pub struct Transformer {
    norm: nn::GroupNorm,
    proj_in: nn::Conv2D,
    block: Block,
    proj_out: nn::Conv2D,
}

impl Transformer {
    /// Under `p`.
    pub fn new(p: nn::Path, c: TransformerConfig) -> Self {
        let b = &p / "transformer_blocks" / 0;
        let width = c.inner;
        let itself = AttentionConfig::to_itself(width, c.heads);
        let cross = |context| {
            let config = AttentionConfig::to_others(width, context, c.heads);
            (layer_norm(&b / "norm2", width), Attention::new(&b / "attn2", config, Last::Zero))
        };
        let block = Block {
            norm1: layer_norm(&b / "norm1", width),
            attn1: Attention::new(&b / "attn1", itself, Last::Zero),
            cross: c.context.map(cross),
            norm3: layer_norm(&b / "norm3", width),
            ff: FeedForward::new(&b / "ff", width, 4, Last::Zero),
        };
        Transformer {
            norm: group_norm(&p / "norm", c.groups, c.channels, 1e-6),
            proj_in: conv(&p / "proj_in", c.channels, width, 1, 1, 0),
            block,
            proj_out: conv(&p / "proj_out", width, c.channels, 1, 1, 0),
        }
    }

    /// `x` `[B, C, h, w]`, `context` `[B, M, Wc]`.
    pub fn forward(&self, x: &Tensor, context: Option<&Tensor>, bank: &mut Bank) -> Tensor {
        let inner = tokens(&x.apply(&self.norm).apply(&self.proj_in));
        let inner = self.block.forward(&inner, context, bank);
        x + image(&inner, x.size()[2]).apply(&self.proj_out)
    }
}

impl Block {
    fn forward(&self, x: &Tensor, context: Option<&Tensor>, bank: &mut Bank) -> Tensor {
        let mut x = x + bank.attend(&self.attn1, &x.apply(&self.norm1));
        if let (Some((norm, attention)), Some(context)) = (&self.cross, context) {
            x += attention.forward(&x.apply(norm), context);
        }
        &x + x.apply(&self.norm3).apply(&self.ff)
    }
}
