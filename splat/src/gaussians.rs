//! N anisotropic Gaussians in their optimized (pre-activation) parametrization.
pub(crate) mod drawable;
mod rigid;

use crate::Error;

/// What a Gaussian shows: `K = (degree + 1)²` spherical harmonics, or plain channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// Real spherical harmonics as in Kerbl et al. 2023, `[N, K, 3]`; color = max(0, Σ + 0.5).
    Sh {
        /// 0 to 3.
        degree: usize,
    },
    /// Values used as they are, `[N, C]` (RGB has `channels` = 3).
    Features {
        /// Number of channels C.
        channels: usize,
    },
}

impl Colors {
    /// Floats a Gaussian.
    pub fn stride(self) -> usize {
        match self {
            Colors::Sh { degree } => 3 * (degree + 1) * (degree + 1),
            Colors::Features { channels } => channels,
        }
    }

    /// Channels of the image.
    pub fn channels(self) -> usize {
        match self {
            Colors::Sh { .. } => 3,
            Colors::Features { channels } => channels,
        }
    }
}

/// N Gaussians, owned.
///
/// | field            | shape     | unit and space                              |
/// |------------------|-----------|---------------------------------------------|
/// | `means`          | `[N, 3]`  | meters, world                               |
/// | `quats`          | `[N, 4]`  | w x y z, any non-zero length                |
/// | `log_scales`     | `[N, 3]`  | ln of the standard deviations in meters     |
/// | `opacity_logits` | `[N]`     | opacity = sigmoid                           |
/// | `colors`         | `[N, ..]` | linear RGB as `kind` says                   |
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussians {
    /// `[N, 3]`
    pub means: Vec<f32>,
    /// `[N, 4]`
    pub quats: Vec<f32>,
    /// `[N, 3]`
    pub log_scales: Vec<f32>,
    /// `[N]`
    pub opacity_logits: Vec<f32>,
    /// `[N, kind.stride()]`
    pub colors: Vec<f32>,
    /// How `colors` is read.
    pub kind: Colors,
}

/// Zeroth spherical harmonic, `1 / (2 √π)`: a plain color `c` is the coefficient `(c − 0.5) / SH_C0` (Kerbl et al. 2023).
pub const SH_C0: f64 = 0.282_094_791_773_878_14;
/// [`SH_C0`] in single precision.
pub(crate) const SH_C0_F32: f32 = SH_C0 as f32;

/// N Gaussians, borrowed: the form the rasterizer takes. Shapes as in [`Gaussians`].
#[derive(Clone, Copy, Debug)]
pub struct GaussianSlices<'a> {
    /// `[N, 3]`
    pub means: &'a [f32],
    /// `[N, 4]`
    pub quats: &'a [f32],
    /// `[N, 3]`
    pub log_scales: &'a [f32],
    /// `[N]`
    pub opacity_logits: &'a [f32],
    /// `[N, kind.stride()]`
    pub colors: &'a [f32],
    /// How `colors` is read.
    pub kind: Colors,
}

impl Gaussians {
    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.opacity_logits.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.opacity_logits.is_empty()
    }

    /// None yet.
    pub fn empty(kind: Colors) -> Self {
        let none = Vec::new;
        Gaussians { means: none(), quats: none(), log_scales: none(), opacity_logits: none(), colors: none(), kind }
    }

    /// All Gaussians of `parts`, one part after the other; `kind` is theirs.
    ///
    /// # Errors
    /// [`Error::Shape`] if a part has another kind of colors or its arrays disagree.
    pub fn concat(kind: Colors, parts: &[GaussianSlices<'_>]) -> Result<Self, Error> {
        let mut out = Self::empty(kind);
        for part in parts {
            part.check()?;
            if part.kind != kind {
                let (expected, got) = (vec![kind.stride()], vec![part.kind.stride()]);
                return Err(Error::Shape { what: "colors of concatenated Gaussians", expected, got });
            }
            out.means.extend_from_slice(part.means);
            out.quats.extend_from_slice(part.quats);
            out.log_scales.extend_from_slice(part.log_scales);
            out.opacity_logits.extend_from_slice(part.opacity_logits);
            out.colors.extend_from_slice(part.colors);
        }
        Ok(out)
    }

    /// The Gaussians at `indices`, in that order; an index may come more than once.
    ///
    /// # Panics
    /// If an index is not under [`Self::len`].
    pub fn select(&self, indices: &[usize]) -> Self {
        let rows = |values: &[f32], stride: usize| -> Vec<f32> {
            indices.iter().flat_map(|&n| values[n * stride..(n + 1) * stride].iter().copied()).collect()
        };
        Gaussians {
            means: rows(&self.means, 3),
            quats: rows(&self.quats, 4),
            log_scales: rows(&self.log_scales, 3),
            opacity_logits: rows(&self.opacity_logits, 1),
            colors: rows(&self.colors, self.kind.stride()),
            kind: self.kind,
        }
    }

    /// Borrows all arrays.
    pub fn slices(&self) -> GaussianSlices<'_> {
        GaussianSlices {
            means: &self.means,
            quats: &self.quats,
            log_scales: &self.log_scales,
            opacity_logits: &self.opacity_logits,
            colors: &self.colors,
            kind: self.kind,
        }
    }
}

impl GaussianSlices<'_> {
    /// An owned copy.
    pub fn to_gaussians(&self) -> Gaussians {
        Gaussians {
            means: self.means.to_vec(),
            quats: self.quats.to_vec(),
            log_scales: self.log_scales.to_vec(),
            opacity_logits: self.opacity_logits.to_vec(),
            colors: self.colors.to_vec(),
            kind: self.kind,
        }
    }

    /// Number of Gaussians.
    pub fn len(&self) -> usize {
        self.opacity_logits.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.opacity_logits.is_empty()
    }

    /// # Errors
    /// [`Error::Shape`] if the arrays do not describe the same number of Gaussians.
    pub fn check(&self) -> Result<(), Error> {
        let n = self.len();
        let wanted = [
            ("means", self.means.len(), 3),
            ("quats", self.quats.len(), 4),
            ("log_scales", self.log_scales.len(), 3),
            ("colors", self.colors.len(), self.kind.stride()),
        ];
        for (what, got, stride) in wanted {
            if got != n * stride {
                return Err(Error::Shape { what, expected: vec![n, stride], got: vec![got] });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Gaussians {
        Gaussians {
            means: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            quats: vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            log_scales: vec![-1.0, -2.0, -3.0, -4.0, -5.0, -6.0],
            opacity_logits: vec![0.5, -0.5],
            colors: vec![0.1, 0.2],
            kind: Colors::Features { channels: 1 },
        }
    }

    #[test]
    fn select_undoes_concat() {
        let both = Gaussians::concat(two().kind, &[two().slices(), two().slices()]).unwrap();
        assert_eq!(both.len(), 4);
        assert_eq!(both.select(&[2, 3]), two());
        assert_eq!(both.select(&[1]).means, [4.0, 5.0, 6.0]);
    }

    #[test]
    fn kinds_do_not_mix() {
        let mixed = Gaussians::concat(Colors::Sh { degree: 0 }, &[two().slices()]);
        assert!(matches!(mixed, Err(Error::Shape { .. })));
    }
}
