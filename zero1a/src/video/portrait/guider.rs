//! AniPortrait's pose guider: landmark maps as features at the U-Net's sizes.
use super::layers::conv;
use super::transformer::{Bank, Transformer, TransformerConfig};
use tch::Tensor;
use tch::nn::{self, ModuleT};

/// Sizes of a pose guider.
#[derive(Clone, Copy, Debug)]
pub struct GuiderConfig {
    /// Heads of its transformers.
    pub heads: i64,
    /// Width of a head.
    pub head_width: i64,
    /// Groups of their normalisation.
    pub groups: i64,
}

impl Default for GuiderConfig {
    /// AniPortrait's, which are the defaults of the public transformer class.
    fn default() -> Self {
        GuiderConfig { heads: 16, head_width: 88, groups: 32 }
    }
}

/// Convolutions with batch normalisation; a transformer after each of the four lower levels.
///
/// The public code hands the reference's map to those transformers too, but their blocks are built without a context
/// width, hence without cross-attention: it changes nothing, so it is not asked for here.
#[derive(Debug)]
pub struct PoseGuider {
    lead: Stack,
    final_proj: nn::Conv2D,
    scale: Tensor,
    levels: Vec<(Stack, Transformer)>,
}

/// Convolution, batch normalisation, ReLU, again and again; numbered 0, 1, (2) as in a `Sequential`.
#[derive(Debug)]
struct Stack(Vec<(nn::Conv2D, nn::BatchNorm)>);

/// One convolution: channels in and out, size, stride.
type Step = (i64, i64, i64, i64);

impl Stack {
    fn new(p: nn::Path, steps: &[Step]) -> Self {
        let layer = |(i, &(from, to, size, stride)): (usize, &Step)| {
            let at = 3 * i as i64;
            (conv(&p / at, from, to, size, stride, 1), nn::batch_norm2d(&p / (at + 1), to, Default::default()))
        };
        Stack(steps.iter().enumerate().map(layer).collect())
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        self.0.iter().fold(x.shallow_clone(), |x, (conv, norm)| norm.forward_t(&x.apply(conv), false).relu())
    }
}

impl PoseGuider {
    /// Under `p`; `width` is that of the U-Net's first level.
    pub fn new(p: nn::Path, width: i64, c: GuiderConfig) -> Self {
        let lead = [
            (3, 3, 3, 1),
            (3, 16, 4, 2),
            (16, 16, 3, 1),
            (16, 32, 4, 2),
            (32, 32, 3, 1),
            (32, 64, 4, 2),
            (64, 64, 3, 1),
            (64, 128, 3, 1),
        ];
        let w = width;
        let steps: [&[Step]; 4] = [
            &[(w, w, 3, 1), (w, w, 3, 2)],
            &[(w, w, 3, 1), (w, 2 * w, 3, 2)],
            &[(2 * w, 2 * w, 3, 1), (2 * w, 4 * w, 3, 2)],
            &[(4 * w, 4 * w, 3, 1)],
        ];
        let levels = (0..4).map(|i| {
            let channels = steps[i][steps[i].len() - 1].1;
            let attention = TransformerConfig {
                channels,
                inner: c.heads * c.head_width,
                heads: c.heads,
                context: None,
                groups: c.groups,
            };
            let stack = Stack::new(&p / format!("conv_layers_{}", i + 1), steps[i]);
            (stack, Transformer::new(&p / format!("cross_attn{}", i + 1), attention))
        });
        let levels = levels.collect();
        PoseGuider {
            lead: Stack::new(&p / "conv_layers", &lead),
            final_proj: conv(&p / "final_proj", 128, w, 1, 1, 0),
            scale: p.ones("scale", &[1]),
            levels,
        }
    }

    /// Maps `[B, 3, S, S]` in −1..=1 → five: width `w` at `S/8` and `S/16`, `2w` at `S/32`, `4w` at `S/64`, twice.
    pub fn forward(&self, maps: &Tensor) -> Vec<Tensor> {
        let mut x = self.lead.forward(maps).apply(&self.final_proj) * &self.scale;
        let mut features = vec![x.shallow_clone()];
        for (stack, transformer) in &self.levels {
            x = transformer.forward(&stack.forward(&x), None, &mut Bank::Closed);
            features.push(x.shallow_clone());
        }
        features
    }
}
