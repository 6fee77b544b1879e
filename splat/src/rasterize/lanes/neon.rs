//! Sixteen numbers in four NEON registers.
//!
//! SAFETY of every block here: the intrinsics need NEON, which every aarch64 has, and nothing else.
use super::{Block, Lanes, WIDTH, exp2_fraction};
use std::arch::aarch64::*;
use std::ops::{Add, Div, Mul, Sub};

/// Lanes 0..4, 4..8, 8..12 and 12..16.
#[derive(Clone, Copy)]
pub struct Neon([float32x4_t; 4]);

/// All ones or all zeros in each lane.
#[derive(Clone, Copy)]
pub struct Yes([uint32x4_t; 4]);

/// An intrinsic on each quarter of its arguments. (No closure: one that is not inlined would lack the instructions.)
macro_rules! quarters {
    ($intrinsic:ident, $($from:expr),+) => {
        // SAFETY: see the top of this file.
        unsafe {
            [$intrinsic($($from.0[0]),+), $intrinsic($($from.0[1]),+), $intrinsic($($from.0[2]),+), $intrinsic($($from.0[3]),+)]
        }
    };
}

/// `a op b` by its intrinsic.
macro_rules! operator {
    ($trait:ident, $method:ident, $intrinsic:ident) => {
        impl $trait for Neon {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Neon(quarters!($intrinsic, self, other))
            }
        }
    };
}

operator!(Add, add, vaddq_f32);
operator!(Sub, sub, vsubq_f32);
operator!(Mul, mul, vmulq_f32);
operator!(Div, div, vdivq_f32);

impl Lanes for Neon {
    type Mask = Yes;

    #[inline(always)]
    fn all(value: f32) -> Self {
        // SAFETY: see the top of this file.
        Neon([unsafe { vdupq_n_f32(value) }; 4])
    }

    #[inline(always)]
    fn load(from: &Block) -> Self {
        let at = from.0.as_ptr();
        // SAFETY: as above; a block has sixteen numbers.
        Neon(unsafe { [vld1q_f32(at), vld1q_f32(at.add(4)), vld1q_f32(at.add(8)), vld1q_f32(at.add(12))] })
    }

    #[inline(always)]
    fn store(self, to: &mut Block) {
        for (quarter, to) in self.0.into_iter().zip(to.0.chunks_exact_mut(4)) {
            // SAFETY: as above; a chunk has four numbers.
            unsafe { vst1q_f32(to.as_mut_ptr(), quarter) };
        }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Neon(quarters!(vfmaq_f32, c, self, b))
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        Neon(quarters!(vfmsq_f32, c, self, b))
    }

    /// NEON's own minimum gives a NaN back where there is one.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.or_else(other.above(self), other)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.or_else(self.above(other), other)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Neon(quarters!(vabsq_f32, self))
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        let x = self.max(Self::all(-40.0));
        let whole = Neon(quarters!(vrndnq_f32, x));
        let p = exp2_fraction(x - whole);
        let mut out = p;
        for i in 0..4 {
            // SAFETY: see the top of this file.
            out.0[i] = unsafe {
                let exponent = vshlq_n_s32::<23>(vcvtq_s32_f32(whole.0[i]));
                vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p.0[i]), exponent))
            };
        }
        out
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Yes {
        Yes(quarters!(vcgeq_f32, self, other))
    }

    #[inline(always)]
    fn above(self, other: Self) -> Yes {
        Yes(quarters!(vcgtq_f32, self, other))
    }

    #[inline(always)]
    fn or_else(self, mask: Yes, other: Self) -> Self {
        Neon(quarters!(vbslq_f32, mask, self, other))
    }

    #[inline(always)]
    fn sums(rows: &[Self; WIDTH]) -> Self {
        let mut out = Self::all(0.0);
        for (sum, rows) in out.0.iter_mut().zip(rows.chunks_exact(4)) {
            let mut four = [Self::all(0.0).0[0]; 4];
            for (row, four) in rows.iter().zip(&mut four) {
                let [a, b, c, d] = row.0;
                // SAFETY: see the top of this file.
                *four = unsafe { vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d)) };
            }
            // SAFETY: as above.
            *sum = unsafe { vpaddq_f32(vpaddq_f32(four[0], four[1]), vpaddq_f32(four[2], four[3])) };
        }
        out
    }

    #[inline(always)]
    fn both(a: Yes, b: Yes) -> Yes {
        Yes(quarters!(vandq_u32, a, b))
    }

    #[inline(always)]
    fn bits(mask: Yes) -> u32 {
        const PLACES: [u32; 4] = [1, 2, 4, 8];
        let mut bits = 0;
        for (i, quarter) in mask.0.into_iter().enumerate() {
            // SAFETY: see the top of this file; four numbers are read.
            bits |= unsafe { vaddvq_u32(vandq_u32(quarter, vld1q_u32(PLACES.as_ptr()))) } << (4 * i);
        }
        bits
    }
}
