//! Colors of what no picture shows: from the face's other side, from what lies beside it, from the prior.
use super::gaussians::Untuned;
use crate::neighbors::Neighbors;
use crate::residual::Residual;
use crate::rig_motion::RigMotion;
use head::model::Part;
use prior::model::HeadGaussians;
use splat::gaussians::SH_C0;
use tch::{Kind, Tensor};

/// From here on the mask of the lids counts as lid, whose rim is dark.
const LID_RIM: f64 = 0.02;
/// How much of what the photos show of the lids they keep, between the color of the skin around them and their own.
const LIDS_KEEP: f64 = 0.7;
/// How much unseen skin takes the color of the skin beside it, rather than the prior's pattern in the person's tone, which
/// may be hair or shadow. Lips do so entirely: what the prior has at their rim was fitted to an open mouth.
const PLAIN_SKIN: f64 = 0.9;

/// From where to where a color begins to be a sample of the person's skin: many that are hardly seen are still the prior's.
const SURE: (f64, f64) = (0.25, 0.75);

/// Distance of a color from the person's median skin (display RGB) from where to where it is no skin.
const LIKE_SKIN: (f64, f64) = (0.2, 0.35);

/// How far below the chin a collar may begin (meters): there any color may be the person's.
const CLOTHED_M: (f32, f32) = (0.0, 0.03);

/// What it takes to complete a person.
pub(super) struct Completion<'a> {
    neighbors: &'a Neighbors,
    /// The prior's own colors.
    untuned: Option<&'a Untuned>,
    /// `[N]` how far the pictures tell each color.
    seen: &'a Tensor,
    /// `[N]` the Gaussian on the other side of the face, if it may help.
    twins: Option<Vec<usize>>,
    /// `[N]` 1 on the lids.
    lids: Tensor,
    /// `[N]` how much of the color beside it skin takes that no picture shows.
    plain: Tensor,
    /// `[N]` 1 where the person may wear a collar.
    clothed: Tensor,
}

impl<'a> Completion<'a> {
    /// `seen` `[N]`: how far the pictures tell each color.
    pub(super) fn new(
        motion: &RigMotion,
        seen: &'a Tensor,
        neighbors: &'a Neighbors,
        untuned: Option<&'a Untuned>,
        symmetry: bool,
    ) -> Self {
        let region = |name: &str| motion.rig.region(name);
        let patterned = region("scalp").max_other(&region("brows"));
        let plain =
            (region("lips") * (1.0 - PLAIN_SKIN) + PLAIN_SKIN) * (1.0 - patterned) * motion.rig.mask(&[Part::Skin]);
        Completion {
            neighbors,
            untuned,
            seen,
            twins: symmetry.then(|| motion.rig.twins()),
            lids: region("eyelids"),
            plain,
            clothed: motion.rig.below_chin(CLOTHED_M),
        }
    }

    /// `[N, 3 · K]` what completes the colors of `head` with `residual`.
    pub(super) fn offsets(&self, residual: &Residual, head: &HeadGaussians) -> Tensor {
        let tuned = head.colors.squeeze_dim(0);
        let fitted = &tuned + &residual.parts[4];
        let (completed, known) = match &self.twins {
            Some(twins) => mirrored(&fitted, self.seen, twins),
            None => (fitted.shallow_clone(), self.seen.shallow_clone()),
        };
        let continued = match self.untuned {
            Some(untuned) => self.continued(&completed, &known, untuned),
            None => completed,
        };
        continued - fitted
    }

    /// What nothing shows keeps the prior's own colors, in the tone of what lies beside it: the difference between the fit
    /// and the prior is continued, not the network's answer there, which was tuned to other places. Skin, lips and clothes take
    /// the color beside them. What an open eye hides of its lids takes the color of the skin around them, not that of their dark rim.
    fn continued(&self, fitted: &Tensor, known: &Tensor, untuned: &Untuned) -> Tensor {
        let in_tone = &untuned.colors + self.neighbors.filled(&(fitted - &untuned.colors), known);
        let unknown: Tensor = 1.0 - known;
        let plain = (&self.plain * unknown).unsqueeze(-1);
        let sure = ((known - SURE.0) / (SURE.1 - SURE.0)).clamp(0.0, 1.0);
        let on_skin = self.neighbors.filled(fitted, &(&sure * self.like_skin(fitted, &sure)));
        let on_clothes = self.neighbors.filled(fitted, &sure);
        let beside = &on_skin + (on_clothes - &on_skin) * self.clothed.unsqueeze(-1);
        let continued = &in_tone + (beside - &in_tone) * plain;
        let beside_lids = known * self.lids.lt(LID_RIM);
        let on_lids = self.neighbors.filled(fitted, &beside_lids);
        let unknown: Tensor = 1.0 - known * LIDS_KEEP;
        let hidden = (&self.lids * unknown).unsqueeze(-1);
        &continued + (on_lids - &continued) * hidden
    }
}

impl Completion<'_> {
    /// `[N]` 1 where `colors` `[N, 3 · K]` are near the median of the skin that is `sure` `[N]`: hair that lies over the skin is
    /// painted on it.
    fn like_skin(&self, colors: &Tensor, sure: &Tensor) -> Tensor {
        let shown = colors.narrow(1, 0, 3) * SH_C0;
        let not_clothed: Tensor = 1.0 - &self.clothed;
        let is_skin = (&self.plain * sure * not_clothed).gt(0.5);
        if !bool::try_from(is_skin.any()).unwrap_or(false) {
            return sure.ones_like();
        }
        let median = shown.masked_select(&is_skin.unsqueeze(-1)).view([-1, 3]).median_dim(0, true).0;
        let distance = (shown - median).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float).sqrt();
        1.0 - ((distance - LIKE_SKIN.0) / (LIKE_SKIN.1 - LIKE_SKIN.0)).clamp(0.0, 1.0)
    }
}

/// Gives what no picture shows the color of its twin on the face's other side, as far as that was seen. `[N, 3 · K]` colors,
/// and `[N]` how far each is known then.
fn mirrored(colors: &Tensor, seen: &Tensor, twins: &[usize]) -> (Tensor, Tensor) {
    let twins: Vec<i64> = twins.iter().map(|&t| t as i64).collect();
    let twins = Tensor::from_slice(&twins).to_device(seen.device());
    let unseen: Tensor = 1.0 - seen;
    let share: Tensor = unseen * seen.index_select(0, &twins);
    (colors + (colors.index_select(0, &twins) - colors) * share.unsqueeze(-1), seen + share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hair_over_the_skin_is_no_skin() {
        // Three of skin, one covered by a dark strand, one unseen.
        let tone = |v: f64| ((v - 0.5) / SH_C0) as f32;
        let grays = [0.8, 0.82, 0.78, 0.3, 0.8].map(tone);
        let colors = Tensor::from_slice(&grays.map(|g| [g; 3]).concat()).view([5, 3]);
        let ones = Tensor::ones([5], (Kind::Float, tch::Device::Cpu));
        let neighbors = Neighbors::new(vec![glam::Vec3::ZERO; 5], vec![0; 5], tch::Device::Cpu);
        let sure = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 1.0, 0.0]);
        let (lids, plain, clothed) = (ones.zeros_like(), ones.copy(), ones.zeros_like());
        let of = Completion { neighbors: &neighbors, untuned: None, seen: &sure, twins: None, lids, plain, clothed };
        let like: Vec<f32> = Vec::try_from(of.like_skin(&colors, &sure)).unwrap();
        assert_eq!(like, [1.0, 1.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn the_unseen_side_takes_the_other_sides_color() {
        let colors = Tensor::from_slice(&[0.1f32, 0.5, 0.9]).view([3, 1]);
        // 0 and 1 are twins, 2 is in the middle; 0 was seen, 1 was not, 2 half.
        let (colors, known) = mirrored(&colors, &Tensor::from_slice(&[1.0f32, 0.0, 0.5]), &[1, 0, 2]);
        assert_eq!(Vec::<f32>::try_from(known).unwrap(), [1.0, 1.0, 0.75]);
        let colors: Vec<f32> = Vec::try_from(colors.view([-1])).unwrap();
        assert!(colors.iter().zip([0.1, 0.1, 0.9]).all(|(a, b)| (a - b).abs() < 1e-6), "{colors:?}");
    }
}
