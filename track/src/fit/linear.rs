//! A small dense symmetric solver: Cholesky, f64.

/// Solves `A·x = b`, `A` `[n, n]` row-major symmetric (its lower triangle is read). `None` if `A` is not positive definite.
pub fn solve(a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    let mut l = a.to_vec();
    for j in 0..n {
        for i in j..n {
            let (row_i, row_j) = (&l[i * n..i * n + j], &l[j * n..j * n + j]);
            let dot: f64 = row_i.iter().zip(row_j).map(|(p, q)| p * q).sum();
            let v = l[i * n + j] - dot;
            if i == j {
                if v <= 0.0 || !v.is_finite() {
                    return None;
                }
                l[j * n + j] = v.sqrt();
            } else {
                l[i * n + j] = v / l[j * n + j];
            }
        }
    }
    let mut x = b.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i * n + i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_refuses() {
        let x = solve(
            &[4.0, 0.0, 2.0, 1.0, 5.0, 0.0, 2.0, 1.0, 6.0],
            &[4.0 + 2.0 + 6.0, 1.0 + 10.0 + 3.0, 2.0 + 2.0 + 18.0],
        );
        let x = x.unwrap();
        assert!(x.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{x:?}");
        assert!(solve(&[1.0, 0.0, 2.0, 1.0], &[1.0, 1.0]).is_none(), "indefinite");
    }
}
