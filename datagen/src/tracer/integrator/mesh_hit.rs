//! Where on a mesh a hit lies: normals and texture coordinates.
use crate::tracer::accel::Hit;
use crate::tracer::scene::MeshDesc;
use glam::{Vec2, Vec3};

/// Unit shading normal and unit triangle normal, both on the side of the viewer.
#[inline]
pub(super) fn shading_normal(mesh: &MeshDesc, hit: &Hit, wo: Vec3) -> (Vec3, Vec3) {
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

#[inline]
pub(super) fn texture_coordinate(mesh: &MeshDesc, hit: &Hit) -> Vec2 {
    mesh.uvs
        .get(hit.primitive as usize)
        .map_or(Vec2::ZERO, |[a, b, c]| *a * (1.0 - hit.u - hit.v) + *b * hit.u + *c * hit.v)
}
