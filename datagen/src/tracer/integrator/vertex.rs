//! A hit made ready to scatter: what its material and its place come to.
use super::Integrator;
use super::mesh_hit::{shading_normal, texture_coordinate};
use crate::tracer::accel::{Hit, Ray};
use crate::tracer::bsdf::skin::{Base, CoatDesc, Coated, Lobe};
use crate::tracer::bsdf::{Bsdf, dielectric::Dielectric, diffuse::Diffuse, eye, relief};
use crate::tracer::scene::{Material, MeshDesc, SkinMaterial, Subsurface};
use crate::tracer::subsurface::Medium;
use crate::tracer::subsurface::deepened;
use glam::{Vec2, Vec3};

/// How far new rays start above a surface (meters).
const LIFT: f32 = 1e-5;

/// Which hit of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The first that scatters.
    First,
    /// One of indirect light: skin has no coat there, and the denoiser asks for nothing.
    Later,
}

/// A hit made ready to scatter.
pub(super) struct Vertex<'a> {
    pub position: Vec3,
    /// Unit normal of the triangle on the side of the viewer; `None` on a strand.
    pub facing: Option<Vec3>,
    /// How far new rays start off (meters).
    pub lift: f32,
    pub bsdf: Bsdf<'a>,
    /// Guides of the denoiser; zero where it asks for nothing.
    pub albedo: Vec3,
    pub normal: Vec3,
    pub medium: Option<Medium>,
}

impl Vertex<'_> {
    /// Where a ray into `direction` starts.
    #[inline]
    pub fn start(&self, direction: Vec3) -> Vec3 {
        match self.facing {
            Some(g) => self.position + g * self.lift.copysign(g.dot(direction)),
            None => self.position + direction * self.lift,
        }
    }
}

impl<'a> Integrator<'a> {
    /// Makes a hit ready to scatter.
    #[inline]
    pub(super) fn vertex(&self, hit: &Hit, ray: &Ray, depth: Depth) -> Vertex<'a> {
        let (position, wo) = (ray.origin + ray.direction * hit.t, -ray.direction);
        let Some(mesh) = self.scene.meshes.get(hit.shape as usize) else {
            return self.scene.strands[hit.shape as usize - self.scene.meshes.len()].vertex(hit, position, wo, depth);
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
            Material::Skin(m) if depth == Depth::Later => {
                let albedo = m.albedo.at(uv);
                vertex(Bsdf::Diffuse(Diffuse { normal, albedo }), albedo, normal)
            }
            Material::Skin(m) => {
                let (normal, shade) = relief::carved(m, mesh, hit, uv, normal);
                let desc = skin_coat(m, uv, shade, normal, self.settings.subsurface);
                let medium =
                    (desc.base == Base::Walk).then(|| Medium::new(deepened(desc.albedo, bend(m, mesh, hit)), m.spread));
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

/// How sharply the skin bends at a hit (1/meter).
fn bend(m: &SkinMaterial, mesh: &MeshDesc, hit: &Hit) -> f32 {
    if m.bends.is_empty() {
        return 0.0;
    }
    let [a, b, c] = mesh.triangles[hit.primitive as usize].map(|v| m.bends[v as usize]);
    a * (1.0 - hit.u - hit.v) + b * hit.u + c * hit.v
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
    // What light there is in a groove has met its red walls before.
    let albedo = m.albedo.at(uv) * Vec3::new(shade.sqrt(), shade, shade);
    CoatDesc { albedo, base_normal: normal, base, lobes, fuzz: m.fuzz, ior: m.ior }
}
