//! Vector quantizer: each vector of a grid is replaced by the nearest of K codes.
//!
//! Codebook by exponential moving averages with Laplace-smoothed counts: van den Oord et al. 2017, "Neural Discrete
//! Representation Learning", appendix A.1. Straight-through gradient: section 3.2 there. All state lies in the
//! `VarStore` as buffers, so a checkpoint of the store holds it.
use tch::{Kind, Tensor, nn};

/// Sizes and rates.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VqConfig {
    /// K, number of codes.
    pub codes: i64,
    /// D, length of a code.
    pub dim: i64,
    /// Decay of the averages.
    pub decay: f64,
    /// Laplace smoothing of the counts.
    pub eps: f64,
    /// Weight of the commitment loss.
    pub commitment: f64,
    /// A code that no vector chose for so many training steps is placed on a random vector of the batch; 0: never.
    pub reseed_after: u64,
}

impl Default for VqConfig {
    fn default() -> Self {
        VqConfig { codes: 512, dim: 64, decay: 0.99, eps: 1e-5, commitment: 0.25, reseed_after: 1000 }
    }
}

/// Whether the codebook moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Moves towards the batch, re-seeds unused codes; the very first batch fills the codebook.
    Train,
    /// Stays as it is.
    Fixed,
}

/// The codebook and its averages.
#[derive(Debug)]
pub struct Vq {
    config: VqConfig,
    codebook: Tensor,
    counts: Tensor,
    sums: Tensor,
    idle_steps: Tensor,
    filled: Tensor,
}

/// What [`Vq::forward`] gives.
#[derive(Debug)]
pub struct Quantized {
    /// `[B, D, h, w]` codes; the gradient passes straight through to the input.
    pub codes: Tensor,
    /// Scalar: `commitment · mean |z − sg(e)|²`.
    pub loss: Tensor,
    /// `[B, h, w]` i64, which code.
    pub indices: Tensor,
    /// Scalar, `exp(entropy)` of the choice in this batch: 1 if all chose one code, K if evenly spread.
    pub perplexity: Tensor,
}

impl Vq {
    /// Buffers `codebook [K, D]`, `counts [K]`, `sums [K, D]`, `idle_steps [K]`, `filled []` under `p`.
    pub fn new(p: &nn::Path, config: VqConfig) -> Self {
        let (k, d) = (config.codes, config.dim);
        Vq {
            config,
            codebook: p.zeros_no_train("codebook", &[k, d]),
            counts: p.zeros_no_train("counts", &[k]),
            sums: p.zeros_no_train("sums", &[k, d]),
            idle_steps: p.zeros_no_train("idle_steps", &[k]),
            filled: p.zeros_no_train("filled", &[]),
        }
    }

    /// `[B, D, h, w]` → nearest codes. Random draws (first fill, re-seeding) use torch's generator.
    ///
    /// # Panics
    /// If the channels of `z` are not D.
    pub fn forward(&mut self, z: &Tensor, mode: Mode) -> Quantized {
        let (b, d, h, w) = z.size4().expect("z is [B, D, h, w]");
        assert_eq!(d, self.config.dim, "channels of z against length of a code");
        let rows = z.permute([0, 2, 3, 1]).reshape([-1, d]);
        let indices = tch::no_grad(|| {
            let rows = rows.detach();
            if mode == Mode::Train && self.filled.double_value(&[]) == 0.0 {
                self.fill(&rows);
            }
            self.nearest(&rows)
        });
        // The codes that were compared, before this batch moves them.
        let chosen = tch::no_grad(|| self.codebook.index_select(0, &indices));
        let counts = tch::no_grad(|| indices.bincount::<Tensor>(None, self.config.codes).to_kind(Kind::Float));
        if mode == Mode::Train {
            tch::no_grad(|| self.learn(&rows.detach(), &indices, &counts));
        }
        let loss = (&rows - &chosen).square().mean(Kind::Float) * self.config.commitment;
        let straight = &rows + (&chosen - &rows).detach();
        Quantized {
            codes: straight.view([b, h, w, d]).permute([0, 3, 1, 2]),
            loss,
            indices: indices.view([b, h, w]),
            perplexity: perplexity(&counts),
        }
    }

    /// `[..]` i64 → `[.., D]` codes.
    pub fn embed(&self, indices: &Tensor) -> Tensor {
        let mut size = indices.size();
        size.push(self.config.dim);
        self.codebook.index_select(0, &indices.flatten(0, -1)).view(size.as_slice())
    }

    /// Whether a batch has filled the codebook.
    pub fn is_filled(&self) -> bool {
        self.filled.double_value(&[]) > 0.0
    }

    /// `[K, D]`, not to be changed.
    pub fn codebook(&self) -> &Tensor {
        &self.codebook
    }

    /// Perplexity of the averaged counts: how many codes are in use over the last `1 / (1 − decay)` batches.
    pub fn usage(&self) -> f64 {
        tch::no_grad(|| perplexity(&self.counts)).double_value(&[])
    }

    /// `[T, D]` → `[T]`, `argmin_k |z|² − 2 z·e_k + |e_k|²` (the first term does not matter).
    fn nearest(&self, rows: &Tensor) -> Tensor {
        let squares = self.codebook.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        (squares - rows.matmul(&self.codebook.tr()) * 2.0).argmin(1, false)
    }

    fn fill(&mut self, rows: &Tensor) {
        let k = self.config.codes;
        self.place(&Tensor::ones([k], (Kind::Float, rows.device())), rows);
        let _ = self.filled.fill_(1.0);
    }

    /// Moves the codes where `here` (`[K]`, 0 or 1) onto random rows, with a count of one.
    fn place(&mut self, here: &Tensor, rows: &Tensor) {
        let (k, n) = (self.config.codes, rows.size()[0]);
        // Without repetition as long as there are rows enough; a little noise keeps repeated ones apart.
        let order = Tensor::cat(
            &(0..(k + n - 1) / n).map(|_| Tensor::randperm(n, (Kind::Int64, rows.device()))).collect::<Vec<_>>(),
            0,
        );
        let noise = rows.std(false) * 1e-3 * Tensor::randn([k, self.config.dim], (Kind::Float, rows.device()));
        let new = rows.index_select(0, &order.narrow(0, 0, k)) + noise;
        let column = here.unsqueeze(1);
        self.codebook.copy_(&(&self.codebook * (1.0 - &column) + &new * &column));
        self.sums.copy_(&(&self.sums * (1.0 - &column) + &new * &column));
        self.counts.copy_(&(&self.counts * (1.0 - here) + here));
        self.idle_steps.copy_(&(&self.idle_steps * (1.0 - here)));
    }

    fn learn(&mut self, rows: &Tensor, indices: &Tensor, counts: &Tensor) {
        let c = self.config;
        // One-hot product instead of a scatter: the same sums in the same order on every run, on the GPU too.
        let one_hot = indices.one_hot(c.codes).to_kind(Kind::Float);
        let _ = self.counts.lerp_(counts, 1.0 - c.decay);
        let _ = self.sums.lerp_(&one_hot.tr().matmul(rows), 1.0 - c.decay);
        let total = self.counts.sum(Kind::Float);
        let smoothed = (&self.counts + c.eps) / (&total + c.codes as f64 * c.eps) * &total;
        self.codebook.copy_(&(&self.sums / smoothed.unsqueeze(1)));
        let unused = counts.eq(0.0).to_kind(Kind::Float);
        self.idle_steps.copy_(&((&self.idle_steps + 1.0) * unused));
        if c.reseed_after > 0 {
            let dead = self.idle_steps.ge(c.reseed_after as f64).to_kind(Kind::Float);
            if dead.sum(Kind::Float).double_value(&[]) > 0.0 {
                self.place(&dead, rows);
            }
        }
    }
}

fn perplexity(counts: &Tensor) -> Tensor {
    let p = counts / counts.sum(Kind::Float).clamp_min(1e-12);
    (-(&p * (&p + 1e-10).log()).sum(Kind::Float)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// `[1, 2, 1, T]` from T points in the plane.
    fn grid(points: &[[f32; 2]]) -> Tensor {
        let flat: Vec<f32> = points.iter().flatten().copied().collect();
        Tensor::from_slice(&flat).view([1, 1, points.len() as i64, 2]).permute([0, 3, 1, 2])
    }

    fn vq(codes: i64, reseed_after: u64) -> (nn::VarStore, Vq) {
        let vars = nn::VarStore::new(Device::Cpu);
        let config = VqConfig { codes, dim: 2, reseed_after, ..Default::default() };
        let vq = Vq::new(&vars.root(), config);
        (vars, vq)
    }

    #[test]
    fn finds_the_clusters() {
        let corners = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]];
        let points: Vec<[f32; 2]> = (0..64)
            .map(|i| {
                let c = corners[i % 4];
                [c[0] + (i as f32 * 1.7).sin() * 0.1, c[1] + (i as f32 * 2.3).cos() * 0.1]
            })
            .collect();
        let (_vars, mut vq) = vq(32, 20); // so many that no cluster is left out of the first fill
        let z = grid(&points);
        for _ in 0..400 {
            vq.forward(&z, Mode::Train);
        }
        let out = vq.forward(&z, Mode::Fixed);
        let error = (&out.codes - &z).square().mean(Kind::Float).double_value(&[]);
        assert!(error < 0.01, "{error}: every cluster has a code");
        assert!((4.0..=32.0).contains(&out.perplexity.double_value(&[])));
        let embedded = vq.embed(&out.indices).permute([0, 3, 1, 2]);
        assert!(embedded.allclose(&out.codes, 1e-5, 1e-5, false));
    }

    #[test]
    fn gradient_goes_straight_through() {
        let (_vars, mut vq) = vq(3, 0);
        let z = grid(&[[0.0, 0.1], [1.0, 0.9], [2.0, 2.1]]).set_requires_grad(true);
        vq.forward(&z.detach(), Mode::Train);
        let out = vq.forward(&z, Mode::Fixed);
        (&out.codes * 3.0).sum(Kind::Float).backward();
        assert!(z.grad().allclose(&(z.ones_like() * 3.0), 1e-6, 1e-6, false));
    }

    #[test]
    fn averages_follow_the_published_update() {
        let (vars, mut vq) = vq(2, 0);
        let mut codebook = vars.variables()["codebook"].shallow_clone();
        let z = grid(&[[1.0, 0.0], [3.0, 0.0], [0.0, 8.0]]);
        vq.forward(&z, Mode::Train); // fills
        // A known state: codes at (2, 0) and (0, 7), counts 1 and 1.
        let start = Tensor::from_slice(&[2f32, 0.0, 0.0, 7.0]).view([2, 2]);
        tch::no_grad(|| {
            codebook.copy_(&start);
            vars.variables()["sums"].shallow_clone().copy_(&start);
            let _ = vars.variables()["counts"].shallow_clone().fill_(1.0);
        });
        let out = vq.forward(&z, Mode::Train);
        let commitment = 0.25 * (1.0 + 1.0 + 1.0) / 6.0;
        assert!((out.loss.double_value(&[]) - commitment).abs() < 1e-6);
        let (n0, n1) = (0.99 + 0.01 * 2.0, 0.99 + 0.01);
        let total = n0 + n1;
        let smooth = |n: f64| (n + 1e-5) / (total + 2e-5) * total;
        let want = [(0.99 * 2.0 + 0.01 * 4.0) / smooth(n0), (0.99 * 7.0 + 0.01 * 8.0) / smooth(n1)];
        assert!((codebook.double_value(&[0, 0]) - want[0]).abs() < 1e-5);
        assert!((codebook.double_value(&[1, 1]) - want[1]).abs() < 1e-5);
    }

    #[test]
    fn an_idle_code_is_placed_on_a_vector_of_the_batch() {
        let (vars, mut vq) = vq(2, 3);
        vq.forward(&grid(&[[5.0, 5.0], [5.0, 5.1]]), Mode::Train);
        tch::no_grad(|| vars.variables()["codebook"].get(1).copy_(&Tensor::from_slice(&[1e4f32, 1e4])));
        tch::no_grad(|| vars.variables()["sums"].get(1).copy_(&Tensor::from_slice(&[1e4f32, 1e4])));
        let z = grid(&[[5.0, 5.0], [5.0, 5.1]]);
        for step in 0..3 {
            let farthest = vq.codebook().max().double_value(&[]);
            assert!(farthest > 1e3, "step {step}: not yet");
            vq.forward(&z, Mode::Train);
        }
        assert!(vq.codebook().max().double_value(&[]) < 6.0, "placed on the data");
    }

    #[test]
    fn fixed_changes_nothing() {
        let (_vars, mut vq) = vq(3, 1);
        vq.forward(&grid(&[[0.0, 0.1], [1.0, 0.9], [2.0, 2.1]]), Mode::Train);
        let before = vq.codebook().copy();
        (0..5).for_each(|_| drop(vq.forward(&grid(&[[9.0, 9.0]]), Mode::Fixed)));
        assert_eq!(before, *vq.codebook());
    }
}
