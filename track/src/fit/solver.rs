//! Levenberg–Marquardt over everything: identity, focal lengths, poses, expressions.
//!
//! Unknowns in one vector: `[c (Kc) | log focal (one per camera) | picture 0: rotation (3), translation (3),
//! expression (52) | …]`.
use super::priors::{self, Gaussian};
use super::{Fit, FitConfig, FittedView, Lens, Observation, linear};
use glam::{DMat3, DQuat, DVec3, Vec3};
use head::landmarks::LandmarkModel;

/// Rigid unknowns of a picture.
const RIGID: usize = 6;
/// Expression units.
const UNITS: usize = 52;
/// Unknowns of a picture.
const OWN: usize = RIGID + UNITS;
/// Identity coefficients stay within this many deviations.
const MOST_UNUSUAL: f64 = 3.5;
/// iBUG points of the jaw line.
const JAW_LINE: usize = 17;
/// iBUG points.
const IBUG: usize = 68;
/// Upper and lower point of each gap: two on either eye, three between the lips.
const GAPS: [[usize; 2]; 7] = [[37, 41], [38, 40], [43, 47], [44, 46], [61, 67], [62, 66], [63, 65]];

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

    /// Turned by an axis-angle in camera space about the head's origin, then shifted.
    pub fn moved(&self, step: &[f64]) -> View {
        let turn = DQuat::from_scaled_axis(DVec3::new(step[0], step[1], step[2]));
        View {
            rotation: DMat3::from_quat(turn) * self.rotation,
            translation: self.translation + DVec3::new(step[3], step[4], step[5]),
            log_focal: self.log_focal,
        }
    }
}

/// Derivatives of a projected point.
pub(super) struct Rows {
    /// By rotation and translation: `[6]` of (x, y) pixels.
    pub rigid: [[f64; 2]; RIGID],
    /// By log focal: (x, y) pixels.
    pub log_focal: [f64; 2],
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
    // Derivatives by the point in camera space.
    let dx = DVec3::new(f / z, 0.0, -u / z);
    let dy = DVec3::new(0.0, f / z, -v / z);
    let mut rigid = [[0.0; 2]; RIGID];
    for (k, axis) in [DVec3::X, DVec3::Y, DVec3::Z].into_iter().enumerate() {
        let sweep = axis.cross(turned);
        rigid[k] = [dx.dot(sweep), dy.dot(sweep)];
        rigid[3 + k] = [dx[k], dy[k]];
    }
    let back = view.rotation.transpose();
    ([u + lens.centre[0], v + lens.centre[1]], Rows { rigid, log_focal: [u, v], point: [back * dx, back * dy] })
}

/// Huber's loss with its knee at 1.
pub(super) fn huber(r: f64) -> f64 {
    if r <= 1.0 { 0.5 * r * r } else { r - 0.5 }
}

/// All unknowns.
#[derive(Clone)]
struct State {
    c: Vec<f64>,
    /// `[cameras]`
    log_focals: Vec<f64>,
    views: Vec<View>,
    expressions: Vec<[f64; UNITS]>,
}

impl State {
    fn moved(&self, step: &[f64], cameras: &[usize]) -> State {
        let mut next = self.clone();
        let (kc, nf) = (self.c.len(), self.log_focals.len());
        next.c.iter_mut().zip(step).for_each(|(c, s)| *c = (*c + s).clamp(-MOST_UNUSUAL, MOST_UNUSUAL));
        next.log_focals.iter_mut().zip(&step[kc..]).for_each(|(f, s)| *f += s);
        for (i, own) in step[kc + nf..].chunks_exact(OWN).enumerate() {
            next.views[i] = View { log_focal: next.log_focals[cameras[i]], ..self.views[i].moved(&own[..RIGID]) };
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

/// From first poses to the whole fit.
pub(super) fn refine(model: &LandmarkModel, seen: &[Observation], poses: Vec<View>, config: &FitConfig) -> Fit {
    let problem = Problem::new(model, seen, config);
    let state = problem.start(poses);
    let (state, cost) = problem.minimise(state);
    let views = (0..seen.len()).map(|i| problem.fitted_view(&state, i)).collect();
    Fit { coefficients: state.c_f32(), views, cost }
}

/// 1/σ with the shares of contour and dense landmarks.
fn inverse_deviations(seen: &Observation, config: &FitConfig) -> Vec<f64> {
    let weight = |(i, sigma): (usize, &f64)| {
        let share = match i {
            _ if i < JAW_LINE => config.contour_weight,
            _ if i < IBUG => 1.0,
            _ => config.dense_weight,
        };
        if sigma.is_finite() { share / sigma.max(1e-3) } else { 0.0 }
    };
    seen.sigma_px.iter().enumerate().map(weight).collect()
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

    /// Where every landmark of picture `i` lands, with what was seen: residuals times inverse deviations, `[L]`, 0 where
    /// nothing is known; then those of the gaps.
    fn residuals(&self, places: &[[f64; 2]], i: usize) -> impl Iterator<Item = Residual> {
        let (seen, weights) = (&self.seen[i].points, &self.weights[i]);
        let point = |l: usize| Residual {
            value: [0, 1].map(|x| weights[l] * (places[l][x] - seen[l][x])),
            upper: l,
            lower: None,
            weight: weights[l],
        };
        let gap = |[upper, lower]: [usize; 2]| {
            let weight = self.config.gap_weight * weights[upper].min(weights[lower]);
            let off = |l: usize, x: usize| places[l][x] - seen[l][x];
            Residual {
                value: [0, 1].map(|x| weight * (off(upper, x) - off(lower, x))),
                upper,
                lower: Some(lower),
                weight,
            }
        };
        let points: Vec<Residual> = (0..places.len()).map(point).collect();
        let gaps: Vec<Residual> =
            GAPS.into_iter().filter(|g| g[0] < places.len() && g[1] < places.len()).map(gap).collect();
        points.into_iter().chain(gaps).filter(|r| r.weight > 0.0)
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

    /// `JᵀWJ` `[n, n]` and the gradient `[n]`; robust weights are those of the present residuals.
    fn normal_equations(&self, state: &State) -> (Vec<f64>, Vec<f64>) {
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
        let mut own = vec![[0.0f64; 2]; index.len()];
        for residual in self.residuals(&places, i) {
            let lower = residual.lower.map(|l| &rows[l]);
            for (k, row) in own.iter_mut().enumerate() {
                let upper = rows[residual.upper][k];
                *row = [0, 1].map(|x| residual.weight * (upper[x] - lower.map_or(0.0, |l| l[k][x])));
            }
            let r = residual.value;
            let trust = (1.0 + residual.squared() / k2).powi(-2);
            for (a, row) in own.iter().enumerate() {
                let at = index[a];
                g[at] += trust * (row[0] * r[0] + row[1] * r[1]);
                for (b, other) in own[..=a].iter().enumerate() {
                    h[at * n + index[b]] += trust * (row[0] * other[0] + row[1] * other[1]);
                }
            }
        }
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

/// A landmark's error, or the error of the distance between two, in deviations.
struct Residual {
    value: [f64; 2],
    upper: usize,
    lower: Option<usize>,
    /// Inverse deviation, 1/pixels.
    weight: f64,
}

impl Residual {
    fn squared(&self) -> f64 {
        self.value[0] * self.value[0] + self.value[1] * self.value[1]
    }
}
