//! What the ray through a pixel's center meets.
use super::mesh_hit::{shading_normal, texture_coordinate};
use super::strand_hit::across;
use super::{Integrator, MASK_OPAQUE};
use crate::tracer::accel::Ray;
use crate::tracer::bsdf::eye;
use crate::tracer::film::{NO_PART, SurfaceHit};
use crate::tracer::scene::Material;
use glam::{Vec2, Vec3};

/// What the ray through a pixel's center meets; fields as in `film::Labels`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// Meters along the camera's z.
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

impl Label {
    /// Where nothing is met.
    pub const NOTHING: Label =
        Label { depth: 0.0, normal: Vec3::ZERO, uv: Vec2::ZERO, class: 0, part: NO_PART, surface: None };
}

impl Integrator<'_> {
    /// First opaque hit of `ray`; `forward` is the camera's axis.
    pub fn label(&self, ray: &Ray, forward: Vec3, rays: &mut u64) -> Label {
        *rays += 1;
        let Some(hit) = self.scene.accel.intersect1(&Ray { mask: MASK_OPAQUE, ..*ray }) else { return Label::NOTHING };
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
                Label { depth, normal, class: set.desc.class, part: set.desc.part, ..Label::NOTHING }
            }
        }
    }
}
