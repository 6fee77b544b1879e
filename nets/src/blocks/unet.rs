//! A U-shaped network: down to a small grid, up again, joined across at every size (Ronneberger et al. 2015).
use crate::blocks::conv::{Conv2d, ResBlock, conv3, conv3_zero, double, halve, leaky, norm};
use tch::Tensor;
use tch::nn::{self, Module};

/// Sizes.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnetConfig {
    /// Channels in.
    pub input: i64,
    /// Channels out.
    pub output: i64,
    /// Width at each size, largest image first; each further entry halves the size.
    pub widths: Vec<i64>,
}

/// The network; image sides must be divisible by `2^(widths − 1)`.
#[derive(Debug)]
pub struct Unet {
    stem: Conv2d,
    down: Vec<(Conv2d, ResBlock)>,
    up: Vec<(Conv2d, ResBlock)>,
    last_norm: nn::GroupNorm,
    last: Conv2d,
}

impl Unet {
    /// The output layer starts at zero.
    pub fn new(p: nn::Path, c: &UnetConfig) -> Self {
        let w = &c.widths;
        assert!(!w.is_empty(), "at least one width");
        let down = (1..w.len())
            .map(|i| {
                (halve(&p / format!("halve{i}"), w[i - 1], w[i]), ResBlock::new(&p / format!("down{i}"), w[i], w[i]))
            })
            .collect();
        let up = (1..w.len())
            .rev()
            .map(|i| {
                let shrink = conv3(&p / format!("shrink{i}"), w[i], w[i - 1]);
                (shrink, ResBlock::new(&p / format!("up{i}"), 2 * w[i - 1], w[i - 1]))
            })
            .collect();
        Unet {
            stem: conv3(&p / "stem", c.input, w[0]),
            down,
            up,
            last_norm: norm(&p / "last_norm", w[0]),
            last: conv3_zero(&p / "last", w[0], c.output),
        }
    }

    /// All sizes of the way up, smallest first: `[B, widths[i], H / 2^i, W / 2^i]`, the deepest included.
    pub fn pyramid(&self, x: &Tensor) -> Vec<Tensor> {
        let mut levels = vec![x.apply(&self.stem)];
        for (halve, block) in &self.down {
            let next = levels[levels.len() - 1].apply(halve).apply(block);
            levels.push(next);
        }
        let mut rising = vec![levels.pop().expect("the stem at least")];
        for (shrink, block) in &self.up {
            let across = levels.pop().expect("as many ups as downs");
            let up = double(&rising[rising.len() - 1]).apply(shrink);
            rising.push(Tensor::cat(&[up, across], 1).apply(block));
        }
        rising
    }
}

impl Module for Unet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let rising = self.pyramid(x);
        leaky(&rising[rising.len() - 1].apply(&self.last_norm)).apply(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn keeps_the_size_and_reaches_every_weight() {
        let vars = nn::VarStore::new(Device::Cpu);
        let config = UnetConfig { input: 3, output: 2, widths: vec![8, 16, 24] };
        let net = Unet::new(vars.root(), &config);
        let x = Tensor::randn([1, 3, 16, 20], (Kind::Float, Device::Cpu));
        // Zero-started layers block the way at first; nudge them.
        tch::no_grad(|| vars.variables().values_mut().for_each(|t| drop(t.g_add_scalar_(0.01))));
        let y = x.apply(&net);
        assert_eq!(y.size(), [1, 2, 16, 20]);
        y.square().sum(Kind::Float).backward();
        for (name, t) in vars.variables() {
            assert!(t.grad().abs().max().double_value(&[]) > 0.0, "{name} gets a gradient");
        }
        let sizes: Vec<_> = net.pyramid(&x).iter().map(|t| t.size()[2]).collect();
        assert_eq!(sizes, [4, 8, 16]);
    }
}
