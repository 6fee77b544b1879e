//! Adam and AdamW over named tensors, with a state that can be saved and put back bit for bit.
//!
//! libtorch's own optimizers hide their moments from Rust; a run could not be resumed exactly.
use crate::Error;
use crate::weights::checkpoint::Checkpoint;
use tch::{Kind, Tensor, nn};

/// Constants of Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled decay, times the learning rate; tensors of one dimension (biases, norms) are spared.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        AdamConfig { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Parameters that share a learning-rate factor.
#[derive(Debug)]
pub struct Group {
    /// Shown in messages.
    pub name: String,
    /// Times the learning rate given to [`Adam::step`]; 0 freezes the group.
    pub lr_scale: f64,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    mean: Tensor,
    square: Tensor,
    /// Steps this parameter has seen a gradient in (its bias correction counts from there).
    steps: i64,
}

/// The optimizer; parameters are shared with the `VarStore` or the leaves they came from.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    groups: Vec<Group>,
}

impl Adam {
    /// Without parameters; add them by [`Adam::add_group`].
    pub fn new(config: AdamConfig) -> Self {
        Adam { config, groups: Vec::new() }
    }

    /// One group with every trainable variable of the store.
    pub fn over(vars: &nn::VarStore, config: AdamConfig) -> Self {
        let mut adam = Adam::new(config);
        adam.add_group("model", 1.0, trainable(vars));
        adam
    }

    /// Adds named leaves; names are unique over all groups, for they name the moments in a checkpoint.
    ///
    /// # Panics
    /// If a name is taken: two tensors would share moments.
    pub fn add_group(&mut self, name: &str, lr_scale: f64, parameters: Vec<(String, Tensor)>) -> &mut Self {
        let taken: std::collections::HashSet<&str> =
            self.groups.iter().flat_map(|g| &g.slots).map(|s| s.name.as_str()).collect();
        if let Some((twice, _)) = parameters.iter().find(|(n, _)| taken.contains(n.as_str())) {
            panic!("parameter {twice:?} is in two groups");
        }
        let slots = parameters
            .into_iter()
            .map(|(name, parameter)| {
                let (mean, square) = tch::no_grad(|| (parameter.zeros_like(), parameter.zeros_like()));
                Slot { name, parameter, mean, square, steps: 0 }
            })
            .collect();
        self.groups.push(Group { name: name.into(), lr_scale, slots });
        self
    }

    /// The group of that name, to change its factor (0 freezes it).
    pub fn group_mut(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.iter_mut().find(|g| g.name == name)
    }

    /// Puts another tensor, of another number of rows perhaps, in the place of the parameter `name`; `moved` makes its
    /// moments of the old ones.
    ///
    /// # Panics
    /// If there is no such parameter, or the moments do not fit the tensor.
    pub fn replace(&mut self, name: &str, parameter: &Tensor, moved: impl Fn(&Tensor) -> Tensor) {
        let slot = self.groups.iter_mut().flat_map(|g| &mut g.slots).find(|s| s.name == name);
        let slot = slot.unwrap_or_else(|| panic!("no parameter {name:?}"));
        (slot.mean, slot.square) = tch::no_grad(|| (moved(&slot.mean), moved(&slot.square)));
        assert_eq!(slot.mean.size(), parameter.size(), "moments of {name}");
        slot.parameter = parameter.shallow_clone();
    }

    /// Forgets all gradients.
    pub fn zero_grad(&mut self) {
        for slot in self.groups.iter_mut().flat_map(|g| &mut g.slots) {
            slot.parameter.zero_grad();
        }
    }

    /// Norm of all gradients together, which are scaled down to `max_norm` if they exceed it.
    pub fn clip_grad_norm(&mut self, max_norm: f64) -> f64 {
        let norm = self.grad_norm();
        if norm > max_norm {
            let factor = max_norm / (norm + 1e-6);
            tch::no_grad(|| {
                for slot in self.groups.iter().flat_map(|g| &g.slots) {
                    let mut g = slot.parameter.grad();
                    if g.defined() {
                        let _ = g.g_mul_scalar_(factor);
                    }
                }
            });
        }
        norm
    }

    /// Norm of all gradients together; not finite if any is not.
    pub fn grad_norm(&self) -> f64 {
        let squares: Vec<Tensor> = self
            .groups
            .iter()
            .flat_map(|g| &g.slots)
            .map(|s| s.parameter.grad())
            .filter(Tensor::defined)
            .map(|g| tch::no_grad(|| g.square().sum(Kind::Double)))
            .collect();
        if squares.is_empty() { 0.0 } else { Tensor::stack(&squares, 0).sum(Kind::Double).sqrt().double_value(&[]) }
    }

    /// One step at learning rate `lr` (times each group's factor). Parameters without a gradient stay as they are.
    pub fn step(&mut self, lr: f64) {
        let c = self.config;
        tch::no_grad(|| {
            for group in &mut self.groups {
                let lr = lr * group.lr_scale;
                if lr != 0.0 {
                    group.slots.iter_mut().for_each(|slot| slot.step(lr, &c));
                }
            }
        });
    }

    /// Puts moments and step counts into a checkpoint, as `<prefix>.mean.<name>` and so on.
    pub fn save(&self, prefix: &str, into: &mut Checkpoint) {
        for slot in self.groups.iter().flat_map(|g| &g.slots) {
            into.put(&format!("{prefix}.mean.{}", slot.name), &slot.mean);
            into.put(&format!("{prefix}.square.{}", slot.name), &slot.square);
            into.put(&format!("{prefix}.steps.{}", slot.name), &Tensor::from(slot.steps));
        }
    }

    /// Takes moments and step counts back.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Shape`] if the checkpoint is of another model; nothing is changed then.
    pub fn load(&mut self, prefix: &str, from: &Checkpoint) -> Result<(), Error> {
        let find = |part: &str, slot: &Slot, like: &[i64]| {
            let name = format!("{prefix}.{part}.{}", slot.name);
            let t = from.get(&name)?;
            crate::error::check_shape(&name, t, like)?;
            Ok::<Tensor, Error>(t.shallow_clone())
        };
        let mut found = Vec::new();
        for slot in self.groups.iter().flat_map(|g| &g.slots) {
            let size = slot.parameter.size();
            found.push((find("mean", slot, &size)?, find("square", slot, &size)?, find("steps", slot, &[])?));
        }
        tch::no_grad(|| {
            for (slot, (mean, square, steps)) in self.groups.iter_mut().flat_map(|g| &mut g.slots).zip(found) {
                slot.mean.copy_(&mean);
                slot.square.copy_(&square);
                slot.steps = steps.int64_value(&[]);
            }
        });
        Ok(())
    }
}

impl Slot {
    /// Adam's update with bias correction; the decay acts on the weight itself, not on the gradient.
    fn step(&mut self, lr: f64, c: &AdamConfig) {
        let g = self.parameter.grad();
        if !g.defined() {
            return;
        }
        self.steps += 1;
        let _ = self.mean.lerp_(&g, 1.0 - c.beta1);
        let _ = self.square.g_mul_scalar_(c.beta2);
        let _ = self.square.addcmul_(&g, &(&g * (1.0 - c.beta2)));
        let correct1 = 1.0 - c.beta1.powi(self.steps as i32);
        let correct2 = (1.0 - c.beta2.powi(self.steps as i32)).sqrt();
        let mut denominator = self.square.sqrt();
        let _ = denominator.g_mul_scalar_(correct1 / (lr * correct2));
        let _ = denominator.g_add_scalar_(c.eps * correct1 / lr);
        let mut parameter = self.parameter.detach();
        if c.weight_decay != 0.0 && parameter.dim() > 1 {
            let _ = parameter.g_mul_scalar_(1.0 - lr * c.weight_decay);
        }
        let _ = parameter.g_sub_(&(&self.mean / denominator));
    }
}

/// The trainable variables of a store, sorted by name.
pub fn trainable(vars: &nn::VarStore) -> Vec<(String, Tensor)> {
    let mut all: Vec<(String, Tensor)> = vars.variables().into_iter().filter(|(_, t)| t.requires_grad()).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// The update written out in f64 scalars (Kingma and Ba 2015, algorithm 1).
    #[test]
    fn follows_the_published_update() {
        let x = Tensor::from_slice(&[1.5f64, -2.0]).view([1, 2]).set_requires_grad(true);
        let config = AdamConfig { weight_decay: 0.1, ..Default::default() };
        let mut adam = Adam::new(config);
        adam.add_group("x", 1.0, vec![("x".into(), x.shallow_clone())]);
        let (mut m, mut v, mut want) = ([0.0; 2], [0.0; 2], [1.5, -2.0]);
        for t in 1..=5 {
            adam.zero_grad();
            (&x * &x * &x).sum(Kind::Double).backward();
            adam.step(0.05);
            for i in 0..2 {
                let g: f64 = 3.0 * want[i] * want[i];
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.99 * v[i] + 0.01 * g * g;
                let m_hat: f64 = m[i] / (1.0 - 0.9f64.powi(t));
                let v_hat: f64 = v[i] / (1.0 - 0.99f64.powi(t));
                want[i] -= 0.05 * (m_hat / (v_hat.sqrt() + 1e-8) + 0.1 * want[i]);
                assert!((x.double_value(&[0, i as i64]) - want[i]).abs() < 1e-12, "step {t}");
            }
        }
    }

    #[test]
    fn clipping_scales_all_gradients_together() {
        let a = Tensor::from_slice(&[0f32, 0.0]).set_requires_grad(true);
        let b = Tensor::from(0f32).set_requires_grad(true);
        let mut adam = Adam::new(AdamConfig::default());
        adam.add_group("a", 1.0, vec![("a".into(), a.shallow_clone())]);
        adam.add_group("b", 0.0, vec![("b".into(), b.shallow_clone())]);
        ((&a * Tensor::from_slice(&[3f32, 0.0])).sum(Kind::Float) + &b * 4.0).backward();
        assert!((adam.clip_grad_norm(1.0) - 5.0).abs() < 1e-6);
        assert!((adam.grad_norm() - 1.0).abs() < 1e-5);
        adam.step(0.1);
        assert_eq!(b.double_value(&[]), 0.0, "a factor of zero freezes");
        assert!((a.double_value(&[0]) + 0.1).abs() < 1e-4, "Adam's first step has length lr");
    }

    #[test]
    fn a_checkpoint_of_another_model_changes_nothing() {
        let x = Tensor::zeros([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let mut adam = Adam::new(AdamConfig::default());
        adam.add_group("x", 1.0, vec![("x".into(), x)]);
        assert!(matches!(adam.load("adam", &Checkpoint::new(0)), Err(Error::Missing { .. })));
    }
}
