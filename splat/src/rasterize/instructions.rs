//! Chooses at run time which copy of the tile loops runs.
//!
//! The loops are written once, generic and always inlined; here they are compiled for three instruction sets.
use super::back::{self, TileUpstream};
use super::blend::{self, Pixels, Tile};
use super::lanes::Plane;

/// A set of vector instructions that this machine has. Ordered from the least to the most able.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instructions(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Set {
    /// What every machine of the target has.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// All that this machine can run, the plainest first.
    pub fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut sets = vec![Instructions(Set::Baseline)];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 {
                sets.push(Instructions(Set::Avx2));
            }
            if avx2
                && is_x86_feature_detected!("avx512f")
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
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
        }
    }

    /// [`blend::forward`].
    pub(super) fn forward(self, smooth: bool, tile: &Tile<'_>, planes: &mut [Plane]) -> Pixels {
        match self.0 {
            Set::Baseline => forward_as::<false>(smooth, tile, planes),
            // SAFETY: values of this type are made by `available` only, after it found the instructions.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { x86::forward_avx2(smooth, tile, planes) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::forward_avx512(smooth, tile, planes) },
        }
    }

    /// [`back::backward`].
    pub(super) fn backward(
        self,
        smooth: bool,
        tile: &Tile<'_>,
        pixels: &Pixels,
        upstream: &TileUpstream<'_>,
        slots: &mut [f32],
    ) {
        match self.0 {
            Set::Baseline => backward_as::<false>(smooth, tile, pixels, upstream, slots),
            // SAFETY: as in `forward`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { x86::backward_avx2(smooth, tile, pixels, upstream, slots) },
            // SAFETY: as in `forward`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::backward_avx512(smooth, tile, pixels, upstream, slots) },
        }
    }
}

#[inline(always)]
fn forward_as<const FMA: bool>(smooth: bool, tile: &Tile<'_>, planes: &mut [Plane]) -> Pixels {
    if smooth { blend::forward::<FMA, true>(tile, planes) } else { blend::forward::<FMA, false>(tile, planes) }
}

#[inline(always)]
fn backward_as<const FMA: bool>(
    smooth: bool,
    tile: &Tile<'_>,
    pixels: &Pixels,
    upstream: &TileUpstream<'_>,
    slots: &mut [f32],
) {
    if smooth {
        back::backward::<FMA, true>(tile, pixels, upstream, slots);
    } else {
        back::backward::<FMA, false>(tile, pixels, upstream, slots);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2,fma")]
    pub fn forward_avx2(smooth: bool, tile: &Tile<'_>, planes: &mut [Plane]) -> Pixels {
        forward_as::<true>(smooth, tile, planes)
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
    pub fn forward_avx512(smooth: bool, tile: &Tile<'_>, planes: &mut [Plane]) -> Pixels {
        forward_as::<true>(smooth, tile, planes)
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn backward_avx2(
        smooth: bool,
        tile: &Tile<'_>,
        pixels: &Pixels,
        upstream: &TileUpstream<'_>,
        slots: &mut [f32],
    ) {
        backward_as::<true>(smooth, tile, pixels, upstream, slots);
    }

    #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
    pub fn backward_avx512(
        smooth: bool,
        tile: &Tile<'_>,
        pixels: &Pixels,
        upstream: &TileUpstream<'_>,
        slots: &mut [f32],
    ) {
        backward_as::<true>(smooth, tile, pixels, upstream, slots);
    }
}
