//! Stage C: the network is frozen and asked once per picture; a residual of every Gaussian, shared by all pictures, is
//! optimized at full size.
use super::{Ask, Fit};
use crate::maps_avatar::{MapsAvatar, Motion};
use crate::neighbors::Neighbors;
use crate::pictures::{Pictures, Rates};
use crate::residual::{Limits, NAMES, Residual};
use crate::rig::Posed;
use crate::rig_motion::RigMotion;
use anyhow::Result;
use nets::training::optim::{Adam, AdamConfig};
use prior::model::HeadGaussians;
use prior::picture::draw;
use splat::gaussians::SH_C0;
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
/// From here on the mask of the lids counts as lid, whose rim is dark.
const LID_RIM: f64 = 0.02;
/// How much of what the photos show of the lids they keep, between the color of the skin around them and their own.
const LIDS_KEEP: f64 = 0.7;
/// Of the gradients of a Gaussian that is seen in a few pixels (about 1e-6): weaker ones move less, not as fast.
const ADAM_EPS: f64 = 1e-7;

/// What stage A leaves of an avatar on a rig, before the network is tuned.
pub(super) struct Untuned {
    /// `[N]` how much of each Gaussian the pictures show.
    pub(super) seen: Tensor,
    /// `[N, 3 · K]` at rest, as the prior has them.
    pub(super) colors: Tensor,
}

/// `[N]` how much of each Gaussian the pictures show, 0..=1.
struct Seen {
    /// From anywhere.
    at_all: Tensor,
    /// Pixels that see it at a grazing angle count less, or not.
    squarely: Tensor,
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
        let spacing = avatar.loaded.prior.base_log_scales().exp();
        let scalp = (avatar.loaded.prior.n_points()[0], avatar.loaded.prior.n_points().get(1).copied().unwrap_or(0));
        let of_regions = |values| by_region(motion, scalp, values, &spacing);
        // Clothes are as free as hair, and a collar stands farther off.
        let body = motion.rig.body().unsqueeze(-1);
        let of_regions = |values: [f64; 3]| of_regions(values) * (1.0 - &body) + &body * values[1];
        let limits = Limits {
            reach: &spacing * (of_regions(REACH) + &body * (BODY_REACH - REACH[1])),
            shrink: of_regions(SHRINK),
            fade: of_regions(FADE).squeeze_dim(1),
        };
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
        for step in 0..c.steps {
            let v = step as usize % heads.len();
            let made = residual.weighted(&seen).add(&heads[v]);
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
        // Hair and clothes keep the outline that they were seen with, skin is believed where it was seen squarely.
        let loose = motion.rig.loose();
        let shape = &squarely * (1.0 - &loose) + &seen * &loose;
        let mut residual = residual.weighted(&shape).frozen();
        let known = match c.symmetry {
            true => complete(&mut residual, &heads[0], &squarely, &motion.rig.twins()),
            false => squarely,
        };
        if let Some(untuned) = untuned {
            continue_colors(&mut residual, &heads[0], &known, untuned, &neighbors, &motion.rig.region("eyelids"));
        }
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

    /// How much of each Gaussian the valid pixels of all pictures show: the square of pixels over pixels plus `seen_px`.
    fn seen(&self, motion: &RigMotion, heads: &[HeadGaussians], pictures: &Pictures) -> Result<Seen> {
        let mut pixels = Tensor::zeros([heads[0].colors.size()[1]], (Kind::Float, heads[0].colors.device()));
        let mut square = pixels.zeros_like();
        for (v, head) in heads.iter().enumerate() {
            let surface = motion.rig.pose(&pictures.params(v));
            let mut posed = tch::no_grad(|| pictures.placed(v, &surface.carry(head, motion.rig.at_rest())));
            // The derivative of a pixel by a Gaussian's color is the Gaussian's weight in it.
            posed.colors = posed.colors.detach().copy().set_requires_grad(true);
            let drawn = draw(&posed, &[self.subject.views[v].camera], &super::GREY)?;
            let known = &self.targets.valid[v] * &self.targets.alphas[v].gt(0.5);
            (drawn.color * known).sum(Kind::Float).backward();
            let weight = posed.colors.grad().narrow(-1, 0, 3).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
            let weight = weight.squeeze_dim(0).clamp_min(0.0) / (3.0 * SH_C0);
            square += &weight * motion.facing(&surface, &posed.means, self.subject.views[v].camera.eye());
            pixels += weight;
        }
        let scale = (self.subject.views[0].image.width as f64 / 512.0).powi(2);
        let half = self.config.gaussians.seen_px * scale;
        let share = |pixels: &Tensor| (pixels / (pixels + half)).square();
        Ok(Seen { at_all: share(&pixels), squarely: share(&square) })
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

/// `[N, 1]` a value for skin, one for the scalp and one for rigid parts; `scalp` is first and number of the scalp's.
fn by_region(motion: &RigMotion, scalp: (i64, i64), values: [f64; 3], like: &Tensor) -> Tensor {
    let all = like.full_like(values[0]);
    let (n, n_shaped) = (all.size()[0], motion.n_shaped());
    _ = all.narrow(0, scalp.0, scalp.1).fill_(values[1]);
    _ = all.narrow(0, n_shaped, n - n_shaped).fill_(values[2]);
    all
}

/// Gives what no picture shows the color of its twin on the face's other side, as far as that was seen. `[N]` how far each
/// color is known then.
fn complete(residual: &mut Residual, head: &HeadGaussians, seen: &Tensor, twins: &[usize]) -> Tensor {
    let twins: Vec<i64> = twins.iter().map(|&t| t as i64).collect();
    let twins = Tensor::from_slice(&twins).to_device(seen.device());
    let color = head.colors.squeeze_dim(0) + &residual.parts[4];
    let unseen: Tensor = 1.0 - seen;
    let share: Tensor = unseen * seen.index_select(0, &twins);
    residual.parts[4] = &residual.parts[4] + (color.index_select(0, &twins) - &color) * share.unsqueeze(-1);
    seen + share
}

/// What nothing shows keeps the prior's own colors, in the tone of what lies beside it: the difference between the fit and
/// the prior is continued, not the network's answer there, which was tuned to other places. What an open eye hides of its lids
/// (`lids` `[N]`) takes the color of the skin around them itself, not that of their dark rim.
fn continue_colors(
    residual: &mut Residual,
    tuned: &HeadGaussians,
    known: &Tensor,
    untuned: &Untuned,
    neighbors: &Neighbors,
    lids: &Tensor,
) {
    let tuned = tuned.colors.squeeze_dim(0);
    let fitted = &tuned + &residual.parts[4];
    let continued = &untuned.colors + neighbors.filled(&(&fitted - &untuned.colors), known);
    let beside_lids = known * lids.lt(LID_RIM);
    let on_lids = neighbors.filled(&fitted, &beside_lids);
    let unknown: Tensor = 1.0 - known * LIDS_KEEP;
    let hidden = (lids * unknown).unsqueeze(-1);
    residual.parts[4] = &continued + (on_lids - &continued) * hidden - tuned;
}

#[cfg(test)]
mod tests {
    use super::*;
    use splat::Colors;
    use tch::Device;

    #[test]
    fn the_unseen_side_takes_the_other_sides_color() {
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
        let head = HeadGaussians {
            means: zeros(&[1, 3, 3]),
            quats: zeros(&[1, 3, 4]) + 1.0,
            log_scales: zeros(&[1, 3, 3]),
            opacity_logits: zeros(&[1, 3]),
            colors: Tensor::from_slice(&[0.1f32, 0.1, 0.1, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9]).view([1, 3, 3]),
            kind: Colors::Sh { degree: 0 },
            penalty: Tensor::from(0f32),
        };
        let mut residual = Residual::free(
            &head,
            Limits { reach: zeros(&[3, 1]) + 1.0, shrink: zeros(&[3, 1]) + 1.0, fade: zeros(&[3]) + 1.0 },
        )
        .frozen();
        // 0 and 1 are twins, 2 is in the middle; 0 was seen, 1 was not, 2 half.
        let known = complete(&mut residual, &head, &Tensor::from_slice(&[1.0f32, 0.0, 0.5]), &[1, 0, 2]);
        assert_eq!(Vec::<f32>::try_from(known).unwrap(), [1.0, 1.0, 0.75]);
        let color: Vec<f32> = Vec::try_from((head.colors.squeeze_dim(0) + &residual.parts[4]).select(1, 0)).unwrap();
        assert!(color.iter().zip([0.1, 0.1, 0.9]).all(|(a, b)| (a - b).abs() < 1e-6), "{color:?}");
    }
}
