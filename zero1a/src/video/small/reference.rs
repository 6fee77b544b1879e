//! Who the person is: the reference picture as tokens for the U-Net's attention at every size, and as one vector.
use super::config::SmallConfig;
use nets::blocks::attention::{linear, tokens};
use nets::blocks::conv::{Conv2d, ResBlock, conv3, double, halve};
use nets::blocks::mlp::Last;
use tch::nn::{self, Module};
use tch::{Kind, Tensor};

/// A U-Net of its own, run once a clip.
#[derive(Debug)]
pub struct ReferenceNet {
    stem: Conv2d,
    down: Vec<(Option<Conv2d>, ResBlock)>,
    up: Vec<(Conv2d, ResBlock)>,
    norms: Vec<nn::LayerNorm>,
    summary: nn::Linear,
}

/// Embeddings of the reference picture.
#[derive(Debug)]
pub struct Identity {
    /// One a size, largest first: `[B, h·w, widths[i]]`.
    pub tokens: Vec<Tensor>,
    /// `[B, E]`
    pub summary: Tensor,
}

impl ReferenceNet {
    /// `embedding_width`: E, width of the summary vector.
    pub fn new(p: nn::Path, c: &SmallConfig, embedding_width: i64) -> Self {
        let w = &c.widths;
        let down = (0..w.len())
            .map(|i| {
                let enter = (i > 0).then(|| halve(&p / format!("halve{i}"), w[i - 1], w[i]));
                (enter, ResBlock::new(&p / format!("down{i}"), w[i], w[i]))
            })
            .collect();
        let up = (1..w.len())
            .rev()
            .map(|i| {
                let shrink = conv3(&p / format!("shrink{i}"), w[i], w[i - 1]);
                (shrink, ResBlock::new(&p / format!("up{i}"), 2 * w[i - 1], w[i - 1]))
            })
            .collect();
        let norm = |(i, &w): (usize, &i64)| nn::layer_norm(&p / format!("norm{i}"), vec![w], Default::default());
        ReferenceNet {
            stem: conv3(&p / "stem", c.latent, w[0]),
            down,
            up,
            norms: w.iter().enumerate().map(norm).collect(),
            summary: linear(&p / "summary", w[w.len() - 1], embedding_width, Last::Random),
        }
    }

    /// `latent` `[B, C, s, s]`; `map` is the guider's pyramid of the reference's own landmark map.
    pub fn forward(&self, latent: &Tensor, map: &[Tensor]) -> Identity {
        let mut x = latent.apply(&self.stem);
        let mut levels = Vec::new();
        for ((enter, block), features) in self.down.iter().zip(map) {
            if let Some(enter) = enter {
                x = x.apply(enter);
            }
            x = block.forward(&(x + features));
            levels.push(x.shallow_clone());
        }
        x = levels.pop().expect("a level at least");
        let summary = x.mean_dim([2i64, 3].as_slice(), false, Kind::Float).apply(&self.summary);
        let mut rising = vec![x.shallow_clone()];
        for (shrink, block) in &self.up {
            let across = levels.pop().expect("as many ups as downs");
            x = block.forward(&Tensor::cat(&[double(&x).apply(shrink), across], 1));
            rising.push(x.shallow_clone());
        }
        let tokens = rising.iter().rev().zip(&self.norms).map(|(x, norm)| tokens(x).apply(norm)).collect();
        Identity { tokens, summary }
    }
}
