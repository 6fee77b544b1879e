//! N anisotropic Gaussians in their optimised (pre-activation) parametrisation.
use crate::Error;

/// What a Gaussian shows: `K = (degree + 1)²` spherical harmonics, or plain channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// Real spherical harmonics as in Kerbl et al. 2023, `[N, K, 3]`; colour = max(0, Σ + 0.5).
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
/// | `means`          | `[N, 3]`  | metres, world                               |
/// | `quats`          | `[N, 4]`  | w x y z, any non-zero length                |
/// | `log_scales`     | `[N, 3]`  | ln of the standard deviations in metres     |
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
