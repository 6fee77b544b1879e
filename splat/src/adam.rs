//! Adam (Kingma & Ba 2015) over the arrays of Gaussians, in one pass over memory.
use crate::{Colors, Error, Gaussians, Gradients};
use rayon::prelude::*;

/// Numbers a task.
const CHUNK: usize = 1 << 14;

/// Step sizes; the others as Kerbl et al. 2023 have them by default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Meters.
    pub means: f32,
    /// Of quaternions.
    pub quats: f32,
    /// Of logarithms.
    pub log_scales: f32,
    /// Of logits.
    pub opacity_logits: f32,
    /// Of feature channels, and of the zeroth harmonic.
    pub colors: f32,
    /// Of harmonics beyond the zeroth.
    pub harmonics: f32,
}

impl Rates {
    /// The usual ones for a scene that reaches `extent_m` from its middle; `progress` runs from 0 to 1 while the rate of
    /// the means falls to a hundredth.
    pub fn usual(extent_m: f32, progress: f32) -> Self {
        Rates {
            means: 1.6e-4 * extent_m * 0.01f32.powf(progress),
            quats: 1e-3,
            log_scales: 5e-3,
            opacity_logits: 2.5e-2,
            colors: 2.5e-3,
            harmonics: 2.5e-3 / 20.0,
        }
    }
}

/// First and second moments of the gradient of every parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Adam {
    /// Shaped like the parameters.
    first: Gaussians,
    second: Gaussians,
    steps: i32,
}

pub(crate) const BETA1: f32 = 0.9;
pub(crate) const BETA2: f32 = 0.999;
/// As Kerbl et al.: parameters of Gaussians get gradients far under the usual 1e-8.
pub(crate) const EPSILON: f32 = 1e-15;

impl Adam {
    /// For `n` Gaussians.
    pub fn new(n: usize, kind: Colors) -> Self {
        let zeros = Gaussians {
            means: vec![0.0; 3 * n],
            quats: vec![0.0; 4 * n],
            log_scales: vec![0.0; 3 * n],
            opacity_logits: vec![0.0; n],
            colors: vec![0.0; kind.stride() * n],
            kind,
        };
        Adam { first: zeros.clone(), second: zeros, steps: 0 }
    }

    /// Moves `gaussians` one step against `gradients`. A gradient that is not finite counts as 0.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not of the Gaussians that the moments are of.
    pub fn step(&mut self, gaussians: &mut Gaussians, gradients: &Gradients, rates: &Rates) -> Result<(), Error> {
        gaussians.slices().check()?;
        let require = |what, got: usize, expected: usize| {
            if got == expected { Ok(()) } else { Err(Error::Shape { what, expected: vec![expected], got: vec![got] }) }
        };
        require("Gaussians of the moments", gaussians.len(), self.first.len())?;
        require("colors of the moments", gaussians.colors.len(), self.first.colors.len())?;
        require("gradients", gradients.opacity_logits.len(), gaussians.len())?;
        require("gradients: colors", gradients.colors.len(), gaussians.colors.len())?;
        self.steps += 1;
        let stride = gaussians.kind.stride();
        let (m, v, g) = (&mut self.first, &mut self.second, gradients);
        let correction = [1.0 - BETA1.powi(self.steps), 1.0 - BETA2.powi(self.steps)];
        type Rate<'a> = &'a (dyn Fn(usize) -> f32 + Sync);
        let run = |values: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32], rate: Rate<'_>| {
            let parts = values.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK));
            parts.zip(m.par_chunks_mut(CHUNK)).zip(v.par_chunks_mut(CHUNK)).enumerate().for_each(
                |(chunk, (((values, g), m), v))| {
                    for i in 0..values.len() {
                        let g = if g[i].is_finite() { g[i] } else { 0.0 };
                        m[i] += (1.0 - BETA1) * (g - m[i]);
                        v[i] += (1.0 - BETA2) * (g * g - v[i]);
                        let by = (m[i] / correction[0]) / ((v[i] / correction[1]).sqrt() + EPSILON);
                        values[i] -= rate(chunk * CHUNK + i) * by;
                    }
                },
            );
        };
        run(&mut gaussians.means, &g.means, &mut m.means, &mut v.means, &|_| rates.means);
        run(&mut gaussians.quats, &g.quats, &mut m.quats, &mut v.quats, &|_| rates.quats);
        run(&mut gaussians.log_scales, &g.log_scales, &mut m.log_scales, &mut v.log_scales, &|_| rates.log_scales);
        let logits = (&mut gaussians.opacity_logits, &mut m.opacity_logits, &mut v.opacity_logits);
        run(logits.0, &g.opacity_logits, logits.1, logits.2, &|_| rates.opacity_logits);
        let color_rate = |i: usize| match gaussians.kind {
            Colors::Sh { .. } if i % stride >= 3 => rates.harmonics,
            _ => rates.colors,
        };
        run(&mut gaussians.colors, &g.colors, &mut m.colors, &mut v.colors, &color_rate);
        Ok(())
    }

    /// Follows a change of the Gaussians: new Gaussian n carries the moments of old Gaussian `origin[n]`, or none.
    ///
    /// # Panics
    /// If an origin is not an old Gaussian's.
    pub fn follow(&mut self, origin: &[Option<u32>]) {
        let indices: Vec<usize> = origin.iter().map(|o| o.map_or(0, |o| o as usize)).collect();
        for moments in [&mut self.first, &mut self.second] {
            let kind = moments.kind;
            if moments.is_empty() {
                *moments = Adam::new(origin.len(), kind).first;
                continue;
            }
            *moments = moments.select(&indices);
            for n in (0..origin.len()).filter(|&n| origin[n].is_none()) {
                moments.means[3 * n..3 * n + 3].fill(0.0);
                moments.quats[4 * n..4 * n + 4].fill(0.0);
                moments.log_scales[3 * n..3 * n + 3].fill(0.0);
                moments.opacity_logits[n] = 0.0;
                moments.colors[n * kind.stride()..(n + 1) * kind.stride()].fill(0.0);
            }
        }
    }

    /// Forgets the moments of the opacities, as after they were reset.
    pub fn forget_opacities(&mut self) {
        self.first.opacity_logits.fill(0.0);
        self.second.opacity_logits.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(colors: Vec<f32>, kind: Colors) -> Gaussians {
        Gaussians {
            means: vec![1.0, 2.0, 3.0],
            quats: vec![1.0, 0.0, 0.0, 0.0],
            log_scales: vec![0.0; 3],
            opacity_logits: vec![0.5],
            colors,
            kind,
        }
    }

    fn gradients(g: &Gaussians, value: f32) -> Gradients {
        Gradients {
            means: vec![value; g.means.len()],
            quats: vec![value; g.quats.len()],
            log_scales: vec![value; g.log_scales.len()],
            opacity_logits: vec![value; g.opacity_logits.len()],
            colors: vec![value; g.colors.len()],
            ..Gradients::default()
        }
    }

    /// Three steps of one parameter against the published recursion in `f64`.
    #[test]
    fn is_the_published_recursion() {
        let kind = Colors::Sh { degree: 1 };
        let mut g = one(vec![0.0; 12], kind);
        let mut adam = Adam::new(1, kind);
        let rates = Rates { means: 0.1, harmonics: 0.01, ..Rates::usual(1.0, 0.0) };
        let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
        for (t, by) in [0.3f32, -0.2, 0.05].into_iter().enumerate() {
            adam.step(&mut g, &gradients(&one(vec![0.0; 12], kind), by), &rates).unwrap();
            (m, v) = (0.9 * m + 0.1 * by as f64, 0.999 * v + 0.001 * (by as f64).powi(2));
            let power = t as i32 + 1;
            x -= 0.1 * (m / (1.0 - 0.9f64.powi(power))) / (v / (1.0 - 0.999f64.powi(power))).sqrt();
            assert!((g.means[0] as f64 - x).abs() < 1e-5, "step {t}: {} against {x}", g.means[0]);
        }
        assert!((g.colors[0] / g.colors[3] - 0.0025 / 0.01).abs() < 1e-4, "base and harmonics have their own rates");
    }

    #[test]
    fn moments_follow_their_gaussians() {
        let kind = Colors::Features { channels: 1 };
        let both = |a: f32, b: f32| Gaussians {
            means: vec![a, a, a, b, b, b],
            quats: vec![1.0; 8],
            log_scales: vec![0.0; 6],
            opacity_logits: vec![a, b],
            colors: vec![a, b],
            kind,
        };
        let mut g = both(0.0, 0.0);
        let mut adam = Adam::new(2, kind);
        let mut by = gradients(&g, 1.0);
        by.opacity_logits = vec![1.0, -1.0];
        let rates = Rates::usual(1.0, 0.0);
        adam.step(&mut g, &by, &rates).unwrap();
        adam.follow(&[Some(1), None, Some(0)]);
        assert!(adam.first.opacity_logits[0] < 0.0 && adam.first.opacity_logits[2] > 0.0);
        assert_eq!((adam.first.opacity_logits[1], adam.second.means[3]), (0.0, 0.0));
        let wrong = adam.step(&mut g, &by, &rates);
        assert!(matches!(wrong, Err(Error::Shape { what: "Gaussians of the moments", .. })));
        adam.forget_opacities();
        assert!(adam.second.opacity_logits.iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_broken_gradient_moves_nothing() {
        let kind = Colors::Features { channels: 1 };
        let mut g = one(vec![0.25], kind);
        let by = gradients(&g, f32::NAN);
        Adam::new(1, kind).step(&mut g, &by, &Rates::usual(1.0, 0.0)).unwrap();
        assert_eq!(g, one(vec![0.25], kind));
    }
}
