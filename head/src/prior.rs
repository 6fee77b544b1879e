//! Fits a Gaussian over identities to the sampler: principal components of the vertices, expressed in coefficients.
use crate::model::{HeadModel, IdentityPrior, Part};
use crate::normals::face_area_normal;
use crate::sampler::Sampler;
use glam::Vec3;
use rayon::prelude::*;

/// Components below this share of the total variance are left out.
const SMALLEST_SHARE: f64 = 1e-5;

/// Principal components of the vertex positions that `samples` drawn shapes induce.
///
/// With `X [N, Ks]` the shapes (centered) and `G = B Bᵀ = L Lᵀ` the Gram matrix of the columns, `X L` has the inner
/// products of the displaced vertices, so its covariance `Lᵀ C L` has their principal variances. A component given in
/// coefficients is the regression of the shape on its score: `C L e / √λ`, already scaled by its deviation.
pub fn fit(model: &HeadModel, samples: usize, components: usize) -> IdentityPrior {
    let k = model.identity.names.len();
    let sampler = Sampler::new(model);
    let shapes: Vec<Vec<f32>> =
        (0..samples as u64).into_par_iter().map(|i| sampler.draw(0x9e37_79b9_0000_0000 | i).shape).collect();
    let mean: Vec<f64> = (0..k).map(|c| shapes.iter().map(|s| f64::from(s[c])).sum::<f64>() / samples as f64).collect();
    let covariance = covariance(&shapes, &mean);
    let factor = cholesky(gram(model));
    let mapped = multiply(&transpose(&factor, k), &multiply(&covariance, &factor, k), k);
    let (values, vectors) = eigen(mapped, k);
    let total: f64 = values.iter().sum();
    let reach = multiply(&covariance, &factor, k);
    let kept = values.iter().take(components).take_while(|&&v| v > total * SMALLEST_SHARE).count();
    let component = |i: usize| -> Vec<f32> {
        let vector = &vectors[i * k..(i + 1) * k];
        let row = |r: usize| dot(&reach[r * k..(r + 1) * k], vector) / values[i].sqrt();
        (0..k).map(|r| row(r) as f32).collect()
    };
    IdentityPrior { mean: mean.iter().map(|&m| m as f32).collect(), components: (0..kept).map(component).collect() }
}

/// `[k, k]` inner products of the identity columns over the vertices, weighted by [`importance`] (m²).
fn gram(model: &HeadModel) -> Vec<f64> {
    let (k, v) = (model.identity.names.len(), model.template.len());
    let root: Vec<f32> = importance(model).iter().map(|w| w.sqrt()).collect();
    let scaled =
        |i: usize| model.identity.columns[i * v..(i + 1) * v].iter().zip(&root).map(|(d, w)| *d * *w).collect();
    let columns: Vec<Vec<Vec3>> = (0..k).into_par_iter().map(scaled).collect();
    let product = |a: &[Vec3], b: &[Vec3]| a.iter().zip(b).map(|(a, b)| f64::from(a.dot(*b))).sum::<f64>();
    let mut gram: Vec<f64> = (0..k * k)
        .into_par_iter()
        .map(|at| if at % k <= at / k { product(&columns[at / k], &columns[at % k]) } else { 0.0 })
        .collect();
    for (i, j) in (0..k).flat_map(|i| (0..i).map(move |j| (i, j))) {
        gram[j * k + i] = gram[i * k + j];
    }
    gram
}

/// `[V]` how much each vertex counts in the components: its area, whole on the face, less on ears, skull and neck,
/// hardly at all inside the mouth; mean one. Components are spent where people differ visibly.
pub fn importance(model: &HeadModel) -> Vec<f32> {
    let mut weights = vec![0.0f32; model.n_vertices()];
    let mask = |name: &str, v: usize| model.regions.get(name).map_or(0.0, |mask| mask[v]);
    for (face, part) in model.faces.iter().zip(&model.face_parts) {
        let area = face_area_normal(&model.template, face).length() / 4.0;
        for &v in face {
            let at = v as usize;
            let region = match part {
                Part::Skin => (0.25 - 0.15 * mask("neck", at) + 0.25 * mask("ears", at)).max(mask("face", at)),
                Part::EyeLeft | Part::EyeRight => 0.25,
                _ => 0.02,
            };
            weights[at] += region * area;
        }
    }
    let mean = weights.iter().sum::<f32>() / weights.len().max(1) as f32;
    weights.iter().map(|w| w / mean).collect()
}

fn covariance(shapes: &[Vec<f32>], mean: &[f64]) -> Vec<f64> {
    let k = mean.len();
    let entry = |at: usize| {
        let (a, b) = (at / k, at % k);
        let sum: f64 = shapes.iter().map(|s| (f64::from(s[a]) - mean[a]) * (f64::from(s[b]) - mean[b])).sum();
        sum / (shapes.len().max(2) - 1) as f64
    };
    (0..k * k).into_par_iter().map(entry).collect()
}

/// Lower triangular `L` with `L Lᵀ = a`; columns that depend on earlier ones get a tiny ridge.
fn cholesky(mut a: Vec<f64>) -> Vec<f64> {
    let k = (a.len() as f64).sqrt() as usize;
    let ridge = 1e-9 * (0..k).map(|i| a[i * k + i]).fold(0.0, f64::max);
    for j in 0..k {
        for i in 0..j {
            a[i * k + j] = 0.0;
        }
        let pivot = a[j * k + j] - dot(&a[j * k..j * k + j], &a[j * k..j * k + j]);
        let diagonal = pivot.max(ridge).sqrt();
        a[j * k + j] = diagonal;
        for i in j + 1..k {
            let rest = a[i * k + j] - dot(&a[i * k..i * k + j], &a[j * k..j * k + j]);
            a[i * k + j] = rest / diagonal;
        }
    }
    a
}

/// Eigenvalues (largest first) and eigenvectors (rows) of a symmetric matrix, by cyclic Jacobi rotations.
pub(crate) fn eigen(mut a: Vec<f64>, k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; k * k];
    (0..k).for_each(|i| vectors[i * k + i] = 1.0);
    let scale: f64 = (0..k).map(|i| a[i * k + i].abs()).sum();
    for _ in 0..30 {
        let off: f64 = (0..k * k).filter(|at| at / k != at % k).map(|at| a[at] * a[at]).sum();
        if off.sqrt() <= 1e-12 * scale {
            break;
        }
        for p in 0..k {
            for q in p + 1..k {
                rotate(&mut a, &mut vectors, k, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| a[j * k + j].total_cmp(&a[i * k + i]));
    let values = order.iter().map(|&i| a[i * k + i].max(0.0)).collect();
    (values, order.iter().flat_map(|&i| vectors[i * k..(i + 1) * k].to_vec()).collect())
}

/// Zeroes `a[p, q]` (Golub & Van Loan, Matrix Computations, 8.5.2).
fn rotate(a: &mut [f64], vectors: &mut [f64], k: usize, p: usize, q: usize) {
    let off = a[p * k + q];
    if off == 0.0 {
        return;
    }
    let tau = (a[q * k + q] - a[p * k + p]) / (2.0 * off);
    let t = tau.signum() / (tau.abs() + (1.0 + tau * tau).sqrt());
    let t = if tau == 0.0 { 1.0 } else { t };
    let c = 1.0 / (1.0 + t * t).sqrt();
    let s = t * c;
    for i in 0..k {
        let (x, y) = (a[i * k + p], a[i * k + q]);
        (a[i * k + p], a[i * k + q]) = (c * x - s * y, s * x + c * y);
    }
    for i in 0..k {
        let (x, y) = (a[p * k + i], a[q * k + i]);
        (a[p * k + i], a[q * k + i]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (vectors[p * k + i], vectors[q * k + i]);
        (vectors[p * k + i], vectors[q * k + i]) = (c * x - s * y, s * x + c * y);
    }
}

fn multiply(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let columns = transpose(b, k);
    let entry = |at: usize| dot(&a[at / k * k..(at / k + 1) * k], &columns[at % k * k..(at % k + 1) * k]);
    (0..k * k).into_par_iter().map(entry).collect()
}

fn transpose(a: &[f64], k: usize) -> Vec<f64> {
    (0..k * k).map(|at| a[at % k * k + at / k]).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigen_rebuilds_the_matrix_and_cholesky_its_square() {
        let k = 4;
        let a = vec![4.0, 1.0, 0.5, 0.0, 1.0, 3.0, -0.2, 0.3, 0.5, -0.2, 2.0, 0.1, 0.0, 0.3, 0.1, 1.0];
        let (values, vectors) = eigen(a.clone(), k);
        assert!(values.windows(2).all(|w| w[0] >= w[1]));
        let l = cholesky(a.clone());
        for (i, j) in (0..k).flat_map(|i| (0..k).map(move |j| (i, j))) {
            let rebuilt: f64 = (0..k).map(|e| values[e] * vectors[e * k + i] * vectors[e * k + j]).sum();
            assert!((rebuilt - a[i * k + j]).abs() < 1e-10);
            assert!((dot(&l[i * k..(i + 1) * k], &l[j * k..(j + 1) * k]) - a[i * k + j]).abs() < 1e-10);
        }
    }
}
