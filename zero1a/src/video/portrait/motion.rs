//! Attention over the frames of a clip: AnimateDiff's motion module (Guo et al. 2024), by its public names.
use super::layers::{group_norm, layer_norm, linear};
use nets::blocks::attention::{Attention, AttentionConfig, FeedForward};
use nets::blocks::mlp::Last;
use tch::nn;
use tch::{Device, Kind, Tensor};

/// Sizes of the motion modules of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MotionConfig {
    /// Heads.
    pub heads: i64,
    /// Self-attentions in a row.
    pub attentions: i64,
    /// Most frames.
    pub frames: i64,
}

impl Default for MotionConfig {
    /// AniPortrait's.
    fn default() -> Self {
        MotionConfig { heads: 8, attentions: 2, frames: 32 }
    }
}

/// Each pixel attends to its like in the other frames, which know their place in the clip.
#[derive(Debug)]
pub struct Motion {
    norm: nn::GroupNorm,
    proj_in: nn::Linear,
    attentions: Vec<(nn::LayerNorm, Attention)>,
    ff_norm: nn::LayerNorm,
    ff: FeedForward,
    proj_out: nn::Linear,
}

impl Motion {
    /// Under the module's `temporal_transformer`.
    pub fn new(p: nn::Path, channels: i64, groups: i64, c: MotionConfig) -> Self {
        let p = p / "temporal_transformer";
        let b = &p / "transformer_blocks" / 0;
        let attention = |i: i64| {
            let config = AttentionConfig::to_itself(channels, c.heads);
            let norm = layer_norm(&b / "norms" / i, channels);
            (norm, Attention::new(&b / "attention_blocks" / i, config, Last::Zero))
        };
        Motion {
            norm: group_norm(&p / "norm", groups, channels, 1e-6),
            proj_in: linear(&p / "proj_in", channels, channels),
            attentions: (0..c.attentions).map(attention).collect(),
            ff_norm: layer_norm(&b / "ff_norm", channels),
            ff: FeedForward::new(&b / "ff", channels, 4, Last::Zero),
            proj_out: linear(&p / "proj_out", channels, channels),
        }
    }

    /// `x` `[clips·F, C, h, w]`, the frames of a clip one after another. Frames are normalised each for itself.
    pub fn forward(&self, x: &Tensor, clips: i64) -> Tensor {
        let (n, c, h, w) = x.size4().expect("[clips·F, C, h, w]");
        let frames = n / clips;
        let columns = x.apply(&self.norm).reshape([clips, frames, c, h * w]).permute([0, 3, 1, 2]);
        let mut t = columns.reshape([clips * h * w, frames, c]).apply(&self.proj_in);
        let place = places(frames, c, x.device());
        for (norm, attention) in &self.attentions {
            let asked = t.apply(norm) + &place;
            t += attention.forward(&asked, &asked);
        }
        t = &t + t.apply(&self.ff_norm).apply(&self.ff);
        let t = t.apply(&self.proj_out).view([clips, h * w, frames, c]).permute([0, 2, 3, 1]);
        x + t.reshape([n, c, h, w])
    }
}

/// Places in a clip as waves, `[frames, width]`: sines in the even columns, cosines in the odd (Vaswani et al. 2017).
fn places(frames: i64, width: i64, device: Device) -> Tensor {
    let at = Tensor::arange(frames, (Kind::Float, device)).unsqueeze(1);
    let even = Tensor::arange_start_step(0, width, 2, (Kind::Float, device));
    let phase = at * (even * (-(10_000f64.ln()) / width as f64)).exp();
    Tensor::stack(&[phase.sin(), phase.cos()], 2).view([frames, width])
}
