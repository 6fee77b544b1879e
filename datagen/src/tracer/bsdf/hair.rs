//! A fiber after Chiang, Bitterli, Tappan, Burley 2016, "A Practical and Controllable Hair and Fur Model for Production
//! Path Tracing", with its four lobes: reflected (R), through (TT), reflected inside once (TRT), and all the rest.
//!
//! Frame: x along the fiber, y towards the viewer across it, so that the outgoing azimuth is zero. What depends on
//! the material is computed once ([`Strands`]), what depends on the viewer once a hit ([`Fiber`]).
use super::{Scattered, fresnel};
use crate::tracer::elementary::{asin, atan2, exp3, exp4, ln, sin_cos, sqrt4};
use crate::tracer::scene::HairMaterial;
use glam::{Vec3, Vec4};
use std::f32::consts::{PI, TAU};

/// Constants of a hair material; four lanes are the lobes R, TT, TRT and the rest.
#[derive(Clone, Copy, Debug)]
pub struct Strands {
    sigma_a: Vec3,
    eta: f32,
    /// Longitudinal variance `v` of each lobe, its inverse, `exp(-2/v)`, and `1 / (v (1 - exp(-2/v)))`.
    variance: Vec4,
    inverse: Vec4,
    floor: Vec4,
    norm: Vec4,
    /// Scale of the azimuthal logistic, its distribution function at -π, and its factor: one over the share within ±π
    /// and over the scale.
    scale: f32,
    cdf_low: f32,
    logistic: f32,
    /// Sine and cosine of the tilt of each lobe.
    tilt: [Vec4; 2],
    /// Turns absorption into the color of many fibers (Chiang et al. 2016, eq. 9).
    color: f32,
}

impl Strands {
    /// From a material; roughnesses are kept within what the fits are good for.
    pub fn new(m: &HairMaterial) -> Self {
        let (bm, bn) = (m.beta_m.clamp(0.05, 1.0), m.beta_n.clamp(0.05, 1.0));
        let v = (0.726 * bm + 0.812 * bm * bm + 3.7 * bm.powi(20)).powi(2);
        let variance = Vec4::new(v, 0.25 * v, 4.0 * v, 4.0 * v);
        let floor = exp4(variance.recip() * -2.0);
        let scale = (PI / 8.0).sqrt() * (0.265 * bn + 1.194 * bn * bn + 5.372 * bn.powi(22));
        let cdf_low = 1.0 / (1.0 + (PI / scale).exp());
        let (s, c) = m.tilt.sin_cos();
        let (s2, c2) = (2.0 * s * c, c * c - s * s);
        let (s4, c4) = (2.0 * s2 * c2, c2 * c2 - s2 * s2);
        let color =
            5.969 - 0.215 * bn + 2.532 * bn.powi(2) - 10.73 * bn.powi(3) + 5.574 * bn.powi(4) + 0.245 * bn.powi(5);
        Strands {
            sigma_a: m.sigma_a,
            eta: m.ior,
            variance,
            inverse: variance.recip(),
            floor,
            norm: (variance * (Vec4::ONE - floor)).recip(),
            scale,
            cdf_low,
            logistic: 1.0 / ((1.0 - 2.0 * cdf_low) * scale),
            // R leaves towards the root by two tilts, TT by one towards the tip, TRT by four
            tilt: [Vec4::new(s2, -s, -s4, 0.0), Vec4::new(c2, c, c4, 1.0)],
            color,
        }
    }

    /// Color that a mass of such fibers shows: a guide for the denoiser.
    pub fn albedo(&self, absorption: f32) -> Vec3 {
        exp3(-(self.sigma_a * absorption).map(f32::sqrt) * self.color)
    }
}

/// A fiber seen from one direction.
#[derive(Clone, Copy, Debug)]
pub struct Fiber<'a> {
    s: &'a Strands,
    /// Axes of the frame in the world.
    axes: [Vec3; 3],
    /// Sine and cosine of the outgoing inclination after each lobe's tilt.
    tilted: [Vec4; 2],
    /// Attenuation of each lobe, and the chance to sample it.
    attenuation: [Vec3; 4],
    chance: Vec4,
    /// Mean azimuth of each lobe; the last has none.
    azimuth: Vec4,
}

impl<'a> Fiber<'a> {
    /// `tangent` is unit, `wo` points to the viewer, `h` in -1..=1 says where across the fiber it is hit;
    /// `absorption` multiplies the material's.
    #[inline]
    pub fn new(s: &'a Strands, absorption: f32, tangent: Vec3, wo: Vec3, h: f32) -> Self {
        let h = h.clamp(-0.999, 0.999);
        let sin_o = tangent.dot(wo).clamp(-1.0, 1.0);
        let y = (wo - tangent * sin_o).normalize_or(super::frame(tangent).0);
        let cos_o = (1.0 - sin_o * sin_o).max(0.0).sqrt();
        let (attenuation, sin_gamma_t) = attenuation(s, s.sigma_a * absorption, sin_o, cos_o, h);
        let [r, tt, trt, rest] = attenuation;
        let weight = Vec4::new(r.element_sum(), tt.element_sum(), trt.element_sum(), rest.element_sum());
        let (around, inside) = (-2.0 * asin(h), 2.0 * asin(sin_gamma_t) + PI);
        let [sin_tilt, cos_tilt] = s.tilt;
        Fiber {
            s,
            axes: [tangent, y, tangent.cross(y)],
            tilted: [cos_tilt * sin_o - sin_tilt * cos_o, (cos_tilt * cos_o + sin_tilt * sin_o).abs()],
            attenuation,
            chance: weight / weight.element_sum().max(1e-12),
            azimuth: Vec4::new(around, around + inside, around + 2.0 * inside, 0.0),
        }
    }

    /// `f · cos θ` and density.
    #[inline]
    pub fn eval(&self, wi: Vec3) -> (Vec3, f32) {
        let (sin_i, across) = (self.axes[0].dot(wi).clamp(-1.0, 1.0), (self.axes[1].dot(wi), self.axes[2].dot(wi)));
        let cos_i = (1.0 - sin_i * sin_i).max(0.0).sqrt();
        self.towards(sin_i, cos_i, atan2(across.1, across.0))
    }

    /// As [`Fiber::eval`], by inclination and azimuth.
    #[inline]
    fn towards(&self, sin_i: f32, cos_i: f32, phi: f32) -> (Vec3, f32) {
        let [sin_o, cos_o] = self.tilted;
        let (a, b) = (cos_o * cos_i * self.s.inverse, sin_o * sin_i * self.s.inverse);
        let each = longitudinal(a, b, self.s) * self.azimuthal(Vec4::splat(phi) - self.azimuth);
        let [r, tt, trt, rest] = self.attenuation;
        (r * each.x + tt * each.y + trt * each.z + rest * each.w, self.chance.dot(each))
    }

    /// A direction from one of the lobes.
    #[inline]
    pub fn sample(&self, choice: f32, u: [f32; 2]) -> Option<Scattered> {
        let (mut p, mut rest) = (0, choice);
        while p < 3 && rest >= self.chance[p] {
            rest -= self.chance[p];
            p += 1;
        }
        // what is left of `choice` within its lobe is uniform again
        let third = (rest / self.chance[p].max(1e-12)).clamp(0.0, 1.0 - f32::EPSILON);
        let (sin_o, cos_o) = (self.tilted[0][p], self.tilted[1][p]);
        let u0 = u[0].max(1e-5);
        let c = 1.0 + self.s.variance[p] * ln(u0 + (1.0 - u0) * self.s.floor[p]);
        let around = sin_cos(TAU * u[1]).1;
        let sin_i = (-c * sin_o + (1.0 - c * c).max(0.0).sqrt() * around * cos_o).clamp(-1.0, 1.0);
        let cos_i = (1.0 - sin_i * sin_i).max(0.0).sqrt();
        let phi = if p < 3 { self.azimuth[p] + self.draw_azimuth(third) } else { TAU * third };
        let (sin, cos) = sin_cos(phi);
        let direction = self.axes[0] * sin_i + self.axes[1] * (cos_i * cos) + self.axes[2] * (cos_i * sin);
        let (f, density) = self.towards(sin_i, cos_i, phi);
        (density > 1e-6).then(|| Scattered::Spread { direction, weight: f / density, density })
    }

    /// Logistic in the difference of azimuths, trimmed to ±π; the last lobe is even.
    #[inline]
    fn azimuthal(&self, difference: Vec4) -> Vec4 {
        const ROUND: Vec4 = Vec4::splat(12_582_912.0);
        let turns = (difference * (1.0 / TAU) + ROUND) - ROUND;
        let d = difference - turns * TAU;
        let e = exp4(d.abs() * (-1.0 / self.s.scale));
        let logistic = e * self.s.logistic / ((Vec4::ONE + e) * (Vec4::ONE + e));
        logistic.truncate().extend(1.0 / TAU)
    }

    /// Inverse of the trimmed logistic's distribution function.
    #[inline]
    fn draw_azimuth(&self, u: f32) -> f32 {
        let cdf = (self.s.cdf_low + u * (1.0 - 2.0 * self.s.cdf_low)).clamp(1e-6, 1.0 - 1e-6);
        (self.s.scale * ln(cdf / (1.0 - cdf))).clamp(-PI, PI)
    }
}

/// What each lobe keeps of the light, and the sine of the refracted azimuth γ_t (Chiang et al. 2016, section 3.3).
#[inline]
fn attenuation(s: &Strands, sigma_a: Vec3, sin_o: f32, cos_o: f32, h: f32) -> ([Vec3; 4], f32) {
    let cos_t = (1.0 - (sin_o / s.eta).powi(2)).max(0.0).sqrt();
    let eta_bent = (s.eta * s.eta - sin_o * sin_o).max(0.0).sqrt() / cos_o.max(1e-4);
    let sin_gamma_t = (h / eta_bent).clamp(-1.0, 1.0);
    let cos_gamma_t = (1.0 - sin_gamma_t * sin_gamma_t).max(0.0).sqrt();
    let through = exp3(sigma_a * (-2.0 * cos_gamma_t / cos_t.max(1e-4)));
    let f = fresnel(cos_o * (1.0 - h * h).sqrt(), s.eta);
    let tt = through * ((1.0 - f) * (1.0 - f));
    let trt = tt * through * f;
    let rest = trt * through * f / (Vec3::ONE - through * f).max(Vec3::splat(1e-4));
    ([Vec3::splat(f), tt, trt, rest], sin_gamma_t)
}

/// Longitudinal scattering (d'Eon et al. 2011, eq. 7) as `I₀(a) e^(-a) · e^(a - b - 1/v) / (v (1 - e^(-2/v)))`, which
/// neither overflows nor needs a second form for small variances.
///
/// `I₀`: polynomials 9.8.1 and 9.8.2 of Abramowitz and Stegun, error below 2e-7; the first is `I₀` itself, the second
/// `I₀(a) e^(-a) √a`.
#[inline]
fn longitudinal(a: Vec4, b: Vec4, s: &Strands) -> Vec4 {
    let small = a.cmplt(Vec4::splat(3.75));
    let near = a * (1.0 / 3.75);
    let near =
        polynomial(near * near, [1.0, 3.515_622_9, 3.089_942_4, 1.206_749_2, 0.265_973_2, 0.036_076_8, 0.004_581_3]);
    let a = a.max(Vec4::splat(3.75));
    let far = polynomial(
        a.recip() * 3.75,
        [
            0.398_942_28,
            0.013_285_92,
            0.002_253_19,
            -0.001_575_65,
            0.009_162_81,
            -0.020_577_06,
            0.026_355_37,
            -0.016_476_33,
            0.003_923_77,
        ],
    );
    let bessel = Vec4::select(small, near, far / sqrt4(a));
    let exponent = Vec4::select(small, Vec4::ZERO, a) - b - s.inverse;
    bessel * exp4(exponent) * s.norm
}

/// `Σ cₖ tᵏ`
#[inline]
fn polynomial<const N: usize>(t: Vec4, c: [f32; N]) -> Vec4 {
    c.iter().rev().fold(Vec4::ZERO, |sum, &k| sum * t + Vec4::splat(k))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracer::bsdf::{Bsdf, furnace, over_the_sphere};

    fn strands(sigma_a: Vec3, roughness: f32) -> Strands {
        Strands::new(&HairMaterial { sigma_a, beta_m: roughness, beta_n: roughness, tilt: 0.035, ior: 1.55 })
    }

    #[test]
    fn clear_fibers_keep_all_light() {
        for (roughness, h) in [(0.2, 0.0), (0.3, 0.6), (0.3, -0.9), (0.6, 0.3)] {
            for wo in [Vec3::Z, Vec3::new(0.5, 0.0, 0.75f32.sqrt()), Vec3::new(-0.8, 0.36, 0.48)] {
                let kept =
                    furnace(&Bsdf::Hair(Fiber::new(&strands(Vec3::ZERO, roughness), 1.0, Vec3::X, wo, h)), 1 << 14);
                assert!((kept - Vec3::ONE).abs().max_element() < 0.01, "roughness {roughness} h {h} {wo}: {kept}");
            }
        }
    }

    #[test]
    fn density_integrates_to_one_and_sampling_agrees() {
        for h in [-0.7, 0.0, 0.5] {
            let hair = strands(Vec3::new(0.4, 0.8, 1.6), 0.4);
            let bsdf = Bsdf::Hair(Fiber::new(&hair, 1.0, Vec3::X, Vec3::new(0.3, 0.5, 0.812_4), h));
            let (density, albedo) = over_the_sphere(&bsdf, 1 << 20);
            assert!((density - 1.0).abs() < 0.01, "h {h}: {density}");
            assert!((furnace(&bsdf, 1 << 16) - albedo).abs().max_element() < 5e-3, "h {h}");
        }
    }

    #[test]
    fn longitudinal_scattering_matches_its_series() {
        let s = strands(Vec3::ZERO, 0.3);
        for x in [0.0f32, 0.5, 2.0, 3.7, 3.8, 6.0, 12.0] {
            let series: f64 = (0..60)
                .fold((0.0, 1.0), |(sum, term), k| {
                    (sum + term, term * (f64::from(x) / 2.0).powi(2) / f64::from(k + 1).powi(2))
                })
                .0;
            let ours = longitudinal(Vec4::splat(x), Vec4::splat(0.25), &s);
            for p in 0..4 {
                let exact = series * (-0.25 - f64::from(s.inverse[p])).exp() * f64::from(s.norm[p]);
                assert!((f64::from(ours[p]) / exact - 1.0).abs() < 1e-5, "{x} lobe {p}: {} {exact}", ours[p]);
            }
        }
    }
}
