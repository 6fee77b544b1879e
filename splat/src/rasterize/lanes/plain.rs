//! Arrays, for every machine: the compiler turns these loops into the vectors that the target has.
use super::{Block, Lanes, WIDTH, exp2_fraction};
use std::ops::{Add, Div, Mul, Sub};

/// Sixteen numbers.
#[derive(Clone, Copy)]
pub struct Plain([f32; WIDTH]);

/// All ones or all zeros, as vector instructions have it.
#[derive(Clone, Copy)]
pub struct Yes([u32; WIDTH]);

/// `mul_add` without the instruction is a slow library call.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

impl Plain {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self;
        for i in 0..WIDTH {
            out.0[i] = f(self.0[i], other.0[i]);
        }
        out
    }

    #[inline(always)]
    fn compare(self, other: Self, f: impl Fn(f32, f32) -> bool) -> Yes {
        let mut out = Yes([0; WIDTH]);
        for i in 0..WIDTH {
            out.0[i] = if f(self.0[i], other.0[i]) { u32::MAX } else { 0 };
        }
        out
    }
}

impl Add for Plain {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }
}

impl Sub for Plain {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }
}

impl Mul for Plain {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }
}

impl Div for Plain {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }
}

impl Lanes for Plain {
    type Mask = Yes;

    #[inline(always)]
    fn all(value: f32) -> Self {
        Plain([value; WIDTH])
    }

    #[inline(always)]
    fn load(from: &Block) -> Self {
        Plain(from.0)
    }

    #[inline(always)]
    fn store(self, to: &mut Block) {
        to.0 = self.0;
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        let mut out = c;
        for i in 0..WIDTH {
            out.0[i] = if FUSED { self.0[i].mul_add(b.0[i], c.0[i]) } else { self.0[i] * b.0[i] + c.0[i] };
        }
        out
    }

    #[inline(always)]
    fn neg_mul_add(self, b: Self, c: Self) -> Self {
        let mut out = c;
        for i in 0..WIDTH {
            out.0[i] = if FUSED { (-self.0[i]).mul_add(b.0[i], c.0[i]) } else { c.0[i] - self.0[i] * b.0[i] };
        }
        out
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.each(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.each(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.each(self, |a, _| a.abs())
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        /// 1.5 · 2²³: adding it rounds to a whole number, left in the low bits.
        const ROUND: f32 = 12_582_912.0;
        let x = self.max(Self::all(-40.0));
        let shifted = x + Self::all(ROUND);
        let f = x - (shifted - Self::all(ROUND));
        let p = exp2_fraction(f);
        p.each(shifted, |p, shifted| f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23)))
    }

    #[inline(always)]
    fn at_least(self, other: Self) -> Yes {
        self.compare(other, |a, b| a >= b)
    }

    #[inline(always)]
    fn above(self, other: Self) -> Yes {
        self.compare(other, |a, b| a > b)
    }

    #[inline(always)]
    fn or_else(self, mask: Yes, other: Self) -> Self {
        let mut out = self;
        for i in 0..WIDTH {
            out.0[i] = f32::from_bits(self.0[i].to_bits() & mask.0[i] | other.0[i].to_bits() & !mask.0[i]);
        }
        out
    }

    #[inline(always)]
    fn sums(rows: &[Self; WIDTH]) -> Self {
        let mut out = Self::all(0.0);
        for (sum, row) in out.0.iter_mut().zip(rows) {
            let mut parts = row.0;
            for half in [8, 4, 2, 1] {
                for i in 0..half {
                    parts[i] += parts[i + half];
                }
            }
            *sum = parts[0];
        }
        out
    }

    #[inline(always)]
    fn both(a: Yes, b: Yes) -> Yes {
        let mut out = a;
        for i in 0..WIDTH {
            out.0[i] &= b.0[i];
        }
        out
    }

    #[inline(always)]
    fn bits(mask: Yes) -> u32 {
        let mut bits = 0;
        for i in 0..WIDTH {
            bits |= (mask.0[i] & 1) << i;
        }
        bits
    }
}
