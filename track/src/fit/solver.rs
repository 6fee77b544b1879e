//! Levenberg–Marquardt over everything: identity, poses, focal lengths, expressions.
//!
//! Unknowns in one vector: `[c (Kc) | picture 0: rotation (3), translation (3), log focal (1), expression (52) | …]`.
use super::{Fit, FitConfig, FittedView, Lens, Observation, linear};
use glam::{DMat3, DQuat, DVec3, Vec3};
use head::landmarks::LandmarkModel;

/// Unknowns of a picture before its expression.
const RIGID: usize = 7;
/// Expression units.
const UNITS: usize = 52;
/// Unknowns of a picture.
const OWN: usize = RIGID + UNITS;
/// Identity coefficients stay within this many deviations.
const MOST_UNUSUAL: f64 = 3.5;

/// Pose and lens of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Camera from head.
    pub rotation: DMat3,
    /// Metres.
    pub translation: DVec3,
    /// Of pixels.
    pub log_focal: f64,
}

impl View {
    pub fn focal(&self) -> f64 {
        self.log_focal.exp()
    }

    /// Turned by an axis-angle in camera space about the head's origin, then shifted; a seventh value changes the focal
    /// length and the distance together, so that the size in the picture stays.
    pub fn moved(&self, step: &[f64]) -> View {
        let turn = DQuat::from_scaled_axis(DVec3::new(step[0], step[1], step[2]));
        let log_focal = self.log_focal + step.get(6).copied().unwrap_or(0.0);
        View {
            rotation: DMat3::from_quat(turn) * self.rotation,
            translation: self.translation + DVec3::new(step[3], step[4], step[5]),
            log_focal,
        }
    }
}

/// Derivatives of a projected point.
pub(super) struct Rows {
    /// By rotation, translation and log focal: `[7]` of (x, y) pixels.
    pub rigid: [[f64; 2]; RIGID],
    /// By the point in head space: pixels per metre, `[2, 3]`.
    pub point: [DVec3; 2],
}

/// Where a point in head space lands, with derivatives.
pub(super) fn project(view: &View, lens: &Lens, point: DVec3) -> ([f64; 2], Rows) {
    let turned = view.rotation * point;
    let p = turned + view.translation;
    let f = view.focal();
    let z = p.z.max(1e-3);
    let (u, v) = (f * p.x / z, f * p.y / z);
    // Slopes by the point in camera space.
    let dx = DVec3::new(f / z, 0.0, -u / z);
    let dy = DVec3::new(0.0, f / z, -v / z);
    let mut rigid = [[0.0; 2]; RIGID];
    for (k, axis) in [DVec3::X, DVec3::Y, DVec3::Z].into_iter().enumerate() {
        let sweep = axis.cross(turned);
        rigid[k] = [dx.dot(sweep), dy.dot(sweep)];
        rigid[3 + k] = [dx[k], dy[k]];
    }
    rigid[6] = [u, v];
    let back = view.rotation.transpose();
    ([u + lens.centre[0], v + lens.centre[1]], Rows { rigid, point: [back * dx, back * dy] })
}

/// Huber's loss with its knee at 1.
pub(super) fn huber(r: f64) -> f64 {
    if r <= 1.0 { 0.5 * r * r } else { r - 0.5 }
}

/// All unknowns.
#[derive(Clone)]
struct State {
    c: Vec<f64>,
    views: Vec<View>,
    expressions: Vec<[f64; UNITS]>,
}

impl State {
    fn moved(&self, step: &[f64]) -> State {
        let mut next = self.clone();
        let kc = self.c.len();
        next.c.iter_mut().zip(step).for_each(|(c, s)| *c = (*c + s).clamp(-MOST_UNUSUAL, MOST_UNUSUAL));
        for (i, own) in step[kc..].chunks_exact(OWN).enumerate() {
            next.views[i] = self.views[i].moved(&own[..RIGID]);
            for k in 0..UNITS {
                next.expressions[i][k] = (self.expressions[i][k] + own[RIGID + k]).clamp(0.0, 1.0);
            }
        }
        next
    }

    fn c_f32(&self) -> Vec<f32> {
        self.c.iter().map(|v| *v as f32).collect()
    }

    fn expression_f32(&self, i: usize) -> [f32; UNITS] {
        self.expressions[i].map(|v| v as f32)
    }
}

struct Problem<'a> {
    model: &'a LandmarkModel,
    seen: &'a [Observation],
    config: &'a FitConfig,
    /// `[N, L]` inverse deviations, 0 where nothing is known.
    weights: Vec<Vec<f64>>,
    /// Units that move no landmark: they stay 0.
    idle: [bool; UNITS],
}

/// From first poses to the whole fit.
pub(super) fn refine(model: &LandmarkModel, seen: &[Observation], poses: Vec<View>, config: &FitConfig) -> Fit {
    let weights = seen.iter().map(|o| inverse_deviations(o, config)).collect();
    let idle = std::array::from_fn(|k| {
        let reach = model.expression[k].iter().map(|v| v.length()).fold(0.0, f32::max);
        reach < 2e-4 || head::model::ARKIT[k].starts_with("eyeLook") || head::model::ARKIT[k] == "tongueOut"
    });
    let problem = Problem { model, seen, config, weights, idle };
    let kc = config.coefficients.min(model.identity.len());
    let start = State { c: vec![0.0; kc], views: poses, expressions: vec![[0.0; UNITS]; seen.len()] };
    let (state, cost) = problem.minimise(start);
    let views = (0..seen.len()).map(|i| problem.fitted_view(&state, i)).collect();
    Fit { coefficients: state.c_f32(), views, cost }
}

/// 1/σ with the contour's share; the jaw line is landmarks 0..17.
fn inverse_deviations(seen: &Observation, config: &FitConfig) -> Vec<f64> {
    let weight = |(i, sigma): (usize, &f64)| {
        let share = if i < 17 { config.contour_weight } else { 1.0 };
        if sigma.is_finite() { share / sigma.max(1e-3) } else { 0.0 }
    };
    seen.sigma_px.iter().enumerate().map(weight).collect()
}

impl Problem<'_> {
    fn minimise(&self, mut state: State) -> (State, f64) {
        let mut cost = self.cost(&state);
        let mut damping = 1e-2;
        for _ in 0..self.config.iterations {
            let (h, g) = self.normal_equations(&state);
            let mut improved = None;
            for _ in 0..8 {
                let next = state.moved(&self.step(&h, &g, &state, damping));
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

    /// Geman–McClure on landmarks, quadratic and linear priors on the rest.
    fn cost(&self, state: &State) -> f64 {
        let c = state.c_f32();
        let cfg = self.config;
        let mut cost: f64 = state.c.iter().map(|v| 0.5 * (v / cfg.identity_spread).powi(2)).sum();
        for (i, seen) in self.seen.iter().enumerate() {
            if state.views[i].translation.z < 0.05 {
                return f64::INFINITY;
            }
            let points = self.model.points(&c, &state.expression_f32(i), &[Vec3::ZERO; 5]);
            for (l, p) in points.iter().enumerate().filter(|(l, _)| self.weights[i][*l] > 0.0) {
                let (q, _) = project(&state.views[i], &seen.lens, p.as_dvec3());
                let r = self.weights[i][l] * (q[0] - seen.points[l][0]).hypot(q[1] - seen.points[l][1]);
                let k2 = cfg.outlier * cfg.outlier;
                cost += 0.5 * r * r / (1.0 + r * r / k2);
            }
            for e in &state.expressions[i] {
                cost += 0.5 * (e / cfg.expression_spread).powi(2) + cfg.expression_sparsity * e;
            }
            if seen.lens.focal_spread > 0.0 {
                let off = (state.views[i].log_focal - seen.lens.focal_px.ln()) / seen.lens.focal_spread;
                cost += 0.5 * off * off;
            }
        }
        cost
    }

    /// `JᵀWJ` `[n, n]` and the gradient `[n]`; robust weights are those of the present residuals.
    fn normal_equations(&self, state: &State) -> (Vec<f64>, Vec<f64>) {
        let kc = state.c.len();
        let n = kc + OWN * self.seen.len();
        let (mut h, mut g) = (vec![0.0; n * n], vec![0.0; n]);
        let cfg = self.config;
        for k in 0..kc {
            let stiff = 1.0 / (cfg.identity_spread * cfg.identity_spread);
            h[k * n + k] += stiff;
            g[k] += stiff * state.c[k];
        }
        for i in 0..self.seen.len() {
            self.add_picture(state, i, &mut h, &mut g);
            let first = kc + i * OWN;
            let lens = &self.seen[i].lens;
            if lens.focal_spread > 0.0 {
                let stiff = 1.0 / (lens.focal_spread * lens.focal_spread);
                h[(first + 6) * (n + 1)] += stiff;
                g[first + 6] += stiff * (state.views[i].log_focal - lens.focal_px.ln());
            }
            for k in 0..UNITS {
                let at = first + RIGID + k;
                let stiff = 1.0 / (cfg.expression_spread * cfg.expression_spread);
                h[at * (n + 1)] += stiff;
                g[at] += stiff * state.expressions[i][k] + cfg.expression_sparsity;
            }
        }
        (h, g)
    }

    fn add_picture(&self, state: &State, i: usize, h: &mut [f64], g: &mut [f64]) {
        let kc = state.c.len();
        let n = g.len();
        let seen = &self.seen[i];
        let jacobian = self.model.jacobian(&state.c_f32(), &state.expression_f32(i), &[Vec3::ZERO; 5]);
        let first = kc + i * OWN;
        let index: Vec<usize> = (0..kc).chain(first..first + OWN).collect();
        let mut rows = vec![[0.0f64; 2]; index.len()];
        for l in (0..self.model.n_landmarks).filter(|l| self.weights[i][*l] > 0.0) {
            let (q, slopes) = project(&state.views[i], &seen.lens, jacobian.points[l].as_dvec3());
            let weight = self.weights[i][l];
            let r = [weight * (q[0] - seen.points[l][0]), weight * (q[1] - seen.points[l][1])];
            let by_point = |d: Vec3| slopes.point.map(|s| weight * s.dot(d.as_dvec3()));
            for k in 0..kc {
                rows[k] = by_point(jacobian.identity[k][l]);
            }
            for k in 0..RIGID {
                rows[kc + k] = slopes.rigid[k].map(|v| weight * v);
            }
            for k in 0..UNITS {
                rows[kc + RIGID + k] = by_point(jacobian.expression[k][l]);
            }
            let k2 = self.config.outlier * self.config.outlier;
            let trust = (1.0 + (r[0] * r[0] + r[1] * r[1]) / k2).powi(-2);
            for (a, row) in rows.iter().enumerate() {
                let at = index[a];
                g[at] += trust * (row[0] * r[0] + row[1] * r[1]);
                for (b, other) in rows[..=a].iter().enumerate() {
                    h[at * n + index[b]] += trust * (row[0] * other[0] + row[1] * other[1]);
                }
            }
        }
    }

    /// The damped step; unknowns at a bound that push outward, idle units and known focal lengths stay.
    fn step(&self, h: &[f64], g: &[f64], state: &State, damping: f64) -> Vec<f64> {
        let n = g.len();
        let kc = state.c.len();
        let (mut a, mut b) = (h.to_vec(), g.iter().map(|v| -v).collect::<Vec<f64>>());
        for k in 0..n {
            a[k * (n + 1)] += damping * h[k * (n + 1)] + 1e-9;
            if self.stays(k, kc, g[k], state) {
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

    fn stays(&self, k: usize, kc: usize, slope: f64, state: &State) -> bool {
        if k < kc {
            let c = state.c[k];
            return c.abs() >= MOST_UNUSUAL && c * slope < 0.0;
        }
        let (picture, own) = ((k - kc) / OWN, (k - kc) % OWN);
        match own {
            0..=5 => false,
            6 => self.seen[picture].lens.focal_spread <= 0.0,
            _ => {
                let e = state.expressions[picture][own - RIGID];
                self.idle[own - RIGID] || (e <= 0.0 && slope > 0.0) || (e >= 1.0 && slope < 0.0)
            }
        }
    }

    fn fitted_view(&self, state: &State, i: usize) -> FittedView {
        let points = self.model.points(&state.c_f32(), &state.expression_f32(i), &[Vec3::ZERO; 5]);
        let (mut sum, mut norm) = (0.0, 1e-12);
        for (l, p) in points.iter().enumerate() {
            let (q, _) = project(&state.views[i], &self.seen[i].lens, p.as_dvec3());
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
