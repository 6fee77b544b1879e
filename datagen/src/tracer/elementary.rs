//! Elementary functions of the tracer's inner loop, in `f32`, to about two units in the last place.
//!
//! Only sums, products, quotients and square roots: no call into a mathematics library, so that they inline, four lanes
//! run as one, and a library's choice between processors changes no byte. Reductions and polynomials: Cephes (Moshier
//! 1992, `expf`, `logf`, `sinf`, `atanf`, `asinf`); rounding by adding 1.5 · 2²³.
use glam::{Vec3, Vec4};
use std::f32::consts::{FRAC_1_PI, FRAC_PI_2, FRAC_PI_4, LN_2, LOG2_E, PI, SQRT_2};

/// Adding it rounds to a whole number, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// `(e^r - 1 - r) / r²` for `|r| ≤ ½ ln 2`, highest power first.
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
/// `ln 2` in two parts, the first of which times a whole number is exact.
const LN_2_PARTS: [f32; 2] = [0.693_359_375, -2.121_944_4e-4];

/// `e^x`; 0 below -87, and as for 88 above.
#[inline]
pub fn exp(x: f32) -> f32 {
    let c = x.clamp(-88.0, 88.0);
    let t = c * LOG2_E + ROUND;
    let k = t - ROUND;
    let r = (c - k * LN_2_PARTS[0]) - k * LN_2_PARTS[1];
    let p = ((((EXP[0] * r + EXP[1]) * r + EXP[2]) * r + EXP[3]) * r + EXP[4]) * r + EXP[5];
    let y = (p * r * r + r) + 1.0;
    if x < -87.0 { 0.0 } else { y * power_of_two(t) }
}

/// [`exp`] of four lanes.
#[inline]
pub fn exp4(x: Vec4) -> Vec4 {
    let v = Vec4::splat;
    let c = x.clamp(v(-88.0), v(88.0));
    let t = c * LOG2_E + v(ROUND);
    let k = t - v(ROUND);
    let r = (c - k * LN_2_PARTS[0]) - k * LN_2_PARTS[1];
    let p = ((((r * EXP[0] + v(EXP[1])) * r + v(EXP[2])) * r + v(EXP[3])) * r + v(EXP[4])) * r + v(EXP[5]);
    let y = (p * r * r + r) + Vec4::ONE;
    let scale = Vec4::new(power_of_two(t.x), power_of_two(t.y), power_of_two(t.z), power_of_two(t.w));
    Vec4::select(x.cmplt(v(-87.0)), Vec4::ZERO, y * scale)
}

/// `2^k` from `k + ROUND`.
#[inline(always)]
fn power_of_two(t: f32) -> f32 {
    f32::from_bits((t.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// Square roots of four lanes.
#[inline]
pub fn sqrt4(x: Vec4) -> Vec4 {
    Vec4::new(x.x.sqrt(), x.y.sqrt(), x.z.sqrt(), x.w.sqrt())
}

/// [`exp`] of three lanes.
#[inline]
pub fn exp3(x: Vec3) -> Vec3 {
    exp4(x.extend(0.0)).truncate()
}

/// Natural logarithm of a positive, normal number.
#[inline]
pub fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    // the mantissa in 1/√2 .. √2, what is left in the exponent
    let e = (bits.wrapping_sub(0x3f35_04f3) as i32) >> 23;
    let m = f32::from_bits(bits.wrapping_sub((e as u32) << 23)) - 1.0;
    let (z, k) = (m * m, e as f32);
    let p = (((((((7.037_683_6e-2 * m - 1.151_461e-1) * m + 1.167_699_9e-1) * m - 1.242_014_1e-1) * m
        + 1.424_932_3e-1)
        * m
        - 1.666_805_8e-1)
        * m
        + 2.000_071_5e-1)
        * m
        - 2.499_999_4e-1)
        * m
        + 3.333_333_1e-1;
    m * z * p - 0.5 * z + m + k * LN_2
}

/// Sine and cosine of an angle of at most some thousand turns.
#[inline]
pub fn sin_cos(x: f32) -> (f32, f32) {
    let t = x * (2.0 * FRAC_1_PI) + ROUND;
    let k = t - ROUND;
    // π/2 in three parts
    let r = ((x - k * 1.570_312_5) - k * 4.837_512_97e-4) - k * 7.549_789_95e-8;
    let z = r * r;
    let sin = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * r + r;
    let cos = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let quarter = t.to_bits();
    let (s, c) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    let s = if quarter & 2 == 0 { s } else { -s };
    let c = if (quarter.wrapping_add(1)) & 2 == 0 { c } else { -c };
    (s, c)
}

/// Angle of `(x, y)` in `-π..=π`; 0 for the origin.
#[inline]
pub fn atan2(y: f32, x: f32) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let (low, high) = (ax.min(ay), ax.max(ay));
    let t = low / high.max(f32::MIN_POSITIVE);
    // tan of the angle beyond 0 or beyond π/4
    let beyond = t > SQRT_2 - 1.0;
    let u = if beyond { (t - 1.0) / (t + 1.0) } else { t };
    let z = u * u;
    let p = (((8.053_744_5e-2 * z - 1.387_768_6e-1) * z + 1.997_771_1e-1) * z - 3.333_295e-1) * z * u + u;
    let a = if beyond { p + FRAC_PI_4 } else { p };
    let a = if ay > ax { FRAC_PI_2 - a } else { a };
    let a = if x < 0.0 { PI - a } else { a };
    a.copysign(y)
}

/// Arc sine of a number in `-1..=1`.
#[inline]
pub fn asin(x: f32) -> f32 {
    let a = x.abs();
    let wide = a > 0.5;
    let z = if wide { 0.5 * (1.0 - a).max(0.0) } else { a * a };
    let s = if wide { z.sqrt() } else { a };
    let p = ((((4.216_319_9e-2 * z + 2.418_131_1e-2) * z + 4.547_002_6e-2) * z + 7.495_300_3e-2) * z + 1.666_675_2e-1)
        * z
        * s
        + s;
    (if wide { FRAC_PI_2 - 2.0 * p } else { p }).copysign(x)
}

/// Arc cosine of a number in `-1..=1`.
#[inline]
pub fn acos(x: f32) -> f32 {
    FRAC_PI_2 - asin(x)
}

/// Cubic step from 0 at `a` to 1 at `b`.
pub fn smoothstep(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The greatest error of `ours` against the same function in `f64`, relative where `relative`, over `n` places.
    fn worst(range: [f64; 2], relative: bool, ours: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let n = 200_000;
        let places = (0..=n).map(|i| (range[0] + (range[1] - range[0]) * f64::from(i) / f64::from(n)) as f32);
        let error = |x: f32| {
            let e = exact(f64::from(x));
            (f64::from(ours(x)) - e).abs() / if relative { e.abs() } else { 1.0 }
        };
        places.map(error).fold(0.0, f64::max)
    }

    #[test]
    fn every_function_is_as_good_as_it_says() {
        assert!(worst([-86.0, 87.0], true, exp, f64::exp) < 3e-7);
        assert!(worst([1e-7, 1e-3], true, ln, f64::ln) < 3e-7 && worst([0.3, 30.0], false, ln, f64::ln) < 3e-7);
        for k in [0, 1] {
            let pick = |(s, c): (f32, f32)| if k == 0 { s } else { c };
            let exact = |x: f64| if k == 0 { x.sin() } else { x.cos() };
            assert!(worst([-40.0, 40.0], false, |x| pick(sin_cos(x)), exact) < 3e-7);
        }
        assert!(worst([-1.0, 1.0], false, asin, f64::asin) < 4e-7 && worst([-1.0, 1.0], false, acos, f64::acos) < 4e-7);
        let around = |x: f32| atan2(3.0 * x.sin(), 3.0 * x.cos());
        let exact = |x: f64| f64::from(x as f32).sin().atan2(f64::from(x as f32).cos());
        assert!(worst([-3.1, 3.1], false, around, exact) < 8e-7, "the sine and cosine it is given are rounded");
    }

    #[test]
    fn corners_are_defined() {
        assert_eq!((exp(-100.0), exp(0.0), exp(f32::NEG_INFINITY)), (0.0, 1.0, 0.0));
        assert_eq!((atan2(0.0, 0.0), atan2(0.0, 1.0), atan2(0.0, -1.0)), (0.0, 0.0, PI));
        assert_eq!((atan2(1.0, 0.0), atan2(-1.0, 0.0)), (FRAC_PI_2, -FRAC_PI_2));
        assert!((asin(1.0) - FRAC_PI_2).abs() < 1e-7 && acos(1.0) == 0.0 && ln(1.0) == 0.0);
        assert_eq!(exp4(Vec4::new(0.0, -200.0, 0.0, 0.0)), Vec4::new(1.0, 0.0, 1.0, 1.0));
    }
}
