//! Sixteen numbers in one AVX-512 register or two of AVX2.
//!
//! SAFETY of every block here: the intrinsics need their instruction set, and nothing else. These types appear only as
//! the type parameter of a kernel that `instructions.rs` runs after it found the set on this machine.
use super::{Block, Lanes, WIDTH, exp2_fraction};
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

/// One register.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

/// Lanes 0..8 and 8..16.
#[derive(Clone, Copy)]
pub struct Avx2([__m256; 2]);

/// An intrinsic of two registers on both halves. (No closure: one that is not inlined would lack the instructions.)
macro_rules! halves {
    ($intrinsic:expr, $a:expr, $b:expr) => {
        // SAFETY: see the top of this file.
        Avx2(unsafe { [$intrinsic($a.0[0], $b.0[0]), $intrinsic($a.0[1], $b.0[1])] })
    };
}

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
                halves!($half, self, other)
            }
        }
    };
}

operator!(Add, add, _mm512_add_ps, _mm256_add_ps);
operator!(Sub, sub, _mm512_sub_ps, _mm256_sub_ps);
operator!(Mul, mul, _mm512_mul_ps, _mm256_mul_ps);
operator!(Div, div, _mm512_div_ps, _mm256_div_ps);

/// Adds quarters 2i and 2i + 1 of both; those of `a` come first.
#[inline(always)]
fn quarters(a: Avx512, b: Avx512) -> Avx512 {
    // SAFETY: see the top of this file.
    Avx512(unsafe { _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a.0, b.0), _mm512_shuffle_f32x4::<0xdd>(a.0, b.0)) })
}

/// In each quarter, adds numbers 2i and 2i + 1 of both; those of `a` come first.
#[inline(always)]
fn singles(a: Avx512, b: Avx512) -> Avx512 {
    // SAFETY: see the top of this file.
    Avx512(unsafe { _mm512_add_ps(_mm512_shuffle_ps::<0x88>(a.0, b.0), _mm512_shuffle_ps::<0xdd>(a.0, b.0)) })
}

/// Of each number, the nearest whole one.
#[inline(always)]
unsafe fn nearest(x: __m256) -> __m256 {
    // SAFETY: see the top of this file.
    unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
}

/// `p · 2^whole`
#[inline(always)]
unsafe fn times_power(p: __m256, whole: __m256) -> __m256 {
    // SAFETY: see the top of this file.
    unsafe {
        let exponent = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(whole));
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent))
    }
}

/// Sums of eight rows.
#[inline(always)]
fn eight_sums(rows: &[Avx2]) -> __m256 {
    // SAFETY: see the top of this file.
    unsafe {
        let mut half = [_mm256_setzero_ps(); 8];
        for i in 0..8 {
            half[i] = _mm256_add_ps(rows[i].0[0], rows[i].0[1]);
        }
        let low = _mm256_hadd_ps(_mm256_hadd_ps(half[0], half[1]), _mm256_hadd_ps(half[2], half[3]));
        let high = _mm256_hadd_ps(_mm256_hadd_ps(half[4], half[5]), _mm256_hadd_ps(half[6], half[7]));
        _mm256_add_ps(_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
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
    fn exp2(self) -> Self {
        // SAFETY: see the top of this file.
        let whole =
            Avx512(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) });
        let p = exp2_fraction(self - whole);
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
        // After these, 128-bit quarter q of `four[i]` holds four partial sums of row 4i + q.
        let mut four = [rows[0]; 4];
        for i in 0..4 {
            let (low, high) = (quarters(rows[4 * i], rows[4 * i + 1]), quarters(rows[4 * i + 2], rows[4 * i + 3]));
            four[i] = quarters(low, high);
        }
        // Quarter q holds the sums of rows q, 4 + q, 8 + q, 12 + q.
        let one = singles(singles(four[0], four[1]), singles(four[2], four[3]));
        // SAFETY: see the top of this file.
        unsafe {
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            Avx512(_mm512_permutexvar_ps(order, one.0))
        }
    }

    #[inline(always)]
    fn prefetch<T>(soon: &T) {
        // SAFETY: a hint that reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(soon).cast()) }
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
        Avx2(unsafe { [_mm256_fmadd_ps(self.0[0], b.0[0], c.0[0]), _mm256_fmadd_ps(self.0[1], b.0[1], c.0[1])] })
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx2(unsafe { [_mm256_fnmadd_ps(self.0[0], b.0[0], c.0[0]), _mm256_fnmadd_ps(self.0[1], b.0[1], c.0[1])] })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        halves!(_mm256_min_ps, self, other)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        halves!(_mm256_max_ps, self, other)
    }

    #[inline(always)]
    fn abs(self) -> Self {
        let sign = Self::all(-0.0);
        halves!(_mm256_andnot_ps, sign, self)
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        let x = self.max(Self::all(-40.0));
        // SAFETY: see the top of this file.
        let whole = Avx2(unsafe { [nearest(x.0[0]), nearest(x.0[1])] });
        let p = exp2_fraction(x - whole);
        // SAFETY: see the top of this file.
        Avx2(unsafe { [times_power(p.0[0], whole.0[0]), times_power(p.0[1], whole.0[1])] })
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Self::Mask {
        halves!(_mm256_cmp_ps::<_CMP_GE_OQ>, self, other).0
    }

    #[inline(always)]
    fn above(self, other: Self) -> Self::Mask {
        halves!(_mm256_cmp_ps::<_CMP_GT_OQ>, self, other).0
    }

    #[inline(always)]
    fn or_else(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: see the top of this file.
        Avx2(unsafe {
            [_mm256_blendv_ps(other.0[0], self.0[0], mask[0]), _mm256_blendv_ps(other.0[1], self.0[1], mask[1])]
        })
    }

    #[inline(always)]
    fn or_zero(self, mask: Self::Mask) -> Self {
        halves!(_mm256_and_ps, self, Avx2(mask))
    }

    #[inline(always)]
    fn sums(rows: &[Self; WIDTH]) -> Self {
        Avx2([eight_sums(&rows[..8]), eight_sums(&rows[8..])])
    }

    #[inline(always)]
    fn prefetch<T>(soon: &T) {
        // SAFETY: a hint that reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(soon).cast()) }
    }

    #[inline(always)]
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        // SAFETY: see the top of this file.
        unsafe { [_mm256_and_ps(a[0], b[0]), _mm256_and_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        // SAFETY: see the top of this file.
        let (low, high) = unsafe { (_mm256_movemask_ps(mask[0]), _mm256_movemask_ps(mask[1])) };
        low as u32 | (high as u32) << 8
    }
}
