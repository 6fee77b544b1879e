//! Sixteen numbers in one AVX-512 register or two of AVX2.
//!
//! SAFETY of every block here: the intrinsics need their instruction set, and nothing else. These types appear only as
//! the type parameter of a kernel that `instructions.rs` runs after it found the set on this machine.
use super::{Block, EXP2, Lanes, WIDTH};
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

/// One register.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

/// Lanes 0..8 and 8..16.
#[derive(Clone, Copy)]
pub struct Avx2([__m256; 2]);

/// `a op b` of both types by their intrinsics.
macro_rules! operator {
    ($trait:ident, $method:ident, $wide:ident, $half:ident) => {
        impl $trait for Avx512 {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the top of this file.
                Avx512(unsafe { $wide(self.0, other.0) })
            }
        }

        impl $trait for Avx2 {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: see the top of this file.
                self.each(other, |a, b| unsafe { $half(a, b) })
            }
        }
    };
}

operator!(Add, add, _mm512_add_ps, _mm256_add_ps);
operator!(Sub, sub, _mm512_sub_ps, _mm256_sub_ps);
operator!(Mul, mul, _mm512_mul_ps, _mm256_mul_ps);
operator!(Div, div, _mm512_div_ps, _mm256_div_ps);

impl Avx2 {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
        Avx2([f(self.0[0], other.0[0]), f(self.0[1], other.0[1])])
    }
}

impl Lanes for Avx512 {
    type Mask = __mmask16;

    #[inline(always)]
    fn all(value: f32) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn load(from: &Block) -> Self {
        // SAFETY: as above; a block is 64 bytes, aligned to 64.
        Avx512(unsafe { _mm512_load_ps(from.0.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut Block) {
        // SAFETY: as above; a block is 64 bytes, aligned to 64.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_fnmadd_ps(self.0, b.0, c.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        // SAFETY: see the top of this file.
        let whole = Avx512(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) });
        let f = self - whole;
        let p = EXP2[1..].iter().fold(Self::all(EXP2[0]), |p, &c| p.mul_add(f, Self::all(c)));
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_scalef_ps(p.0, whole.0) })
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> __mmask16 {
        // SAFETY: see the top of this file.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn above(self, other: Self) -> __mmask16 {
        // SAFETY: see the top of this file.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn or_else(self, mask: __mmask16, other: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx512(unsafe { _mm512_mask_mov_ps(other.0, mask, self.0) })
    }

    /// Pairs of rows are folded into one another until one register holds a number of each: 15 additions for 16 sums.
    #[inline(always)]
    fn sums(rows: &[Self; WIDTH]) -> Self {
        // SAFETY of all four: see the top of this file.
        let quarters = |a: Self, b: Self| unsafe {
            let (x, y) = (_mm512_shuffle_f32x4::<0x88>(a.0, b.0), _mm512_shuffle_f32x4::<0xdd>(a.0, b.0));
            Avx512(_mm512_add_ps(x, y))
        };
        let singles = |a: Self, b: Self| unsafe {
            let (x, y) = (_mm512_shuffle_ps::<0x88>(a.0, b.0), _mm512_shuffle_ps::<0xdd>(a.0, b.0));
            Avx512(_mm512_add_ps(x, y))
        };
        // After these, 128-bit quarter q of `four[i]` holds four partial sums of row 4i + q.
        let four: [Self; 4] = std::array::from_fn(|i| {
            quarters(quarters(rows[4 * i], rows[4 * i + 1]), quarters(rows[4 * i + 2], rows[4 * i + 3]))
        });
        let one = singles(singles(four[0], four[1]), singles(four[2], four[3]));
        // Now quarter q holds the sums of rows q, 4 + q, 8 + q, 12 + q.
        // SAFETY: see the top of this file.
        unsafe {
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            Avx512(_mm512_permutexvar_ps(order, one.0))
        }
    }

    #[inline(always)]
    fn both(a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }

    #[inline(always)]
    fn bits(mask: __mmask16) -> u32 {
        mask as u32
    }
}

impl Lanes for Avx2 {
    type Mask = [__m256; 2];

    #[inline(always)]
    fn all(value: f32) -> Self {
        // SAFETY: see the top of this file.
        Avx2([unsafe { _mm256_set1_ps(value) }; 2])
    }

    #[inline(always)]
    fn load(from: &Block) -> Self {
        let (low, high) = from.0.split_at(8);
        // SAFETY: as above; each half is 32 bytes, aligned to 32.
        Avx2(unsafe { [_mm256_load_ps(low.as_ptr()), _mm256_load_ps(high.as_ptr())] })
    }

    #[inline(always)]
    fn store(self, to: &mut Block) {
        let (low, high) = to.0.split_at_mut(8);
        // SAFETY: as above; each half is 32 bytes, aligned to 32.
        unsafe {
            _mm256_store_ps(low.as_mut_ptr(), self.0[0]);
            _mm256_store_ps(high.as_mut_ptr(), self.0[1]);
        }
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx2([0, 1].map(|i| unsafe { _mm256_fmadd_ps(self.0[i], b.0[i], c.0[i]) }))
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx2([0, 1].map(|i| unsafe { _mm256_fnmadd_ps(self.0[i], b.0[i], c.0[i]) }))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: see the top of this file.
        self.each(other, |a, b| unsafe { _mm256_min_ps(a, b) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: see the top of this file.
        self.each(other, |a, b| unsafe { _mm256_max_ps(a, b) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: see the top of this file.
        self.each(Self::all(-0.0), |a, sign| unsafe { _mm256_andnot_ps(sign, a) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: see the top of this file.
        self.each(self, |a, _| unsafe { _mm256_sqrt_ps(a) })
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        let x = self.max(Self::all(-40.0));
        // SAFETY: see the top of this file.
        let whole =
            x.each(x, |x, _| unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) });
        let f = x - whole;
        let p = EXP2[1..].iter().fold(Self::all(EXP2[0]), |p, &c| p.mul_add(f, Self::all(c)));
        // SAFETY: see the top of this file.
        p.each(whole, |p, whole| unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(whole));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent))
        })
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self::Mask {
        // SAFETY: see the top of this file.
        self.each(other, |a, b| unsafe { _mm256_cmp_ps::<_CMP_GE_OQ>(a, b) }).0
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self::Mask {
        // SAFETY: see the top of this file.
        self.each(other, |a, b| unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(a, b) }).0
    }

    #[inline(always)]
    fn or_else(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx2([0, 1].map(|i| unsafe { _mm256_blendv_ps(other.0[i], self.0[i], mask[i]) }))
    }

    #[inline(always)]
    fn or_zero(self, mask: Self::Mask) -> Self {
        // SAFETY: see the top of this file.
        self.each(Avx2(mask), |a, mask| unsafe { _mm256_and_ps(a, mask) })
    }

    #[inline(always)]
    fn sums(rows: &[Self; WIDTH]) -> Self {
        // SAFETY of both: see the top of this file.
        let half = |row: &Self| unsafe { _mm256_add_ps(row.0[0], row.0[1]) };
        let eight = |rows: &[Self]| unsafe {
            let pair = |i: usize| _mm256_hadd_ps(half(&rows[i]), half(&rows[i + 1]));
            let (low, high) = (_mm256_hadd_ps(pair(0), pair(2)), _mm256_hadd_ps(pair(4), pair(6)));
            let (x, y) = (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high));
            _mm256_add_ps(x, y)
        };
        Avx2([eight(&rows[..8]), eight(&rows[8..])])
    }

    #[inline(always)]
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        // SAFETY: see the top of this file.
        [0, 1].map(|i| unsafe { _mm256_and_ps(a[i], b[i]) })
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        // SAFETY: see the top of this file.
        let [low, high] = mask.map(|half| unsafe { _mm256_movemask_ps(half) } as u32);
        low | high << 8
    }
}
