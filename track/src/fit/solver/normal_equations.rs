//! The quadratic model of the objective at a state: what a step solves.
use super::Problem;
use super::state::{OWN, State, UNITS};
use crate::fit::priors::Gaussian;
use crate::fit::view::{RIGID, project};
use glam::Vec3;

impl Problem<'_> {
    /// `JᵀWJ` `[n, n]` and the gradient `[n]`; robust weights are those of the present residuals.
    pub fn normal_equations(&self, state: &State) -> (Vec<f64>, Vec<f64>) {
        let (kc, nf) = (state.c.len(), state.log_focals.len());
        let n = kc + nf + OWN * self.seen.len();
        let (mut h, mut g) = (vec![0.0; n * n], vec![0.0; n]);
        let mut believe = |at: usize, prior: &Gaussian, value: f64| {
            h[at * (n + 1)] += prior.precision;
            g[at] += prior.gradient(value);
        };
        (0..kc).for_each(|k| believe(k, &self.identity[k], state.c[k]));
        for (camera, prior) in self.focals.iter().enumerate() {
            prior.iter().for_each(|prior| believe(kc + camera, prior, state.log_focals[camera]));
        }
        for i in 0..self.seen.len() {
            let first = kc + nf + i * OWN + RIGID;
            (0..UNITS).for_each(|k| believe(first + k, &self.expressions[i][k], state.expressions[i][k]));
        }
        for i in 0..self.seen.len() {
            self.add_distance(state, i, &mut h, &mut g);
            self.add_picture(state, i, &mut h, &mut g);
        }
        (h, g)
    }

    /// The prior of the log distance, whose gradient by the translation is `t / |t|²`.
    fn add_distance(&self, state: &State, i: usize, h: &mut [f64], g: &mut [f64]) {
        let n = g.len();
        let first = state.c.len() + state.log_focals.len() + i * OWN + 3;
        let t = state.views[i].translation;
        let along = t / t.length_squared();
        let prior = &self.distances[i];
        let gradient = prior.gradient(t.length().ln());
        for a in 0..3 {
            g[first + a] += gradient * along[a];
            for b in 0..=a {
                h[(first + a) * n + first + b] += prior.precision * along[a] * along[b];
            }
        }
    }

    fn add_picture(&self, state: &State, i: usize, h: &mut [f64], g: &mut [f64]) {
        let (kc, nf) = (state.c.len(), state.log_focals.len());
        let n = g.len();
        let jacobian = self.model.jacobian(&state.c_f32(), &state.expression_f32(i), &[Vec3::ZERO; 5]);
        let first = kc + nf + i * OWN;
        let index: Vec<usize> = (0..kc).chain([kc + self.cameras[i]]).chain(first..first + OWN).collect();
        // `[L]` derivatives of where each landmark lands, by the unknowns of `index`.
        let landed = |l: usize| {
            let (place, by) = project(&state.views[i], &self.seen[i].lens, jacobian.points[l].as_dvec3());
            let by_point = |d: Vec3| by.point.map(|s| s.dot(d.as_dvec3()));
            let identity = (0..kc).map(|k| by_point(jacobian.identity[k][l]));
            let expression = (0..UNITS).map(|k| by_point(jacobian.expression[k][l]));
            let rows: Vec<[f64; 2]> = identity.chain([by.log_focal]).chain(by.rigid).chain(expression).collect();
            (place, rows)
        };
        let (places, rows): (Vec<[f64; 2]>, Vec<Vec<[f64; 2]>>) = (0..self.model.n_landmarks).map(landed).unzip();
        let k2 = self.config.outlier * self.config.outlier;
        // The picture's own unknowns side by side, x apart from y: the sums below run over whole vectors.
        let m = index.len();
        let (mut xs, mut ys) = (vec![0.0f64; m], vec![0.0f64; m]);
        let mut own = vec![0.0f64; m * m];
        for residual in self.residuals(&places, i) {
            let lower = residual.lower.map(|l| &rows[l]);
            for k in 0..m {
                let upper = rows[residual.upper][k];
                let by = |x: usize| residual.weight * (upper[x] - lower.map_or(0.0, |l| l[k][x]));
                (xs[k], ys[k]) = (by(0), by(1));
            }
            let r = residual.value;
            let trust = (1.0 + residual.squared() / k2).powi(-2);
            for a in 0..m {
                let (x, y) = (trust * xs[a], trust * ys[a]);
                g[index[a]] += x * r[0] + y * r[1];
                let others = xs[..=a].iter().zip(&ys[..=a]);
                for (sum, (other_x, other_y)) in own[a * m..=a * m + a].iter_mut().zip(others) {
                    *sum += x * other_x + y * other_y;
                }
            }
        }
        for a in 0..m {
            for b in 0..=a {
                h[index[a] * n + index[b]] += own[a * m + b];
            }
        }
    }
}
