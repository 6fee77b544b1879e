//! The rigid motion (and scale) that lays one point set upon another: Horn 1987, closed form by quaternions.
use glam::{DMat3, DQuat, DVec3, Vec3};

/// `target ≈ scale · rotation · source + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Alignment {
    /// Rotation.
    pub rotation: DMat3,
    /// 1 if it was not asked for.
    pub scale: f64,
    /// Metres.
    pub shift: DVec3,
}

/// May the alignment scale?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Rotation and shift only.
    Fixed,
    /// Least-squares scale.
    Free,
}

/// Least squares over paired points.
pub fn align(source: &[Vec3], target: &[Vec3], scale: Scale) -> Alignment {
    let n = source.len().max(1) as f64;
    let mean = |p: &[Vec3]| p.iter().map(|v| v.as_dvec3()).sum::<DVec3>() / n;
    let (ms, mt) = (mean(source), mean(target));
    let mut s = [[0.0f64; 3]; 3];
    let mut spread = 0.0;
    for (p, q) in source.iter().zip(target) {
        let (a, b) = ((p.as_dvec3() - ms).to_array(), (q.as_dvec3() - mt).to_array());
        spread += a.iter().map(|v| v * v).sum::<f64>();
        for i in 0..3 {
            for j in 0..3 {
                s[i][j] += a[i] * b[j];
            }
        }
    }
    // The matrix of eq. 25 in Horn's section 4.A, order (w, x, y, z); its top eigenvector is the rotation.
    let m = [
        [s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]],
        [s[1][2] - s[2][1], s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]],
        [s[2][0] - s[0][2], s[0][1] + s[1][0], -s[0][0] + s[1][1] - s[2][2], s[1][2] + s[2][1]],
        [s[0][1] - s[1][0], s[2][0] + s[0][2], s[1][2] + s[2][1], -s[0][0] - s[1][1] + s[2][2]],
    ];
    let q = top_eigenvector(m);
    let rotation = DMat3::from_quat(DQuat::from_xyzw(q[1], q[2], q[3], q[0]).normalize());
    let scale = match scale {
        Scale::Fixed => 1.0,
        Scale::Free => {
            let along: f64 =
                source.iter().zip(target).map(|(p, q)| (rotation * (p.as_dvec3() - ms)).dot(q.as_dvec3() - mt)).sum();
            along / spread.max(1e-18)
        }
    };
    Alignment { rotation, scale, shift: mt - scale * (rotation * ms) }
}

impl Alignment {
    /// Moves a point.
    pub fn apply(&self, p: Vec3) -> Vec3 {
        (self.scale * (self.rotation * p.as_dvec3()) + self.shift).as_vec3()
    }
}

/// Distances (metres) that remain after alignment, one a pair.
pub fn distances(source: &[Vec3], target: &[Vec3], scale: Scale) -> Vec<f64> {
    let a = align(source, target, scale);
    source.iter().zip(target).map(|(p, q)| a.apply(*p).distance(*q) as f64).collect()
}

/// Eigenvector of the largest eigenvalue of a symmetric matrix: Jacobi rotations.
fn top_eigenvector(mut a: [[f64; 4]; 4]) -> [f64; 4] {
    let mut v = [[0.0; 4]; 4];
    (0..4).for_each(|i| v[i][i] = 1.0);
    for _ in 0..32 {
        for p in 0..4 {
            for q in p + 1..4 {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..4 {
                    (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]);
                }
                for k in 0..4 {
                    (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
                    (v[k][p], v[k][q]) = (c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]);
                }
            }
        }
    }
    let best = (0..4).max_by(|i, j| a[*i][*i].total_cmp(&a[*j][*j])).unwrap_or(0);
    std::array::from_fn(|k| v[k][best])
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Quat;

    #[test]
    fn finds_a_known_motion() {
        let source: Vec<Vec3> =
            (0..9).map(|i| Vec3::new(i as f32, (i * i % 7) as f32, (i * 5 % 4) as f32) * 0.01).collect();
        let turn = Quat::from_euler(glam::EulerRot::XYZ, 0.4, -1.2, 2.2);
        let target: Vec<Vec3> = source.iter().map(|p| 1.3 * (turn * *p) + Vec3::new(0.1, -0.2, 0.9)).collect();
        let a = align(&source, &target, Scale::Free);
        assert!((a.scale - 1.3).abs() < 1e-5);
        assert!(distances(&source, &target, Scale::Free).iter().all(|d| *d < 1e-6));
        assert!(distances(&source, &target, Scale::Fixed).iter().any(|d| *d > 1e-3));
    }
}
