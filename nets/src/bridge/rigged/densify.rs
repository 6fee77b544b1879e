//! Adding and taking away bound Gaussians: as in [`splat::densify::Adaptive`], but every one stays with a triangle, and no
//! triangle is ever left bare.
use super::{Bound, values};
use crate::bridge::render::GaussianTensors;
use crate::rng::Rng;
use crate::training::optim::Adam;
use tch::{Device, Kind, Tensor};

/// When bound Gaussians are doubled and pruned. Scales are in triangle units.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Densify {
    /// Mean length of the loss's gradient by the mean in head space (1/m) from which a Gaussian is doubled.
    pub gradient: f64,
    /// Largest scale up to which it is cloned, and from which it is split in two.
    pub small: f32,
    /// Opacity under which it is pruned.
    pub least_opacity: f32,
    /// Most Gaussians there may be.
    pub most: usize,
}

impl Default for Densify {
    fn default() -> Self {
        Densify { gradient: 2e-2, small: 0.3, least_opacity: 0.005, most: 200_000 }
    }
}

/// What a round did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// `[N new]` the old Gaussian each came from.
    pub source: Vec<i64>,
    /// `[N new]` whether it is the old one itself, with its optimizer state.
    pub kept: Vec<bool>,
    /// Doubled in place.
    pub cloned: usize,
    /// Became two smaller ones.
    pub split: usize,
    /// Gone.
    pub pruned: usize,
}

impl Densify {
    /// One round: `gradients` `[N]` are mean gradients since the last, `seed` numbers the round. The new parameters are
    /// leaves without gradient.
    pub fn run(&self, bound: &mut Bound, gradients: &[f32], seed: u64) -> Change {
        let n = bound.len();
        assert_eq!(gradients.len(), n, "one gradient per Gaussian");
        let scales = values(&bound.local.log_scales);
        let opacity = values(&bound.local.opacity_logits.sigmoid());
        let triangle = super::indices(&bound.triangle);
        let keep = self.kept(&opacity, &triangle);
        let largest = |i: usize| scales[3 * i..3 * i + 3].iter().fold(f32::MIN, |a, &b| a.max(b));
        let mut room = self.most.saturating_sub(n);
        let (mut change, mut fresh) = (Change::default(), Vec::new());
        for i in 0..n {
            if !keep[i] {
                change.pruned += 1;
                continue;
            }
            let wanted = gradients[i] as f64 > self.gradient && room > 0 && opacity[i] >= self.least_opacity;
            room -= wanted as usize;
            let splits = wanted && largest(i).exp() > self.small;
            if splits {
                change.split += 1;
                fresh.extend([(i, true), (i, true)]);
                continue;
            }
            change.source.push(i as i64);
            if wanted {
                change.cloned += 1;
                fresh.push((i, false));
            }
        }
        change.kept = vec![true; change.source.len()];
        change.source.extend(fresh.iter().map(|(i, _)| *i as i64));
        change.kept.resize(change.source.len(), false);
        let halves: Vec<bool> =
            change.kept.iter().filter(|k| **k).map(|_| false).chain(fresh.iter().map(|f| f.1)).collect();
        *bound = taken(bound, &change.source, &halves, seed);
        change
    }

    /// Which stay: the visible, and of a triangle that would be left bare the most visible.
    fn kept(&self, opacity: &[f32], triangle: &[i64]) -> Vec<bool> {
        // Not a number is not visible.
        let mut keep: Vec<bool> = opacity.iter().map(|o| *o >= self.least_opacity).collect();
        let mut best: std::collections::HashMap<i64, usize> = Default::default();
        for (i, t) in triangle.iter().enumerate() {
            let there = best.entry(*t).or_insert(i);
            if opacity[i] > opacity[*there] {
                *there = i;
            }
        }
        best.values().for_each(|&i| keep[i] = true);
        keep
    }
}

/// The Gaussians at `source`; those that are halves of a split one lie where its distribution puts them, 1.6 times smaller.
fn taken(bound: &Bound, source: &[i64], halves: &[bool], seed: u64) -> Bound {
    tch::no_grad(|| {
        let device = bound.triangle.device();
        let index = Tensor::from_slice(source).to_device(device);
        let of = |t: &Tensor| t.detach().index_select(0, &index);
        let g = &bound.local;
        let noise: Vec<f32> = halves
            .iter()
            .enumerate()
            .flat_map(|(i, half)| {
                let mut rng = Rng::new(&[seed, i as u64]);
                [0; 3].map(|_| if *half { rng.normal() } else { 0.0 })
            })
            .collect();
        let noise = Tensor::from_slice(&noise).view([-1, 3]).to_device(device);
        let half = Tensor::from_slice(&halves.iter().map(|h| *h as i64 as f32).collect::<Vec<_>>()).to_device(device);
        let (means, quats, log_scales) = (of(&g.means), of(&g.quats), of(&g.log_scales));
        let local = GaussianTensors {
            means: means + rotated(&quats, &(log_scales.exp() * noise)),
            quats,
            log_scales: log_scales - half.unsqueeze(1) * 1.6f64.ln(),
            opacity_logits: of(&g.opacity_logits),
            colors: of(&g.colors),
            kind: g.kind,
        };
        Bound { local, triangle: of(&bound.triangle) }
    })
}

/// `[N, 3]` vectors turned by `[N, 4]` quaternions: `v + 2 u × (u × v + w v)`.
fn rotated(quats: &Tensor, v: &Tensor) -> Tensor {
    let unit = quats / (quats.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float) + 1e-12).sqrt();
    let (w, u) = (unit.narrow(1, 0, 1), unit.narrow(1, 1, 3));
    let inner = u.cross(v, 1) + w * v;
    v + u.cross(&inner, 1) * 2.0
}

impl Change {
    /// Makes the optimizer follow: kept Gaussians keep their moments, fresh ones begin at zero.
    pub fn follow(&self, adam: &mut Adam, bound: &Bound) {
        let source = Tensor::from_slice(&self.source);
        let kept = Tensor::from_slice(&self.kept.iter().map(|k| *k as i64 as f32).collect::<Vec<_>>());
        for (name, parameter) in bound.parameters() {
            adam.replace(name, parameter, |moment| {
                let device = moment.device();
                let rows = moment.index_select(0, &source.to_device(device));
                let width = vec![1; rows.dim() - 1];
                let size: Vec<i64> = std::iter::once(-1).chain(width).collect();
                rows * kept.to_device(device).view(size.as_slice())
            });
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.cloned + self.split + self.pruned == 0
    }
}

/// Sums of gradients by means in head space since the last round.
#[derive(Debug)]
pub struct GradientSums {
    /// `[N]` sums of lengths, 1/m.
    pub sums: Tensor,
    /// Steps.
    pub steps: i64,
}

impl GradientSums {
    /// None yet, of `n`.
    pub fn new(n: usize, device: Device) -> Self {
        GradientSums { sums: Tensor::zeros([n as i64], (Kind::Float, device)), steps: 0 }
    }

    /// Adds the gradients of the last backward pass: `|∂L/∂μ| / k`, since `μ' = k R μ + T`.
    /// `scale` `[N]` is k, meters.
    pub fn add(&mut self, bound: &Bound, scale: &Tensor) {
        let gradient = bound.local.means.grad();
        if !gradient.defined() {
            return;
        }
        tch::no_grad(|| {
            self.sums += gradient.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float).sqrt() / scale;
        });
        self.steps += 1;
    }

    /// `[N]` means.
    pub fn means(&self) -> Vec<f32> {
        values(&(&self.sums / self.steps.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::rigged;
    use super::*;
    use crate::training::optim::AdamConfig;
    use std::collections::BTreeSet;

    fn triangles(bound: &Bound) -> BTreeSet<i64> {
        super::super::indices(&bound.triangle).into_iter().collect()
    }

    #[test]
    fn children_keep_their_triangle_and_none_becomes_bare() {
        let mut bound = rigged(2).bound;
        let n = bound.len();
        let before = triangles(&bound);
        let parents = super::super::indices(&bound.triangle);
        let _ = bound.local.opacity_logits.fill_(-9.0);
        let _ = bound.local.opacity_logits.narrow(0, 10, 4).fill_(2.0);
        let _ = bound.local.log_scales.narrow(0, 10, 2).fill_(0.5f64.ln());
        let _ = bound.local.log_scales.narrow(0, 12, 2).fill_(0.1f64.ln());
        let mut gradients = vec![0.0; n];
        gradients[10..14].fill(1.0);
        let old = values(&bound.local.means);
        let change = Densify::default().run(&mut bound, &gradients, 3);
        assert_eq!(triangles(&bound), before);
        assert_eq!((change.split, change.cloned), (2, 2));
        assert_eq!(change.pruned, n / 2 - 2, "one of each faint pair goes");
        let bound_to = super::super::indices(&bound.triangle);
        assert!(bound_to.iter().zip(&change.source).all(|(t, s)| *t == parents[*s as usize]));
        let at = |i: usize| values(&bound.local.means)[3 * i..3 * i + 3].to_vec();
        let fresh: Vec<usize> = (0..bound.len()).filter(|&i| !change.kept[i]).collect();
        assert_eq!(fresh.len(), 6);
        for i in fresh {
            let s = change.source[i] as usize;
            assert_eq!(at(i) == old[3 * s..3 * s + 3], s >= 12, "clones lie on their parents, halves beside");
        }
        let again = |seed| {
            let mut bound = rigged(2).bound;
            Densify { gradient: 0.0, ..Default::default() }.run(&mut bound, &vec![1.0; n], seed);
            values(&bound.local.means)
        };
        assert_eq!(again(5), again(5));
        assert_ne!(again(5), again(6));
    }

    #[test]
    fn the_optimizer_follows() {
        let mut bound = rigged(1).bound;
        bound.require_gradients();
        let mut adam = Adam::new(AdamConfig::default());
        for (name, t) in bound.parameters() {
            adam.add_group(name, 1.0, vec![(name.into(), t.shallow_clone())]);
        }
        bound.local.means.square().sum(Kind::Float).backward();
        adam.step(0.1);
        let mut gradients = vec![0.0; bound.len()];
        gradients[5] = 1.0;
        let change = Densify { small: 9.0, ..Default::default() }.run(&mut bound, &gradients, 1);
        bound.require_gradients();
        change.follow(&mut adam, &bound);
        bound.local.means.square().sum(Kind::Float).backward();
        adam.step(0.1);
        assert_eq!(change.cloned, 1);
        let mut state = crate::Checkpoint::new(0);
        adam.save("adam", &mut state);
        let mean = state.get("adam.mean.means").unwrap();
        assert_eq!(mean.size(), [bound.len() as i64, 3]);
        let row = |i: i64| mean.get(i).abs().sum(Kind::Float).double_value(&[]);
        assert!(row(bound.len() as i64 - 1) < row(5), "a clone began without momentum");
    }
}
