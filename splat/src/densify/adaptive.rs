//! Adaptive density control (Kerbl et al. 2023, section 5.2).
use super::{Random, stretched};
use crate::rasterize::sigmoid;
use crate::{Camera, Error, Gaussians, Gradients, Rendered};

/// When Gaussians are cloned, split and pruned; the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// Mean gradient by the projected mean from which a Gaussian is doubled, in half image widths (the paper's unit).
    pub gradient: f32,
    /// Scale, in `extent_m`, up to which it is cloned, and from which it is split in two.
    pub small: f32,
    /// Scale, in `extent_m`, from which it is pruned.
    pub huge: f32,
    /// Opacity under which it is pruned.
    pub least_opacity: f32,
    /// How far the scene reaches from its middle, meters.
    pub extent_m: f32,
    /// Most Gaussians there may be.
    pub most: usize,
    /// Of all randomness.
    pub seed: u64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Adaptive {
            gradient: 2e-4,
            small: 0.01,
            huge: 0.1,
            least_opacity: 0.005,
            extent_m: 1.0,
            most: 1_000_000,
            seed: 0,
        }
    }
}

/// Gradients by projected means, gathered over steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GradientSums {
    /// `[N]` lengths, in half image widths.
    sums: Vec<f32>,
    /// `[N]` in how many pictures it was drawn.
    counts: Vec<u32>,
}

impl GradientSums {
    /// For `n` Gaussians.
    pub fn new(n: usize) -> Self {
        GradientSums { sums: vec![0.0; n], counts: vec![0; n] }
    }

    /// Adds one step: `images` are what `cameras` saw, `gradients` what came back. The absolute gradients count if there
    /// are any (Ye et al. 2024, "AbsGS"; take a threshold four times as high then).
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not of the same number of Gaussians and cameras.
    pub fn add(&mut self, cameras: &[Camera], images: &[Rendered], gradients: &Gradients) -> Result<(), Error> {
        let by_mean = if gradients.mean_2d_abs.is_empty() { &gradients.mean_2d } else { &gradients.mean_2d_abs };
        let n = self.sums.len();
        let require = |what, got: usize, expected: usize| {
            if got == expected { Ok(()) } else { Err(Error::Shape { what, expected: vec![expected], got: vec![got] }) }
        };
        require("images", images.len(), cameras.len())?;
        require("gradients by projected means", by_mean.len(), n)?;
        images.iter().try_for_each(|image| require("radii", image.radii.len(), n))?;
        let half_width = cameras.iter().map(|c| c.width as f32).sum::<f32>() / (2 * cameras.len().max(1)) as f32;
        self.sums.iter_mut().zip(by_mean).for_each(|(sum, by)| *sum += by * half_width);
        for image in images {
            self.counts.iter_mut().zip(image.visible()).for_each(|(count, visible)| *count += visible as u32);
        }
        Ok(())
    }

    fn mean(&self, n: usize) -> f32 {
        self.sums[n] / self.counts[n].max(1) as f32
    }
}

/// What a round of densification did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// `[N new]` the old Gaussian whose optimizer state each new one carries; none if it starts afresh. See
    /// [`crate::adam::Adam::follow`].
    pub origin: Vec<Option<u32>>,
    /// Small ones that were doubled.
    pub cloned: usize,
    /// Large ones that became two smaller ones.
    pub split: usize,
    /// Faint or huge ones that went.
    pub pruned: usize,
}

impl Adaptive {
    /// Clones, splits and prunes; `step` numbers the round.
    ///
    /// # Errors
    /// [`Error::Shape`] if `sums` is of another number of Gaussians.
    pub fn densify(&self, gaussians: &mut Gaussians, sums: &GradientSums, step: u64) -> Result<Change, Error> {
        gaussians.slices().check()?;
        let n = gaussians.len();
        if sums.sums.len() != n {
            return Err(Error::Shape { what: "gradient sums", expected: vec![n], got: vec![sums.sums.len()] });
        }
        let (mut change, mut kept, mut fresh) = (Change::default(), Vec::new(), Vec::new());
        let mut room = self.most.saturating_sub(n);
        let scale = |i: usize| gaussians.log_scales[3 * i..3 * i + 3].iter().fold(f32::MIN, |a, &b| a.max(b)).exp();
        for i in 0..n {
            // A Gaussian that is not a number is neither visible nor large: it goes with the faint ones.
            let visible = sigmoid(gaussians.opacity_logits[i]) >= self.least_opacity;
            if !visible || scale(i) > self.huge * self.extent_m {
                change.pruned += 1;
                continue;
            }
            let wanted = sums.mean(i) > self.gradient && room > 0;
            room -= wanted as usize;
            match (wanted, scale(i) <= self.small * self.extent_m) {
                (false, _) => kept.push(i),
                (true, true) => {
                    change.cloned += 1;
                    kept.push(i);
                    fresh.push((i, None));
                }
                (true, false) => {
                    change.split += 1;
                    fresh.extend([(i, Some(0)), (i, Some(1))]);
                }
            }
        }
        let sources: Vec<usize> = kept.iter().copied().chain(fresh.iter().map(|(i, _)| *i)).collect();
        let mut out = gaussians.select(&sources);
        for (at, &(old, half)) in (kept.len()..).zip(&fresh) {
            if let Some(half) = half {
                let moved = stretched(gaussians, old, Random::new(self.seed, step, 2 * old as u64 + half).normals());
                out.means[3 * at..3 * at + 3].iter_mut().zip(moved.to_array()).for_each(|(m, by)| *m += by);
                // 1.6 as in the paper.
                out.log_scales[3 * at..3 * at + 3].iter_mut().for_each(|s| *s -= 1.6f32.ln());
            }
        }
        change.origin = kept.iter().map(|&i| Some(i as u32)).chain(fresh.iter().map(|_| None)).collect();
        *gaussians = out;
        Ok(change)
    }

    /// Brings every opacity down to twice the least that is kept, so that what is not needed fades (every 3,000 steps
    /// in the paper).
    pub fn reset_opacities(&self, gaussians: &mut Gaussians) {
        let cap = 2.0 * self.least_opacity;
        let logit = (cap / (1.0 - cap)).ln();
        gaussians.opacity_logits.iter_mut().for_each(|o| *o = o.min(logit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Colors;

    /// A faint one, a huge one, a small and a large one that ask for more, and one that is content.
    fn five() -> (Gaussians, GradientSums) {
        let sizes = [0.05f32, 0.5, 0.005, 0.05, 0.05];
        let g = Gaussians {
            means: (0..15).map(|i| i as f32).collect(),
            quats: [1.0, 0.2, -0.1, 0.4].repeat(5),
            log_scales: sizes.iter().flat_map(|s| [s.ln(), s.ln() - 1.0, s.ln() - 2.0]).collect(),
            opacity_logits: vec![-8.0, 1.0, 1.0, 1.0, 1.0],
            colors: vec![0.0, 1.0, 2.0, 3.0, 4.0],
            kind: Colors::Features { channels: 1 },
        };
        (g, GradientSums { sums: vec![9.0, 9.0, 9.0, 9.0, 1e-4], counts: vec![2; 5] })
    }

    #[test]
    fn clones_splits_and_prunes() {
        let (mut g, sums) = five();
        let old = g.clone();
        let change = Adaptive::default().densify(&mut g, &sums, 3).unwrap();
        assert_eq!((change.cloned, change.split, change.pruned), (1, 1, 2));
        assert_eq!(g.colors, [2.0, 4.0, 2.0, 3.0, 3.0]);
        assert_eq!(change.origin, [Some(2), Some(4), None, None, None]);
        assert_eq!(g.means[6..9], old.means[6..9], "a clone lies where its parent lies");
        assert!((g.log_scales[9] - (0.05f32 / 1.6).ln()).abs() < 1e-6);
        let moved = |at: usize| (0..3).map(|i| (g.means[3 * at + i] - old.means[9 + i]).abs()).fold(0.0, f32::max);
        assert!(moved(3) > 0.0 && moved(3) < 0.3 && moved(3) != moved(4));
        let (mut again, sums) = five();
        Adaptive::default().densify(&mut again, &sums, 3).unwrap();
        assert_eq!(again, g, "a function of the seed");
    }

    #[test]
    fn there_is_a_most() {
        let (mut g, sums) = five();
        let change = Adaptive { most: 5, ..Adaptive::default() }.densify(&mut g, &sums, 0).unwrap();
        assert_eq!((change.cloned, change.split, g.len()), (0, 0, 3));
        assert!(Adaptive::default().densify(&mut g, &sums, 0).is_err());
    }

    #[test]
    fn opacities_come_down() {
        let (mut g, _) = five();
        Adaptive::default().reset_opacities(&mut g);
        assert!(g.opacity_logits.iter().all(|o| sigmoid(*o) < 0.0101) && g.opacity_logits[0] == -8.0);
    }
}
