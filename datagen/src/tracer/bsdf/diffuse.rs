//! Lambert's law: cloth, and skin as indirect light sees it.
use super::{Scattered, cosine};
use glam::Vec3;
use std::f32::consts::FRAC_1_PI;

/// A Lambertian surface.
#[derive(Clone, Copy, Debug)]
pub struct Diffuse {
    /// Unit, on the side of the viewer.
    pub normal: Vec3,
    /// Linear RGB.
    pub albedo: Vec3,
}

impl Diffuse {
    /// `f · cos θ` and density.
    #[inline]
    pub fn eval(&self, wi: Vec3) -> (Vec3, f32) {
        let c = self.normal.dot(wi).max(0.0) * FRAC_1_PI;
        (self.albedo * c, c)
    }

    /// A cosine-distributed direction.
    #[inline]
    pub fn sample(&self, u: [f32; 2]) -> Option<Scattered> {
        let direction = cosine(self.normal, u);
        let density = self.normal.dot(direction) * FRAC_1_PI;
        (density > 1e-6).then_some(Scattered::Spread { direction, weight: self.albedo, density })
    }
}
