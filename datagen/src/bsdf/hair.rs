//! A fibre after Chiang, Bitterli, Tappan, Burley 2016, "A Practical and Controllable Hair and Fur Model for Production
//! Path Tracing", with its four lobes: reflected (R), through (TT), reflected inside once (TRT), and all the rest.
//!
//! Frame: x along the fibre, y towards the viewer across it, so that the outgoing azimuth is zero. What depends on
//! the material is computed once ([`Strands`]), what depends on the viewer once a hit ([`Fibre`]).
use super::{Scattered, fresnel};
use crate::scene::HairMaterial;
use glam::{Vec3, Vec4};
use std::f32::consts::{PI, TAU};

/// Constants of a hair material.
#[derive(Clone, Copy, Debug)]
pub struct Strands {
    sigma_a: Vec3,
    eta: f32,
    /// Longitudinal variance of each lobe, its inverse, and `1 / (v (1 - exp(-2/v)))`.
    variance: [f32; 4],
    inverse: [f32; 4],
    norm: [f32; 4],
    /// Scale of the azimuthal logistic, its distribution function at -π, and one over the share within ±π.
    scale: f32,
    cdf_low: f32,
    trim: f32,
    /// Sine and cosine of the tilt of R, TT, TRT.
    tilt: [(f32, f32); 3],
    /// Turns absorption into the colour of many fibres (Chiang et al. 2016, eq. 9).
    colour: f32,
}

impl Strands {
    /// From a material; roughnesses are kept within what the fits are good for.
    pub fn new(m: &HairMaterial) -> Self {
        let (bm, bn) = (m.beta_m.clamp(0.05, 1.0), m.beta_n.clamp(0.05, 1.0));
        let v = (0.726 * bm + 0.812 * bm * bm + 3.7 * bm.powi(20)).powi(2);
        let variance = [v, 0.25 * v, 4.0 * v, 4.0 * v];
        let scale = (PI / 8.0).sqrt() * (0.265 * bn + 1.194 * bn * bn + 5.372 * bn.powi(22));
        let cdf_low = 1.0 / (1.0 + (PI / scale).exp());
        let (s, c) = m.tilt.sin_cos();
        let (s2, c2) = (2.0 * s * c, c * c - s * s);
        let (s4, c4) = (2.0 * s2 * c2, c2 * c2 - s2 * s2);
        let colour =
            5.969 - 0.215 * bn + 2.532 * bn.powi(2) - 10.73 * bn.powi(3) + 5.574 * bn.powi(4) + 0.245 * bn.powi(5);
        Strands {
            sigma_a: m.sigma_a,
            eta: m.ior,
            variance,
            inverse: variance.map(|v| 1.0 / v),
            norm: variance.map(|v| 1.0 / (v * (1.0 - (-2.0 / v).exp()))),
            scale,
            cdf_low,
            trim: 1.0 / (1.0 - 2.0 * cdf_low),
            // R leaves towards the root by two tilts, TT by one towards the tip, TRT by four
            tilt: [(s2, c2), (-s, c), (-s4, c4)],
            colour,
        }
    }

    /// Colour that a mass of such fibres shows: a guide for the denoiser.
    pub fn albedo(&self, absorption: f32) -> Vec3 {
        (-(self.sigma_a * absorption).map(f32::sqrt) * self.colour).exp()
    }
}

/// A fibre seen from one direction.
#[derive(Clone, Copy, Debug)]
pub struct Fibre<'a> {
    s: &'a Strands,
    /// Axes of the frame in the world.
    axes: [Vec3; 3],
    /// Sine and cosine of the outgoing inclination after each lobe's tilt.
    tilted: [(f32, f32); 4],
    /// Attenuation of each lobe, and the chance to sample it.
    attenuation: [Vec3; 4],
    chance: Vec4,
    /// Mean azimuth of R, TT, TRT.
    azimuth: [f32; 3],
}

impl<'a> Fibre<'a> {
    /// `tangent` is unit, `wo` points to the viewer, `h` in -1..=1 says where across the fibre it is hit;
    /// `absorption` multiplies the material's.
    #[inline]
    pub fn new(s: &'a Strands, absorption: f32, tangent: Vec3, wo: Vec3, h: f32) -> Self {
        let h = h.clamp(-0.999, 0.999);
        let sin_o = tangent.dot(wo).clamp(-1.0, 1.0);
        let y = (wo - tangent * sin_o).normalize_or(super::frame(tangent).0);
        let cos_o = (1.0 - sin_o * sin_o).max(0.0).sqrt();
        let (attenuation, gamma_t) = attenuation(s, s.sigma_a * absorption, sin_o, cos_o, h);
        let weight = Vec4::from_array(attenuation.map(|a| (a.x + a.y + a.z) / 3.0));
        let gamma_o = h.asin();
        let mean = |p: f32| 2.0 * p * gamma_t - 2.0 * gamma_o + p * PI;
        let tilt = |(ts, tc): (f32, f32)| (sin_o * tc - cos_o * ts, (cos_o * tc + sin_o * ts).abs());
        Fibre {
            s,
            axes: [tangent, y, tangent.cross(y)],
            tilted: [tilt(s.tilt[0]), tilt(s.tilt[1]), tilt(s.tilt[2]), (sin_o, cos_o)],
            attenuation,
            chance: weight / weight.element_sum().max(1e-12),
            azimuth: [mean(0.0), mean(1.0), mean(2.0)],
        }
    }

    /// `f · cos θ` and density.
    #[inline]
    pub fn eval(&self, wi: Vec3) -> (Vec3, f32) {
        let (sin_i, across) = (self.axes[0].dot(wi).clamp(-1.0, 1.0), (self.axes[1].dot(wi), self.axes[2].dot(wi)));
        let cos_i = (1.0 - sin_i * sin_i).max(0.0).sqrt();
        let phi = across.1.atan2(across.0);
        let (mut f, mut density) = (Vec3::ZERO, 0.0);
        for p in 0..4 {
            let m = longitudinal(sin_i, cos_i, self.tilted[p], self.s.inverse[p], self.s.norm[p]);
            let n = if p < 3 { self.azimuthal(phi - self.azimuth[p]) } else { 1.0 / TAU };
            f += self.attenuation[p] * (m * n);
            density += self.chance[p] * (m * n);
        }
        (f, density)
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
        let (v, (sin_o, cos_o)) = (self.s.variance[p], self.tilted[p]);
        let u0 = u[0].max(1e-5);
        let c = 1.0 + v * (u0 + (1.0 - u0) * (-2.0 / v).exp()).ln();
        let sin_i = (-c * sin_o + (1.0 - c * c).max(0.0).sqrt() * (TAU * u[1]).cos() * cos_o).clamp(-1.0, 1.0);
        let cos_i = (1.0 - sin_i * sin_i).max(0.0).sqrt();
        let phi = if p < 3 { self.azimuth[p] + self.draw_azimuth(third) } else { TAU * third };
        let (sin, cos) = phi.sin_cos();
        let direction = (self.axes[0] * sin_i + self.axes[1] * (cos_i * cos) + self.axes[2] * (cos_i * sin))
            .normalize_or(self.axes[1]);
        let (f, density) = self.eval(direction);
        (density > 1e-6).then(|| Scattered::Spread { direction, weight: f / density, density })
    }

    /// Logistic in the difference of azimuths, trimmed to ±π.
    #[inline]
    fn azimuthal(&self, difference: f32) -> f32 {
        let d = difference - TAU * ((difference + PI) * (1.0 / TAU)).floor();
        let e = (-d.abs() / self.s.scale).exp();
        e * self.s.trim / (self.s.scale * (1.0 + e) * (1.0 + e))
    }

    /// Inverse of the trimmed logistic's distribution function.
    #[inline]
    fn draw_azimuth(&self, u: f32) -> f32 {
        let cdf = (self.s.cdf_low + u * (1.0 - 2.0 * self.s.cdf_low)).clamp(1e-6, 1.0 - 1e-6);
        (self.s.scale * (cdf / (1.0 - cdf)).ln()).clamp(-PI, PI)
    }
}

/// What each lobe keeps of the light, and the refracted azimuth γ_t (Chiang et al. 2016, section 3.3).
#[inline]
fn attenuation(s: &Strands, sigma_a: Vec3, sin_o: f32, cos_o: f32, h: f32) -> ([Vec3; 4], f32) {
    let cos_t = (1.0 - (sin_o / s.eta).powi(2)).max(0.0).sqrt();
    let eta_bent = (s.eta * s.eta - sin_o * sin_o).max(0.0).sqrt() / cos_o.max(1e-4);
    let sin_gamma_t = (h / eta_bent).clamp(-1.0, 1.0);
    let cos_gamma_t = (1.0 - sin_gamma_t * sin_gamma_t).max(0.0).sqrt();
    let through = (sigma_a * (-2.0 * cos_gamma_t / cos_t.max(1e-4))).exp();
    let f = fresnel(cos_o * (1.0 - h * h).sqrt(), s.eta);
    let tt = through * ((1.0 - f) * (1.0 - f));
    let trt = tt * through * f;
    let rest = trt * through * f / (Vec3::ONE - through * f).max(Vec3::splat(1e-4));
    ([Vec3::splat(f), tt, trt, rest], sin_gamma_t.asin())
}

/// Longitudinal scattering (d'Eon et al. 2011, eq. 7) as `e^(a - b - 1/v) · I₀(a) e^(-a) / (v (1 - e^(-2/v)))`, which
/// neither overflows nor needs a second form for small variances.
#[inline]
fn longitudinal(sin_i: f32, cos_i: f32, (sin_o, cos_o): (f32, f32), inverse: f32, norm: f32) -> f32 {
    let (a, b) = (cos_i * cos_o * inverse, sin_i * sin_o * inverse);
    bessel_i0_scaled(a) * (a - b - inverse).exp() * norm
}

/// `I₀(x) e^(-x)` for `x ≥ 0`: polynomials 9.8.1 and 9.8.2 of Abramowitz and Stegun, error below 2e-7.
#[inline]
fn bessel_i0_scaled(x: f32) -> f32 {
    let poly = |t: f32, c: &[f32]| c.iter().rev().fold(0.0, |sum, &k| sum * t + k);
    if x < 3.75 {
        let t = (x / 3.75) * (x / 3.75);
        poly(t, &[1.0, 3.515_622_9, 3.089_942_4, 1.206_749_2, 0.265_973_2, 0.036_076_8, 0.004_581_3]) * (-x).exp()
    } else {
        let t = 3.75 / x;
        const C: [f32; 9] = [
            0.398_942_28,
            0.013_285_92,
            0.002_253_19,
            -0.001_575_65,
            0.009_162_81,
            -0.020_577_06,
            0.026_355_37,
            -0.016_476_33,
            0.003_923_77,
        ];
        poly(t, &C) / x.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bsdf::{Bsdf, furnace, over_the_sphere};

    fn strands(sigma_a: Vec3, roughness: f32) -> Strands {
        Strands::new(&HairMaterial { sigma_a, beta_m: roughness, beta_n: roughness, tilt: 0.035, ior: 1.55 })
    }

    #[test]
    fn clear_fibres_keep_all_light() {
        for (roughness, h) in [(0.2, 0.0), (0.3, 0.6), (0.3, -0.9), (0.6, 0.3)] {
            for wo in [Vec3::Z, Vec3::new(0.5, 0.0, 0.75f32.sqrt()), Vec3::new(-0.8, 0.36, 0.48)] {
                let kept =
                    furnace(&Bsdf::Hair(Fibre::new(&strands(Vec3::ZERO, roughness), 1.0, Vec3::X, wo, h)), 1 << 14);
                assert!((kept - Vec3::ONE).abs().max_element() < 0.01, "roughness {roughness} h {h} {wo}: {kept}");
            }
        }
    }

    #[test]
    fn density_integrates_to_one_and_sampling_agrees() {
        for h in [-0.7, 0.0, 0.5] {
            let hair = strands(Vec3::new(0.4, 0.8, 1.6), 0.4);
            let bsdf = Bsdf::Hair(Fibre::new(&hair, 1.0, Vec3::X, Vec3::new(0.3, 0.5, 0.812_4), h));
            let (density, albedo) = over_the_sphere(&bsdf, 1 << 20);
            assert!((density - 1.0).abs() < 0.01, "h {h}: {density}");
            assert!((furnace(&bsdf, 1 << 16) - albedo).abs().max_element() < 5e-3, "h {h}");
        }
    }

    #[test]
    fn bessel_matches_its_series() {
        for x in [0.0f32, 0.5, 2.0, 3.7, 3.8, 6.0, 12.0] {
            let series: f64 = (0..60)
                .fold((0.0, 1.0), |(sum, term), k| {
                    (sum + term, term * (f64::from(x) / 2.0).powi(2) / f64::from(k + 1).powi(2))
                })
                .0;
            let exact = (series * (-f64::from(x)).exp()) as f32;
            assert!((bessel_i0_scaled(x) - exact).abs() < 1e-6, "{x}: {} {exact}", bessel_i0_scaled(x));
        }
    }
}
