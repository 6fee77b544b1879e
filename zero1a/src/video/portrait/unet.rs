//! The U-Net of Stable Diffusion 1.5: of single pictures (`diffusers`' `UNet2DConditionModel`, the reference network), or of
//! clips with a motion module after every block (AniPortrait's denoising network).
use super::config::UnetConfig;
use super::layers::{conv, group_norm, linear};
use super::motion::{Motion, MotionConfig};
use super::resnet::{Downsample, Padding, Resnet, ResnetConfig, Upsample};
use super::transformer::{Bank, Transformer, TransformerConfig};
use nets::blocks::attention::waves;
use tch::Tensor;
use tch::nn;

/// What comes out at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing: only what its self-attentions see is wanted.
    Reference,
    /// v of a clip's latents.
    Denoise(MotionConfig),
    /// v (or noise) of a single latent: the network without motion modules.
    Picture,
}

/// A residual block, what attends after it, and the motion module.
#[derive(Debug)]
struct Layer {
    resnet: Resnet,
    transformer: Option<Transformer>,
    motion: Option<Motion>,
}

/// The network.
#[derive(Debug)]
pub struct Unet {
    conv_in: nn::Conv2D,
    time: [nn::Linear; 2],
    down: Vec<(Vec<Layer>, Option<Downsample>)>,
    middle: Middle,
    up: Vec<(Vec<Layer>, Option<Upsample>)>,
    out: Option<(nn::GroupNorm, nn::Conv2D)>,
    waves: i64,
}

/// Two residual blocks about attention and motion module.
#[derive(Debug)]
struct Middle {
    first: Resnet,
    transformer: Transformer,
    motion: Option<Motion>,
    last: Resnet,
}

/// A batch of frames and their conditions.
#[derive(Clone, Copy, Debug)]
pub struct Frames<'a> {
    /// `[clips·F, C, h, w]`
    pub latents: &'a Tensor,
    /// `[clips]`
    pub timesteps: &'a Tensor,
    /// Image embedding, `[clips, M, 768]`.
    pub context: &'a Tensor,
    /// The landmark pyramid, if any: to the first convolution's output, then after each level of the way down.
    pub maps: &'a [Tensor],
}

/// Makes the layers of one network, under their names.
struct Maker<'a> {
    c: &'a UnetConfig,
    motion: Option<MotionConfig>,
    resnet: ResnetConfig,
}

impl Maker<'_> {
    fn transformer(&self, p: nn::Path, channels: i64) -> Transformer {
        let c = TransformerConfig {
            channels,
            inner: channels,
            heads: self.c.attention_head_dim,
            context: Some(self.c.cross_attention_dim),
            groups: self.c.norm_num_groups,
        };
        Transformer::new(p, c)
    }

    fn motion(&self, block: &nn::Path, j: i64, channels: i64) -> Option<Motion> {
        self.motion.map(|c| Motion::new(block / "motion_modules" / j, channels, self.c.norm_num_groups, c))
    }

    fn layer(&self, block: &nn::Path, j: i64, from: i64, to: i64, attends: bool) -> Layer {
        Layer {
            resnet: Resnet::new(block / "resnets" / j, from, to, self.resnet),
            transformer: attends.then(|| self.transformer(block / "attentions" / j, to)),
            motion: self.motion(block, j, to),
        }
    }
}

impl Unet {
    /// Under `p`.
    pub fn new(p: nn::Path, c: &UnetConfig, role: Role) -> Self {
        let w = &c.block_out_channels;
        let (n, time) = (w.len(), 4 * w[0]);
        let motion = if let Role::Denoise(motion) = role { Some(motion) } else { None };
        let resnet = ResnetConfig { groups: c.norm_num_groups, eps: c.norm_eps, time: Some(time) };
        let make = Maker { c, motion, resnet };
        let down = (0..n)
            .map(|i| {
                let b = &p / "down_blocks" / i as i64;
                let from = |j: i64| if j == 0 { w[i.saturating_sub(1)] } else { w[i] };
                let layers = (0..c.layers_per_block).map(|j| make.layer(&b, j, from(j), w[i], c.attends_down(i)));
                (layers.collect(), (i + 1 < n).then(|| Downsample::new(&b, w[i], Padding::Around)))
            })
            .collect();
        let m = &p / "mid_block";
        let deepest = w[n - 1];
        let middle = Middle {
            first: Resnet::new(&m / "resnets" / 0, deepest, deepest, resnet),
            transformer: make.transformer(&m / "attentions" / 0, deepest),
            motion: make.motion(&m, 0, deepest),
            last: Resnet::new(&m / "resnets" / 1, deepest, deepest, resnet),
        };
        let up = (0..n)
            .map(|i| {
                let b = &p / "up_blocks" / i as i64;
                let (level, last) = (n - 1 - i, c.layers_per_block);
                let (to, above) = (w[level], w[level.saturating_sub(1)]);
                let before = w[(level + 1).min(n - 1)];
                // What comes up, and what comes across.
                let from = |j: i64| (if j == 0 { before } else { to }) + (if j == last { above } else { to });
                let layers = (0..=last).map(|j| make.layer(&b, j, from(j), to, c.attends_down(level)));
                (layers.collect(), (i + 1 < n).then(|| Upsample::new(&b, to)))
            })
            .collect();
        let out = (role != Role::Reference).then(|| {
            let norm = group_norm(&p / "conv_norm_out", c.norm_num_groups, w[0], c.norm_eps);
            (norm, conv(&p / "conv_out", w[0], c.out_channels, 3, 1, 1))
        });
        let t = &p / "time_embedding";
        Unet {
            conv_in: conv(&p / "conv_in", c.in_channels, w[0], 3, 1, 1),
            time: [linear(&t / "linear_1", w[0], time), linear(&t / "linear_2", time, time)],
            down,
            middle,
            up,
            out,
            waves: w[0],
        }
    }

    /// The prediction, `[clips·F, C, h, w]`; of a reference network what the last block gives.
    pub fn forward(&self, frames: Frames, bank: &mut Bank) -> Tensor {
        let clips = frames.timesteps.size()[0];
        let each = |t: &Tensor| t.repeat_interleave_self_int(frames.latents.size()[0] / clips, 0, None);
        let time = waves(frames.timesteps, self.waves).apply(&self.time[0]).silu().apply(&self.time[1]);
        let conditions = FrameConditions { time: each(&time), context: each(frames.context), clips };

        let mut x = frames.latents.apply(&self.conv_in);
        let mut maps = frames.maps.iter();
        x = maps.next().map_or_else(|| x.shallow_clone(), |m| &x + m);
        let mut across = vec![x.shallow_clone()];
        for (layers, downsample) in &self.down {
            for layer in layers {
                x = layer.forward(&x, &conditions, bank);
                across.push(x.shallow_clone());
            }
            if let Some(downsample) = downsample {
                x = downsample.forward(&x);
                across.push(x.shallow_clone());
            }
            // What goes across does not hold the map.
            x = maps.next().map_or_else(|| x.shallow_clone(), |m| &x + m);
        }
        x = self.middle.forward(&x, &conditions, bank);
        for (layers, upsample) in &self.up {
            for layer in layers {
                let other = across.pop().expect("as many ups as downs");
                x = layer.forward(&Tensor::cat(&[x, other], 1), &conditions, bank);
            }
            x = upsample.as_ref().map_or_else(|| x.shallow_clone(), |u| u.forward(&x));
        }
        match &self.out {
            Some((norm, conv)) => x.apply(norm).silu().apply(conv),
            None => x,
        }
    }
}

impl Middle {
    fn forward(&self, x: &Tensor, conditions: &FrameConditions, bank: &mut Bank) -> Tensor {
        let x = self.first.forward(x, Some(&conditions.time));
        let x = self.transformer.forward(&x, Some(&conditions.context), bank);
        let x = self.motion.as_ref().map_or_else(|| x.shallow_clone(), |m| m.forward(&x, conditions.clips));
        self.last.forward(&x, Some(&conditions.time))
    }
}

/// The conditions of each frame.
struct FrameConditions {
    time: Tensor,
    context: Tensor,
    clips: i64,
}

impl Layer {
    fn forward(&self, x: &Tensor, conditions: &FrameConditions, bank: &mut Bank) -> Tensor {
        let mut x = self.resnet.forward(x, Some(&conditions.time));
        if let Some(transformer) = &self.transformer {
            x = transformer.forward(&x, Some(&conditions.context), bank);
        }
        self.motion.as_ref().map_or_else(|| x.shallow_clone(), |m| m.forward(&x, conditions.clips))
    }
}
