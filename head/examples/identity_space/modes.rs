//! What the smooth modes have to add: the variance of scanned people along each, less what the targets have there.
use glam::Vec3;
use head::HeadModel;
use head::register::Registered;
use head::sampler::Sampler;
use rayon::prelude::*;

/// Our own people that are drawn.
const DRAWN: u64 = 600;
/// Of the macro targets' variance, age and build included, this much counts: the scanned people are adults.
const MACRO_SHARE: f64 = 0.5;
/// A mode keeps at least this much of the scans' variance.
const LEAST_SHARE: f64 = 0.2;
/// Drawn together with the targets, independent modes overshoot; their deviations are cut by this factor.
const FACTOR: f64 = 0.6;
/// Added to the diagonal of the normal equations, of its own size.
const RIDGE: f64 = 1e-3;

/// Prints the table of `src/sampler/modes.rs`: deviations in mm at the place each mode moves most.
pub fn print(model: &HeadModel, weights: &[f32], registered: &[Registered]) {
    let names = &model.identity.names;
    let modes: Vec<usize> = (0..names.len()).filter(|&k| names[k].starts_with("mode/")).collect();
    let projection = Projection::new(model, weights, &modes);
    let scans = projection.variances(registered.iter().map(|fit| fit.neutral.clone()).collect());
    let sampler = Sampler::new(model);
    let drawn: Vec<Vec<f32>> = (0..DRAWN).map(|seed| sampler.draw(seed).shape).collect();
    let of_targets = |wanted: bool| {
        let keeps = |name: &str| !name.starts_with("mode/") && is_macro(name) == wanted;
        let part = |shape: &Vec<f32>| {
            let kept = shape.iter().zip(names).map(|(c, name)| if keeps(name) { *c } else { 0.0 });
            model.neutral(&kept.collect::<Vec<f32>>())
        };
        projection.variances(drawn.iter().map(part).collect())
    };
    let (macros, locals) = (of_targets(true), of_targets(false));
    println!("\nmode: scans, local targets, macro targets, table (mm)");
    for (i, &k) in modes.iter().enumerate() {
        let most = 1e3 * f64::from(model.identity.column(k).iter().map(|d| d.length()).fold(0.0, f32::max));
        let lacks = (scans[i] - locals[i] - MACRO_SHARE * macros[i]).max(LEAST_SHARE * scans[i]);
        let [a, b, c, d] = [scans[i], locals[i], macros[i], FACTOR * FACTOR * lacks].map(|v| most * v.sqrt());
        println!("{} {a:.2} {b:.2} {c:.2} {d:.2}", names[k]);
    }
}

fn is_macro(name: &str) -> bool {
    !name.contains('/') || name.starts_with("build/")
}

/// Least squares onto the modes, over what can be seen of the head.
struct Projection<'a> {
    modes: Vec<&'a [Vec3]>,
    weights: &'a [f32],
    /// Cholesky factor of the normal equations, `[K, K]`.
    factor: Vec<f64>,
}

impl<'a> Projection<'a> {
    fn new(model: &'a HeadModel, weights: &'a [f32], modes: &[usize]) -> Projection<'a> {
        let modes: Vec<&[Vec3]> = modes.iter().map(|&k| model.identity.column(k)).collect();
        let n = modes.len();
        let mut a: Vec<f64> =
            (0..n * n).into_par_iter().map(|at| inner(weights, modes[at / n], modes[at % n])).collect();
        for j in 0..n {
            a[j * n + j] *= 1.0 + RIDGE;
            for i in j..n {
                let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
                let rest = a[i * n + j] - sum;
                a[i * n + j] = if i == j { rest.max(1e-30).sqrt() } else { rest / a[j * n + j] };
            }
        }
        Projection { modes, weights, factor: a }
    }

    /// Of the coefficients over heads `[N][V]`, about their mean.
    fn variances(&self, heads: Vec<Vec<Vec3>>) -> Vec<f64> {
        let (n, count) = (self.modes.len(), heads.len() as f64);
        let rows: Vec<Vec<f64>> = heads.par_iter().map(|head| self.coefficients(head)).collect();
        let of = |i: usize| {
            let mean = rows.iter().map(|row| row[i]).sum::<f64>() / count;
            rows.iter().map(|row| (row[i] - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0)
        };
        (0..n).map(of).collect()
    }

    fn coefficients(&self, head: &[Vec3]) -> Vec<f64> {
        let n = self.modes.len();
        let mut x: Vec<f64> = self.modes.iter().map(|mode| inner(self.weights, head, mode)).collect();
        for i in 0..n {
            let sum: f64 = (0..i).map(|j| self.factor[i * n + j] * x[j]).sum();
            x[i] = (x[i] - sum) / self.factor[i * n + i];
        }
        for i in (0..n).rev() {
            let sum: f64 = (i + 1..n).map(|j| self.factor[j * n + i] * x[j]).sum();
            x[i] = (x[i] - sum) / self.factor[i * n + i];
        }
        x
    }
}

fn inner(weights: &[f32], a: &[Vec3], b: &[Vec3]) -> f64 {
    (0..weights.len()).map(|v| f64::from(weights[v]) * f64::from(a[v].dot(b[v]))).sum()
}
