//! The person's rig under the network's Gaussians: how they sit on it at rest.
use crate::config::Appearance;
use crate::neighbors::Neighbors;
use crate::rig::{Posed, Rig, quat_turn};
use anyhow::Result;
use head::HeadParams;
use head::model::Part;
use nets::Checkpoint;
use prior::config::Surface;
use prior::model::{Decoded, HeadGaussians};
use prior::weights::LoadedPrior;
use splat::gaussians::SH_C0;
use std::cell::OnceCell;
use tch::{Kind, Tensor};

/// Keys of the notes in an avatar's file.
const APPEARANCE: &str = "appearance";
const SURFACE: &str = "surface";
/// Opacity of the rigid parts: logit(0.95).
const SOLID_OPACITY_LOGIT: f64 = 2.944;
/// Standard deviation of the rigid parts' Gaussians over their neighbors' distance: along the surface, across it.
const SOLID_SCALE: (f64, f64) = (0.6, 0.15);

/// Farthest that the network may take skin and lids or lips off the surface of the rig (meters). One picture says nothing of
/// depth, so a free network would: 8 mm on average on a photo, more than the rig itself is wrong by.
const LIFT_M: (f64, f64) = (3e-3, 6e-4);
/// The same of the shoulders, in addition: clothes.
const BODY_LIFT_M: f64 = 0.03;
/// Unit of the roughness of the offsets from the surface (meters): skin; hair and clothes.
const ROUGHNESS_M: (f64, f64) = (1e-3, 3e-3);

/// Both rows.
const TEETH: [Part; 2] = [Part::TeethUpper, Part::TeethLower];
/// Light in an open mouth, chosen by eye: behind the lips it begins to fall (meters), to 1/e over the second length.
const MOUTH_LIGHT_M: (f64, f64) = (0.006, 0.018);
/// At the back.
const LEAST_LIGHT: f64 = 0.12;

/// Cosine between a Gaussian's normal and the view at which its color begins to be believed, and from which it is fully: at
/// the rim of the face the outline's few pixels of error show what is behind.
const GRAZING: (f64, f64) = (0.1, 0.4);

/// The head model, and how the network's Gaussians sit on it at rest.
pub struct RigMotion {
    /// The person's head.
    pub rig: Rig,
    /// What the network is asked for.
    pub appearance: Appearance,
    /// What the network's Gaussians sit on at rest.
    surface: Surface,
    /// `[1, N, 1]` farthest that the network may take a Gaussian off the surface (meters).
    lift: Tensor,
    /// `[1, N, 1]` unit of the offsets' roughness (meters).
    roughness: Tensor,
    neighbors: OnceCell<Neighbors>,
    /// `[1, N, 1]` 1 on teeth.
    teeth: Tensor,
    /// `[1, N, 1]` how much light reaches a Gaussian: less the deeper in the mouth.
    light: Tensor,
    /// `[1, N, 3]` metres: the surface less the bilinear lookup of its map.
    exact: Tensor,
    /// `[1, 3, U, U]` metres: x_verts.
    position: Tensor,
    /// `[3, N]` what the rigid parts follow at rest: the mean of the left lids, of the right lids, of the lips.
    followed: Tensor,
    /// `[S]` which of these each rigid Gaussian follows.
    follows: Tensor,
    /// `[1, S, 4]` frames of the rigid Gaussians.
    frames: Tensor,
    /// Gaussians of the regions that the network shapes; the `S` rigid ones come after.
    n_shaped: i64,
}

impl RigMotion {
    /// For a network whose Gaussians sit at the rig's places.
    pub fn new(loaded: &LoadedPrior, rig: Rig, appearance: Appearance, surface: Surface) -> Self {
        let parts = rig.parts();
        let prior = &loaded.prior;
        let position = rig.position_map();
        let exact = &rig.at_rest().means - prior.at_points(&position);
        let n_shaped = prior.n_trained();
        let n = exact.size()[1];
        let x = rig.at_rest().means.select(-1, 0).flatten(0, -1);
        let side = |left: bool| if left { x.gt(0.0) } else { x.le(0.0) }.to_kind(Kind::Float);
        let lids = rig.region("eyelids");
        let shaped = Tensor::arange(n, (Kind::Int64, x.device())).lt(n_shaped).to_kind(Kind::Float);
        let rows = [&lids * side(true), &lids * side(false), rig.region("lips")];
        let rows = rows.map(|row| {
            let row = row * &shaped;
            &row / row.sum(Kind::Float).clamp_min(1e-6)
        });
        let follows: Vec<i64> = parts[n_shaped as usize..]
            .iter()
            .map(|part| match part {
                Part::EyeLeft => 0,
                Part::EyeRight => 1,
                _ => 2,
            })
            .collect();
        let body = rig.body().view([1, -1, 1]);
        let lift = lift(loaded, &exact.narrow(2, 0, 1)) + &body * BODY_LIFT_M;
        let loose = rig.loose().view([1, -1, 1]);
        RigMotion {
            roughness: loose * (ROUGHNESS_M.1 - ROUGHNESS_M.0) + ROUGHNESS_M.0,
            teeth: rig.mask(&TEETH).view([1, -1, 1]),
            light: light(&rig).view([1, -1, 1]),
            surface,
            lift,
            neighbors: OnceCell::new(),
            followed: Tensor::stack(&rows, 0),
            follows: Tensor::from_slice(&follows).to_device(x.device()),
            frames: rig.normal_frames().narrow(1, n_shaped, n - n_shaped),
            exact,
            position,
            n_shaped,
            rig,
            appearance,
        }
    }

    /// `[1, 3, U, U]` meters: the x_exp that the network is asked for when the head is posed by `params`.
    pub fn expression_map(&self, params: &HeadParams) -> Tensor {
        match self.appearance {
            Appearance::Rest => self.position.zeros_like(),
            Appearance::Expression => self.rig.expression_map(params),
        }
    }

    /// The network's Gaussians at rest, on the exact surface. Rigid parts keep the rig's shape; they go where the skin
    /// around them went.
    pub fn rest(&self, loaded: &LoadedPrior, maps: &Decoded) -> HeadGaussians {
        let position = match self.surface {
            Surface::Exact => &self.position,
            Surface::Decoded => &maps.position,
        };
        let still = Decoded {
            texture: maps.texture.shallow_clone(),
            position: position.shallow_clone(),
            expression: maps.expression.zeros_like(),
            features: maps.features.shallow_clone(),
        };
        let g = loaded.prior.gaussians(&still);
        let n = g.means.size()[1];
        let shaped = |t: &Tensor| t.narrow(1, 0, self.n_shaped);
        let solid = |t: &Tensor| t.narrow(1, self.n_shaped, n - self.n_shaped);
        let moved = loaded.prior.at_points(&(position - &self.position));
        let follow = self.followed.matmul(&moved.squeeze_dim(0)).index_select(0, &self.follows).unsqueeze(0);
        let spacing = loaded.prior.base_log_scales().unsqueeze(0);
        let flat = Tensor::from_slice(&[SOLID_SCALE.0.ln(), SOLID_SCALE.0.ln(), SOLID_SCALE.1.ln()])
            .to_kind(Kind::Float)
            .to_device(spacing.device());
        let (mut means, mut penalty) = (&g.means + &self.exact, g.penalty.shallow_clone());
        if self.surface == Surface::Exact {
            let offset = &means - &self.rig.at_rest().means;
            let length = (offset.square().sum_dim_intlist([-1i64].as_slice(), true, Kind::Float) + 1e-12).sqrt();
            let offset = offset * ((&length / &self.lift).tanh() * &self.lift / &length);
            means = &self.rig.at_rest().means + &offset;
            let in_units = (offset / &self.roughness).narrow(1, 0, self.n_shaped).squeeze_dim(0);
            penalty = &penalty + self.neighbors().roughness(&in_units);
        }
        let mut colors = g.colors;
        if self.surface == Surface::Exact {
            // Renders show teeth in the shade of the lips. A fit that begins there shuts the mouth of a smile.
            let usual = (loaded.prior.at_points(loaded.prior.means().1) - 0.5) / SH_C0;
            let rest = colors.size()[2] - 3;
            let usual = usual.constant_pad_nd([0, rest]);
            colors = &colors + (usual - &colors) * &self.teeth;
            // Display values: black is -0.5 / SH_C0 in the first three coefficients, 0 in the others.
            let black = Tensor::zeros_like(&colors);
            _ = black.narrow(2, 0, 3).fill_(-0.5 / SH_C0);
            colors = &black + (colors - &black) * &self.light;
        }
        HeadGaussians {
            means: Tensor::cat(&[shaped(&means), solid(&self.rig.at_rest().means) + follow], 1),
            quats: Tensor::cat(&[shaped(&g.quats), self.frames.shallow_clone()], 1),
            log_scales: Tensor::cat(&[shaped(&g.log_scales), solid(&spacing) + flat], 1),
            opacity_logits: Tensor::cat(
                &[shaped(&g.opacity_logits), solid(&g.opacity_logits).full_like(SOLID_OPACITY_LOGIT)],
                1,
            ),
            colors,
            kind: g.kind,
            penalty,
        }
    }

    /// The graph of the Gaussians that the network shapes.
    fn neighbors(&self) -> &Neighbors {
        self.neighbors.get_or_init(|| self.rig.neighbors(self.n_shaped as usize))
    }

    /// Adds it to a file.
    ///
    /// # Errors
    /// A model that cannot be written.
    pub fn put(&self, file: &mut Checkpoint) -> Result<()> {
        for (name, value) in
            [(APPEARANCE, serde_json::to_value(self.appearance)?), (SURFACE, serde_json::to_value(self.surface)?)]
        {
            file.note(name, value.as_str().unwrap_or_default());
        }
        self.rig.put(file)
    }

    /// Of a file that [`RigMotion::put`] filled, on the network's device; none where an avatar has no rig.
    ///
    /// # Errors
    /// See [`Rig::take`].
    pub fn take(file: &Checkpoint, loaded: &LoadedPrior) -> Result<Option<Self>> {
        let Some(rig) = Rig::take(file, loaded.config.model.uv_size as usize, loaded.vars.device())? else {
            return Ok(None);
        };
        // Avatars of an earlier build do not say it.
        let appearance = match file.notes.get(APPEARANCE) {
            Some(said) => serde_json::from_value(said.as_str().into())?,
            None => Appearance::Expression,
        };
        let surface = match file.notes.get(SURFACE) {
            Some(said) => serde_json::from_value(said.as_str().into())?,
            None => Surface::Decoded,
        };
        Ok(Some(RigMotion::new(loaded, rig, appearance, surface)))
    }

    /// `[N]` 0 where a Gaussian of the posed surface is seen at a grazing angle from `eye` or from behind, 1 where it is
    /// seen squarely. `means` `[1, N, 3]` are in the eye's space.
    pub fn facing(&self, surface: &Posed, means: &Tensor, eye: glam::Vec3) -> Tensor {
        let eye = Tensor::from_slice(&eye.to_array()).view([1, 1, 3]).to_device(means.device());
        let ray = eye - means.detach();
        let up = Tensor::from_slice(&[0f32, 0.0, 1.0]).view([1, 1, 3]).to_device(means.device());
        let normal = quat_turn(&surface.turns, &quat_turn(&self.rig.normal_frames(), &up));
        let dot = |a: &Tensor, b: &Tensor| (a * b).sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
        let cosine = (dot(&ray, &normal) / (dot(&ray, &ray).sqrt() + 1e-9)).squeeze_dim(0);
        let believed = ((&cosine - GRAZING.0) / (GRAZING.1 - GRAZING.0)).clamp(0.0, 1.0);
        let loose = self.rig.loose();
        // Hair and clothes stand off the surface, whose normal says nothing of theirs.
        &loose + believed * (1.0 - &loose)
    }

    /// `[N]` 1 on what an open mouth shows.
    pub fn inside_mouth(&self) -> Tensor {
        self.rig.mask(&[Part::TeethUpper, Part::TeethLower, Part::Gums, Part::Tongue, Part::Mouth])
    }

    /// Gaussians of the regions that the network shapes.
    pub fn n_shaped(&self) -> i64 {
        self.n_shaped
    }
}

/// `[N]` share of the light of the face that reaches the lining of the mouth, gums and tongue (1 elsewhere): falls off behind
/// the lips, as in a tube.
fn light(rig: &Rig) -> Tensor {
    let depth = rig.at_rest().means.select(-1, 2).flatten(0, -1);
    let lips = rig.region("lips");
    let front = (&depth * &lips).sum(Kind::Float) / lips.sum(Kind::Float).clamp_min(1e-6);
    let behind = (front - depth - MOUTH_LIGHT_M.0).clamp_min(0.0);
    let inside = (behind * (-1.0 / MOUTH_LIGHT_M.1)).exp().clamp_min(LEAST_LIGHT);
    let dark = rig.mask(&[Part::Gums, Part::Tongue, Part::Mouth]);
    (inside - 1.0) * dark + 1.0
}

/// `[1, N, 1]` farthest that the network may take a Gaussian off the surface (meters); rigid parts stay on it anyway.
fn lift(loaded: &LoadedPrior, like: &Tensor) -> Tensor {
    let lift = like.full_like(LIFT_M.0);
    let (n_shaped, mut first) = (loaded.prior.n_trained(), 0);
    for (i, n) in loaded.prior.n_points().into_iter().enumerate() {
        let most = match i {
            1 => 2.0 * loaded.config.model.hair_reach_m,
            2 => LIFT_M.1,
            _ => LIFT_M.0,
        };
        if first < n_shaped {
            _ = lift.narrow(1, first, n).fill_(most);
        }
        first += n;
    }
    lift
}

#[cfg(test)]
mod tests {
    use super::*;
    use head::model::SurfacePoint;
    use prior::config::{ModelConfig, PriorConfig};
    use prior::regions::{Grids, avatar_points};
    use prior::weights::fresh;
    use tch::Device;

    /// A network whose regressors answer at random, on the analytic head; the means at rest, and how far they are from the
    /// surface (meters).
    fn at_random(surface: Surface) -> (RigMotion, LoadedPrior, HeadGaussians, Tensor) {
        let model = head::analytic::head();
        let shape = vec![0.3; model.identity.names.len()];
        let small = ModelConfig {
            uv_size: 32,
            id_grid: 4,
            expr_grid: 4,
            code_dim: 4,
            feature_channels: 8,
            decoder_channels: 4,
            detail_grid: 32,
            ..Default::default()
        };
        let config = PriorConfig { model: small, ..Default::default() };
        let grids = Grids { face: 48, scalp: 48, detail: 64, eyes: 96, teeth: 64, tongue: 32, mouth: 32 };
        let points = avatar_points(&model, &model.neutral(&shape), &grids, &config.model);
        let counts: Vec<i64> = points.iter().map(|p| p.uvs.len() as i64).collect();
        let mut loaded = fresh(&config, &counts, Device::Cpu);
        loaded.prior.set_regions(&points);
        let texture = Tensor::full([3, 32, 32], 0.8, (Kind::Float, Device::Cpu));
        let position = Tensor::zeros([3, 32, 32], (Kind::Float, Device::Cpu));
        loaded.prior.set_mean(&position, &texture, &texture.narrow(0, 0, 1).ones_like());
        loaded.vars.freeze();
        for (name, mut t) in loaded.vars.variables() {
            if name.contains("regressors") || name.contains("decoders.identity") {
                _ = t.normal_(0.0, 0.3);
            }
        }
        let anchors: Vec<SurfacePoint> = points.iter().flat_map(|p| p.anchors.iter().copied()).collect();
        let rig = Rig::new(&model, &shape, anchors, 32, Device::Cpu);
        let motion = RigMotion::new(&loaded, rig, Appearance::Rest, surface);
        let code = Tensor::randn([1, 4, 4, 4], (Kind::Float, Device::Cpu));
        let g = motion.rest(&loaded, &loaded.prior.decode(&code, &code));
        let off =
            (&g.means - &motion.rig.at_rest().means).square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Float);
        let off = off.sqrt().squeeze_dim(0);
        (motion, loaded, g, off)
    }

    #[test]
    fn a_wild_network_leaves_skin_and_lips_on_the_rig_and_may_raise_hair() {
        let (_, loaded, _, off) = at_random(Surface::Exact);
        let n = loaded.prior.n_points();
        let most = |first: i64, count: i64| off.narrow(0, first, count).max().double_value(&[]);
        let (face, hair, detail) = (most(0, n[0]), most(n[0], n[1]), most(n[0] + n[1], n[2]));
        assert!(face <= LIFT_M.0 * 1.001 && face > 1e-3, "{face}");
        assert!(detail <= LIFT_M.1 * 1.001, "{detail}");
        assert!(hair > 2.0 * LIFT_M.0, "{hair}");
        let rigid = n[0] + n[1] + n[2];
        assert!(most(rigid, n[3..].iter().sum()) < 1e-6, "eyes and teeth stay where the rig has them");
        let (.., before) = at_random(Surface::Decoded);
        assert!(before.narrow(0, 0, n[0]).max().double_value(&[]) > 2.0 * LIFT_M.0, "avatars of earlier builds stay");
    }

    #[test]
    fn skin_counts_where_it_is_seen_squarely_and_hair_everywhere() {
        let (motion, loaded, ..) = at_random(Surface::Exact);
        let rest = motion.rig.at_rest();
        let seen = motion.facing(rest, &rest.means, glam::Vec3::new(0.0, 0.0, 1.0));
        let n = loaded.prior.n_points();
        let depth = rest.means.narrow(1, 0, n[0]).select(-1, 2).squeeze_dim(0);
        let (face, loose) = (seen.narrow(0, 0, n[0]), motion.rig.loose().narrow(0, 0, n[0]));
        let nearest = depth.masked_fill(&loose.gt(0.0), -9.0).argmax(0, false).int64_value(&[]);
        assert!(face.double_value(&[nearest]) > 0.99, "the tip of the nose");
        let behind = motion.facing(rest, &rest.means, glam::Vec3::new(0.0, 0.0, -1.0)).narrow(0, 0, n[0]);
        assert!(behind.double_value(&[nearest]) < 0.01, "the nose from behind");
        let hair = seen.narrow(0, n[0], n[1]) - motion.rig.region("scalp").narrow(0, n[0], n[1]);
        assert!(hair.min().double_value(&[]) > -1e-6, "hair's normals are not the scalp's");
    }

    #[test]
    fn teeth_begin_with_the_usual_texture() {
        let (motion, _, g, _) = at_random(Surface::Exact);
        let shown = g.colors.narrow(2, 0, 3) * SH_C0 + 0.5;
        let wrong = ((shown - 0.8) * &motion.teeth).abs().max().double_value(&[]);
        assert!(wrong < 1e-5 && motion.teeth.sum(Kind::Float).double_value(&[]) > 10.0, "{wrong}");
    }

    #[test]
    fn a_rough_network_costs_more_than_a_smooth_one() {
        let (motion, loaded, rough, _) = at_random(Surface::Exact);
        for (name, mut t) in loaded.vars.variables() {
            if name.contains("regressors") {
                _ = t.zero_();
            }
        }
        let code = Tensor::randn([1, 4, 4, 4], (Kind::Float, Device::Cpu));
        let smooth = motion.rest(&loaded, &loaded.prior.decode(&code, &code));
        let of = |g: &HeadGaussians| g.penalty.double_value(&[]);
        assert!(of(&rough) > of(&smooth) + 0.1 && of(&smooth) < 1e-6, "{} {}", of(&rough), of(&smooth));
    }
}
