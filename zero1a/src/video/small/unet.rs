//! The space-time U-Net: v of a clip's frames, all at once.
use super::block::{FilmBlock, FrameAttention, PixelAttention};
use super::config::SmallConfig;
use super::guider::Guider;
use super::reference::{Identity, ReferenceNet};
use nets::blocks::attention::{linear, waves};
use nets::blocks::conv::{Conv2d, conv3, conv3_zero, double, halve, norm};
use nets::blocks::mlp::Last;
use tch::Tensor;
use tch::nn;

/// A residual block and the attention after it.
#[derive(Debug)]
struct Stage {
    block: FilmBlock,
    pixels: Option<PixelAttention>,
    frames: FrameAttention,
}

/// The network and the encoders of its conditions: maps and identity.
#[derive(Debug)]
pub struct SpaceTimeUnet {
    guider: Guider,
    reference: ReferenceNet,
    timestep_mlp: [nn::Linear; 2],
    stem: Conv2d,
    down: Vec<(Option<Conv2d>, Stage)>,
    middle: FilmBlock,
    up: Vec<(Conv2d, Stage)>,
    last_norm: nn::GroupNorm,
    last: Conv2d,
    waves: i64,
}

/// What `B` clips of `F` frames are conditioned on; latents at unit spread.
#[derive(Debug)]
pub struct Conditions {
    /// Latents of the references, `[B, C, s, s]`.
    pub reference: Tensor,
    /// Landmark maps of the references, `[B, 3, S, S]`.
    pub reference_maps: Tensor,
    /// Landmark maps of the frames, `[B·F, 3, S, S]`.
    pub maps: Tensor,
    /// Latents of the references moved to the frames' landmarks, `[B·F, C, s, s]`.
    pub moved: Tensor,
}

/// Embeddings of [`Conditions`]: computed once, used at every noise level.
#[derive(Debug)]
pub struct EmbeddedConditions {
    identity: Identity,
    /// The guider's pyramid, `[clips·F, …]`.
    maps: Vec<Tensor>,
    /// Latents of the reference moved to each frame, `[clips·F, C, s, s]`.
    moved: Tensor,
}

impl SpaceTimeUnet {
    /// The output layer starts at zero.
    pub fn new(p: nn::Path, c: &SmallConfig) -> Self {
        let w = &c.widths;
        let width = 2 * w[w.len() - 1];
        let stage = |p: nn::Path, from: i64, level: usize, reads: bool| {
            let reads = reads && (c.latent_side() >> level) <= c.attention_side;
            Stage {
                block: FilmBlock::new(&p / "block", from, w[level], width),
                pixels: reads.then(|| PixelAttention::new(&p / "pixels", w[level], c.head_width)),
                frames: FrameAttention::new(&p / "frames", w[level], c.head_width),
            }
        };
        let deepest = w.len() - 1;
        let down = (0..w.len())
            .map(|i| {
                let enter = (i > 0).then(|| halve(&p / format!("halve{i}"), w[i - 1], w[i]));
                // On the way down the largest grid only looks around: who it is is read on the way up.
                (enter, stage(&p / format!("down{i}"), w[i], i, i > 0))
            })
            .collect();
        let up = (0..w.len())
            .rev()
            .map(|i| {
                let shrink = conv3(&p / format!("shrink{i}"), w[(i + 1).min(deepest)], w[i]);
                (shrink, stage(&p / format!("up{i}"), 2 * w[i], i, true))
            })
            .collect();
        SpaceTimeUnet {
            guider: Guider::new(&p / "guider", c),
            reference: ReferenceNet::new(&p / "reference", c, width),
            // The weight files call them so.
            timestep_mlp: [
                linear(&p / "told0", w[0], width, Last::Random),
                linear(&p / "told1", width, width, Last::Random),
            ],
            stem: conv3(&p / "stem", 2 * c.latent, w[0]),
            down,
            middle: FilmBlock::new(&p / "middle", w[deepest], w[deepest], width),
            up,
            last_norm: norm(&p / "last_norm", w[0]),
            last: conv3_zero(&p / "last", w[0], c.latent),
            waves: w[0],
        }
    }

    /// Embeds the conditions of `B` clips; `known` `[B]`: 1, or 0 where a clip is unconditional.
    pub fn embed(&self, given: &Conditions, known: &Tensor) -> EmbeddedConditions {
        let clips = given.reference.size()[0];
        let mut identity = self.reference.forward(&given.reference, &self.guider.forward(&given.reference_maps));
        identity.summary *= known.unsqueeze(1);
        for t in &mut identity.tokens {
            *t = &*t * known.view([clips, 1, 1]);
        }
        let frames = given.maps.size()[0] / clips;
        let known = known.repeat_interleave_self_int(frames, 0, None).view([-1, 1, 1, 1]);
        let maps = self.guider.forward(&given.maps).iter().map(|m| m * &known).collect();
        EmbeddedConditions { identity, maps, moved: &given.moved * &known }
    }

    /// v `[B·F, C, s, s]` of noised latents of the same shape at `timesteps` `[B]`.
    pub fn forward(&self, latents: &Tensor, timesteps: &Tensor, conditions: &EmbeddedConditions) -> Tensor {
        let clips = timesteps.size()[0];
        let frames = latents.size()[0] / clips;
        let each = |t: &Tensor| t.repeat_interleave_self_int(frames, 0, None);
        let embedding = waves(timesteps, self.waves).apply(&self.timestep_mlp[0]).silu().apply(&self.timestep_mlp[1]);
        let embedding = each(&(embedding + &conditions.identity.summary).silu());
        let reference: Vec<Tensor> = conditions.identity.tokens.iter().map(each).collect();

        let mut x = Tensor::cat(&[latents, &conditions.moved], 1).apply(&self.stem);
        let mut levels = Vec::new();
        for (i, (enter, stage)) in self.down.iter().enumerate() {
            if let Some(enter) = enter {
                x = x.apply(enter);
            }
            x = stage.forward(&(x + &conditions.maps[i]), &embedding, &reference[i], clips);
            levels.push(x.shallow_clone());
        }
        x = self.middle.forward(&x, &embedding);
        for (i, (shrink, stage)) in self.up.iter().enumerate() {
            let level = self.up.len() - 1 - i;
            if i > 0 {
                x = double(&x);
            }
            let across = levels.pop().expect("as many ups as downs");
            x = Tensor::cat(&[x.apply(shrink), across], 1);
            x = stage.forward(&x, &embedding, &reference[level], clips);
        }
        x.apply(&self.last_norm).silu().apply(&self.last)
    }
}

impl EmbeddedConditions {
    /// The same clips twice: conditioned, then unconditional.
    pub fn with_unconditional(&self) -> EmbeddedConditions {
        let twice = |t: &Tensor| Tensor::cat(&[t.shallow_clone(), t.zeros_like()], 0);
        let tokens = self.identity.tokens.iter().map(twice).collect();
        EmbeddedConditions {
            identity: Identity { tokens, summary: twice(&self.identity.summary) },
            maps: self.maps.iter().map(twice).collect(),
            moved: twice(&self.moved),
        }
    }
}

impl Stage {
    fn forward(&self, x: &Tensor, embedding: &Tensor, reference: &Tensor, clips: i64) -> Tensor {
        let x = self.block.forward(x, embedding);
        let x = match &self.pixels {
            Some(pixels) => pixels.forward(&x, reference),
            None => x,
        };
        self.frames.forward(&x, clips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn all_weights_learn_and_unconditional_ignores_the_reference() {
        tch::manual_seed(2);
        let vars = nn::VarStore::new(Device::Cpu);
        let config = SmallConfig {
            size: 32,
            vae_widths: vec![8, 8],
            widths: vec![8, 16],
            head_width: 4,
            attention_side: 8,
            ..Default::default()
        };
        let net = SpaceTimeUnet::new(vars.root(), &config);
        tch::no_grad(|| {
            for (_, mut t) in vars.variables() {
                let _ = t.g_add_(&(Tensor::randn_like(&t) * 0.05));
            }
        });
        let randn = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
        let (latents, maps) = (randn(&[6, 4, 8, 8]), randn(&[6, 3, 32, 32]));
        let timesteps = Tensor::from_slice(&[999i64, 12]);
        let velocity = |reference: &Tensor, known: &[f32]| {
            let conditions = Conditions {
                reference: reference.shallow_clone(),
                reference_maps: maps.narrow(0, 0, 2),
                maps: maps.shallow_clone(),
                moved: reference.repeat_interleave_self_int(3, 0, None),
            };
            let embedded = net.embed(&conditions, &Tensor::from_slice(known));
            net.forward(&latents, &timesteps, &embedded)
        };
        let (one, other) = (randn(&[2, 4, 8, 8]), randn(&[2, 4, 8, 8]));
        let v = velocity(&one, &[1.0, 1.0]);
        assert_eq!(v.size(), latents.size());
        v.square().sum(Kind::Float).backward();
        for (name, t) in vars.variables() {
            assert!(t.grad().abs().max().double_value(&[]) > 0.0, "{name} gets a gradient");
        }
        let (first, second) = (velocity(&one, &[0.0, 1.0]), velocity(&other, &[0.0, 1.0]));
        assert!(
            first.narrow(0, 0, 3).allclose(&second.narrow(0, 0, 3), 1e-5, 1e-5, false),
            "the first is unconditional"
        );
        assert!(
            !first.narrow(0, 3, 3).allclose(&second.narrow(0, 3, 3), 1e-3, 1e-3, false),
            "the second is conditioned"
        );
    }
}
