//! Stage B: the code is frozen; decoders and regressors are optimized, both encoders and the codebooks stay.
use super::gaussians::{HOLD_LIPS, Untuned};
use super::{Ask, Fit};
use crate::maps_avatar::{MapsAvatar, Motion};
use crate::pictures::Pictures;
use anyhow::Result;
use head::HeadParams;
use nets::rng::mix;
use nets::training::optim::{Adam, AdamConfig};
use prior::model::HeadGaussians;
use tch::{Kind, Tensor};

/// Random expressions the avatar is held at.
const ANCHORS: u64 = 4;
/// How much more than others the Gaussians that no picture shows are held: the network must not tune what it sees at
/// their cost.
const HOLD_UNSEEN: f64 = 9.0;

impl Fit<'_> {
    /// The network does not learn from the open mouths of the pictures, nor from what is beside them: it would paint teeth on
    /// the lips.
    pub(super) fn leave_out_mouths(&mut self, avatar: &mut MapsAvatar, pictures: &Pictures) -> Result<()> {
        for v in 0..self.subject.views.len() {
            let head = tch::no_grad(|| self.head(avatar, pictures, v));
            let Motion::Rig(motion) = &avatar.motion else { return Ok(()) };
            let rim = self.mouth_rim(motion, &head, v)?;
            self.targets.valid[v] = &self.targets.valid[v] * (1.0 - rim);
        }
        Ok(())
    }

    pub(super) fn tune(&self, avatar: &mut MapsAvatar, pictures: &Pictures, untuned: Option<&Untuned>) -> Result<()> {
        let c = &self.config.tuning;
        let anchors: Vec<(Tensor, HeadGaussians)> = (0..ANCHORS).map(|k| self.anchor(avatar, k)).collect();
        let lips = match &avatar.motion {
            Motion::Rig(motion) => motion.rig.region("lips"),
            Motion::Decoded(_) => Tensor::from(0f32),
        };
        let hold = untuned.map(|untuned| 1.0 + (1.0 - &untuned.seen) * HOLD_UNSEEN + lips * HOLD_LIPS);
        let mut optimizer = Adam::new(AdamConfig::default());
        let mut free = self.free(avatar, "decoders");
        free.extend(self.free(avatar, "regressors"));
        optimizer.add_group("around the pivot", 1.0, free);
        for step in 0..c.steps {
            let v = step as usize % self.subject.views.len();
            let of_all = self.config.pivot.steps + step;
            let head = self.head(avatar, pictures, v);
            let mut loss = self.loss(&head, v, of_all, Ask::Networks)?;
            if c.drift > 0.0 {
                let (expression, before) = &anchors[step as usize % anchors.len()];
                let maps = avatar.decode_map(expression);
                loss += drift(&avatar.undressed(&maps), before, hold.as_ref()) * c.drift;
            }
            optimizer.zero_grad();
            loss.backward();
            optimizer.clip_grad_norm(1.0);
            let done = step as f64 / c.steps.max(1) as f64;
            optimizer.step(c.lr * (1.0 - 0.9 * done));
            self.after_step(step, v, &loss, &head)?;
        }
        Ok(())
    }

    /// A random mild expression and what stage A makes of it.
    fn anchor(&self, avatar: &mut MapsAvatar, k: u64) -> (Tensor, HeadGaussians) {
        let unit = |i: u64| (mix(&[self.config.seed, 0xa2c4, k, i]) >> 40) as f32 / (1u64 << 24) as f32;
        let weights: [f32; 52] = std::array::from_fn(|i| if unit(i as u64) < 0.12 { unit(i as u64 + 52) } else { 0.0 });
        let offset = match &avatar.motion {
            Motion::Rig(motion) => motion.expression_map(&HeadParams { expression: weights, ..HeadParams::neutral(1) }),
            Motion::Decoded(units) => {
                let size = units.size();
                let weights = Tensor::from_slice(&weights).view([1, 52]).to_device(units.device());
                weights.matmul(&units.view([52, -1])).view([1, size[1], size[2], size[3]])
            }
        };
        let before = tch::no_grad(|| {
            let maps = avatar.decode_map(&offset);
            avatar.undressed(&maps)
        });
        (offset, before)
    }
}

/// Mean squared difference of two heads, positions in centimeters; Gaussian `i` counts `hold[i]` times.
fn drift(now: &HeadGaussians, before: &HeadGaussians, hold: Option<&Tensor>) -> Tensor {
    let term = |a: &Tensor, b: &Tensor, unit: f64| {
        let square = ((a - b) / unit).square();
        match hold {
            Some(hold) if square.dim() == 3 => (square * hold.view([1, -1, 1])).mean(Kind::Float),
            Some(hold) => (square * hold.view([1, -1])).mean(Kind::Float),
            None => square.mean(Kind::Float),
        }
    };
    term(&now.means, &before.means, 0.01)
        + term(&now.log_scales, &before.log_scales, 1.0)
        + term(&now.opacity_logits, &before.opacity_logits, 2.0)
        + term(&now.colors, &before.colors, 1.0)
}
