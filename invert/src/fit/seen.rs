//! What the pictures show of each Gaussian.
use super::Fit;
use crate::pictures::Pictures;
use crate::rig_motion::RigMotion;
use anyhow::Result;
use prior::model::HeadGaussians;
use prior::picture::draw;
use splat::gaussians::SH_C0;
use tch::{Kind, Tensor};

/// How far around an open mouth lips are not told from teeth, over the picture's side.
const MOUTH_RIM: f64 = 0.008;

/// `[N]` how much of each Gaussian the pictures show, 0..=1.
pub(super) struct Seen {
    /// From anywhere.
    pub(super) at_all: Tensor,
    /// Pixels that see it at a grazing angle count less, or not.
    pub(super) squarely: Tensor,
}

impl Fit<'_> {
    /// How much of each Gaussian the valid pixels of all pictures show: the square of pixels over pixels plus `seen_px`.
    pub(super) fn seen(&self, motion: &RigMotion, heads: &[HeadGaussians], pictures: &Pictures) -> Result<Seen> {
        let mut pixels = Tensor::zeros([heads[0].colors.size()[1]], (Kind::Float, heads[0].colors.device()));
        let mut square = pixels.zeros_like();
        let n_shaped = motion.n_shaped();
        for (v, head) in heads.iter().enumerate() {
            let surface = motion.rig.pose(&pictures.params(v));
            let mut posed = tch::no_grad(|| pictures.placed(v, &surface.carry(head, motion.rig.at_rest())));
            // The derivative of a pixel by a Gaussian's color is the Gaussian's weight in it.
            posed.colors = posed.colors.detach().copy().set_requires_grad(true);
            let drawn = draw(&posed, &[self.subject.views[v].camera], &super::GREY)?;
            let known = &self.targets.valid[v] * &self.targets.alphas[v].gt(0.5);
            let weight = |known: &Tensor| {
                let sum = (&drawn.color * known).sum(Kind::Float);
                let gradient = Tensor::run_backward(&[sum], &[&posed.colors], true, false).remove(0);
                let weight = gradient.narrow(-1, 0, 3).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
                weight.squeeze_dim(0).clamp_min(0.0) / (3.0 * SH_C0)
            };
            let (weight, beside) = (weight(&known), weight(&(&known * (1.0 - self.mouth_rim(motion, &posed, v)?))));
            weight.narrow(0, 0, n_shaped).copy_(&beside.narrow(0, 0, n_shaped));
            square += &weight * motion.facing(&surface, &posed.means, self.subject.views[v].camera.eye());
            pixels += weight;
        }
        let scale = (self.subject.views[0].image.width as f64 / 512.0).powi(2);
        let half = self.config.gaussians.seen_px * scale;
        let share = |pixels: &Tensor| (pixels / (pixels + half)).square();
        let at_all = share(&pixels);
        let squarely = &at_all * (square / pixels.clamp_min(1e-6));
        Ok(Seen { at_all, squarely })
    }

    /// `[1, 1, S, S]` 1 in the open mouth of picture `v`, where `posed` is in its place, and [`MOUTH_RIM`] around it: there
    /// the tracked outline does not tell lips from teeth.
    pub(super) fn mouth_rim(&self, motion: &RigMotion, posed: &HeadGaussians, v: usize) -> Result<Tensor> {
        tch::no_grad(|| {
            let inside = (motion.inside_mouth().unsqueeze(-1) - 0.5) / SH_C0;
            let colors = inside.expand([-1, 3], false).constant_pad_nd([0, posed.colors.size()[2] - 3]).unsqueeze(0);
            let same = |t: &Tensor| t.detach();
            let flat = HeadGaussians {
                means: same(&posed.means),
                quats: same(&posed.quats),
                log_scales: same(&posed.log_scales),
                opacity_logits: same(&posed.opacity_logits),
                colors,
                kind: posed.kind,
                penalty: same(&posed.penalty),
            };
            let drawn = draw(&flat, &[self.subject.views[v].camera], &[[0.0; 3]])?.color.narrow(1, 0, 1);
            let reach = (drawn.size()[3] as f64 * MOUTH_RIM).round() as i64;
            let wide = drawn.max_pool2d([2 * reach + 1; 2], [1; 2], [reach; 2], [1; 2], false);
            Ok(wide.gt(0.3).to_kind(Kind::Float))
        })
    }
}
