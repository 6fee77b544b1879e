//! Stage C: the network is frozen and asked once per picture; a residual of every Gaussian, shared by all pictures, is
//! optimized at full size.
use super::completion::Completion;
use super::seen::Seen;
use super::{Ask, Fit};
use crate::maps_avatar::{MapsAvatar, Motion};
use crate::pictures::{Pictures, Rates};
use crate::residual::{Limits, NAMES, Residual};
use crate::rig::Posed;
use crate::rig_motion::RigMotion;
use anyhow::Result;
use nets::training::optim::{Adam, AdamConfig};
use prior::model::{HeadGaussians, Prior};
use tch::{Kind, Tensor};

/// Of stage C, per step.
const RATES: Rates = Rates { expressions: 2e-3, cameras: 1e-4, colors: 1e-3 };
/// Steps' backgrounds are counted on from here.
const FIRST_STEP: u64 = 1 << 20;
/// Farthest a Gaussian may go, over its neighbors' distance: skin, scalp (hair), rigid parts.
const REACH: [f64; 3] = [0.8, 4.0, 0.5];
/// The same on the shoulders.
const BODY_REACH: f64 = 12.0;
/// By which ln a scale may shrink: skin, scalp, rigid parts.
const SHRINK: [f64; 3] = [0.3, 1.0, 0.3];
/// By how much an opacity logit may fall: skin, scalp, rigid parts.
const FADE: [f64; 3] = [0.7, 10.0, 0.7];
/// How much more rigid parts are held than skin.
const HOLD_RIGID: f64 = 10.0;
/// How much more than others the colors and opacities of what is hardly seen are held: a Gaussian that shows through others
/// would need an extreme color to change a pixel, and be a speck wherever the face moves off it.
const HOLD_UNSEEN: f64 = 9.0;
/// The same for lids: where the tracked eye's outline is off, they would take the eye's dark rim with them when they shut.
const HOLD_LIDS: f64 = 4.0;
/// The same for lips, which would take the teeth's white where the tracked mouth is less open than the real one.
pub(super) const HOLD_LIPS: f64 = 30.0;
/// Share of the steps after which what no picture shows gets its colors; the rest of the steps fit what is seen beside it.
const SETTLE_FROM: f64 = 0.7;
/// Of the gradients of a Gaussian that is seen in a few pixels (about 1e-6): weaker ones move less, not as fast.
const ADAM_EPS: f64 = 1e-7;

/// What stage A leaves of an avatar on a rig, before the network is tuned.
pub(super) struct Untuned {
    /// `[N]` how much of each Gaussian the pictures show.
    pub(super) seen: Tensor,
    /// `[N, 3 · K]` at rest, as the prior has them.
    pub(super) colors: Tensor,
}

impl Fit<'_> {
    /// What the network says of the Gaussians now, if the avatar is on a rig.
    pub(super) fn untuned(&self, avatar: &mut MapsAvatar, pictures: &Pictures) -> Result<Option<Untuned>> {
        let heads = self.heads(avatar, pictures);
        let Motion::Rig(motion) = &avatar.motion else { return Ok(None) };
        let seen = self.seen(motion, &heads, pictures)?.at_all;
        Ok(Some(Untuned { seen, colors: heads[0].colors.squeeze_dim(0) }))
    }

    /// The network's Gaussians at rest, for each picture.
    fn heads(&self, avatar: &mut MapsAvatar, pictures: &Pictures) -> Vec<HeadGaussians> {
        tch::no_grad(|| {
            (0..self.subject.views.len())
                .map(|v| {
                    let offset = self.offset(avatar, pictures, v);
                    let maps = avatar.decode_map(&offset);
                    avatar.undressed(&maps)
                })
                .collect()
        })
    }

    pub(super) fn polish(
        &self,
        avatar: &mut MapsAvatar,
        pictures: &mut Pictures,
        untuned: Option<&Untuned>,
        say: &mut impl FnMut(&str),
    ) -> Result<()> {
        let c = &self.config.gaussians;
        let heads = self.heads(avatar, pictures);
        let Motion::Rig(motion) = &avatar.motion else { return Ok(()) };
        let Seen { at_all: seen, squarely } = self.seen(motion, &heads, pictures)?;
        let limits = limits(&avatar.loaded.prior, motion);
        // Hair and clothes keep the outline that they were seen with, skin is believed where it was seen squarely.
        let loose = motion.rig.loose();
        let believed = &squarely * (1.0 - &loose) + &seen * &loose;
        let residual = Residual::free(&heads[0], limits);
        let hold = self.hold(motion);
        let unseen: Tensor = 1.0 - &seen;
        let hold_look: Tensor = 1.0
            + unseen * HOLD_UNSEEN
            + motion.rig.region("eyelids") * HOLD_LIDS
            + motion.rig.region("lips") * HOLD_LIPS;
        let mut optimizer = Adam::new(AdamConfig { eps: ADAM_EPS, ..Default::default() });
        let rates = [c.position, c.rotation, c.scale, c.opacity, c.color];
        for ((name, rate), part) in NAMES.iter().zip(rates).zip(&residual.parts) {
            optimizer.add_group(name, rate, vec![((*name).into(), part.shallow_clone())]);
        }
        if self.config.pivot.refine_expressions {
            pictures.free(&mut optimizer, &RATES);
        }
        let fixed: Vec<Posed> = match pictures.are_free() {
            true => Vec::new(),
            false => (0..heads.len()).map(|v| motion.rig.pose(&pictures.params(v))).collect(),
        };
        let rest = motion.rig.at_rest();
        let neighbors = motion.rig.neighbors(heads[0].means.size()[1] as usize);
        let completion = Completion::new(motion, &squarely, &neighbors, untuned, c.symmetry);
        let settle_from = (c.steps as f64 * SETTLE_FROM) as u64;
        let mut elsewhere = residual.parts[4].zeros_like();
        for step in 0..c.steps {
            if step == settle_from {
                elsewhere = tch::no_grad(|| completion.offsets(&residual.weighted(&believed).frozen(), &heads[0]));
            }
            let v = step as usize % heads.len();
            let made = residual.weighted(&believed).add(&heads[v]);
            let made = HeadGaussians { colors: &made.colors + &elsewhere, ..made };
            let posed = match (fixed.get(v), &self.units) {
                (None, Some(units)) => pictures.surface(v, &motion.rig, units).carry(&made, rest),
                (Some(surface), _) => surface.carry(&made, rest),
                (None, None) => motion.rig.pose(&pictures.params(v)).carry(&made, rest),
            };
            let head = pictures.placed(v, &posed);
            let mut loss = self.loss(&head, v, FIRST_STEP + step, Ask::Pixels)?
                + residual.size(&hold, &hold_look) * c.anchor
                + residual.roughness(&neighbors) * c.smooth;
            if pictures.are_free() {
                let p = &self.config.pivot;
                loss += pictures.strayed() * p.trust_expressions + pictures.wandered() * p.trust_cameras;
            }
            optimizer.zero_grad();
            loss.backward();
            optimizer.step(1.0 - 0.9 * step as f64 / c.steps as f64);
            pictures.clamp();
            self.after_step(step, v, &loss, &head)?;
        }
        pictures.freeze();
        let mut residual = residual.weighted(&believed).frozen();
        residual.parts[4] = &residual.parts[4] + &elsewhere;
        let spread: Vec<String> =
            NAMES.iter().zip(residual.spread()).map(|(name, rms)| format!("{name} {rms:.1e}")).collect();
        say(&format!(
            "{} Gaussians, {:.0} % seen; residuals (rms): {}",
            seen.size()[0],
            100.0 * seen.mean(Kind::Float).double_value(&[]),
            spread.join(", ")
        ));
        avatar.residual = Some(residual);
        avatar.seen = Some(seen);
        Ok(())
    }

    /// `[N]` how strongly each Gaussian is held in its place.
    fn hold(&self, motion: &RigMotion) -> Tensor {
        let lids_and_lips = motion.rig.region("eyelids").max_other(&motion.rig.region("lips"));
        let hold: Tensor = 1.0 + lids_and_lips * self.config.gaussians.hold_lids_and_lips;
        let (n, n_shaped) = (hold.size()[0], motion.n_shaped());
        _ = hold.narrow(0, n_shaped, n - n_shaped).fill_(1.0 + HOLD_RIGID);
        hold
    }
}

/// How far the residuals may go.
fn limits(prior: &Prior, motion: &RigMotion) -> Limits {
    let spacing = prior.base_log_scales().exp();
    let scalp = (prior.n_points()[0], prior.n_points().get(1).copied().unwrap_or(0));
    // Clothes are as free as hair, and a collar stands farther off.
    let body = motion.rig.body().unsqueeze(-1);
    let of_regions = |values: [f64; 3]| by_region(motion, scalp, values, &spacing) * (1.0 - &body) + &body * values[1];
    Limits {
        reach: &spacing * (of_regions(REACH) + &body * (BODY_REACH - REACH[1])),
        shrink: of_regions(SHRINK),
        fade: of_regions(FADE).squeeze_dim(1),
    }
}

/// `[N, 1]` a value for skin, one for the scalp and one for rigid parts; `scalp` is first and number of the scalp's.
fn by_region(motion: &RigMotion, scalp: (i64, i64), values: [f64; 3], like: &Tensor) -> Tensor {
    let all = like.full_like(values[0]);
    let (n, n_shaped) = (all.size()[0], motion.n_shaped());
    _ = all.narrow(0, scalp.0, scalp.1).fill_(values[1]);
    _ = all.narrow(0, n_shaped, n - n_shaped).fill_(values[2]);
    all
}
