//! Paths: from the camera, bounce by bounce, with light sampled from the environment at every one.
//!
//! Next-event estimation and scattering are combined by the power heuristic (Veach 1997). Two accepted biases, both
//! small: light passes clear materials straight once a path has scattered (so does the shadow ray), and the light of
//! later bounces is clamped against single bright pixels.
use crate::accel::{Hit, Ray};
use crate::bsdf::skin::{Base, CoatDesc, Coated, Lobe};
use crate::bsdf::{Bsdf, Scattered, dielectric::Dielectric, diffuse::Diffuse, eye, hair::Fibre, relief};
use crate::environment::Environment;
use crate::film::{NO_PART, SurfaceHit};
use crate::sampler::Sampler;
use crate::scene::{Material, MeshDesc, RenderSettings, SkinMaterial, Subsurface};
use crate::subsurface::{self, Medium};
use crate::trace::{Scene, StrandSet};
use glam::{Vec2, Vec3, Vec4};

/// Mask bit of what shadow rays and labels see.
pub const MASK_OPAQUE: u32 = 1;
/// Mask bit of clear materials.
pub const MASK_CLEAR: u32 = 2;
/// How far new rays start above a surface (metres).
const LIFT: f32 = 1e-5;
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

/// What the ray through a pixel's centre meets; fields as in `film::Labels`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// Metres along the camera's z.
    pub depth: f32,
    /// World.
    pub normal: Vec3,
    /// Texture coordinate.
    pub uv: Vec2,
    /// Class id.
    pub class: u8,
    /// Part id.
    pub part: u8,
    /// Place on a mesh.
    pub surface: Option<SurfaceHit>,
}

const NOTHING: Label = Label { depth: 0.0, normal: Vec3::ZERO, uv: Vec2::ZERO, class: 0, part: NO_PART, surface: None };

/// A hit made ready to scatter.
struct Vertex<'a> {
    position: Vec3,
    /// Unit normal of the triangle on the side of the viewer; `None` on a strand.
    facing: Option<Vec3>,
    /// How far new rays start off (metres).
    lift: f32,
    bsdf: Bsdf<'a>,
    albedo: Vec3,
    normal: Vec3,
    medium: Option<Medium>,
}

impl Vertex<'_> {
    /// Where a ray into `direction` starts.
    #[inline]
    fn start(&self, direction: Vec3) -> Vec3 {
        match self.facing {
            Some(g) => self.position + g * self.lift.copysign(g.dot(direction)),
            None => self.position + direction * self.lift,
        }
    }
}

/// Traces the paths of one picture.
pub struct Integrator<'a> {
    scene: &'a Scene,
    env: &'a Environment,
    settings: &'a RenderSettings,
    clamp: f32,
    faint: f32,
}

impl<'a> Integrator<'a> {
    /// For one scene, light and setting.
    pub fn new(scene: &'a Scene, env: &'a Environment, settings: &'a RenderSettings) -> Self {
        let mean = env.mean().max_element().max(1e-6);
        Integrator { scene, env, settings, clamp: CLAMP * mean, faint: FAINT * mean }
    }

    /// One path along `ray`.
    pub fn path(&self, mut ray: Ray, sampler: &mut Sampler, rays: &mut u64) -> PathSample {
        let mut out = PathSample::default();
        let mut weight = Vec3::ONE;
        // density of the ray's direction; infinite as long as no choice was made: camera, mirrors, lenses
        let mut density = f32::INFINITY;
        let (mut bounce, mut clear) = (0, 0);
        loop {
            *rays += 1;
            let Some(hit) = self.scene.accel.intersect1(&ray) else {
                if out.alpha > 0.0 {
                    let (radiance, light) = self.env.look(ray.direction);
                    let share = if density.is_finite() { power_heuristic(density, light) } else { 1.0 };
                    out.rgb += self.limited(weight * radiance * share, bounce);
                }
                return out;
            };
            let vertex = self.vertex(&hit, &ray, bounce > 0);
            if !matches!(vertex.bsdf, Bsdf::Dielectric(_)) {
                if bounce == 0 {
                    out.alpha = 1.0;
                    (out.albedo, out.normal) = (vertex.albedo, vertex.normal);
                }
                if bounce == self.settings.max_bounces {
                    return out;
                }
                let light = self.direct(&vertex.bsdf, weight, |d| vertex.start(d), vertex.facing, sampler, rays);
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
                    let light = self.direct(&base, weight, |_| exit.position, Some(exit.normal), sampler, rays);
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

    /// The light of one path found by scattering alone: what `path` must agree with. For tests.
    #[cfg(test)]
    pub(crate) fn scattered_only(&self, mut ray: Ray, sampler: &mut Sampler) -> Vec3 {
        let mut weight = Vec3::ONE;
        for bounce in 0..=self.settings.max_bounces {
            let Some(hit) = self.scene.accel.intersect1(&ray) else {
                return if bounce == 0 { Vec3::ZERO } else { weight * self.env.look(ray.direction).0 };
            };
            let vertex = self.vertex(&hit, &ray, bounce > 0);
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
        facing: Option<Vec3>,
        sampler: &mut Sampler,
        rays: &mut u64,
    ) -> Vec3 {
        let light = self.env.sample(sampler.next_2d());
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

    /// First opaque hit of `ray`; `forward` is the camera's axis.
    pub fn label(&self, ray: &Ray, forward: Vec3, rays: &mut u64) -> Label {
        *rays += 1;
        let Some(hit) = self.scene.accel.intersect1(&Ray { mask: MASK_OPAQUE, ..*ray }) else { return NOTHING };
        let depth = hit.t * ray.direction.dot(forward);
        match self.scene.meshes.get(hit.shape as usize) {
            Some(mesh) => {
                let t = hit.primitive as usize;
                let position = ray.origin + ray.direction * hit.t;
                let class = match &mesh.material {
                    Material::Eye(m) if eye::within_iris(m, position) => m.iris_class,
                    _ => mesh.classes[t],
                };
                let surface =
                    Some(SurfaceHit { mesh: hit.shape, triangle: hit.primitive, bary: Vec2::new(hit.u, hit.v) });
                let normal = shading_normal(mesh, &hit, -ray.direction).0;
                Label { depth, normal, uv: texture_coordinate(mesh, &hit), class, part: mesh.parts[t], surface }
            }
            None => {
                let set = &self.scene.strands[hit.shape as usize - self.scene.meshes.len()];
                let p = set.place(&hit);
                let normal = across(-ray.direction, p.tangent);
                Label { depth, normal, class: set.desc.class, part: set.desc.part, ..NOTHING }
            }
        }
    }

    /// Makes a hit ready to scatter; after the first bounce (`deep`) coats on skin are left out.
    fn vertex(&self, hit: &Hit, ray: &Ray, deep: bool) -> Vertex<'a> {
        let (position, wo) = (ray.origin + ray.direction * hit.t, -ray.direction);
        let Some(mesh) = self.scene.meshes.get(hit.shape as usize) else {
            return self.scene.strands[hit.shape as usize - self.scene.meshes.len()].vertex(hit, position, wo);
        };
        let (normal, facing) = shading_normal(mesh, hit, wo);
        let uv = texture_coordinate(mesh, hit);
        let vertex = |bsdf, albedo, normal| Vertex {
            position,
            facing: Some(facing),
            lift: LIFT,
            bsdf,
            albedo,
            normal,
            medium: None,
        };
        let coated = |desc: CoatDesc, normal| vertex(Bsdf::Coated(Coated::new(desc, normal, wo)), desc.albedo, normal);
        match &mesh.material {
            Material::Diffuse(paint) => {
                let albedo = paint.at(uv);
                vertex(Bsdf::Diffuse(Diffuse { normal, albedo }), albedo, normal)
            }
            Material::Skin(m) if deep => {
                let albedo = m.albedo.at(uv);
                vertex(Bsdf::Diffuse(Diffuse { normal, albedo }), albedo, normal)
            }
            Material::Skin(m) => {
                let (normal, shade) = relief::carved(m, mesh, hit, uv, normal);
                let desc = skin_coat(m, uv, shade, normal, self.settings.subsurface);
                let medium = (desc.base == Base::Walk).then(|| Medium::new(desc.albedo, m.spread));
                Vertex { medium, ..coated(desc, normal) }
            }
            Material::Eye(m) => {
                let point = eye::at(m, position, normal, wo);
                coated(point.coat, point.normal)
            }
            Material::Coated(m) => {
                let lobes = [Lobe { share: 1.0, alpha: m.roughness.max(0.02) }, Lobe { share: 0.0, alpha: 1.0 }];
                let albedo = m.albedo.at(uv);
                coated(
                    CoatDesc { albedo, base_normal: normal, base: Base::Diffuse, lobes, fuzz: 0.0, ior: m.ior },
                    normal,
                )
            }
            Material::Dielectric(m) => {
                let outward = if hit.normal.dot(wo) < 0.0 { -normal } else { normal };
                vertex(Bsdf::Dielectric(Dielectric::new(m, outward, wo)), Vec3::ONE, normal)
            }
        }
    }
}

fn skin_coat(m: &SkinMaterial, uv: Vec2, shade: f32, normal: Vec3, how: Subsurface) -> CoatDesc {
    let gloss = m.gloss.at(uv);
    let alpha = |r: f32| (r * gloss.x).clamp(0.05, 1.0);
    let strength = gloss.y.clamp(0.0, 1.0);
    let lobes = [
        Lobe { share: (1.0 - m.sharp) * strength, alpha: alpha(m.roughness[0]) },
        Lobe { share: m.sharp * strength, alpha: alpha(m.roughness[1]) },
    ];
    let base = if how == Subsurface::RandomWalk { Base::Walk } else { Base::Diffuse };
    CoatDesc { albedo: m.albedo.at(uv) * shade, base_normal: normal, base, lobes, fuzz: m.fuzz, ior: m.ior }
}

/// Unit shading normal and unit triangle normal, both on the side of the viewer.
fn shading_normal(mesh: &MeshDesc, hit: &Hit, wo: Vec3) -> (Vec3, Vec3) {
    let g = hit.normal.normalize_or(wo);
    let facing = if g.dot(wo) < 0.0 { -g } else { g };
    let [a, b, c] = mesh.triangles[hit.primitive as usize].map(|i| mesh.normals[i as usize]);
    let n = (a * (1.0 - hit.u - hit.v) + b * hit.u + c * hit.v).normalize_or(g);
    let n = if n.dot(facing) < 0.0 { -n } else { n };
    // a shading normal that looks away from the viewer is bent back to the horizon
    let below = n.dot(wo) - 0.01;
    let n = if below < 0.0 { (n - wo * below).normalize_or(facing) } else { n };
    (n, facing)
}

fn texture_coordinate(mesh: &MeshDesc, hit: &Hit) -> Vec2 {
    mesh.uvs
        .get(hit.primitive as usize)
        .map_or(Vec2::ZERO, |[a, b, c]| *a * (1.0 - hit.u - hit.v) + *b * hit.u + *c * hit.v)
}

/// Where on a strand a hit lies.
struct StrandPlace {
    center: Vec3,
    radius: f32,
    tangent: Vec3,
}

impl StrandSet {
    fn place(&self, hit: &Hit) -> StrandPlace {
        let first = self.segments[hit.primitive as usize] as usize;
        let p: &[Vec4] = &self.points[first..first + 4];
        let (u, w) = (hit.u, 1.0 - hit.u);
        let (u2, u3) = (u * u, u * u * u);
        let at =
            (p[0] * (w * w * w) + p[1] * (4.0 - 6.0 * u2 + 3.0 * u3) + p[2] * (1.0 + 3.0 * (u + u2 - u3)) + p[3] * u3)
                / 6.0;
        let along = (p[1] - p[0]) * (0.5 * w * w) + (p[2] - p[1]) * (0.5 + u - u2) + (p[3] - p[2]) * (0.5 * u2);
        StrandPlace { center: at.truncate(), radius: at.w, tangent: along.truncate().normalize_or(Vec3::Y) }
    }

    fn vertex(&self, hit: &Hit, position: Vec3, wo: Vec3) -> Vertex<'_> {
        let p = self.place(hit);
        let normal = across(wo, p.tangent);
        // a hit on the side of t × y is seen at negative h (Marschner et al. 2003, figure 9)
        let h = -(position - p.center).dot(p.tangent.cross(normal)) / p.radius;
        let strand = self.strand_of[hit.primitive as usize] as usize;
        let absorption = self.desc.absorption.get(strand).copied().unwrap_or(1.0);
        Vertex {
            position,
            facing: None,
            lift: 2.2 * p.radius,
            bsdf: Bsdf::Hair(Fibre::new(&self.constants, absorption, p.tangent, wo, h)),
            albedo: self.constants.albedo(absorption),
            normal,
            medium: None,
        }
    }
}

/// The part of `wo` across a fibre, unit.
fn across(wo: Vec3, tangent: Vec3) -> Vec3 {
    (wo - tangent * tangent.dot(wo)).normalize_or(crate::bsdf::frame(tangent).0)
}

/// Power heuristic for one sample of each strategy.
#[inline]
fn power_heuristic(mine: f32, other: f32) -> f32 {
    let (a, b) = (mine * mine, other * other);
    if a.is_finite() { a / (a + b).max(1e-30) } else { 1.0 }
}
