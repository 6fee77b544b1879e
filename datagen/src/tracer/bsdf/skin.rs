//! A base under one or two GGX lobes: skin, eyes, teeth, wet mouth.
//!
//! Microfacets: Walter et al. 2007; height-correlated Smith masking: Heitz 2014; visible normals drawn by
//! spherical caps: Dupuy and Benyoub 2023.
use super::{Scattered, cosine, frame, fresnel};
use crate::tracer::elementary::{exp, sin_cos};
use glam::Vec3;
use std::f32::consts::{FRAC_1_PI, LN_2, PI, TAU};

/// What lies under the coat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Lambertian; evaluated here.
    Diffuse,
    /// Light walks below; the integrator takes over at [`Scattered::Below`].
    Walk,
}

/// A GGX lobe.
#[derive(Clone, Copy, Debug)]
pub struct Lobe {
    /// Fraction of the reflected light.
    pub share: f32,
    /// Roughness α.
    pub alpha: f32,
}

/// What a coat is, apart from where.
#[derive(Clone, Copy, Debug)]
pub struct CoatDesc {
    /// Linear RGB of the base.
    pub albedo: Vec3,
    /// Unit normal of the base; the coat's unless they part, as at an iris.
    pub base_normal: Vec3,
    /// What the base is.
    pub base: Base,
    /// Shares sum to one, or less for a duller coat.
    pub lobes: [Lobe; 2],
    /// Fraction of light that down throws back when both it and the viewer graze the surface, 0..=1.
    pub fuzz: f32,
    /// Index of refraction of the coat.
    pub ior: f32,
}

/// A coated surface seen from one direction.
#[derive(Clone, Copy, Debug)]
pub struct Coated {
    desc: CoatDesc,
    /// Unit, on the side of the viewer.
    normal: Vec3,
    /// Unit, towards the viewer.
    wo: Vec3,
    cos_o: f32,
    /// Reflectance at normal incidence.
    f0: f32,
    /// Sum of the lobes' shares, and the square root of their mean α.
    strength: f32,
    roughness: f32,
    /// Fraction of light that passes the coat towards the viewer, and its mean over cosine-weighted directions.
    passed_out: f32,
    passed_mean: f32,
    /// Chance to sample a lobe rather than the base.
    p_coat: f32,
}

impl Coated {
    /// `normal` is on the side of the viewer, `wo` points to the viewer.
    #[inline]
    pub fn new(desc: CoatDesc, normal: Vec3, wo: Vec3) -> Self {
        let cos_o = normal.dot(wo).max(1e-3);
        let f0 = ((desc.ior - 1.0) / (desc.ior + 1.0)).powi(2);
        let strength = (desc.lobes[0].share + desc.lobes[1].share).clamp(0.0, 1.0);
        let alpha = (desc.lobes[0].share * desc.lobes[0].alpha + desc.lobes[1].share * desc.lobes[1].alpha)
            / strength.max(1e-3);
        let spec = strength * fresnel(cos_o, desc.ior);
        let p_coat = (spec / (spec + desc.albedo.max_element()).max(1e-6)).clamp(0.12, 0.9);
        let roughness = alpha.sqrt();
        // two-point Gauss rule for the weight 2 cos θ
        let mean = 0.3639 * reflected(0.3551, f0, roughness) + 0.6361 * reflected(0.8449, f0, roughness);
        let below_out = 1.0 - strength * reflected(cos_o, f0, roughness);
        let (passed_out, passed_mean) = (below_out * (1.0 - desc.fuzz * grazing(cos_o)), 1.0 - strength * mean);
        Coated { desc, normal, wo, cos_o, f0, strength, roughness, passed_out, passed_mean, p_coat }
    }

    /// Linear RGB of the base.
    pub fn albedo(&self) -> Vec3 {
        self.desc.albedo
    }

    /// Schlick's Fresnel.
    #[inline]
    fn fresnel(&self, cos: f32) -> f32 {
        self.f0 + (1.0 - self.f0) * (1.0 - cos).max(0.0).powi(5)
    }

    /// Fraction of light that passes the coat once, down included.
    #[inline]
    fn passed(&self, cos: f32) -> f32 {
        self.below_lobes(cos) * (1.0 - self.desc.fuzz * grazing(cos))
    }

    /// Fraction of light that the lobes leave.
    #[inline]
    fn below_lobes(&self, cos: f32) -> f32 {
        1.0 - self.strength * reflected(cos, self.f0, self.roughness)
    }

    /// `f · cos θ` and density, without a base that walks.
    #[inline]
    pub fn eval(&self, wi: Vec3) -> (Vec3, f32) {
        let cos_i = self.normal.dot(wi);
        let base_cos = self.desc.base_normal.dot(wi).max(0.0);
        let diffuse = self.desc.base == Base::Diffuse && cos_i > 0.0;
        let mut f = Vec3::ZERO;
        let mut density = 0.0;
        if diffuse {
            // in and out through the coat, scaled so that what enters and is not absorbed also leaves
            f += self.desc.albedo * (self.passed(cos_i) * self.passed_out / self.passed_mean * base_cos * FRAC_1_PI);
            density += (1.0 - self.p_coat) * base_cos * FRAC_1_PI;
        }
        if cos_i <= 0.0 {
            return (f, density);
        }
        if self.desc.fuzz > 0.0 {
            // 6 makes the share of light from one side that it throws back `fuzz · grazing`
            let down = 6.0 * self.desc.fuzz * grazing(cos_i) * grazing(self.cos_o) * FRAC_1_PI;
            f += Vec3::splat(down * self.below_lobes(cos_i) * self.below_lobes(self.cos_o) * cos_i);
        }
        let h = (self.wo + wi).normalize_or(self.normal);
        let (cos_h, cos_d) = (self.normal.dot(h).max(0.0), self.wo.dot(h).max(1e-4));
        let fresnel = self.fresnel(cos_d);
        for lobe in self.desc.lobes.iter().filter(|l| l.share > 0.0) {
            let d = ggx(cos_h, lobe.alpha);
            let masked = smith_visible(self.cos_o, cos_i, lobe.alpha);
            f += Vec3::splat(lobe.share * fresnel * d * masked * cos_i);
            density += self.p_coat * lobe.share / self.strength * d * visible_density(self.cos_o, lobe.alpha);
        }
        (f, density)
    }

    /// A direction from a lobe or the base.
    #[inline]
    pub fn sample(&self, choice: f32, u: [f32; 2]) -> Option<Scattered> {
        if choice >= self.p_coat {
            if self.desc.base == Base::Walk {
                return Some(Scattered::Below { weight: Vec3::splat(self.passed_out / (1.0 - self.p_coat)) });
            }
            return self.spread(cosine(self.desc.base_normal, u));
        }
        let first = choice / self.p_coat < self.desc.lobes[0].share / self.strength;
        let alpha = self.desc.lobes[usize::from(!first)].alpha;
        let h = visible_normal(self.wo, self.normal, alpha, u);
        self.spread((h * (2.0 * self.wo.dot(h)) - self.wo).normalize_or(self.normal))
    }

    fn spread(&self, direction: Vec3) -> Option<Scattered> {
        let (f, density) = self.eval(direction);
        (density > 1e-6).then(|| Scattered::Spread { direction, weight: f / density, density })
    }
}

/// Fraction of light from one direction that a GGX lobe reflects: the fit of Karis 2014, "Physically Based Shading on
/// Mobile", to the split-sum table; `r` is √α.
#[inline]
fn reflected(cos: f32, f0: f32, r: f32) -> f32 {
    let x = 1.0 - r;
    let a004 = (x * x).min(exp(-9.28 * LN_2 * cos)) * x + 0.0425 - 0.0275 * r;
    let (a, b) = (-1.04 * a004 + 1.04 - 0.572 * r, 1.04 * a004 - 0.04 + 0.022 * r);
    // near the horizon the fit is too low, and light would be made
    let horizon = 0.09 * (1.0 - cos).max(0.0).powi(8);
    (f0 * a + b + horizon).clamp(0.0, 1.0)
}

/// How much down there is along a grazing path.
#[inline]
fn grazing(cos: f32) -> f32 {
    let s = (1.0 - cos).clamp(0.0, 1.0);
    s * s
}

/// Normal distribution of GGX.
#[inline]
fn ggx(cos_h: f32, alpha: f32) -> f32 {
    let a2 = alpha * alpha;
    let k = cos_h * cos_h * (a2 - 1.0) + 1.0;
    a2 / (PI * k * k).max(1e-12)
}

/// Height-correlated masking and shadowing over `4 cos_o cos_i`.
#[inline]
fn smith_visible(cos_o: f32, cos_i: f32, alpha: f32) -> f32 {
    let a2 = alpha * alpha;
    let o = cos_i * (cos_o * cos_o * (1.0 - a2) + a2).sqrt();
    let i = cos_o * (cos_i * cos_i * (1.0 - a2) + a2).sqrt();
    0.5 / (o + i).max(1e-6)
}

/// Density of the reflected direction when visible normals are drawn, over the distribution: `G₁(o) / (4 cos_o)`.
#[inline]
fn visible_density(cos_o: f32, alpha: f32) -> f32 {
    let a2 = alpha * alpha;
    0.5 / (cos_o + (cos_o * cos_o * (1.0 - a2) + a2).sqrt())
}

/// A microfacet normal seen from `wo` (Dupuy and Benyoub 2023, listing 3).
#[inline]
fn visible_normal(wo: Vec3, n: Vec3, alpha: f32, u: [f32; 2]) -> Vec3 {
    let (t, b) = frame(n);
    let stretched = Vec3::new(wo.dot(t) * alpha, wo.dot(b) * alpha, wo.dot(n).max(1e-3)).normalize_or(Vec3::Z);
    let z = (1.0 - u[0]) * (1.0 + stretched.z) - stretched.z;
    let r = (1.0 - z * z).max(0.0).sqrt();
    let (sin, cos) = sin_cos(TAU * u[1]);
    let h = Vec3::new(r * cos, r * sin, z) + stretched;
    (t * (h.x * alpha) + b * (h.y * alpha) + n * h.z).normalize_or(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::bsdf::{Bsdf, furnace, over_the_sphere};

    fn coat(albedo: f32, alphas: [f32; 2], cos_o: f32) -> Bsdf<'static> {
        let lobes = [Lobe { share: 0.85, alpha: alphas[0] }, Lobe { share: 0.15, alpha: alphas[1] }];
        let (base_normal, base) = (Vec3::Z, Base::Diffuse);
        let desc = CoatDesc { albedo: Vec3::splat(albedo), base_normal, base, lobes, fuzz: 0.3, ior: 1.4 };
        Bsdf::Coated(Coated::new(desc, Vec3::Z, Vec3::new((1.0 - cos_o * cos_o).sqrt(), 0.0, cos_o)))
    }

    #[test]
    fn density_integrates_to_one_and_sampling_agrees() {
        for cos_o in [1.0, 0.7, 0.3] {
            let bsdf = coat(0.5, [0.5, 0.3], cos_o);
            let (density, albedo) = over_the_sphere(&bsdf, 1 << 20);
            // what is missing is sampled below the horizon and ends there
            assert!(density < 1.01 && density > 0.93, "cos {cos_o}: {density}");
            assert!((furnace(&bsdf, 1 << 16) - albedo).abs().max_element() < 5e-3, "cos {cos_o}");
        }
    }

    #[test]
    fn no_light_is_made() {
        for cos_o in [1.0, 0.8, 0.5, 0.2, 0.05] {
            let white = furnace(&coat(1.0, [0.35, 0.16], cos_o), 1 << 14).x;
            assert!(white <= 1.01 && white > 0.85, "cos {cos_o}: {white}");
        }
    }
}
