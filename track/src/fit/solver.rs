//! Levenberg–Marquardt over everything: identity, focal lengths, poses, expressions.
//!
//! Unknowns in one vector: `[c (Kc) | log focal (one per camera) | picture 0: rotation (3), translation (3),
//! expression (52) | …]`.
mod normal_equations;
mod residuals;
mod state;

use super::priors::{self, Gaussian};
use super::view::{RIGID, View, project};
use super::{Fit, FitConfig, FittedView, Observation, linear};
use glam::Vec3;
use head::landmarks::LandmarkModel;
use residuals::inverse_deviations;
use state::{MOST_UNUSUAL, OWN, State, UNITS};

/// From first poses to the whole fit.
pub(super) fn refine(model: &LandmarkModel, seen: &[Observation], poses: Vec<View>, config: &FitConfig) -> Fit {
    let problem = Problem::new(model, seen, config);
    let state = problem.start(poses);
    let (state, cost) = problem.minimise(state);
    let views = (0..seen.len()).map(|i| problem.fitted_view(&state, i)).collect();
    Fit { coefficients: state.c_f32(), views, cost }
}

/// What is given: observations, their weights, the priors.
struct Problem<'a> {
    model: &'a LandmarkModel,
    seen: &'a [Observation],
    config: &'a FitConfig,
    /// `[N]` index of the camera of each picture, counted from 0 without gaps.
    cameras: Vec<usize>,
    /// `[cameras]` prior of the log focal lengths; `None` where they are known.
    focals: Vec<Option<Gaussian>>,
    /// `[N, L]` inverse deviations, 0 where nothing is known.
    weights: Vec<Vec<f64>>,
    /// `[Kc]`
    identity: Vec<Gaussian>,
    /// `[N]`
    expressions: Vec<[Gaussian; UNITS]>,
    /// `[N]`
    distances: Vec<Gaussian>,
    /// `[N]` units that stay where they begin.
    held: Vec<[bool; UNITS]>,
}

impl<'a> Problem<'a> {
    fn new(model: &'a LandmarkModel, seen: &'a [Observation], config: &'a FitConfig) -> Self {
        let mut names: Vec<usize> = seen.iter().map(|o| o.camera).collect();
        names.sort_unstable();
        names.dedup();
        let cameras = seen.iter().map(|o| names.binary_search(&o.camera).expect("it is among them")).collect();
        let focal = |name: &usize| {
            let lens = &seen.iter().find(|o| o.camera == *name).expect("a camera took a picture").lens;
            let spread = lens.focal_spread;
            (spread > 0.0).then(|| Gaussian { mean: lens.focal_px.ln(), precision: 1.0 / (spread * spread) })
        };
        let reach: Vec<f32> =
            model.expression.iter().map(|u| u.iter().map(|v| v.length()).fold(0.0, f32::max)).collect();
        let held = |o: &Observation| std::array::from_fn(|k| o.beliefs.is_none() && priors::is_idle(k, reach[k]));
        Problem {
            model,
            seen,
            config,
            cameras,
            focals: names.iter().map(focal).collect(),
            weights: seen.iter().map(|o| inverse_deviations(o, config)).collect(),
            identity: priors::identity(seen, config.coefficients.min(model.identity.len()), config),
            expressions: seen.iter().map(|o| priors::expression(o, config)).collect(),
            distances: seen.iter().map(|o| priors::log_distance(o, config)).collect(),
            held: seen.iter().map(held).collect(),
        }
    }

    /// Everything where its prior has it; pictures of one camera begin with the mean of their focal lengths.
    fn start(&self, mut views: Vec<View>) -> State {
        let mean_focal = |camera: usize| {
            let own: Vec<f64> =
                views.iter().zip(&self.cameras).filter(|(_, c)| **c == camera).map(|(v, _)| v.log_focal).collect();
            own.iter().sum::<f64>() / own.len() as f64
        };
        let log_focals: Vec<f64> = (0..self.focals.len()).map(mean_focal).collect();
        views.iter_mut().zip(&self.cameras).for_each(|(view, &camera)| view.log_focal = log_focals[camera]);
        let expressions = self.expressions.iter().map(|units| units.map(|u| u.mean.clamp(0.0, 1.0))).collect();
        State { c: self.identity.iter().map(|g| g.mean).collect(), log_focals, views, expressions }
    }

    fn minimise(&self, mut state: State) -> (State, f64) {
        let mut cost = self.cost(&state);
        let mut damping = 1e-2;
        for _ in 0..self.config.iterations {
            let (h, g) = self.normal_equations(&state);
            let mut improved = None;
            for _ in 0..8 {
                let next = state.moved(&self.step(&h, &g, &state, damping), &self.cameras);
                let next_cost = self.cost(&next);
                if next_cost < cost {
                    improved = Some((next, next_cost));
                    damping = (damping * 0.25f64).max(1e-7);
                    break;
                }
                damping *= 5.0;
            }
            let Some((next, next_cost)) = improved else { break };
            let gain = cost - next_cost;
            (state, cost) = (next, next_cost);
            if gain < 1e-7 * cost.max(1e-6) {
                break;
            }
        }
        (state, cost)
    }

    fn places(&self, state: &State, i: usize, points: &[Vec3]) -> Vec<[f64; 2]> {
        points.iter().map(|p| project(&state.views[i], &self.seen[i].lens, p.as_dvec3()).0).collect()
    }

    /// Geman–McClure on residuals, the priors on the rest.
    fn cost(&self, state: &State) -> f64 {
        let c = state.c_f32();
        let k2 = self.config.outlier * self.config.outlier;
        let mut cost: f64 = state.c.iter().zip(&self.identity).map(|(v, g)| g.cost(*v)).sum();
        cost += state.log_focals.iter().zip(&self.focals).map(|(f, g)| g.map_or(0.0, |g| g.cost(*f))).sum::<f64>();
        for i in 0..self.seen.len() {
            if state.views[i].translation.z < 0.05 {
                return f64::INFINITY;
            }
            let points = self.model.points(&c, &state.expression_f32(i), &[Vec3::ZERO; 5]);
            let places = self.places(state, i, &points);
            for residual in self.residuals(&places, i) {
                let r2 = residual.squared();
                cost += 0.5 * r2 / (1.0 + r2 / k2);
            }
            cost += state.expressions[i].iter().zip(&self.expressions[i]).map(|(e, g)| g.cost(*e)).sum::<f64>();
            cost += self.distances[i].cost(state.views[i].translation.length().ln());
        }
        cost
    }

    /// The damped step; unknowns at a bound that push outward, held units and known focal lengths stay.
    fn step(&self, h: &[f64], g: &[f64], state: &State, damping: f64) -> Vec<f64> {
        let n = g.len();
        let (mut a, mut b) = (h.to_vec(), g.iter().map(|v| -v).collect::<Vec<f64>>());
        for k in 0..n {
            a[k * (n + 1)] += damping * h[k * (n + 1)] + 1e-9;
            if self.stays(k, g[k], state) {
                for other in 0..n {
                    a[k * n + other] = 0.0;
                    a[other * n + k] = 0.0;
                }
                a[k * (n + 1)] = 1.0;
                b[k] = 0.0;
            }
        }
        linear::solve(&a, &b).unwrap_or_else(|| vec![0.0; n])
    }

    fn stays(&self, k: usize, gradient: f64, state: &State) -> bool {
        let (kc, nf) = (state.c.len(), state.log_focals.len());
        if k < kc {
            let c = state.c[k];
            return c.abs() >= MOST_UNUSUAL && c * gradient < 0.0;
        }
        if k < kc + nf {
            return self.focals[k - kc].is_none();
        }
        let (picture, own) = ((k - kc - nf) / OWN, (k - kc - nf) % OWN);
        if own < RIGID {
            return false;
        }
        let e = state.expressions[picture][own - RIGID];
        self.held[picture][own - RIGID] || (e <= 0.0 && gradient > 0.0) || (e >= 1.0 && gradient < 0.0)
    }

    fn fitted_view(&self, state: &State, i: usize) -> FittedView {
        let points = self.model.points(&state.c_f32(), &state.expression_f32(i), &[Vec3::ZERO; 5]);
        let (mut sum, mut norm) = (0.0, 1e-12);
        for (l, q) in self.places(state, i, &points).into_iter().enumerate() {
            let weight = self.weights[i][l] * self.weights[i][l];
            let d = (q[0] - self.seen[i].points[l][0]).hypot(q[1] - self.seen[i].points[l][1]);
            if weight > 0.0 {
                sum += weight * d * d;
                norm += weight;
            }
        }
        let view = &state.views[i];
        FittedView {
            rotation: view.rotation,
            translation: view.translation,
            focal_px: view.focal(),
            expression: state.expression_f32(i),
            rms_px: (sum / norm).sqrt(),
        }
    }
}
