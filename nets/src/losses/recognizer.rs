//! A face recognizer: aligned crops → unit vectors that are alike for the same person. Gives the identity losses and
//! `csim-self`.
//!
//! The network is ours, trained on renders alone (`nets train-identity`); its cosines are not comparable with the
//! public recognizers' CSIM and never carry that name.
use crate::Error;
use crate::blocks::conv::{Conv2d, conv1, conv3, conv3_zero, leaky, norm};
use crate::pictures::align::{crop, picture_from_crop};
use crate::weights::checkpoint::Checkpoint;
use std::path::Path;
use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

/// Value of the header's `net` in weight files of this network.
pub const NET: &str = "effigy-identity-1";
/// Pixels a side of the crops it sees.
pub const CROP: usize = 96;
/// Length of an embedding.
pub const DIM: i64 = 256;
/// Widths of the four stages, at 48, 24, 12 and 6 pixels.
const WIDTHS: [i64; 4] = [32, 64, 128, 192];
const BLOCKS: [usize; 4] = [1, 2, 2, 2];

/// A small residual network (He et al. 2016) with group normalization; about 2.4 million parameters.
#[derive(Debug)]
pub struct RecognizerNet {
    stem: Conv2d,
    stages: Vec<Vec<Block>>,
    last_norm: nn::GroupNorm,
    spread: nn::Conv2D,
    embed: nn::Linear,
}

impl RecognizerNet {
    /// Parameters under `p`.
    pub fn new(p: &nn::Path) -> Self {
        let mut from = 16;
        let stages = WIDTHS
            .iter()
            .zip(BLOCKS)
            .enumerate()
            .map(|(i, (&width, blocks))| {
                let block = |k| {
                    let stride = if k == 0 { 2 } else { 1 };
                    let block = Block::new(p / format!("stage{i}_{k}"), from, width, stride);
                    from = width;
                    block
                };
                (0..blocks).map(block).collect()
            })
            .collect();
        let last = WIDTHS[3];
        // One weight per place and channel instead of a mean over places (GDC: Chen et al. 2018, "MobileFaceNets").
        let depthwise = nn::ConvConfig { groups: last, ..Default::default() };
        RecognizerNet {
            stem: conv3(p / "stem", 3, 16),
            stages,
            last_norm: norm(p / "last_norm", last),
            spread: nn::conv2d(p / "spread", last, last, 6, depthwise),
            embed: nn::linear(p / "embed", last, DIM, Default::default()),
        }
    }

    /// `[B, 3, 96, 96]` sRGB in 0..=1 → outputs of the four stages and the embedding `[B, 256]`, not normalized.
    pub fn forward(&self, crops: &Tensor) -> (Vec<Tensor>, Tensor) {
        let mut x = ((crops - 0.5) * 4.0).apply(&self.stem);
        let mut outputs = Vec::new();
        for stage in &self.stages {
            x = stage.iter().fold(x, |x, block| block.forward(&x));
            outputs.push(x.shallow_clone());
        }
        let places = leaky(&x.apply(&self.last_norm)).apply(&self.spread);
        (outputs, places.flatten(1, -1).apply(&self.embed))
    }
}

#[derive(Debug)]
struct Block {
    norm1: nn::GroupNorm,
    conv1: nn::Conv2D,
    norm2: nn::GroupNorm,
    conv2: Conv2d,
    skip: Option<Conv2d>,
    stride: i64,
}

impl Block {
    fn new(p: nn::Path, from: i64, to: i64, stride: i64) -> Self {
        let first = nn::ConvConfig { stride, padding: 1, bias: true, ..Default::default() };
        Block {
            norm1: norm(&p / "norm1", from),
            conv1: nn::conv2d(&p / "conv1", from, to, 3, first),
            norm2: norm(&p / "norm2", to),
            conv2: conv3_zero(&p / "conv2", to, to),
            skip: (from != to).then(|| conv1(&p / "skip", from, to)),
            stride,
        }
    }
}

impl Module for Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let inner = leaky(&x.apply(&self.norm1)).apply(&self.conv1);
        let inner = leaky(&inner.apply(&self.norm2)).apply(&self.conv2);
        let x =
            if self.stride == 2 { x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None) } else { x.shallow_clone() };
        match &self.skip {
            Some(skip) => x.apply(skip) + inner,
            None => x + inner,
        }
    }
}

/// Unit length over the last dimension.
pub fn unit(x: &Tensor) -> Tensor {
    x / (x.square().sum_dim_intlist([-1i64].as_slice(), true, Kind::Float) + 1e-12).sqrt()
}

/// The recognizer with weights that do not move.
#[derive(Debug)]
pub struct Recognizer {
    net: RecognizerNet,
    vars: nn::VarStore,
}

/// The two identity losses of one batch.
#[derive(Debug)]
pub struct IdentityLosses {
    /// Mean of `1 − cos` of the embeddings.
    pub cosine: Tensor,
    /// Mean absolute difference of the four stages' outputs, each divided by the mean size of the target's.
    pub features: Tensor,
}

impl Recognizer {
    /// Weights from a file written by `nets train-identity`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Format`], [`Error::Missing`] or [`Error::Shape`].
    pub fn load(path: &Path, device: Device) -> Result<Self, Error> {
        let file = Checkpoint::load(path)?;
        file.expect_net(NET)?;
        let vars = nn::VarStore::new(device);
        let mut loaded = Recognizer { net: RecognizerNet::new(&vars.root()), vars };
        file.restore_vars("net", &loaded.vars)?;
        loaded.vars.freeze();
        Ok(loaded)
    }

    /// Aligned crops `[B, 3, 96, 96]` of pictures `[B, 3, H, W]` by their landmarks (`B` lists of at least 68, pixels).
    pub fn crops(pictures: &Tensor, landmarks: &[&[[f32; 2]]]) -> Tensor {
        let transforms: Vec<_> = landmarks.iter().map(|l| picture_from_crop(l, CROP)).collect();
        crop(pictures, &transforms, CROP)
    }

    /// `[B, 256]` unit vectors of aligned crops.
    pub fn embed(&self, crops: &Tensor) -> Tensor {
        unit(&self.net.forward(crops).1)
    }

    /// `csim-self`: cosine of the embeddings, one per pair of crops, `[B]`.
    pub fn similarity(&self, a: &Tensor, b: &Tensor) -> Tensor {
        (self.embed(a) * self.embed(b)).sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
    }

    /// Both losses of aligned crops against target crops (no gradient flows into the target).
    pub fn losses(&self, crops: &Tensor, target: &Tensor) -> IdentityLosses {
        let (stages, embedding) = self.net.forward(crops);
        let (target_stages, target_embedding) = tch::no_grad(|| self.net.forward(target));
        let cosine =
            (unit(&embedding) * unit(&target_embedding)).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let per_stage: Vec<Tensor> = stages
            .iter()
            .zip(&target_stages)
            .map(|(a, b)| (a - b).abs().mean(Kind::Float) / b.abs().mean(Kind::Float).clamp_min(1e-6))
            .collect();
        IdentityLosses {
            cosine: 1.0 - cosine.mean(Kind::Float),
            features: Tensor::stack(&per_stage, 0).mean(Kind::Float),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_gradient() {
        let vars = nn::VarStore::new(Device::Cpu);
        let net = RecognizerNet::new(&vars.root());
        let parameters: usize = vars.variables().values().map(Tensor::numel).sum();
        assert!((1_500_000..2_700_000).contains(&parameters), "{parameters}");
        let crops = Tensor::rand([2, 3, 96, 96], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let (stages, embedding) = net.forward(&crops);
        assert_eq!(embedding.size(), [2, DIM]);
        assert_eq!(stages.iter().map(|s| s.size()[2]).collect::<Vec<_>>(), [48, 24, 12, 6]);
        unit(&embedding).select(1, 0).sum(Kind::Float).backward();
        assert!(crops.grad().abs().max().double_value(&[]) > 0.0);
    }

    #[test]
    fn weights_of_another_net_are_refused_by_name() {
        let path = std::env::temp_dir().join(format!("nets-identity-{}.safetensors", std::process::id()));
        let mut file = Checkpoint::new(0);
        file.note("net", crate::losses::perceptual::NET);
        file.save(&path).unwrap();
        let error = Recognizer::load(&path, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(NET) && error.contains(crate::losses::perceptual::NET), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
