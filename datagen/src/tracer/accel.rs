//! Where a ray hits: one trait, two backends.
//!
//! [`embree`] is loaded at run time where its library is found; [`portable`] is always there, at about half the speed.
//! Both take single rays: with hair in the scene packets gain nothing.
pub mod embree;
pub mod portable;

use crate::tracer::scene::AccelKind;
use crate::tracer::trace::TraceError;
use glam::{Vec3, Vec4};
use std::sync::Arc;

/// A half-open line, world space, meters.
#[derive(Clone, Copy, Debug)]
pub struct Ray {
    /// Where it starts.
    pub origin: Vec3,
    /// Unit direction.
    pub direction: Vec3,
    /// Hits farther away are ignored (meters).
    pub t_max: f32,
    /// Only shapes that share a bit with it are hit.
    pub mask: u32,
}

impl Ray {
    /// A ray without end that hits everything.
    pub fn new(origin: Vec3, direction: Vec3) -> Self {
        Ray { origin, direction, t_max: f32::INFINITY, mask: u32::MAX }
    }
}

/// Nearest hit of a ray.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Distance (meters).
    pub t: f32,
    /// Index of the shape.
    pub shape: u32,
    /// Triangle of the mesh, or segment of the curves.
    pub primitive: u32,
    /// Weight of the second corner; along a curve segment, 0..=1.
    pub u: f32,
    /// Weight of the third corner; unused on curves.
    pub v: f32,
    /// Geometric normal, not unit, of a triangle's front side; unused on curves.
    pub normal: Vec3,
}

/// What rays can be shot at; immutable once built.
pub trait Accel: Send + Sync {
    /// Nearest hit beyond the origin.
    fn intersect1(&self, ray: &Ray) -> Option<Hit>;
    /// Whether anything lies on the ray.
    fn occluded1(&self, ray: &Ray) -> bool;
    /// Embree's scene behind it, if it is one: for benches that ask Embree itself.
    fn as_embree(&self) -> Option<&embree::Scene> {
        None
    }
}

/// One shape to be built in.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// A triangle mesh; both sides are hit.
    Triangles {
        /// `[V]` meters.
        positions: &'a [Vec3],
        /// `[T]` indices into `positions`.
        triangles: &'a [[u32; 3]],
        /// Bits that rays must share.
        mask: u32,
    },
    /// Uniform cubic B-spline segments, flat towards the ray (the portable backend takes them for capsules).
    Curves {
        /// `[P]` position and radius, meters; shared with the accelerator, so that what it has read is near at hand.
        points: &'a Arc<Vec<Vec4>>,
        /// First of the four control points of each segment.
        segments: &'a [u32],
        /// Bits that rays must share.
        mask: u32,
    },
}

/// Builds the shapes into an accelerator; hits name them by their place in `shapes`.
///
/// # Errors
/// [`TraceError::Scene`] if an index points nowhere, [`TraceError::Embree`] if Embree is demanded and absent or fails.
pub fn build(kind: AccelKind, shapes: &[Shape]) -> Result<Arc<dyn Accel>, TraceError> {
    shapes.iter().enumerate().try_for_each(|(i, s)| check(i, s))?;
    let embree = |device| Ok(Arc::new(embree::Scene::build(device, shapes)?) as Arc<dyn Accel>);
    match (kind, embree::device()) {
        (AccelKind::Portable, _) => Ok(Arc::new(portable::Scene::build(shapes))),
        (_, Ok(device)) => embree(device),
        (AccelKind::Embree, Err(why)) => Err(TraceError::Embree(why.clone())),
        (AccelKind::Auto, Err(why)) => {
            static NOTE: std::sync::Once = std::sync::Once::new();
            NOTE.call_once(|| eprintln!("note: tracing without Embree, slower and with other noise: {why}"));
            Ok(Arc::new(portable::Scene::build(shapes)))
        }
    }
}

/// Which backend [`AccelKind::Auto`] takes here.
pub fn automatic() -> AccelKind {
    if embree::device().is_ok() { AccelKind::Embree } else { AccelKind::Portable }
}

fn check(i: usize, shape: &Shape) -> Result<(), TraceError> {
    let (sound, finite, what) = match *shape {
        Shape::Triangles { positions, triangles, .. } => {
            let n = positions.len();
            (triangles.iter().flatten().all(|&k| (k as usize) < n), positions.iter().all(|p| p.is_finite()), "triangle")
        }
        Shape::Curves { points, segments, .. } => {
            let n = points.len();
            (
                segments.iter().all(|&k| k as usize + 4 <= n),
                points.iter().all(|p| p.is_finite() && p.w > 0.0),
                "segment",
            )
        }
    };
    if !sound {
        return Err(TraceError::Scene(format!("shape {i}: a {what} names a point beyond the last")));
    }
    if !finite {
        return Err(TraceError::Scene(format!("shape {i}: a {what}'s point is not finite, or a radius not positive")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::sampler::Sampler;
    use crate::tracer::trace::test_scenes::{ball, fur};
    use std::f32::consts::TAU;

    /// Rays from outside at the unit-ish ball of `test_scenes`.
    fn rays(n: u32) -> impl Iterator<Item = Ray> {
        (0..n).map(|i| {
            let mut s = Sampler::new(11, i, 0);
            let on_sphere = |u: [f32; 2]| {
                let z = 1.0 - 2.0 * u[0];
                let r = (1.0 - z * z).max(0.0).sqrt();
                Vec3::new(r * (TAU * u[1]).cos(), r * (TAU * u[1]).sin(), z)
            };
            let (from, to) = (on_sphere(s.next_2d()) * 0.6, on_sphere(s.next_2d()) * 0.11);
            Ray::new(from, (to - from).normalize_or(Vec3::X))
        })
    }

    #[test]
    fn both_backends_find_the_same_triangle_hits() {
        if embree::device().is_err() {
            eprintln!("skipped: no Embree library");
            return;
        }
        let mesh = ball(0.1, 24);
        let shapes = [Shape::Triangles { positions: &mesh.positions, triangles: &mesh.triangles, mask: 1 }];
        let (a, b) = (build(AccelKind::Embree, &shapes).unwrap(), build(AccelKind::Portable, &shapes).unwrap());
        let (mut hits, mut split) = (0, 0);
        for ray in rays(20_000) {
            assert!(a.intersect1(&Ray { mask: 2, ..ray }).is_none() && b.intersect1(&Ray { mask: 2, ..ray }).is_none());
            match (a.intersect1(&ray), b.intersect1(&ray)) {
                (Some(x), Some(y)) => {
                    hits += 1;
                    assert!((x.t - y.t).abs() < 1e-5, "{x:?} {y:?}");
                    assert!(x.normal.dot(y.normal) > 0.0 && a.occluded1(&ray) && b.occluded1(&ray));
                    if x.primitive == y.primitive {
                        assert!((x.u - y.u).abs() < 1e-2 && (x.v - y.v).abs() < 1e-2, "{x:?} {y:?}");
                    }
                    let short = Ray { t_max: 0.99 * x.t, ..ray };
                    assert!(a.intersect1(&short).is_none() && b.intersect1(&short).is_none() && !b.occluded1(&short));
                }
                (None, None) => assert!(!a.occluded1(&ray) && !b.occluded1(&ray)),
                _ => split += 1,
            }
        }
        assert!(hits > 5000 && split <= 2, "hits {hits}; {split} differ, only rays along a silhouette may");
    }

    #[test]
    fn both_backends_cover_alike_with_strands() {
        if embree::device().is_err() {
            eprintln!("skipped: no Embree library");
            return;
        }
        let hair = fur(0.1, 0.02, 2000, 3e-4);
        let segments: Vec<u32> =
            (0..hair.first.len()).flat_map(|s| hair.strand(s).start as u32..hair.strand(s).end as u32 - 3).collect();
        let points = Arc::new(hair.points.clone());
        let shapes = [Shape::Curves { points: &points, segments: &segments, mask: 1 }];
        let (a, b) = (build(AccelKind::Embree, &shapes).unwrap(), build(AccelKind::Portable, &shapes).unwrap());
        let count = |accel: &dyn Accel| rays(20_000).filter(|r| accel.intersect1(r).is_some()).count() as f32;
        let (x, y) = (count(&*a), count(&*b));
        assert!(x > 2000.0 && (x / y - 1.0).abs() < 0.03, "{x} {y}: ribbons and capsules shade the same silhouette");
    }

    #[test]
    fn bad_indices_are_refused() {
        let shapes = [Shape::Triangles { positions: &[Vec3::ZERO; 3], triangles: &[[0, 1, 3]], mask: 1 }];
        assert!(matches!(build(AccelKind::Portable, &shapes), Err(TraceError::Scene(_))));
    }
}
