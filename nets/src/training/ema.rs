//! Exponential moving average of weights: the copy that is evaluated and shipped.
use crate::Error;
use crate::training::optim::trainable;
use crate::weights::checkpoint::Checkpoint;
use tch::{Tensor, nn};

/// Averages of the trainable variables of one store. Buffers (a quantizer's codebook) are not averaged: they stay live.
#[derive(Debug)]
pub struct Ema {
    decay: f64,
    updates: i64,
    pairs: Vec<(String, Tensor, Tensor)>,
}

impl Ema {
    /// Starts at the present weights. `decay` near 1, say 0.999; the first updates average faster, with
    /// `min(decay, (1 + n) / (10 + n))`.
    pub fn new(vars: &nn::VarStore, decay: f64) -> Self {
        let pairs = tch::no_grad(|| trainable(vars).into_iter().map(|(n, t)| (n, t.detach().copy(), t)).collect());
        Ema { decay, updates: 0, pairs }
    }

    /// Call after each optimizer step.
    pub fn update(&mut self) {
        let n = self.updates as f64;
        let keep = self.decay.min((1.0 + n) / (10.0 + n));
        self.updates += 1;
        tch::no_grad(|| {
            for (_, mean, live) in &mut self.pairs {
                let _ = mean.lerp_(&live.detach(), 1.0 - keep);
            }
        });
    }

    /// Exchanges averages and live weights; call again to go back.
    pub fn swap(&mut self) {
        tch::no_grad(|| {
            for (_, mean, live) in &mut self.pairs {
                let kept = mean.copy();
                mean.copy_(&live.detach());
                live.detach().copy_(&kept);
            }
        });
    }

    /// Puts the averages into a checkpoint.
    pub fn save(&self, prefix: &str, into: &mut Checkpoint) {
        into.put(&format!("{prefix}.updates"), &Tensor::from(self.updates));
        for (name, mean, _) in &self.pairs {
            into.put(&format!("{prefix}.{name}"), mean);
        }
    }

    /// Takes them back.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Shape`] if the checkpoint is of another model.
    pub fn load(&mut self, prefix: &str, from: &Checkpoint) -> Result<(), Error> {
        let updates = from.get(&format!("{prefix}.updates"))?.int64_value(&[]);
        for (name, mean, _) in &mut self.pairs {
            let t = from.get(&format!("{prefix}.{name}"))?;
            crate::error::check_shape(name, t, &mean.size())?;
            tch::no_grad(|| mean.copy_(t));
        }
        self.updates = updates;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn converges_to_a_constant_and_swaps_back() {
        let vars = nn::VarStore::new(Device::Cpu);
        let mut w = vars.root().zeros("w", &[2]);
        let mut ema = Ema::new(&vars, 0.9);
        let _ = tch::no_grad(|| w.fill_(1.0));
        (0..200).for_each(|_| ema.update());
        let _ = tch::no_grad(|| w.fill_(5.0));
        ema.swap();
        assert!((w.sum(Kind::Float).double_value(&[]) - 2.0).abs() < 1e-4);
        ema.swap();
        assert_eq!(w.sum(Kind::Float).double_value(&[]), 10.0);
    }
}
