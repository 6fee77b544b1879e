//! A first guess of the rigid pose: several turns of the mean head, each refined, the best one kept.
use super::view::{View, huber, project};
use super::{FittedView, Observation, linear};
use glam::{DMat3, DVec3, Vec3};
use head::landmarks::LandmarkModel;

/// Degrees that are tried; pitch is left to the refinement.
const YAWS_DEG: [f64; 7] = [-80.0, -50.0, -25.0, 0.0, 25.0, 50.0, 80.0];

/// The pose of the mean head that explains the observation best: from what the network reads, if it did, and from all
/// sides.
pub(super) fn search(model: &LandmarkModel, seen: &Observation) -> View {
    let points = model.points(&[], &[0.0; 52], &[Vec3::ZERO; 5]);
    // A camera in front of a head that looks along +z sees x to the right, y up and itself along z.
    let turned = |yaw: f64| DMat3::from_diagonal(DVec3::new(1.0, -1.0, -1.0)) * DMat3::from_rotation_y(yaw);
    let read = seen.beliefs.iter().map(|b| b.rotation);
    let sides = YAWS_DEG.iter().map(|yaw| turned(yaw.to_radians()));
    let candidates = read.chain(sides).map(|rotation| refine(&points, seen, guess(&points, seen, rotation)));
    let best = candidates.min_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(view, _)| view).expect("there are candidates")
}

/// The pose of the frame before, laid on the landmarks of this one, the face being as the network reads it.
pub(super) fn continued(person: &LandmarkModel, seen: &Observation, before: &FittedView) -> View {
    let expression = match &seen.beliefs {
        Some(beliefs) => beliefs.expression.map(|[mean, _]| mean.clamp(0.0, 1.0) as f32),
        None => before.expression,
    };
    let points = person.points(&[], &expression, &[Vec3::ZERO; 5]);
    let (rotation, translation) = (before.rotation, before.translation);
    refine(&points, seen, View { rotation, translation, log_focal: before.focal_px.ln() }).0
}

/// Weak perspective: turned by `frontal`, then rolled and scaled to lie on the landmarks.
fn guess(points: &[Vec3], seen: &Observation, frontal: DMat3) -> View {
    let turned: Vec<DVec3> = points.iter().map(|p| frontal * p.as_dvec3()).collect();
    let weights: Vec<f64> = seen.sigma_px.iter().map(|s| if s.is_finite() { 1.0 } else { 0.0 }).collect();
    let sum: f64 = weights.iter().sum::<f64>().max(1.0);
    let mean = |of: &dyn Fn(usize) -> [f64; 2]| {
        (0..points.len()).fold([0.0, 0.0], |m, i| {
            let p = of(i);
            [m[0] + weights[i] * p[0] / sum, m[1] + weights[i] * p[1] / sum]
        })
    };
    let (mp, mq) = (mean(&|i| [turned[i].x, turned[i].y]), mean(&|i| seen.points[i]));
    // Least-squares similarity in complex numbers: q - mq = (a + ib)(p - mp).
    let (mut a, mut b, mut norm) = (0.0, 0.0, 1e-12);
    for i in 0..points.len() {
        let (px, py) = (turned[i].x - mp[0], turned[i].y - mp[1]);
        let (qx, qy) = (seen.points[i][0] - mq[0], seen.points[i][1] - mq[1]);
        a += weights[i] * (px * qx + py * qy);
        b += weights[i] * (px * qy - py * qx);
        norm += weights[i] * (px * px + py * py);
    }
    let scale = a.hypot(b) / norm;
    let rotation = DMat3::from_rotation_z(b.atan2(a)) * frontal;
    // An unknown lens is taken for the one that shows the head so large from where the network has it.
    let focal_px = match &seen.beliefs {
        Some(beliefs) if seen.lens.focal_spread > 0.0 => scale * beliefs.log_distance[0].exp(),
        _ => seen.lens.focal_px,
    };
    let z = focal_px / scale.max(1e-6);
    let middle = points.iter().map(|p| p.as_dvec3()).sum::<DVec3>() / points.len() as f64;
    let at = |k: usize| (mq[k] - seen.lens.centre[k]) / focal_px * z;
    View { rotation, translation: DVec3::new(at(0), at(1), z) - rotation * middle, log_focal: focal_px.ln() }
}

/// Gauss–Newton over the six rigid unknowns with a Huber loss; returns the cost too.
fn refine(points: &[Vec3], seen: &Observation, mut view: View) -> (View, f64) {
    let cost_of = |view: &View| -> f64 {
        let mut cost = 0.0;
        for (i, p) in points.iter().enumerate() {
            if seen.sigma_px[i].is_finite() {
                let (q, _) = project(view, &seen.lens, p.as_dvec3());
                let face = view.focal() / view.translation.z.max(0.05);
                cost += huber((q[0] - seen.points[i][0]).hypot(q[1] - seen.points[i][1]) / (0.008 * face));
            }
        }
        cost
    };
    let mut cost = cost_of(&view);
    let mut damping = 1e-3;
    for _ in 0..30 {
        let mut h = vec![0.0; 36];
        let mut g = vec![0.0; 6];
        let scale = 0.008 * view.focal() / view.translation.z.max(0.05);
        for (i, p) in points.iter().enumerate().filter(|(i, _)| seen.sigma_px[*i].is_finite()) {
            let (q, rows) = project(&view, &seen.lens, p.as_dvec3());
            let r = [(q[0] - seen.points[i][0]) / scale, (q[1] - seen.points[i][1]) / scale];
            let weight = 1.0 / r[0].hypot(r[1]).max(1.0);
            let columns: Vec<[f64; 2]> = (0..6).map(|k| [rows.rigid[k][0] / scale, rows.rigid[k][1] / scale]).collect();
            for a in 0..6 {
                g[a] += weight * (columns[a][0] * r[0] + columns[a][1] * r[1]);
                for b in 0..6 {
                    h[a * 6 + b] += weight * (columns[a][0] * columns[b][0] + columns[a][1] * columns[b][1]);
                }
            }
        }
        (0..6).for_each(|a| h[a * 7] *= 1.0 + damping);
        let Some(step) = linear::solve(&h, &g) else { break };
        let next = view.moved(&step.iter().map(|s| -s).collect::<Vec<_>>());
        let next_cost = if next.translation.z > 0.05 { cost_of(&next) } else { f64::INFINITY };
        if next_cost < cost {
            let gain = cost - next_cost;
            (view, cost, damping) = (next, next_cost, (damping * 0.3f64).max(1e-9));
            if gain < 1e-6 * cost {
                break;
            }
        } else {
            damping *= 8.0;
            if damping > 1e8 {
                break;
            }
        }
    }
    (view, cost)
}
