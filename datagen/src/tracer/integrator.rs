//! Paths: from the camera, bounce by bounce, with light sampled from the environment at every one.
//!
//! [`label`] says what a ray meets, [`vertex`] makes a hit ready to scatter, by where it lies: [`mesh_hit`], [`strand_hit`].
//!
//! Next-event estimation and scattering are combined by the power heuristic (Veach 1997). Two accepted biases, both
//! small: light passes clear materials straight once a path has scattered (so does the shadow ray), and the light of
//! later bounces is clamped against single bright pixels.
mod label;
mod mesh_hit;
mod strand_hit;
mod vertex;

use crate::tracer::accel::Ray;
use crate::tracer::bsdf::{Bsdf, Scattered, diffuse::Diffuse};
use crate::tracer::environment::{Aim, Environment};
use crate::tracer::sampler::Sampler;
use crate::tracer::scene::RenderSettings;
use crate::tracer::subsurface;
use crate::tracer::trace::Scene;
use glam::Vec3;
pub use label::Label;
use vertex::{Depth, Vertex};

/// Mask bit of what shadow rays and labels see.
pub const MASK_OPAQUE: u32 = 1;
/// Mask bit of clear materials.
pub const MASK_CLEAR: u32 = 2;
/// Mask bit of what can hide a face: everything opaque but what grows from the face itself.
pub const MASK_COVERS: u32 = 4;
/// Light of later bounces is clamped to this many times the environment's mean.
const CLAMP: f32 = 24.0;
/// Light below this share of the environment's mean gets a shadow ray only by chance, and then counts for more.
const FAINT: f32 = 0.05;
/// Mirrors and lenses a path may meet beside its bounces.
const CLEAR_HITS: u32 = 8;

/// What one path, or the mean of many, brings to a pixel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathSample {
    /// Linear RGB.
    pub rgb: Vec3,
    /// 1 if something stands there.
    pub alpha: f32,
    /// Guide for the denoiser.
    pub albedo: Vec3,
    /// Guide for the denoiser, world.
    pub normal: Vec3,
}

impl PathSample {
    /// Sums.
    pub fn add(&mut self, other: &Self) {
        self.rgb += other.rgb;
        self.alpha += other.alpha;
        self.albedo += other.albedo;
        self.normal += other.normal;
    }

    /// Times a factor.
    pub fn scaled(&self, k: f32) -> Self {
        PathSample { rgb: self.rgb * k, alpha: self.alpha * k, albedo: self.albedo * k, normal: self.normal * k }
    }
}

/// Traces the paths of one picture.
pub struct Integrator<'a> {
    scene: &'a Scene,
    env: &'a Environment,
    settings: &'a RenderSettings,
    clamp: f32,
    faint: f32,
    brightness: f32,
}

impl<'a> Integrator<'a> {
    /// For one scene, light and setting.
    pub fn new(scene: &'a Scene, env: &'a Environment, settings: &'a RenderSettings) -> Self {
        let mean = env.mean().max_element().max(1e-6);
        Integrator { scene, env, settings, clamp: CLAMP * mean, faint: FAINT * mean, brightness: mean }
    }

    /// Mean radiance of the light, in its brightest channel.
    pub fn brightness(&self) -> f32 {
        self.brightness
    }

    /// One path along `ray`.
    pub fn path(&self, mut ray: Ray, sampler: &mut Sampler, rays: &mut u64) -> PathSample {
        let mut out = PathSample::default();
        let mut weight = Vec3::ONE;
        // density of the ray's direction; infinite as long as no choice was made: camera, mirrors, lenses
        let mut density = f32::INFINITY;
        // what the vertex it comes from aimed at
        let mut aim = Aim::ANYWHERE;
        let (mut bounce, mut clear) = (0, 0);
        loop {
            *rays += 1;
            let Some(hit) = self.scene.accel.intersect1(&ray) else {
                if out.alpha > 0.0 {
                    let (radiance, light) = self.env.look(ray.direction, aim);
                    let share = if density.is_finite() { power_heuristic(density, light) } else { 1.0 };
                    out.rgb += self.limited(weight * radiance * share, bounce);
                }
                return out;
            };
            let vertex = self.vertex(&hit, &ray, if bounce == 0 { Depth::First } else { Depth::Later });
            sampler.at_vertex(1 + bounce + clear);
            if !matches!(vertex.bsdf, Bsdf::Dielectric(_)) {
                if bounce == 0 {
                    out.alpha = 1.0;
                    (out.albedo, out.normal) = (vertex.albedo, vertex.normal);
                }
                if bounce == self.settings.max_bounces {
                    return out;
                }
                aim = vertex.facing.map_or(Aim::ANYWHERE, |_| Aim::about(vertex.normal));
                let start = |d| vertex.start(d);
                let light = self.direct(&vertex.bsdf, weight, start, (vertex.facing, aim), sampler, rays);
                out.rgb += self.limited(light, bounce);
            }
            match vertex.bsdf.sample(sampler.next_1d(), sampler.next_2d()) {
                None => return out,
                Some(Scattered::Mirror { direction, weight: w, through }) => {
                    clear += 1;
                    if clear > CLEAR_HITS {
                        return out;
                    }
                    weight *= w;
                    out.alpha = if through { out.alpha } else { 1.0 };
                    ray = Ray::new(vertex.start(direction), direction);
                    continue;
                }
                Some(Scattered::Spread { direction, weight: w, density: p }) => {
                    if vertex.facing.is_some_and(|g| g.dot(direction) <= 0.0) {
                        return out;
                    }
                    weight *= w;
                    density = p;
                    ray = Ray { mask: MASK_OPAQUE, ..Ray::new(vertex.start(direction), direction) };
                }
                Some(Scattered::Below { weight: w }) => {
                    let Some((exit, direction, p)) = self.below(&vertex, sampler, rays) else { return out };
                    weight *= w * exit.weight;
                    let base = Bsdf::Diffuse(Diffuse { normal: exit.normal, albedo: Vec3::ONE });
                    aim = Aim::about(exit.normal);
                    let start = |_| exit.position;
                    let light = self.direct(&base, weight, start, (Some(exit.normal), aim), sampler, rays);
                    out.rgb += self.limited(light, bounce);
                    density = p;
                    ray = Ray { mask: MASK_OPAQUE, ..Ray::new(exit.position, direction) };
                }
            }
            bounce += 1;
            if !self.survives(&mut weight, bounce, sampler) {
                return out;
            }
        }
    }

    /// Whether anything opaque lies on `ray`.
    pub fn covers(&self, ray: &Ray, rays: &mut u64) -> bool {
        *rays += 1;
        self.scene.accel.occluded1(&Ray { mask: MASK_OPAQUE, ..*ray })
    }

    /// The light of one path found by scattering alone: what `path` must agree with. For tests.
    #[cfg(test)]
    pub(crate) fn scattered_only(&self, mut ray: Ray, sampler: &mut Sampler) -> Vec3 {
        let mut weight = Vec3::ONE;
        for bounce in 0..=self.settings.max_bounces {
            let Some(hit) = self.scene.accel.intersect1(&ray) else {
                return if bounce == 0 { Vec3::ZERO } else { weight * self.env.look(ray.direction, Aim::ANYWHERE).0 };
            };
            let vertex = self.vertex(&hit, &ray, if bounce == 0 { Depth::First } else { Depth::Later });
            let Some(Scattered::Spread { direction, weight: w, .. }) =
                vertex.bsdf.sample(sampler.next_1d(), sampler.next_2d())
            else {
                return Vec3::ZERO;
            };
            if vertex.facing.is_some_and(|g| g.dot(direction) <= 0.0) {
                return Vec3::ZERO;
            }
            weight *= w;
            ray = Ray::new(vertex.start(direction), direction);
        }
        Vec3::ZERO
    }

    /// Russian roulette: dim paths go on by chance, and then count for more; gently after the first bounce.
    #[inline]
    fn survives(&self, weight: &mut Vec3, bounce: u32, sampler: &mut Sampler) -> bool {
        let strength = weight.max_element();
        let keep = if bounce < 2 { (2.5 * strength).min(1.0) } else { strength.clamp(0.05, 1.0) };
        if strength <= 0.0 || (keep < 1.0 && sampler.next_plain() >= keep) {
            return false;
        }
        *weight /= keep;
        true
    }

    /// Clamps the light of later bounces.
    #[inline]
    fn limited(&self, light: Vec3, bounce: u32) -> Vec3 {
        let brightest = light.max_element();
        if !light.is_finite() {
            return Vec3::ZERO;
        }
        if bounce > 0 && brightest > self.clamp { light * (self.clamp / brightest) } else { light }
    }

    /// Light of the environment that `bsdf` scatters towards the viewer, times `weight`, by one shadow ray; faint light
    /// is left to chance.
    #[inline]
    fn direct(
        &self,
        bsdf: &Bsdf,
        weight: Vec3,
        start: impl Fn(Vec3) -> Vec3,
        (facing, aim): (Option<Vec3>, Aim),
        sampler: &mut Sampler,
        rays: &mut u64,
    ) -> Vec3 {
        let light = self.env.sample(aim, sampler.next_2d());
        let chance = sampler.next_plain();
        if light.density <= 0.0 || facing.is_some_and(|g| g.dot(light.direction) <= 0.0) {
            return Vec3::ZERO;
        }
        let (f, density) = bsdf.eval(light.direction);
        let found = weight * f * light.radiance * (power_heuristic(light.density, density) / light.density);
        let keep = (found.max_element() / self.faint).min(1.0);
        if chance >= keep {
            return Vec3::ZERO;
        }
        *rays += 1;
        let ray = Ray { mask: MASK_OPAQUE, ..Ray::new(start(light.direction), light.direction) };
        if self.scene.accel.occluded1(&ray) { Vec3::ZERO } else { found / keep }
    }

    /// Walks under the skin; gives the exit and the direction in which the path goes on, with its density.
    fn below(&self, vertex: &Vertex, sampler: &mut Sampler, rays: &mut u64) -> Option<(subsurface::Exit, Vec3, f32)> {
        let (skin, medium) = (self.scene.skin()?, vertex.medium.as_ref()?);
        let exit = subsurface::walk(skin, medium, vertex.position, vertex.facing?, sampler, rays)?;
        let out = Diffuse { normal: exit.normal, albedo: Vec3::ONE };
        match out.sample(sampler.next_2d())? {
            Scattered::Spread { direction, density, .. } => Some((exit, direction, density)),
            _ => None,
        }
    }
}

/// Power heuristic for one sample of each strategy.
#[inline]
fn power_heuristic(mine: f32, other: f32) -> f32 {
    let (a, b) = (mine * mine, other * other);
    if a.is_finite() { a / (a + b).max(1e-30) } else { 1.0 }
}
