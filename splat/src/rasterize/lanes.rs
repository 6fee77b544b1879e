//! Sixteen numbers at once: the 4×4 pixels of a block, or sixteen Gaussians.
//!
//! Every inner loop is written once over [`Lanes`]; each instruction set brings its own sixteen. A new one is one more file
//! beside `lanes/plain.rs` and one more arm in `instructions.rs`.
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::{Add, Div, Mul, Sub};

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use plain::Plain;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// Numbers in a [`Block`].
pub const WIDTH: usize = 16;
/// Pixels a block side.
pub const SIDE: usize = 4;
/// Pixels a tile side; a tile has 4×4 blocks.
pub const TILE: usize = 16;

/// Sixteen numbers in memory, one cache line. As pixels: four rows of four.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Block(pub [f32; WIDTH]);

/// One number for each pixel of a tile, block by block.
pub type Plane = [Block; WIDTH];

/// Where pixel (x, y) of a tile lies in a [`Plane`]: its block, and its place there.
#[inline(always)]
pub fn place(x: usize, y: usize) -> (usize, usize) {
    (y / SIDE * SIDE + x / SIDE, y % SIDE * SIDE + x % SIDE)
}

/// Sixteen numbers in registers. (In kernels over them: loops, not closures. A closure that is not inlined lacks the
/// instructions of its caller and calls each intrinsic as a function.) All operations but [`Lanes::sums`] act on each number alone, and round as IEEE 754 has it.
pub trait Lanes: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    /// Sixteen yes or no.
    type Mask: Copy;

    /// The same number sixteen times.
    fn all(value: f32) -> Self;
    fn load(from: &Block) -> Self;
    fn store(self, to: &mut Block);
    /// `self · b + c`, rounded once where the instruction exists.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c − self · b`
    fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// The lesser; `other` if either is not a number.
    fn min(self, other: Self) -> Self;
    /// The greater; `other` if either is not a number.
    fn max(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// 2ˣ within 2 ulp for −40 ≤ x ≤ 126; under 10⁻¹² below.
    fn exp2(self) -> Self;
    /// `self ≥ other`; no if either is not a number.
    fn at_least(self, other: Self) -> Self::Mask;
    /// `self > other`; no if either is not a number.
    fn above(self, other: Self) -> Self::Mask;
    /// `self` where the mask says yes, `other` where no.
    fn or_else(self, mask: Self::Mask, other: Self) -> Self;
    /// Lane i: the sum of row i's numbers, in an order that is fixed for each instruction set.
    fn sums(rows: &[Self; WIDTH]) -> Self;

    /// Asks for what will be read soon.
    #[inline(always)]
    fn prefetch<T>(_soon: &T) {}

    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Bit i: what the mask says in lane i.
    fn bits(mask: Self::Mask) -> u32;

    /// `self` where the mask says yes, 0 elsewhere.
    #[inline(always)]
    fn or_zero(self, mask: Self::Mask) -> Self {
        self.or_else(mask, Self::all(0.0))
    }
}

/// 2ᶠ for |f| ≤ ½: minimax polynomial of Cephes' `exp2f`.
#[inline(always)]
fn exp2_fraction<L: Lanes>(f: L) -> L {
    let mut p = L::all(1.535_336_2e-4);
    for c in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 2.402_264_8e-1, 6.931_472e-1, 1.0] {
        p = p.mul_add(f, L::all(c));
    }
    p
}

#[cfg(test)]
mod tests {
    use super::super::instructions::{Instructions, Kernel};
    use super::*;

    /// Compares every operation with plain arithmetic.
    struct Check;

    impl Kernel for Check {
        type Output = ();

        #[inline(always)]
        fn run<L: Lanes>(self) {
            let a: [f32; 16] = std::array::from_fn(|i| i as f32 * 1.37 - 9.0);
            let b: [f32; 16] = std::array::from_fn(|i| 3.0 - ((i * 7) % 16) as f32 * 0.71);
            let (x, y) = (L::load(&Block(a)), L::load(&Block(b)));
            let get = |v: L| {
                let mut out = Block::default();
                v.store(&mut out);
                out.0
            };
            let same = |what: &str, got: L, want: &dyn Fn(f32, f32) -> f32| {
                let want: [f32; 16] = std::array::from_fn(|i| want(a[i], b[i]));
                let near = get(got).iter().zip(&want).all(|(g, w)| (g - w).abs() <= 1e-6 * w.abs().max(1.0));
                assert!(near, "{what}: {:?} against {want:?}", get(got));
            };
            same("add", x + y, &|a, b| a + b);
            same("sub", x - y, &|a, b| a - b);
            same("mul", x * y, &|a, b| a * b);
            same("div", x / y, &|a, b| a / b);
            same("mul_add", x.mul_add(y, L::all(2.0)), &|a, b| a * b + 2.0);
            same("neg_mul_add", x.neg_mul_add(y, L::all(2.0)), &|a, b| 2.0 - a * b);
            same("min", x.min(y), &f32::min);
            same("max", x.max(y), &f32::max);
            same("abs", x.abs(), &|a, _| a.abs());
            same("or_else", x.or_else(x.above(y), y), &|a, b| if a > b { a } else { b });
            same("or_zero", x.or_zero(L::both(x.above(y), y.at_least(L::all(0.0)))), &|a, b| {
                if a > b && b >= 0.0 { a } else { 0.0 }
            });
            let bits = (0..16).fold(0, |bits, i| bits | ((a[i] >= b[i]) as u32) << i);
            assert_eq!(L::bits(x.at_least(y)), bits);
            let nan = L::all(f32::NAN);
            assert_eq!(L::bits(nan.at_least(y)) | L::bits(y.above(nan)), 0);
            assert_eq!((get(nan.min(y)), get(nan.max(y))), (b, b));
            let rows: [L; 16] = std::array::from_fn(|r| L::all(r as f32) * x + y);
            let sums: (f32, f32) = (a.iter().sum(), b.iter().sum());
            for (r, got) in get(L::sums(&rows)).into_iter().enumerate() {
                assert!((got - (r as f32 * sums.0 + sums.1)).abs() < 1e-3, "sum of row {r}: {got}");
            }
            for i in -40_000..100_000 {
                let at = i as f32 * 1e-3;
                let (got, want) = (get(L::all(at).exp2())[5] as f64, (at as f64).exp2());
                assert!((got / want - 1.0).abs() < 3e-7, "2^{at}: {got} against {want}");
            }
            assert!(get(L::all(-1e30).exp2())[0] < 1e-12);
        }
    }

    #[test]
    fn every_set_computes_the_same() {
        Instructions::available().into_iter().for_each(|set| set.run(Check));
    }

    #[test]
    fn places_cover_the_tile() {
        let mut seen = [[false; 16]; 16];
        (0..256).for_each(|i| {
            let (block, lane) = place(i % 16, i / 16);
            seen[block][lane] = true;
        });
        assert!(seen.iter().flatten().all(|s| *s));
        assert_eq!(place(5, 2), (1, 9));
    }
}
