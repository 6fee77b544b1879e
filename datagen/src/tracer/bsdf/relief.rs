//! The normal of skin with its fine shape, and how dark its grooves are.
use crate::tracer::accel::Hit;
use crate::tracer::scene::{MeshDesc, Relief, SkinMaterial, Texture};
use glam::{Vec2, Vec3};

/// Depth of a groove at which the light that reaches its bottom has fallen to 1/e (meters).
const SHADE_M: f32 = 1.8e-3;
/// Steepest slope of the heights: beyond it a normal would tell of sides that the mesh has not.
const STEEPEST: f32 = 0.9;

/// The unit normal at a hit, and the share of light that its grooves let in.
///
/// Blinn 1978, "Simulation of wrinkled surfaces": the normal minus the gradient of the height over the surface.
#[inline]
pub fn carved(m: &SkinMaterial, mesh: &MeshDesc, hit: &Hit, uv: Vec2, normal: Vec3) -> (Vec3, f32) {
    let (Some(relief), Some(corners)) = (&m.relief, mesh.uvs.get(hit.primitive as usize)) else { return (normal, 1.0) };
    let triangle = mesh.triangles[hit.primitive as usize];
    let [a, b, c] = triangle.map(|i| mesh.positions[i as usize]);
    let (p1, p2) = (b - a, c - a);
    let (t1, t2) = (corners[1] - corners[0], corners[2] - corners[0]);
    let det = t1.perp_dot(t2);
    if det.abs() < 1e-12 {
        return (normal, 1.0);
    }
    let (along_u, along_v) = ((p1 * t2.y - p2 * t1.y) / det, (p2 * t1.x - p1 * t2.x) / det);
    let area = along_u.cross(along_v).dot(normal);
    if area.abs() < 1e-12 {
        return (normal, 1.0);
    }
    let folds = match relief.folds.is_empty() {
        true => Vec2::ZERO,
        false => {
            let [a, b, c] = triangle.map(|i| relief.folds[i as usize]);
            a * (1.0 - hit.u - hit.v) + b * hit.u + c * hit.v
        }
    };
    let (slopes, shade) = slopes(m, relief, uv, folds);
    let gradient = along_v.cross(normal) * (slopes.x / area) + normal.cross(along_u) * (slopes.y / area);
    let gradient = gradient.clamp_length_max(STEEPEST);
    ((normal - gradient).normalize_or(normal), shade)
}

/// Height gained per unit of `u` and of `v` (meters), and the light that gets in.
#[inline]
fn slopes(m: &SkinMaterial, relief: &Relief, uv: Vec2, folds: Vec2) -> (Vec2, f32) {
    let weights = Vec3::new(1.0, folds.x, folds.y);
    let mut slopes = differences(&relief.heights, uv, |h| h.dot(weights));
    if let Some(grain) = &relief.grain {
        let depth = m.gloss.at(uv).z;
        slopes += differences(grain, uv * relief.repeats, |h| h.x) * (depth * relief.repeats);
    }
    let sunk = -relief.heights.at(uv).dot(weights);
    (slopes, (-sunk.max(0.0) / SHADE_M).exp())
}

/// Central differences over a texel to either side.
#[inline]
fn differences(heights: &Texture, uv: Vec2, value: impl Fn(Vec3) -> f32) -> Vec2 {
    let (width, height) = heights.size();
    let (du, dv) = (Vec2::new(1.0 / width as f32, 0.0), Vec2::new(0.0, 1.0 / height as f32));
    let slope = |d: Vec2| (value(heights.at(uv + d)) - value(heights.at(uv - d))) / (2.0 * (d.x + d.y));
    Vec2::new(slope(du), slope(dv))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::scene::{Material, Paint};
    use std::sync::Arc;

    /// A 10 cm square in the z plane whose map has ramps: fixed along u, and one along v that shows when folded.
    fn square(folds: Vec2) -> (SkinMaterial, MeshDesc) {
        let n = 64;
        let ramp = |i: usize| [1e-3 * (i % n) as f32, 2e-3 * (n - i / n) as f32, 0.0];
        let heights = Arc::new(Texture::new(n, n, (0..n * n).map(ramp).collect()).unwrap());
        let mut m = SkinMaterial::new(Paint::Flat(Vec3::ONE));
        m.relief = Some(Relief { heights, folds: Arc::new(vec![folds; 4]), grain: None, repeats: 1.0 });
        let uvs = [Vec2::ZERO, Vec2::X, Vec2::ONE, Vec2::Y];
        let mesh = MeshDesc {
            positions: uvs.map(|p| (p * 0.1).extend(0.0)).to_vec(),
            normals: vec![Vec3::Z; 4],
            triangles: vec![[0, 1, 2], [0, 2, 3]],
            uvs: vec![[uvs[0], uvs[1], uvs[2]], [uvs[0], uvs[2], uvs[3]]],
            material: Material::Skin(m.clone()),
            classes: vec![0; 2],
            parts: vec![0; 2],
        };
        (m, mesh)
    }

    #[test]
    fn a_ramp_leans_the_normal_by_its_slope_and_folds_add_theirs() {
        let hit = Hit { t: 1.0, u: 0.3, v: 0.3, normal: Vec3::Z, shape: 0, primitive: 0 };
        let uv = Vec2::new(0.6, 0.3);
        let (m, mesh) = square(Vec2::ZERO);
        let (normal, shade) = carved(&m, &mesh, &hit, uv, Vec3::Z);
        // 64 texels × 1 mm over 10 cm: a slope of 0.64
        assert!((normal - Vec3::new(-0.64, 0.0, 1.0).normalize_or(Vec3::Z)).length() < 1e-3, "{normal}");
        assert_eq!(shade, 1.0, "it stands over the mesh");
        let (m, mesh) = square(Vec2::new(0.25, 0.0));
        let normal = carved(&m, &mesh, &hit, uv, Vec3::Z).0;
        assert!((normal - Vec3::new(-0.64, -0.32, 1.0).normalize_or(Vec3::Z)).length() < 2e-3, "{normal}");
    }
}
