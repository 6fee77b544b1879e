//! `L = L_color + L_geom + L_reg`, and the quantizers' terms (paper §3.4; weights are ours).
use crate::config::LossConfig;
use crate::data::Batch;
use crate::model::{CENTIMETER, HeadGaussians, IdentityMaps};
use nets::losses::perceptual::Perceptual;
use nets::view::Drawn;
use tch::{Kind, Tensor};

/// Every term, weighted, and their sum.
pub struct Losses {
    /// What is minimized.
    pub total: Tensor,
    /// Name and value of each term.
    pub terms: Vec<(&'static str, Tensor)>,
}

impl Losses {
    fn of(terms: Vec<(&'static str, Tensor)>) -> Self {
        let values: Vec<&Tensor> = terms.iter().map(|(_, t)| t).collect();
        Losses { total: Tensor::stack(&values, 0).sum(Kind::Float), terms }
    }
}

/// L_geom, texture and quantizer terms of a head at rest: all that can be had of it without drawing a picture. `vq` is the
/// quantizers' own loss, `mask` `[1, 1, U, U]` is 1 on the surface.
pub fn identity_losses(c: &LossConfig, maps: &IdentityMaps, made: &IdentityMaps, vq: &Tensor, mask: &Tensor) -> Losses {
    Losses::of(vec![
        ("position", l1_on(mask, &made.position, &maps.position) / CENTIMETER * c.geometry),
        ("texture", l1_on(mask, &made.texture, &maps.texture) * c.texture),
        ("vq", vq * c.vq),
    ])
}

/// L_geom of an expression.
pub fn expression_loss(c: &LossConfig, expression: &Tensor, made: &Tensor, mask: &Tensor) -> Losses {
    Losses::of(vec![("expression", l1_on(mask, made, expression) / CENTIMETER * c.geometry)])
}

/// Mean absolute difference of maps `[B, 3, U, U]` where `mask` is 1.
fn l1_on(mask: &Tensor, a: &Tensor, b: &Tensor) -> Tensor {
    ((a - b).abs() * mask).sum(Kind::Float) / (mask.sum(Kind::Float) * 3 * a.size()[0])
}

/// L_color, matte and L_reg.
pub fn picture_losses(
    c: &LossConfig,
    drawn: &Drawn,
    target: &Tensor,
    batch: &Batch,
    gaussians: &HeadGaussians,
    perceptual: Option<&Perceptual>,
) -> Losses {
    let mut terms = vec![
        ("l1", focused_l1(&drawn.color, target, &batch.focus, c.focus) * c.l1),
        ("ssim", nets::losses::image::ssim_loss(&drawn.color, target) * c.ssim),
        ("alpha", (&drawn.alpha - &batch.alphas).abs().mean(Kind::Float) * c.alpha),
        ("corrections", &gaussians.penalty * c.corrections),
    ];
    if let Some(net) = perceptual {
        terms.push(("perceptual", net.distance(&drawn.color, target) * c.perceptual));
    }
    Losses::of(terms)
}

/// L1 where `focus` `[B, 1, H, W]` (0..=1) adds up to `extra` to a pixel's weight; the weights' mean is 1.
pub fn focused_l1(a: &Tensor, b: &Tensor, focus: &Tensor, extra: f64) -> Tensor {
    let weight: Tensor = 1.0 + focus * extra;
    ((a - b).abs() * &weight).mean(Kind::Float) / weight.mean(Kind::Float)
}

impl Losses {
    /// Both together.
    pub fn and(self, other: Losses) -> Losses {
        let mut terms = self.terms;
        terms.extend(other.terms);
        Losses { total: self.total + other.total, terms }
    }
}
