//! Chooses at run time which copy of the inner loops runs.
//!
//! The loops are written once, generic and always inlined; here they are compiled for every instruction set.
#[cfg(target_arch = "aarch64")]
use super::lanes::Neon;
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{Lanes, Plain};

/// A set of vector instructions that this machine has. Ordered from the least to the most able.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instructions(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    /// What every machine of the target has.
    Baseline,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Loops to be compiled for every set. `run` must be `#[inline(always)]`, and so must all that it calls.
pub trait Kernel {
    type Output;
    fn run<L: Lanes>(self) -> Self::Output;
}

impl Instructions {
    /// All that this machine can run, the plainest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut, reason = "some architectures have one set")]
        let mut sets = vec![Instructions(Set::Baseline)];
        #[cfg(target_arch = "aarch64")]
        sets.push(Instructions(Set::Neon));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            sets.push(Instructions(Set::Avx2));
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
            {
                sets.push(Instructions(Set::Avx512));
            }
        }
        sets
    }

    /// The most able.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Instructions(Set::Baseline))
    }

    /// Name for reports.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Baseline => "baseline",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// Runs the copy of `kernel` that was compiled for this set.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Set::Baseline => kernel.run::<Plain>(),
            #[cfg(target_arch = "aarch64")]
            Set::Neon => kernel.run::<Neon>(),
            // SAFETY: values of this type are made by `available` only, after it found the instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { run_avx2(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { run_avx512(kernel) },
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512>()
}
