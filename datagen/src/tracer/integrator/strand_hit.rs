//! Where on a strand a hit lies, and the fiber there.
use super::vertex::{Depth, Vertex};
use crate::tracer::accel::Hit;
use crate::tracer::bsdf::{Bsdf, hair::Fiber};
use crate::tracer::trace::StrandSet;
use glam::{Vec3, Vec4};

/// Where on a strand a hit lies.
pub(super) struct StrandPlace {
    pub center: Vec3,
    pub radius: f32,
    pub tangent: Vec3,
}

impl StrandSet {
    #[inline]
    pub(super) fn place(&self, hit: &Hit) -> StrandPlace {
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

    #[inline]
    pub(super) fn vertex(&self, hit: &Hit, position: Vec3, wo: Vec3, depth: Depth) -> Vertex<'_> {
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
            bsdf: Bsdf::Hair(Fiber::new(&self.constants, absorption, p.tangent, wo, h)),
            albedo: if depth == Depth::First { self.constants.albedo(absorption) } else { Vec3::ZERO },
            normal,
            medium: None,
        }
    }
}

/// The part of `wo` across a fiber, unit.
pub(super) fn across(wo: Vec3, tangent: Vec3) -> Vec3 {
    (wo - tangent * tangent.dot(wo)).normalize_or(crate::tracer::bsdf::frame(tangent).0)
}
