//! How surfaces and fibers scatter: one enum, world-space directions pointing away from the surface.
//!
//! `eval` gives `f · |cos θ|` and the density (per steradian) with which `sample` gives that direction; `sample` gives
//! the weight `f · |cos θ| / density`.
pub mod dielectric;
pub mod diffuse;
pub mod eye;
pub mod hair;
pub mod opening;
pub mod relief;
pub mod skin;

use crate::tracer::elementary::sin_cos;
use glam::Vec3;

/// What one hit scatters by; made again at each hit with everything that depends on the outgoing direction.
#[derive(Clone, Debug)]
pub enum Bsdf<'a> {
    /// Lambertian.
    Diffuse(diffuse::Diffuse),
    /// A base under GGX lobes: skin, eyes, teeth, wet mouth.
    Coated(skin::Coated),
    /// A fiber.
    Hair(hair::Fiber<'a>),
    /// Clear and smooth.
    Dielectric(dielectric::Dielectric),
}

/// Where a path goes on.
#[derive(Clone, Copy, Debug)]
pub enum Scattered {
    /// Into `direction`, drawn with `density` per steradian.
    Spread {
        /// Unit.
        direction: Vec3,
        /// `f · |cos θ| / density`.
        weight: Vec3,
        /// Per steradian.
        density: f32,
    },
    /// Into the one possible direction.
    Mirror {
        /// Unit.
        direction: Vec3,
        /// Share that goes there over the chance to take it.
        weight: Vec3,
        /// Whether it is on the other side.
        through: bool,
    },
    /// Under the surface, for the subsurface walk.
    Below {
        /// What the surface lets in over the chance to enter.
        weight: Vec3,
    },
}

impl Bsdf<'_> {
    /// `f · |cos θ|` and density towards `wi`.
    #[inline]
    pub fn eval(&self, wi: Vec3) -> (Vec3, f32) {
        match self {
            Bsdf::Diffuse(b) => b.eval(wi),
            Bsdf::Coated(b) => b.eval(wi),
            Bsdf::Hair(b) => b.eval(wi),
            Bsdf::Dielectric(_) => (Vec3::ZERO, 0.0),
        }
    }

    /// A direction from three numbers in `0..1`; `None` where the path ends.
    #[inline]
    pub fn sample(&self, choice: f32, u: [f32; 2]) -> Option<Scattered> {
        match self {
            Bsdf::Diffuse(b) => b.sample(u),
            Bsdf::Coated(b) => b.sample(choice, u),
            Bsdf::Hair(b) => b.sample(choice, u),
            Bsdf::Dielectric(b) => Some(b.sample(choice)),
        }
    }
}

/// Two unit vectors that make a right-handed frame with the unit `n` (Duff et al. 2017).
#[inline]
pub fn frame(n: Vec3) -> (Vec3, Vec3) {
    let sign = 1.0f32.copysign(n.z);
    let a = -1.0 / (sign + n.z);
    let b = n.x * n.y * a;
    (Vec3::new(1.0 + sign * n.x * n.x * a, sign * b, -sign * n.x), Vec3::new(b, sign + n.y * n.y * a, -n.y))
}

/// A direction about `n` with density `cos θ / π`.
#[inline]
pub fn cosine(n: Vec3, u: [f32; 2]) -> Vec3 {
    let (t, b) = frame(n);
    let (r, phi) = (u[0].sqrt(), std::f32::consts::TAU * u[1]);
    let (sin, cos) = sin_cos(phi);
    t * (r * cos) + b * (r * sin) + n * (1.0 - u[0]).max(0.0).sqrt()
}

/// Unpolarised Fresnel reflectance for the cosine `c` on the outside of a boundary of relative index `eta`.
#[inline]
pub fn fresnel(c: f32, eta: f32) -> f32 {
    let c = c.clamp(0.0, 1.0);
    let sin2 = (1.0 - c * c) / (eta * eta);
    if sin2 >= 1.0 {
        return 1.0;
    }
    let ct = (1.0 - sin2).sqrt();
    let (s, p) = ((c - eta * ct) / (c + eta * ct), (eta * c - ct) / (eta * c + ct));
    0.5 * (s * s + p * p)
}

/// Albedo a furnace of white light sees: the mean weight over samples. For tests of every kind.
#[cfg(test)]
pub(crate) fn furnace(bsdf: &Bsdf, n: u32) -> Vec3 {
    let sum: Vec3 = (0..n)
        .map(|i| {
            let mut s = crate::tracer::sampler::Sampler::new(21, 5, i);
            match bsdf.sample(s.next_1d(), s.next_2d()) {
                Some(
                    Scattered::Spread { weight, .. } | Scattered::Mirror { weight, .. } | Scattered::Below { weight },
                ) => weight,
                None => Vec3::ZERO,
            }
        })
        .sum();
    sum / n as f32
}

/// Integral of the density over the sphere, and of `f · |cos θ|`: for tests of every kind.
#[cfg(test)]
pub(crate) fn over_the_sphere(bsdf: &Bsdf, n: u32) -> (f32, Vec3) {
    let (mut density, mut albedo) = (0.0f64, glam::DVec3::ZERO);
    for i in 0..n {
        let mut s = crate::tracer::sampler::Sampler::new(22, 6, i);
        let [a, b] = s.next_2d();
        let (z, phi) = (1.0 - 2.0 * a, std::f32::consts::TAU * b);
        let r = (1.0 - z * z).max(0.0).sqrt();
        let (f, p) = bsdf.eval(Vec3::new(r * phi.cos(), r * phi.sin(), z));
        density += f64::from(p);
        albedo += f.as_dvec3();
    }
    let scale = 4.0 * std::f64::consts::PI / f64::from(n);
    ((density * scale) as f32, (albedo * scale).as_vec3())
}

#[cfg(test)]
mod tests;
