//! The skin as triangles: where strands root, and how a root moves when the face does.
use crate::stream::Stream;
use glam::{Mat3, Vec3};

/// A triangle mesh of skin. Letters: `V` vertices, `T` triangles.
#[derive(Clone, Debug, Default)]
pub struct Surface {
    /// `[V]` world positions (meters).
    pub positions: Vec<Vec3>,
    /// `[V]` unit normals.
    pub normals: Vec<Vec3>,
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

/// A point on a triangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Root {
    /// Index into `triangles`.
    pub triangle: u32,
    /// Weights of the second and third corner.
    pub bary: [f32; 2],
}

impl Surface {
    /// With area-weighted vertex normals.
    pub fn new(positions: Vec<Vec3>, triangles: Vec<[u32; 3]>) -> Self {
        let mut normals = vec![Vec3::ZERO; positions.len()];
        for t in &triangles {
            let [a, b, c] = t.map(|i| positions[i as usize]);
            let n = (b - a).cross(c - a);
            t.iter().for_each(|&i| normals[i as usize] += n);
        }
        normals.iter_mut().for_each(|n| *n = n.normalize_or(Vec3::Y));
        Surface { positions, normals, triangles }
    }

    fn corners(&self, triangle: u32) -> [Vec3; 3] {
        self.triangles[triangle as usize].map(|i| self.positions[i as usize])
    }

    /// Where the root lies.
    pub fn position(&self, r: Root) -> Vec3 {
        let [a, b, c] = self.corners(r.triangle);
        a + (b - a) * r.bary[0] + (c - a) * r.bary[1]
    }

    /// Smooth normal at the root.
    pub fn normal(&self, r: Root) -> Vec3 {
        let [a, b, c] = self.triangles[r.triangle as usize].map(|i| self.normals[i as usize]);
        (a * (1.0 - r.bary[0] - r.bary[1]) + b * r.bary[0] + c * r.bary[1]).normalize_or(Vec3::Y)
    }

    /// A value per vertex, at the root.
    pub fn value(&self, r: Root, values: &[f32]) -> f32 {
        let [a, b, c] = self.triangles[r.triangle as usize].map(|i| values[i as usize]);
        a * (1.0 - r.bary[0] - r.bary[1]) + b * r.bary[0] + c * r.bary[1]
    }

    /// The root's frame: columns tangent, bitangent, normal of the flat triangle. It turns with the skin.
    pub fn frame(&self, r: Root) -> Mat3 {
        let [a, b, c] = self.corners(r.triangle);
        let normal = (b - a).cross(c - a).normalize_or(Vec3::Z);
        let tangent = (b - a).normalize_or(normal.any_orthonormal_vector());
        Mat3::from_cols(tangent, normal.cross(tangent), normal)
    }

    /// `count` roots, even by area times `density` (`[V]`, 0 and more), stratified so that few fall on one spot.
    pub fn scatter(&self, density: &[f32], count: usize, s: &mut Stream) -> Vec<Root> {
        let weights = self.triangles.iter().enumerate().map(|(i, t)| {
            let [a, b, c] = self.corners(i as u32);
            let mean = t.iter().map(|&v| density[v as usize]).sum::<f32>() / 3.0;
            (0.5 * (b - a).cross(c - a).length() * mean) as f64
        });
        let mut cumulative = Vec::with_capacity(self.triangles.len());
        let mut total = 0.0;
        for w in weights {
            total += w;
            cumulative.push(total);
        }
        if total <= 0.0 {
            return Vec::new();
        }
        let step = total / count as f64;
        let draw = |i: usize, s: &mut Stream| {
            let at = (i as f64 + s.uniform(0.0, 1.0) as f64) * step;
            let triangle = cumulative.partition_point(|&c| c <= at).min(self.triangles.len() - 1) as u32;
            let (u, v) = (s.uniform(0.0, 1.0), s.uniform(0.0, 1.0));
            let bary = if u + v > 1.0 { [1.0 - u, 1.0 - v] } else { [u, v] };
            Root { triangle, bary }
        };
        (0..count).map(|i| draw(i, s)).collect()
    }

    /// The root on the surface nearest to each point, among triangles whose corner is nearest.
    pub fn nearest(&self, points: &[Vec3]) -> Vec<Root> {
        let mut of_vertex = vec![Vec::new(); self.positions.len()];
        for (i, t) in self.triangles.iter().enumerate() {
            t.iter().for_each(|&v| of_vertex[v as usize].push(i as u32));
        }
        points.iter().map(|&p| self.nearest_one(p, &of_vertex)).collect()
    }

    fn nearest_one(&self, p: Vec3, of_vertex: &[Vec<u32>]) -> Root {
        let mut vertices: Vec<(f32, usize)> = self
            .positions
            .iter()
            .enumerate()
            .filter(|(i, _)| !of_vertex[*i].is_empty())
            .map(|(i, q)| (q.distance_squared(p), i))
            .collect();
        let n = vertices.len().min(6);
        vertices.select_nth_unstable_by(n.saturating_sub(1), |a, b| a.0.total_cmp(&b.0));
        let triangles = vertices[..n].iter().flat_map(|(_, v)| of_vertex[*v].iter().copied());
        let best = triangles.map(|triangle| {
            let root = Root { triangle, bary: nearest_in_triangle(p, self.corners(triangle)) };
            (self.position(root).distance_squared(p), root)
        });
        best.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.triangle.cmp(&b.1.triangle)))
            .map_or(Root { triangle: 0, bary: [0.0; 2] }, |b| b.1)
    }
}

/// The point of a triangle nearest to `p`.
pub fn nearest_on_triangle(p: Vec3, corners: [Vec3; 3]) -> Vec3 {
    let [u, v] = nearest_in_triangle(p, corners);
    corners[0] + (corners[1] - corners[0]) * u + (corners[2] - corners[0]) * v
}

/// Weights of the second and third corner of the point of the triangle nearest to `p`
/// (Ericson 2005, "Real-Time Collision Detection", 5.1.5).
fn nearest_in_triangle(p: Vec3, [a, b, c]: [Vec3; 3]) -> [f32; 2] {
    let (ab, ac, ap) = (b - a, c - a, p - a);
    let (d1, d2) = (ab.dot(ap), ac.dot(ap));
    if d1 <= 0.0 && d2 <= 0.0 {
        return [0.0, 0.0];
    }
    let bp = p - b;
    let (d3, d4) = (ab.dot(bp), ac.dot(bp));
    if d3 >= 0.0 && d4 <= d3 {
        return [1.0, 0.0];
    }
    let vc = d1 * d4 - d3 * d2;
    if vc <= 0.0 && d1 >= 0.0 && d3 <= 0.0 {
        return [d1 / (d1 - d3), 0.0];
    }
    let cp = p - c;
    let (d5, d6) = (ab.dot(cp), ac.dot(cp));
    if d6 >= 0.0 && d5 <= d6 {
        return [0.0, 1.0];
    }
    let vb = d5 * d2 - d1 * d6;
    if vb <= 0.0 && d2 >= 0.0 && d6 <= 0.0 {
        return [0.0, d2 / (d2 - d6)];
    }
    let va = d3 * d6 - d5 * d4;
    if va <= 0.0 && d4 >= d3 && d5 >= d6 {
        let w = (d4 - d3) / ((d4 - d3) + (d5 - d6));
        return [1.0 - w, w];
    }
    let sum = (va + vb + vc).max(1e-30);
    [vb / sum, vc / sum]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Subject;

    fn square() -> Surface {
        let p = vec![Vec3::ZERO, Vec3::X, Vec3::new(1.0, 1.0, 0.0), Vec3::Y];
        Surface::new(p, vec![[0, 1, 2], [0, 2, 3]])
    }

    #[test]
    fn roots_follow_density_and_stay_inside() {
        let s = square();
        let roots = s.scatter(&[0.0, 1.0, 1.0, 0.0], 400, &mut Stream::new(1, Subject::ScalpStrands, &[]));
        let first = roots.iter().filter(|r| r.triangle == 0).count();
        assert!((250..285).contains(&first), "two thirds of the weight lie in the first triangle: {first}");
        assert!(roots.iter().all(|&r| (0.0..=1.0).contains(&s.position(r).x) && s.position(r).z == 0.0));
    }

    #[test]
    fn nearest_root_is_the_projection() {
        let s = square();
        let r = s.nearest(&[Vec3::new(0.3, 0.6, 0.5), Vec3::new(2.0, 0.5, 0.0)]);
        assert!((s.position(r[0]) - Vec3::new(0.3, 0.6, 0.0)).length() < 1e-6);
        assert!((s.position(r[1]) - Vec3::new(1.0, 0.5, 0.0)).length() < 1e-6);
    }
}
