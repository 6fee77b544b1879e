//! Sixteen pixels of a row at once: plain loops over arrays that the compiler turns into vectors.
use std::sync::atomic::{Ordering, compiler_fence};

/// Pixels a tile side, and lanes of a row.
pub const TILE: usize = 16;
/// Values of the 16 pixels of one row of a tile.
pub type Row = [f32; TILE];

/// One value for each pixel of a tile, by rows.
pub type Plane = [Row; TILE];

/// `a · b + c`, fused where the instruction exists (`mul_add` without it is a slow library call).
#[inline(always)]
pub fn fma<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// 2ˣ for x ≤ 126 within 2 ulp; x under −40 counts as −40. Polynomial of Cephes' `exp2f`.
#[inline(always)]
pub fn exp2<const FMA: bool>(x: f32) -> f32 {
    /// 1.5 · 2²³: adding it rounds to a whole number, left in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -40.0 { x } else { -40.0 };
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let mut p = 1.535_336_2e-4;
    p = fma::<FMA>(p, f, 1.339_887_4e-3);
    p = fma::<FMA>(p, f, 9.618_437e-3);
    p = fma::<FMA>(p, f, 5.550_332_5e-2);
    p = fma::<FMA>(p, f, 2.402_264_8e-1);
    p = fma::<FMA>(p, f, 6.931_472e-1);
    p = fma::<FMA>(p, f, 1.0);
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `sum += weight · scale`, each pixel by itself. To be called in loops over planes.
#[inline(always)]
pub fn add_scaled<const FMA: bool>(sum: &mut Row, weight: &Row, scale: f32) {
    let (before, weight) = (*sum, *weight);
    for i in 0..TILE {
        sum[i] = fma::<FMA>(weight[i], scale, before[i]);
    }
    // No instruction: it keeps the compiler from making vectors of planes (six times slower) instead of pixels.
    compiler_fence(Ordering::SeqCst);
}

/// `sum += a · b`, as [`add_scaled`].
#[inline(always)]
pub fn add_product<const FMA: bool>(sum: &mut Row, a: &Row, b: &Row) {
    let (before, a, b) = (*sum, *a, *b);
    for i in 0..TILE {
        sum[i] = fma::<FMA>(a[i], b[i], before[i]);
    }
    compiler_fence(Ordering::SeqCst);
}

/// Sum of a row in a fixed order: halves onto each other.
#[inline(always)]
pub fn sum(row: &Row) -> f32 {
    let (mut a, mut b, mut c) = ([0.0f32; 8], [0.0f32; 4], [0.0f32; 2]);
    for i in 0..8 {
        a[i] = row[i] + row[i + 8];
    }
    for i in 0..4 {
        b[i] = a[i] + a[i + 4];
    }
    for i in 0..2 {
        c[i] = b[i] + b[i + 2];
    }
    c[0] + c[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp2_is_exp2() {
        for i in -40_000..100_000 {
            let x = i as f32 * 1e-3;
            let (got, want) = (exp2::<false>(x) as f64, (x as f64).exp2());
            assert!((got / want - 1.0).abs() < 3e-7, "2^{x}: {got} against {want}");
        }
        assert!(exp2::<false>(f32::NEG_INFINITY) < 1e-12);
    }
}
