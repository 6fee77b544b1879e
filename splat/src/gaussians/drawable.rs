//! Which rows can be drawn.
use super::{GaussianSlices, Gaussians};

/// Logit of an opacity that 32 bits cannot tell from 1.
const MOST_LOGIT: f32 = 17.0;
/// ln of the thickness of a flat Gaussian, in whatever unit the scene has: 10⁻⁶.
pub(crate) const FLAT_LOG_SCALE: f32 = -13.815_511;

impl GaussianSlices<'_> {
    /// The rows that can be drawn, and the number of the others. The arrays must agree ([`Self::check`]).
    ///
    /// A row is left out if it holds NaN, a quaternion of no length, or an infinity; two infinities have a meaning and
    /// become finite: an opacity logit of ±∞ (opacity 1 or 0) and a log scale of −∞ (flat).
    pub fn drawable(&self) -> (Gaussians, usize) {
        let stride = self.kind.stride();
        let drawn = |n: &usize| {
            let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
            let quat = &self.quats[4 * n..4 * n + 4];
            let length2 = quat.iter().map(|v| v * v).sum::<f32>();
            finite(&self.means[3 * n..3 * n + 3])
                && length2 > 0.0
                && length2.is_finite()
                && self.log_scales[3 * n..3 * n + 3].iter().all(|s| *s < f32::INFINITY)
                && !self.opacity_logits[*n].is_nan()
                && finite(&self.colors[stride * n..stride * (n + 1)])
        };
        let rows: Vec<usize> = (0..self.len()).filter(drawn).collect();
        let dropped = self.len() - rows.len();
        let mut kept = if dropped == 0 { self.to_gaussians() } else { self.to_gaussians().select(&rows) };
        for scale in kept.log_scales.iter_mut().filter(|s| s.is_infinite()) {
            *scale = FLAT_LOG_SCALE;
        }
        for logit in kept.opacity_logits.iter_mut().filter(|o| o.is_infinite()) {
            *logit = MOST_LOGIT.copysign(*logit);
        }
        (kept, dropped)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Colors, Gaussians};

    #[test]
    fn what_no_renderer_can_draw_is_left_out() {
        let good = Gaussians {
            means: vec![0.0; 3],
            quats: vec![1.0, 0.0, 0.0, 0.0],
            log_scales: vec![-4.0; 3],
            opacity_logits: vec![1.0],
            colors: vec![0.5; 3],
            kind: Colors::Features { channels: 3 },
        };
        let changed = |change: &dyn Fn(&mut Gaussians)| {
            let mut one = good.clone();
            change(&mut one);
            one.slices().drawable()
        };
        assert_eq!(changed(&|_| ()), (good.clone(), 0));
        let bad: [&dyn Fn(&mut Gaussians); 8] = [
            &|g| g.means[1] = f32::NAN,
            &|g| g.means[2] = f32::INFINITY,
            &|g| g.quats = vec![0.0; 4],
            &|g| g.quats[3] = f32::NAN,
            &|g| g.log_scales[0] = f32::NAN,
            &|g| g.log_scales[0] = f32::INFINITY,
            &|g| g.opacity_logits[0] = f32::NAN,
            &|g| g.colors[2] = f32::NAN,
        ];
        for (i, change) in bad.into_iter().enumerate() {
            assert_eq!(changed(change), (Gaussians::empty(good.kind), 1), "{i}");
        }
        let (opaque, dropped) = changed(&|g| g.opacity_logits[0] = f32::INFINITY);
        assert_eq!((crate::rasterize::sigmoid(opaque.opacity_logits[0]), dropped), (1.0, 0));
        let (flat, dropped) = changed(&|g| g.log_scales[2] = f32::NEG_INFINITY);
        assert!(dropped == 0 && (flat.log_scales[2].exp() - 1e-6).abs() < 1e-12);
    }
}
