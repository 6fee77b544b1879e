//! What stage C adds to each Gaussian, at rest, over all pictures and expressions.
use crate::neighbors::Neighbors;
use crate::rig::{quat_mul, quat_turn, quat_unit};
use anyhow::Result;
use nets::Checkpoint;
use prior::model::HeadGaussians;
use tch::{Device, Kind, Tensor};

/// Units in which the parts of a residual are measured: position (metres), rotation, ln scale, opacity logit, color.
const UNITS: [f64; 5] = [1e-3, 0.2, 0.5, 2.0, 0.5];
/// Names in messages and files.
pub const NAMES: [&str; 5] = ["position", "rotation", "scale", "opacity", "color"];
/// A scale grows by this factor's ln at most.
const MOST_LN_SCALE: f64 = 1.0;
/// Limits of an avatar that was written without them.
const WITHOUT_LIMIT: f64 = 1.0;

/// How far a residual may go. A Gaussian that moves, shrinks or fades leaves a gap, which may be hidden in the pictures'
/// expressions and open in others.
pub struct Limits {
    /// `[N, 1]` farthest a Gaussian may move (meters).
    pub reach: Tensor,
    /// `[N, 1]` by which ln a scale may shrink.
    pub shrink: Tensor,
    /// `[N]` by how much an opacity logit may fall.
    pub fade: Tensor,
}

impl Limits {
    fn shallow_clone(&self) -> Self {
        let Limits { reach, shrink, fade } = self;
        Limits { reach: reach.shallow_clone(), shrink: shrink.shallow_clone(), fade: fade.shallow_clone() }
    }
}

/// `x` where it is positive; below, no less than `-most`, approached smoothly.
fn bounded_below(x: &Tensor, most: &Tensor) -> Tensor {
    x.clamp_min(0.0) + (x.clamp_max(0.0) / most).tanh() * most
}

/// `N` Gaussians; all parts live in the Gaussian's own frame at rest.
pub struct Residual {
    /// Position `[N, 3]` (metres), rotation half-vector `[N, 3]`, ln scale `[N, 3]`, opacity logit `[N]`, color `[N, 3·K]`.
    pub parts: [Tensor; 5],
    /// How far they may go.
    pub limits: Limits,
}

impl Residual {
    /// Nothing, to be optimized.
    pub fn free(g: &HeadGaussians, limits: Limits) -> Self {
        let (n, k) = (g.colors.size()[1], g.colors.size()[2]);
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, g.means.device())).set_requires_grad(true);
        Residual { parts: [zeros(&[n, 3]), zeros(&[n, 3]), zeros(&[n, 3]), zeros(&[n]), zeros(&[n, k])], limits }
    }

    /// Adds the residual to Gaussians at rest. Rotations multiply: the regressors' quaternions have any sign and length.
    pub fn add(&self, g: &HeadGaussians) -> HeadGaussians {
        let [position, rotation, scale, opacity, color] = &self.parts;
        let q = quat_unit(&g.quats);
        let Limits { reach, shrink, fade } = &self.limits;
        let shift = (position / reach).tanh() * reach;
        let scale = bounded_below(&((scale / MOST_LN_SCALE).tanh() * MOST_LN_SCALE), shrink);
        let turn = Tensor::cat(&[rotation.narrow(-1, 0, 1).ones_like(), rotation.shallow_clone()], -1);
        HeadGaussians {
            means: &g.means + quat_turn(&q, &shift.unsqueeze(0)),
            quats: quat_mul(&q, &quat_unit(&turn).unsqueeze(0)),
            log_scales: &g.log_scales + scale.unsqueeze(0),
            opacity_logits: &g.opacity_logits + bounded_below(opacity, fade).unsqueeze(0),
            colors: &g.colors + color.unsqueeze(0),
            kind: g.kind,
            penalty: g.penalty.shallow_clone(),
        }
    }

    /// The same with every part times `weight` `[N]`.
    pub fn weighted(&self, weight: &Tensor) -> Residual {
        let column = weight.unsqueeze(-1);
        let parts = std::array::from_fn(|i| &self.parts[i] * if i == 3 { weight } else { &column });
        Residual { parts, limits: self.limits.shallow_clone() }
    }

    /// Mean squared residual in its units; positions, rotations and scales count `hold` `[N]` times, opacities and colors
    /// `hold_look` `[N]` times.
    pub fn size(&self, hold: &Tensor, hold_look: &Tensor) -> Tensor {
        let terms = (0..5).map(|i| {
            let weight = if i < 3 { hold } else { hold_look };
            let weight = if i == 3 { weight.shallow_clone() } else { weight.unsqueeze(-1) };
            ((&self.parts[i] / UNITS[i]).square() * weight).mean(Kind::Float)
        });
        terms.sum()
    }

    /// Mean squared difference of opacities and colors from their neighbors' mean, in the same units.
    pub fn roughness(&self, neighbors: &Neighbors) -> Tensor {
        let [.., opacity, color] = &self.parts;
        neighbors.roughness(&(opacity.unsqueeze(-1) / UNITS[3])) + neighbors.roughness(&(color / UNITS[4]))
    }

    /// Root mean square of each part, for messages.
    pub fn spread(&self) -> Vec<f64> {
        self.parts.iter().map(|t| t.detach().square().mean(Kind::Float).sqrt().double_value(&[])).collect()
    }

    /// Ends the optimization.
    pub fn frozen(self) -> Residual {
        Residual { parts: self.parts.map(|t| t.detach().copy()), ..self }
    }

    /// Adds it to a file.
    pub fn put(&self, file: &mut Checkpoint) {
        for (name, part) in NAMES.iter().zip(&self.parts) {
            file.put(&format!("residual.{name}"), part);
        }
        file.put("residual.reach", &self.limits.reach);
        file.put("residual.shrink", &self.limits.shrink);
        file.put("residual.fade", &self.limits.fade);
    }

    /// Of a file that [`Residual::put`] filled; none where an avatar has none.
    ///
    /// # Errors
    /// A part is missing.
    pub fn take(file: &Checkpoint, device: Device) -> Result<Option<Self>> {
        if !file.names().any(|name| name.starts_with("residual.")) {
            return Ok(None);
        }
        let floats = |name: &str| -> Result<Tensor> {
            Ok(file.get(&format!("residual.{name}"))?.to_kind(Kind::Float).to_device(device))
        };
        let parts: Vec<Tensor> = NAMES.iter().map(|name| floats(name)).collect::<Result<_>>()?;
        let parts: [Tensor; 5] = parts.try_into().map_err(|_| anyhow::anyhow!("five parts were read"))?;
        let reach = floats("reach")?;
        let limits = match file.names().any(|name| name == "residual.shrink") {
            true => Limits { shrink: floats("shrink")?, fade: floats("fade")?, reach },
            false => Limits { shrink: reach.full_like(WITHOUT_LIMIT), fade: parts[3].full_like(f64::MAX), reach },
        };
        Ok(Some(Residual { parts, limits }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use splat::Colors;

    fn gaussians() -> HeadGaussians {
        let t = |v: &[f32], size: &[i64]| Tensor::from_slice(v).view(size);
        HeadGaussians {
            means: t(&[0.0, 0.0, 0.0, 0.1, 0.0, 0.0], &[1, 2, 3]),
            quats: t(&[-2.0, 0.0, 0.0, 0.0, 0.707, 0.0, 0.0, 0.707], &[1, 2, 4]),
            log_scales: t(&[-6.0; 6], &[1, 2, 3]),
            opacity_logits: t(&[1.0; 2], &[1, 2]),
            colors: t(&[0.0; 6], &[1, 2, 3]),
            kind: Colors::Sh { degree: 0 },
            penalty: Tensor::from(0f32),
        }
    }

    fn limits(reach: &[f32]) -> Limits {
        let reach = Tensor::from_slice(reach).view([2, 1]);
        Limits { shrink: reach.full_like(0.3), fade: Tensor::from_slice(&[0.7f32; 2]), reach }
    }

    #[test]
    fn a_gaussian_grows_freely_and_shrinks_and_fades_little() {
        let g = gaussians();
        let mut r = Residual::free(&g, limits(&[1.0; 2])).frozen();
        r.parts[2] = Tensor::from_slice(&[-3.0f32, -3.0, -3.0, 0.5, 0.5, 0.5]).view([2, 3]);
        r.parts[3] = Tensor::from_slice(&[-5.0f32, 5.0]);
        let made = r.add(&g);
        let change = |now: &Tensor, before: &Tensor, at: &[i64]| (now - before).double_value(at);
        let scale = |i: i64| change(&made.log_scales, &g.log_scales, &[0, i, 0]);
        assert!((-0.3..-0.28).contains(&scale(0)) && scale(1) > 0.4, "{} {}", scale(0), scale(1));
        let opacity = |i: i64| change(&made.opacity_logits, &g.opacity_logits, &[0, i]);
        assert!((-0.7..-0.69).contains(&opacity(0)) && opacity(1) == 5.0, "{} {}", opacity(0), opacity(1));
    }

    #[test]
    fn a_shift_is_in_the_gaussians_own_frame_and_within_reach() {
        let g = gaussians();
        let mut r = Residual::free(&g, limits(&[1.0, 0.002])).frozen();
        r.parts[0] = Tensor::from_slice(&[0.001f32, 0.0, 0.0, 1.0, 0.0, 0.0]).view([2, 3]);
        let moved = r.add(&g);
        let means: Vec<f32> = Vec::try_from(moved.means.flatten(0, -1)).unwrap();
        // The second is turned by 90° about z and may go 2 mm.
        assert!((means[0] - 0.001).abs() < 1e-6 && (means[3] - 0.1).abs() < 1e-5 && (means[4] - 0.002).abs() < 1e-5);
        assert!((moved.opacity_logits - &g.opacity_logits).abs().max().double_value(&[]) == 0.0);
    }

    #[test]
    fn the_unseen_stay_as_they_were() {
        let g = gaussians();
        let mut r = Residual::free(&g, limits(&[1.0; 2])).frozen();
        r.parts[4] = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
        r.parts[3] = Tensor::ones([2], (Kind::Float, Device::Cpu));
        let added = r.weighted(&Tensor::from_slice(&[0.0f32, 0.5])).add(&g);
        assert_eq!(added.colors.double_value(&[0, 0, 0]), 0.0);
        assert_eq!(added.colors.double_value(&[0, 1, 0]), 0.5);
        assert_eq!(added.opacity_logits.double_value(&[0, 1]), 1.5);
    }
}
