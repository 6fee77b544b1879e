//! Landmark maps as features at every size of the U-Net.
use super::block::{act, fold};
use super::config::SmallConfig;
use nets::blocks::conv::{Conv2d, conv3, halve};
use tch::Tensor;
use tch::nn;

/// A pyramid of convolutions.
#[derive(Debug)]
pub struct Guider {
    stem: Conv2d,
    /// Down to the latents' size.
    lead: Vec<Conv2d>,
    /// One a size of the U-Net: what it takes from the size before, and what it tells.
    levels: Vec<(Option<Conv2d>, Conv2d)>,
}

impl Guider {
    /// Under `p`.
    pub fn new(p: nn::Path, c: &SmallConfig) -> Self {
        let mut width = (c.widths[0] / 2).max(8);
        let stem = conv3(&p / "stem", 12, width);
        let lead = (1..c.vae_widths.len())
            .map(|i| {
                let from = std::mem::replace(&mut width, c.widths[0]);
                halve(&p / format!("lead{i}"), from, width)
            })
            .collect();
        let levels = c
            .widths
            .iter()
            .enumerate()
            .map(|(i, &w)| {
                let from = std::mem::replace(&mut width, w);
                let enter = (i > 0).then(|| halve(&p / format!("halve{i}"), from, w));
                let from = if i > 0 { w } else { from };
                (enter, conv3(&p / format!("tell{i}"), from, w))
            })
            .collect();
        Guider { stem, lead, levels }
    }

    /// `[B, 3, S, S]` → `[B, widths[i], s / 2^i, s / 2^i]`.
    pub fn forward(&self, maps: &Tensor) -> Vec<Tensor> {
        let mut x = act(&fold(maps), &self.stem);
        for layer in &self.lead {
            x = act(&x, layer);
        }
        self.levels
            .iter()
            .map(|(enter, project)| {
                if let Some(enter) = enter {
                    x = act(&x, enter);
                }
                let features = x.apply(project);
                x = features.silu();
                features
            })
            .collect()
    }
}
