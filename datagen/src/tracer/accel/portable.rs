//! The backend that is always there: compressed wide bounding volumes (`obvhs`), strands as chains of capsules.
//!
//! About half of Embree's speed. Two trees, one of triangles and one of capsules.
use super::{Accel, Hit, Ray, Shape};
use glam::{Vec3, Vec3A, Vec4};
use obvhs::aabb::Aabb;
use obvhs::cwbvh::{CwBvh, builder::build_cwbvh};
use obvhs::ray::{Ray as Line, RayHit};
use obvhs::{Boundable, BvhBuildParams};
use std::time::Duration;

/// Capsules a segment is cut into.
const PIECES: usize = 2;

/// Both trees, their leaves in traversal order.
pub struct Scene {
    triangles: Tree<Triangle>,
    capsules: Tree<Capsule>,
}

struct Tree<T> {
    nodes: CwBvh,
    leaves: Vec<T>,
}

#[derive(Clone, Copy)]
struct Triangle {
    corners: [Vec3A; 3],
    shape: u32,
    primitive: u32,
    mask: u32,
}

#[derive(Clone, Copy)]
struct Capsule {
    ends: [Vec3A; 2],
    radius: f32,
    shape: u32,
    primitive: u32,
    mask: u32,
    /// Which piece of its segment it is.
    piece: u32,
}

impl Scene {
    pub(super) fn build(shapes: &[Shape]) -> Self {
        let (mut triangles, mut capsules) = (Vec::new(), Vec::new());
        for (shape, s) in (0u32..).zip(shapes) {
            match *s {
                Shape::Triangles { positions, triangles: t, mask } => {
                    triangles.extend((0u32..).zip(t).map(|(primitive, t)| Triangle {
                        corners: t.map(|i| positions[i as usize].into()),
                        shape,
                        primitive,
                        mask,
                    }))
                }
                Shape::Curves { points, segments, mask } => {
                    for (primitive, &first) in (0u32..).zip(segments) {
                        let p: [Vec4; 4] = std::array::from_fn(|k| points[first as usize + k]);
                        for piece in 0..PIECES {
                            let [a, b] = [piece, piece + 1].map(|k| bspline(&p, k as f32 / PIECES as f32));
                            let ends = [a, b].map(|e| Vec3A::from(e.truncate()));
                            capsules.push(Capsule {
                                ends,
                                radius: 0.5 * (a.w + b.w),
                                shape,
                                primitive,
                                mask,
                                piece: piece as u32,
                            });
                        }
                    }
                }
            }
        }
        Scene { triangles: Tree::build(&triangles), capsules: Tree::build(&capsules) }
    }
}

/// Point and radius of a uniform cubic B-spline segment at `u` in 0..=1.
pub(crate) fn bspline(p: &[Vec4; 4], u: f32) -> Vec4 {
    let w = 1.0 - u;
    let (u2, u3) = (u * u, u * u * u);
    (p[0] * (w * w * w) + p[1] * (4.0 - 6.0 * u2 + 3.0 * u3) + p[2] * (1.0 + 3.0 * u + 3.0 * u2 - 3.0 * u3) + p[3] * u3)
        / 6.0
}

impl<T: Boundable + Copy> Tree<T> {
    fn build(primitives: &[T]) -> Self {
        let nodes = build_cwbvh(primitives, BvhBuildParams::medium_build(), &mut Duration::default());
        let leaves = nodes.primitive_indices.iter().map(|&i| primitives[i as usize]).collect();
        Tree { nodes, leaves }
    }
}

impl Boundable for Triangle {
    fn aabb(&self) -> Aabb {
        let [a, b, c] = self.corners;
        Aabb { min: a.min(b).min(c), max: a.max(b).max(c) }
    }
}

impl Boundable for Capsule {
    fn aabb(&self) -> Aabb {
        let [a, b] = self.ends;
        Aabb { min: a.min(b) - self.radius, max: a.max(b) + self.radius }
    }
}

impl Triangle {
    /// Distance and barycentrics (Möller, Trumbore 1997), or infinity.
    #[inline]
    fn meet(&self, origin: Vec3A, direction: Vec3A, mask: u32) -> (f32, f32, f32) {
        const MISS: (f32, f32, f32) = (f32::INFINITY, 0.0, 0.0);
        let [a, b, c] = self.corners;
        let (ab, ac) = (b - a, c - a);
        let p = direction.cross(ac);
        let det = ab.dot(p);
        if det == 0.0 || self.mask & mask == 0 {
            return MISS;
        }
        let s = origin - a;
        let u = s.dot(p) / det;
        let q = s.cross(ab);
        let v = direction.dot(q) / det;
        let t = ac.dot(q) / det;
        if u >= 0.0 && v >= 0.0 && u + v <= 1.0 && t > 0.0 { (t, u, v) } else { MISS }
    }
}

impl Capsule {
    /// Distance and place along the axis (0..=1), or infinity. The origin is moved near first, for precision.
    #[inline]
    fn meet(&self, origin: Vec3A, direction: Vec3A, mask: u32) -> (f32, f32) {
        const MISS: (f32, f32) = (f32::INFINITY, 0.0);
        if self.mask & mask == 0 {
            return MISS;
        }
        let [a, b] = self.ends;
        let near = (0.5 * (a + b) - origin).dot(direction);
        let (axis, from_a) = (b - a, origin + direction * near - a);
        let (len2, along, off) = (axis.dot(axis), axis.dot(direction), axis.dot(from_a));
        let (r2, side) = (self.radius * self.radius, direction.dot(from_a));
        let qa = len2 - along * along;
        let qb = len2 * side - off * along;
        let qc = len2 * from_a.dot(from_a) - off * off - r2 * len2;
        let disc = qb * qb - qa * qc;
        let beyond = |t: f32| if t + near > 0.0 { t + near } else { f32::INFINITY };
        if disc >= 0.0 && qa > 1e-20 {
            let t = (-qb - disc.sqrt()) / qa;
            let y = off + t * along;
            if y > 0.0 && y < len2 {
                return (beyond(t), y / len2);
            }
        }
        [(a, 0.0), (b, 1.0)].into_iter().fold(MISS, |best, (end, place)| {
            let o = origin + direction * near - end;
            let half = direction.dot(o);
            let disc = half * half - (o.dot(o) - r2);
            let t = if disc > 0.0 { beyond(-half - disc.sqrt()) } else { f32::INFINITY };
            if t < best.0 { (t, place) } else { best }
        })
    }
}

impl Accel for Scene {
    fn intersect1(&self, ray: &Ray) -> Option<Hit> {
        let (o, d) = (Vec3A::from(ray.origin), Vec3A::from(ray.direction));
        let (mut on_mesh, mut on_strand) = (RayHit::none(), RayHit::none());
        let mut t_max = ray.t_max.min(f32::MAX);
        if !self.triangles.leaves.is_empty() {
            let leaves = &self.triangles.leaves;
            let line = Line::new(o, d, 0.0, t_max);
            if self.triangles.nodes.ray_traverse(line, &mut on_mesh, |_, i| leaves[i].meet(o, d, ray.mask).0) {
                t_max = on_mesh.t;
            }
        }
        if !self.capsules.leaves.is_empty() {
            let leaves = &self.capsules.leaves;
            let line = Line::new(o, d, 0.0, t_max);
            if self.capsules.nodes.ray_traverse(line, &mut on_strand, |_, i| leaves[i].meet(o, d, ray.mask).0) {
                let c = &leaves[on_strand.primitive_id as usize];
                let (t, place) = c.meet(o, d, ray.mask);
                let u = (c.piece as f32 + place) / PIECES as f32;
                return Some(Hit { t, shape: c.shape, primitive: c.primitive, u, v: 0.0, normal: Vec3::ZERO });
            }
        }
        (t_max < ray.t_max.min(f32::MAX)).then(|| {
            let tri = &self.triangles.leaves[on_mesh.primitive_id as usize];
            let (t, u, v) = tri.meet(o, d, ray.mask);
            let [a, b, c] = tri.corners;
            let normal = Vec3::from((b - a).cross(c - a));
            Hit { t, shape: tri.shape, primitive: tri.primitive, u, v, normal }
        })
    }

    fn occluded1(&self, ray: &Ray) -> bool {
        let (o, d) = (Vec3A::from(ray.origin), Vec3A::from(ray.direction));
        let line = Line::new(o, d, 0.0, ray.t_max.min(f32::MAX));
        let (triangles, capsules) = (&self.triangles.leaves, &self.capsules.leaves);
        let misses = |empty: bool, tree: &CwBvh, meet: &dyn Fn(usize) -> f32| {
            empty || tree.ray_traverse_miss(line, |_, i| meet(i))
        };
        !misses(triangles.is_empty(), &self.triangles.nodes, &|i| triangles[i].meet(o, d, ray.mask).0)
            || !misses(capsules.is_empty(), &self.capsules.nodes, &|i| capsules[i].meet(o, d, ray.mask).0)
    }
}
