//! A small network applied to every Gaussian (or texel) alike.
use crate::blocks::conv::{init_leaky, leaky};
use tch::Tensor;
use tch::nn::{self, Module};

/// Linear layers with leaky rectifiers between; on `[.., C]`.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<nn::Linear>,
}

/// How the last layer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// At zero: the net begins by correcting nothing.
    Zero,
    /// As the others.
    Random,
}

impl Mlp {
    /// `widths` from input to output, at least two, e.g. `[128, 128, 128, 14]` for three layers.
    pub fn new(p: nn::Path, widths: &[i64], last: Last) -> Self {
        assert!(widths.len() >= 2, "an input and an output width");
        let layers = (0..widths.len() - 1)
            .map(|i| {
                let is_last = i + 2 == widths.len();
                let zero = nn::Init::Const(0.0);
                let ws_init = if is_last && last == Last::Zero { zero } else { init_leaky(widths[i]) };
                let config = nn::LinearConfig { ws_init, bs_init: Some(zero), bias: true };
                nn::linear(&p / i, widths[i], widths[i + 1], config)
            })
            .collect();
        Mlp { layers }
    }
}

impl Module for Mlp {
    fn forward(&self, x: &Tensor) -> Tensor {
        let (last, inner) = self.layers.split_last().expect("at least one layer");
        let mut x = x.shallow_clone();
        for layer in inner {
            x = leaky(&x.apply(layer));
        }
        x.apply(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn starts_at_zero_and_can_learn() {
        let vars = nn::VarStore::new(Device::Cpu);
        let net = Mlp::new(vars.root(), &[4, 32, 3], Last::Zero);
        let x = Tensor::randn([5, 7, 4], (Kind::Float, Device::Cpu));
        let y = x.apply(&net);
        assert_eq!((y.size(), y.abs().max().double_value(&[])), (vec![5, 7, 3], 0.0));
        (y - 1.0).square().sum(Kind::Float).backward();
        assert!(vars.variables()["1.weight"].grad().abs().max().double_value(&[]) > 0.0);
    }
}
