//! Rotations from the UV gradient of a position map: columns tangent, binormal, normal.
use tch::{Kind, Tensor};

const EPS: f64 = 1e-12;

/// Quaternions (w x y z) `[B, 4, U, U]` of the frames of a position map `[B, 3, U, U]` (meters).
///
/// `t = ∂X/∂u`, `b = ∂X/∂v` by Sobel filters; `n = t × b`; then `b' = n × t̂`, columns `[t̂, b', n]`.
/// Row 0 of a map is v = 1, so v grows upwards. No gradient flows: the map is supervised as geometry.
pub fn frames_of_map(map: &Tensor) -> Tensor {
    tch::no_grad(|| {
        let t = unit(&sobel(map, Axis::U));
        let b = sobel(map, Axis::V);
        let n = unit(&cross(&t, &b));
        let b = cross(&n, &t);
        quaternion_from_columns(&t, &b, &n)
    })
}

enum Axis {
    U,
    V,
}

/// Central differences smoothed across, replicated at the border; the scale cancels in the normalization.
fn sobel(map: &Tensor, axis: Axis) -> Tensor {
    let k: [f32; 9] = match axis {
        Axis::U => [-1., 0., 1., -2., 0., 2., -1., 0., 1.],
        Axis::V => [1., 2., 1., 0., 0., 0., -1., -2., -1.],
    };
    let kernel = Tensor::from_slice(&k).view([1, 1, 3, 3]).repeat([3, 1, 1, 1]).to_device(map.device());
    map.replication_pad2d([1, 1, 1, 1]).conv2d::<Tensor>(&kernel, None, [1, 1], [0, 0], [1, 1], 3)
}

fn cross(a: &Tensor, b: &Tensor) -> Tensor {
    a.linalg_cross(b, 1)
}

/// Unit vectors along dimension 1; a degenerate texel gives the zero vector, never NaN.
fn unit(v: &Tensor) -> Tensor {
    let square = (v * v).sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
    v / (square + EPS).sqrt()
}

/// The quaternion of a rotation matrix by its largest component (Shepperd 1978), branch-free over texels.
fn quaternion_from_columns(x: &Tensor, y: &Tensor, z: &Tensor) -> Tensor {
    let m = |column: &Tensor, row: i64| column.select(1, row);
    let (m00, m10, m20) = (m(x, 0), m(x, 1), m(x, 2));
    let (m01, m11, m21) = (m(y, 0), m(y, 1), m(y, 2));
    let (m02, m12, m22) = (m(z, 0), m(z, 1), m(z, 2));
    // Four times each squared component times four: candidates of the quaternion scaled by its i-th component.
    let w = Tensor::stack(&[1.0 + &m00 + &m11 + &m22, &m21 - &m12, &m02 - &m20, &m10 - &m01], 1);
    let i = Tensor::stack(&[&m21 - &m12, 1.0 + &m00 - &m11 - &m22, &m01 + &m10, &m02 + &m20], 1);
    let j = Tensor::stack(&[&m02 - &m20, &m01 + &m10, 1.0 - &m00 + &m11 - &m22, &m12 + &m21], 1);
    let k = Tensor::stack(&[&m10 - &m01, &m02 + &m20, &m12 + &m21, 1.0 - &m00 - &m11 + &m22], 1);
    let all = Tensor::stack(&[&w, &i, &j, &k], 1); // [B, 4 candidates, 4, U, U]
    let weights = Tensor::stack(&[w.select(1, 0), i.select(1, 1), j.select(1, 2), k.select(1, 3)], 1);
    let best = weights.argmax(1, true).unsqueeze(2); // [B, 1, 1, U, U]
    let shape = best.size();
    let picked = all.gather(1, &best.expand([shape[0], 1, 4, shape[3], shape[4]], false), false).squeeze_dim(1);
    unit(&picked)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plane X = u·a + v·b has the frame (a, b, a × b) everywhere.
    #[test]
    fn a_plane_has_its_own_frame() {
        let (a, b) = (glam::vec3(0.0, 0.6, 0.8), glam::vec3(1.0, 0.0, 0.0));
        let n = a.cross(b);
        let size = 8;
        let mut map = vec![0f32; 3 * size * size];
        for row in 0..size {
            for column in 0..size {
                let (u, v) = (column as f32, (size - 1 - row) as f32);
                let p = a * u + b * v;
                for (c, value) in p.to_array().iter().enumerate() {
                    map[(c * size + row) * size + column] = *value;
                }
            }
        }
        let map = Tensor::from_slice(&map).view([1, 3, size as i64, size as i64]);
        let q = frames_of_map(&map);
        let q: Vec<f32> = Vec::try_from(q.select(2, 3).select(2, 3).flatten(0, -1)).unwrap();
        let got = glam::Mat3::from_quat(glam::quat(q[1], q[2], q[3], q[0]));
        for (g, e) in [(got.x_axis, a), (got.y_axis, b), (got.z_axis, n)] {
            assert!((g - e).length() < 1e-5, "{g} for {e}");
        }
    }

    #[test]
    fn a_degenerate_map_gives_no_nan() {
        let q = frames_of_map(&Tensor::zeros([1, 3, 4, 4], (Kind::Float, tch::Device::Cpu)));
        assert!(f64::try_from(q.isfinite().all()).unwrap() == 1.0);
    }
}
