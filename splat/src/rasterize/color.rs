//! Color of one Gaussian from one camera, and its gradient.
use super::harmonics::{self, MAX_K};
use super::project::Lens;
use super::vectors::{dot, mix, scaled, triple};
use crate::{Colors, GaussianSlices};

impl Lens {
    /// Color of Gaussian `n` from here, into `out` `[C]`; false if it is not finite.
    #[inline(always)]
    pub fn color(&self, gaussians: &GaussianSlices<'_>, n: usize, out: &mut [f32]) -> bool {
        let stride = gaussians.kind.stride();
        let stored = &gaussians.colors[n * stride..(n + 1) * stride];
        match gaussians.kind {
            Colors::Features { .. } => out.copy_from_slice(stored),
            Colors::Sh { .. } => {
                let sum = self.sh_color(gaussians, n, self.direction(gaussians, n).0);
                if sum.iter().any(|v| !v.is_finite()) {
                    return false;
                }
                out.copy_from_slice(&[sum[0].max(0.0), sum[1].max(0.0), sum[2].max(0.0)]);
            }
        }
        out.iter().all(|v| v.is_finite())
    }

    /// The color in direction `d`, before it is cut at 0.
    #[inline(always)]
    fn sh_color(&self, gaussians: &GaussianSlices<'_>, n: usize, d: [f32; 3]) -> [f32; 3] {
        let Colors::Sh { degree } = gaussians.kind else { return [0.0; 3] };
        let (b, stride) = (harmonics::basis(degree, d), gaussians.kind.stride());
        // Every other coefficient to the other sum: two short chains of additions instead of a long one.
        let mut sums = [[0.5f32, 0.5, 0.5], [0.0; 3]];
        for (k, coefficient) in gaussians.colors[n * stride..(n + 1) * stride].chunks_exact(3).enumerate() {
            for c in 0..3 {
                sums[k % 2][c] += b[k] * coefficient[c];
            }
        }
        [0, 1, 2].map(|c| sums[0][c] + sums[1][c])
    }

    /// Gradient of the color, `by_color` being that by [`Self::color`], which gave `rgb` if there are harmonics. Writes the
    /// gradient by the Gaussian's stored color to `stored` (adds it, unless `fresh`) and returns that by its mean.
    #[inline(always)]
    pub fn color_backward(
        &self,
        gaussians: &GaussianSlices<'_>,
        n: usize,
        (rgb, by_color): ([f32; 3], &[f32]),
        stored: &mut [f32],
        fresh: bool,
    ) -> [f32; 3] {
        let Colors::Sh { degree } = gaussians.kind else {
            stored.iter_mut().zip(by_color).for_each(|(s, g)| *s = if fresh { *g } else { *s + g });
            return [0.0; 3];
        };
        let (d, length) = self.direction(gaussians, n);
        let b = harmonics::basis(degree, d);
        // A color that was cut at 0 stays there.
        let open = |c: usize| if rgb[c] > 0.0 { by_color[c] } else { 0.0 };
        let g = [open(0), open(1), open(2)];
        let coefficients = &gaussians.colors[n * stored.len()..(n + 1) * stored.len()];
        let mut weights = [0.0; MAX_K];
        for (k, (s, c)) in stored.chunks_exact_mut(3).zip(coefficients.chunks_exact(3)).enumerate() {
            for i in 0..3 {
                s[i] = if fresh { b[k] * g[i] } else { s[i] + b[k] * g[i] };
            }
            weights[k] = c[0] * g[0] + c[1] * g[1] + c[2] * g[2];
        }
        let by_d = harmonics::gradient(degree, d, &weights);
        let along = dot(by_d, d);
        if length > 0.0 { mix(1.0 / length, by_d, -along / length, d) } else { [0.0; 3] }
    }

    /// Unit direction from the eye to Gaussian `n`, and the distance.
    #[inline(always)]
    fn direction(&self, gaussians: &GaussianSlices<'_>, n: usize) -> ([f32; 3], f32) {
        let mean = triple(gaussians.means, n);
        let d = mix(1.0, mean, -1.0, self.eye);
        let length = dot(d, d).sqrt();
        (if length > 0.0 { scaled(d, 1.0 / length) } else { [0.0, 0.0, 1.0] }, length)
    }
}
