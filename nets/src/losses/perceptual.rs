//! A distance between images as a feature network sees them: `lpips-self`.
//!
//! The form is that of LPIPS (Zhang et al. 2018, eq. 1, with equal weights): features of several depths, normalized to
//! unit length over channels, squared differences summed over channels, averaged over pixels and depths. The network
//! is ours, trained on renders alone (`nets train-perceptual`); figures are not comparable with the public LPIPS and
//! never carry its name.
use crate::Error;
use crate::blocks::conv::{Conv2d, conv3, conv3_zero, halve, leaky};
use crate::weights::checkpoint::Checkpoint;
use std::path::Path;
use tch::{Device, Kind, Tensor, nn};

/// Value of the header's `net` in weight files of this network.
pub const NET: &str = "effigy-perceptual-1";
/// Widths of the four stages, at full, half, quarter and eighth size.
pub const WIDTHS: [i64; 4] = [16, 32, 64, 128];

/// Four stages of convolutions without normalization: what a pixel's features say depends on its surroundings only.
#[derive(Debug)]
pub struct FeatureNet {
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    enter: Conv2d,
    conv1: Conv2d,
    conv2: Conv2d,
}

impl FeatureNet {
    /// About 0.6 million parameters under `p`.
    pub fn new(p: &nn::Path) -> Self {
        let mut from = 3;
        let stages = WIDTHS
            .iter()
            .enumerate()
            .map(|(i, &width)| {
                let p = p / format!("stage{i}");
                let enter = if i == 0 { conv3(&p / "enter", from, width) } else { halve(&p / "enter", from, width) };
                from = width;
                Stage { enter, conv1: conv3(&p / "conv1", width, width), conv2: conv3_zero(&p / "conv2", width, width) }
            })
            .collect();
        FeatureNet { stages }
    }

    /// `[B, 3, H, W]` sRGB in 0..=1 → the outputs of the four stages, `[B, WIDTHS[i], H / 2^i, W / 2^i]`.
    pub fn features(&self, image: &Tensor) -> Vec<Tensor> {
        let mut x = (image - 0.5) * 4.0;
        self.stages
            .iter()
            .map(|stage| {
                let entered = leaky(&x.apply(&stage.enter));
                let inner = leaky(&entered.apply(&stage.conv1)).apply(&stage.conv2);
                x = leaky(&(entered + inner));
                x.shallow_clone()
            })
            .collect()
    }
}

/// The distance, with weights that do not move.
#[derive(Debug)]
pub struct Perceptual {
    net: FeatureNet,
    source: String,
    _vars: nn::VarStore,
}

impl Perceptual {
    /// What `--perceptual` names: a weight file; `random` for fixed random weights; `none`.
    ///
    /// Random features of several scales are a usable training loss (Liu et al. 2021, "Generic Perceptual Loss for
    /// Modeling Structured Output Dependencies"), but a poorer one, so they are never taken unasked.
    ///
    /// # Errors
    /// [`Error::Config`] if there is no such file, with what to do; [`Error::Format`] or [`Error::Missing`] if it holds
    /// another network.
    pub fn open(asked: &str, device: Device) -> Result<Option<Self>, Error> {
        match asked {
            "none" => Ok(None),
            "random" => Ok(Some(Self::random(device))),
            path if !Path::new(path).exists() => Err(Error::Config {
                key: "perceptual".into(),
                why: format!(
                    "no weights at {path:?}; train them with `nets train-perceptual`, or ask for `random` or `none`"
                ),
            }),
            path => Self::load(Path::new(path), device).map(Some),
        }
    }

    /// Weights from a file written by `nets train-perceptual`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`], [`Error::Missing`] or [`Error::Shape`].
    pub fn load(path: &Path, device: Device) -> Result<Self, Error> {
        let file = Checkpoint::load(path)?;
        file.expect_net(NET)?;
        let mut loaded = Self::blank(device, path.display().to_string());
        file.restore_vars("features", &loaded._vars)?;
        loaded._vars.freeze();
        Ok(loaded)
    }

    /// Random weights that are the same everywhere and always.
    pub fn random(device: Device) -> Self {
        let mut net = Self::blank(device, "random".into());
        for (name, mut t) in net._vars.variables() {
            let size = t.size();
            let fan_in: i64 = size.iter().skip(1).product();
            let scale = if size.len() > 1 { (2.0 / fan_in as f64).sqrt() } else { 0.0 };
            let values = crate::rng::normals(crate::rng::seed_of(&name), t.numel());
            tch::no_grad(|| t.copy_(&(Tensor::from_slice(&values).view(size.as_slice()) * scale)));
        }
        net._vars.freeze();
        net
    }

    fn blank(device: Device, source: String) -> Self {
        let vars = nn::VarStore::new(device);
        let net = FeatureNet::new(&(vars.root()));
        Perceptual { net, source, _vars: vars }
    }

    /// The weight file, or `random`: to be stated with every figure.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The stages' features, see [`FeatureNet::features`].
    pub fn features(&self, image: &Tensor) -> Vec<Tensor> {
        self.net.features(image)
    }

    /// One distance per image, `[B]`; images `[B, 3, H, W]` sRGB in 0..=1, sides divisible by 8. Differentiable.
    pub fn distances(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let pairs: Vec<(Tensor, Tensor)> = self.features(a).into_iter().zip(self.features(b)).collect();
        self.between(&pairs)
    }

    /// Mean of [`Perceptual::distances`]: the loss.
    pub fn distance(&self, a: &Tensor, b: &Tensor) -> Tensor {
        self.distances(a, b).mean(Kind::Float)
    }

    fn between(&self, pairs: &[(Tensor, Tensor)]) -> Tensor {
        let per_stage: Vec<Tensor> = pairs
            .iter()
            .map(|(a, b)| {
                let difference = (unit(a) - unit(b)).square();
                difference.sum_dim_intlist([1i64].as_slice(), false, Kind::Float).mean_dim(
                    [1i64, 2].as_slice(),
                    false,
                    Kind::Float,
                )
            })
            .collect();
        Tensor::stack(&per_stage, 0).mean_dim([0i64].as_slice(), false, Kind::Float)
    }
}

/// Unit length over channels; the summand keeps the gradient finite where all features vanish.
fn unit(f: &Tensor) -> Tensor {
    f * (f.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float) + 1e-6).rsqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Tensor {
        let i = Tensor::arange(3 * 32 * 32, (Kind::Float, Device::Cpu));
        ((i * 0.37).sin() * 0.4 + 0.5).view([1, 3, 32, 32])
    }

    #[test]
    fn grows_with_the_difference_and_is_differentiable() {
        let net = Perceptual::random(Device::Cpu);
        let a = picture();
        assert_eq!(net.distance(&a, &a).double_value(&[]), 0.0);
        let blurred = a.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None);
        let slightly = (&a * 0.8 + &blurred * 0.2).set_requires_grad(true);
        let (small, large) = (net.distance(&slightly, &a), net.distance(&blurred, &a));
        assert!(small.double_value(&[]) > 0.0 && large.double_value(&[]) > small.double_value(&[]));
        small.backward();
        let g = slightly.grad();
        assert!(g.isfinite().all().int64_value(&[]) == 1 && g.abs().max().double_value(&[]) > 0.0);
    }

    #[test]
    fn random_weights_are_the_same_every_time() {
        let (a, b) = (picture(), picture().flip([3]));
        let d = |_: i32| Perceptual::random(Device::Cpu).distance(&a, &b).double_value(&[]);
        assert_eq!(d(0), d(1));
        let features = Perceptual::random(Device::Cpu).features(&a);
        let sizes: Vec<Vec<i64>> = features.iter().map(Tensor::size).collect();
        assert_eq!(sizes, [[1, 16, 32, 32], [1, 32, 16, 16], [1, 64, 8, 8], [1, 128, 4, 4]]);
    }

    #[test]
    fn nothing_is_taken_unasked() {
        assert!(Perceptual::open("none", Device::Cpu).unwrap().is_none());
        assert_eq!(Perceptual::open("random", Device::Cpu).unwrap().unwrap().source(), "random");
        let error = Perceptual::open("no/such/file", Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("nets train-perceptual"), "{error}");
    }
}
