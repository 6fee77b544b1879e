//! Where on a mesh a hit lies: normals and texture coordinates.
use crate::accel::Hit;
use crate::scene::{MeshDesc, SkinMaterial};
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

/// The normal of the surface displaced by its height map (Blinn 1978): minus the height's gradient over the surface.
pub(super) fn bumped(m: &SkinMaterial, mesh: &MeshDesc, hit: &Hit, uv: Vec2, normal: Vec3) -> Vec3 {
    let (Some(height), Some(corners)) = (&m.bump, mesh.uvs.get(hit.primitive as usize)) else { return normal };
    let [a, b, c] = mesh.triangles[hit.primitive as usize].map(|i| mesh.positions[i as usize]);
    let (p1, p2) = (b - a, c - a);
    let (t1, t2) = (corners[1] - corners[0], corners[2] - corners[0]);
    let det = t1.perp_dot(t2);
    if det.abs() < 1e-12 {
        return normal;
    }
    let (along_u, along_v) = ((p1 * t2.y - p2 * t1.y) / det, (p2 * t1.x - p1 * t2.x) / det);
    let area = along_u.cross(along_v).dot(normal);
    if area.abs() < 1e-12 {
        return normal;
    }
    let step = Vec2::new(1.0 / height.size().0 as f32, 1.0 / height.size().1 as f32);
    let slope = |d: Vec2, length: f32| (height.at(uv + d).x - height.at(uv - d).x) / (2.0 * length);
    let gradient = along_v.cross(normal) * (slope(Vec2::new(step.x, 0.0), step.x) / area)
        + normal.cross(along_u) * (slope(Vec2::new(0.0, step.y), step.y) / area);
    (normal - gradient).normalize_or(normal)
}
