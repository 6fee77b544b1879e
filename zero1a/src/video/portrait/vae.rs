//! Stable Diffusion's autoencoder (`diffusers`' `AutoencoderKL`; Rombach et al. 2022), eight times smaller a side.
use super::config::VaeConfig;
use super::layers::{conv, group_norm};
use super::resnet::{Downsample, Padding, Resnet, ResnetConfig, Upsample};
use nets::blocks::attention::{Attention, AttentionConfig, image, tokens};
use nets::blocks::mlp::Last;
use tch::Tensor;
use tch::nn;

const EPS: f64 = 1e-6;

/// Encoder and decoder.
#[derive(Debug)]
pub struct AutoencoderKl {
    encoder: Encoder,
    quant_conv: nn::Conv2D,
    post_quant_conv: nn::Conv2D,
    decoder: Decoder,
    scale: f64,
    latent: i64,
}

#[derive(Debug)]
struct Encoder {
    conv_in: nn::Conv2D,
    down: Vec<(Vec<Resnet>, Option<Downsample>)>,
    middle: Middle,
    norm_out: nn::GroupNorm,
    conv_out: nn::Conv2D,
}

#[derive(Debug)]
struct Decoder {
    conv_in: nn::Conv2D,
    middle: Middle,
    up: Vec<(Vec<Resnet>, Option<Upsample>)>,
    norm_out: nn::GroupNorm,
    conv_out: nn::Conv2D,
}

/// Two residual blocks about an attention of one head.
#[derive(Debug)]
struct Middle {
    resnets: [Resnet; 2],
    norm: nn::GroupNorm,
    attention: Attention,
}

impl AutoencoderKl {
    /// Under `p`.
    pub fn new(p: nn::Path, c: &VaeConfig) -> Self {
        AutoencoderKl {
            encoder: Encoder::new(&p / "encoder", c),
            quant_conv: conv(&p / "quant_conv", 2 * c.latent_channels, 2 * c.latent_channels, 1, 1, 0),
            post_quant_conv: conv(&p / "post_quant_conv", c.latent_channels, c.latent_channels, 1, 1, 0),
            decoder: Decoder::new(&p / "decoder", c),
            scale: c.scaling_factor,
            latent: c.latent_channels,
        }
    }

    /// `[B, 3, S, S]` in −1..=1 → mean of the posterior at unit spread, `[B, C, S/8, S/8]`.
    pub fn encode(&self, pictures: &Tensor) -> Tensor {
        self.encoder.forward(pictures).apply(&self.quant_conv).narrow(1, 0, self.latent) * self.scale
    }

    /// The way back, to about −1..=1.
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decoder.forward(&(latents / self.scale).apply(&self.post_quant_conv))
    }
}

fn resnets(c: &VaeConfig) -> ResnetConfig {
    ResnetConfig { groups: c.norm_num_groups, eps: EPS, time: None }
}

impl Encoder {
    fn new(p: nn::Path, c: &VaeConfig) -> Self {
        let w = &c.block_out_channels;
        let deepest = w[w.len() - 1];
        let down = (0..w.len())
            .map(|i| {
                let b = &p / "down_blocks" / i as i64;
                let from = |j: i64| if j == 0 { w[i.saturating_sub(1)] } else { w[i] };
                let blocks =
                    (0..c.layers_per_block).map(|j| Resnet::new(&b / "resnets" / j, from(j), w[i], resnets(c)));
                let blocks = blocks.collect();
                (blocks, (i + 1 < w.len()).then(|| Downsample::new(&b, w[i], Padding::BelowRight)))
            })
            .collect();
        Encoder {
            conv_in: conv(&p / "conv_in", 3, w[0], 3, 1, 1),
            down,
            middle: Middle::new(&p / "mid_block", deepest, c),
            norm_out: group_norm(&p / "conv_norm_out", c.norm_num_groups, deepest, EPS),
            conv_out: conv(&p / "conv_out", deepest, 2 * c.latent_channels, 3, 1, 1),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = x.apply(&self.conv_in);
        for (blocks, downsample) in &self.down {
            x = blocks.iter().fold(x, |x, block| block.forward(&x, None));
            x = downsample.as_ref().map_or_else(|| x.shallow_clone(), |d| d.forward(&x));
        }
        self.middle.forward(&x).apply(&self.norm_out).silu().apply(&self.conv_out)
    }
}

impl Decoder {
    fn new(p: nn::Path, c: &VaeConfig) -> Self {
        let w: Vec<i64> = c.block_out_channels.iter().rev().copied().collect();
        let last = w[w.len() - 1];
        let up = (0..w.len())
            .map(|i| {
                let b = &p / "up_blocks" / i as i64;
                let from = |j: i64| if j == 0 { w[i.saturating_sub(1)] } else { w[i] };
                let blocks =
                    (0..=c.layers_per_block).map(|j| Resnet::new(&b / "resnets" / j, from(j), w[i], resnets(c)));
                let blocks = blocks.collect();
                (blocks, (i + 1 < w.len()).then(|| Upsample::new(&b, w[i])))
            })
            .collect();
        Decoder {
            conv_in: conv(&p / "conv_in", c.latent_channels, w[0], 3, 1, 1),
            middle: Middle::new(&p / "mid_block", w[0], c),
            up,
            norm_out: group_norm(&p / "conv_norm_out", c.norm_num_groups, last, EPS),
            conv_out: conv(&p / "conv_out", last, 3, 3, 1, 1),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = self.middle.forward(&x.apply(&self.conv_in));
        for (blocks, upsample) in &self.up {
            x = blocks.iter().fold(x, |x, block| block.forward(&x, None));
            x = upsample.as_ref().map_or_else(|| x.shallow_clone(), |u| u.forward(&x));
        }
        x.apply(&self.norm_out).silu().apply(&self.conv_out)
    }
}

impl Middle {
    fn new(p: nn::Path, channels: i64, c: &VaeConfig) -> Self {
        let a = &p / "attentions" / 0;
        let config = AttentionConfig { bias: true, ..AttentionConfig::to_itself(channels, 1) };
        Middle {
            resnets: [0, 1].map(|i: i64| Resnet::new(&p / "resnets" / i, channels, channels, resnets(c))),
            norm: group_norm(&a / "group_norm", c.norm_num_groups, channels, EPS),
            attention: Attention::new(a, config, Last::Zero),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let x = self.resnets[0].forward(x, None);
        let asked = tokens(&x.apply(&self.norm));
        let x = &x + image(&self.attention.forward(&asked, &asked), x.size()[2]);
        self.resnets[1].forward(&x, None)
    }
}
