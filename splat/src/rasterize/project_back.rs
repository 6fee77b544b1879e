//! Gradient of the projection of one Gaussian through one camera.
use super::DILATION_PX2;
use super::project::{Geometry, Lens, sigmoid};
use super::vectors::{Mat3, cross, dot, mix, scaled, sum_of, times, transposed_times};
use crate::GaussianSlices;

/// Sums over the pixels of one Gaussian of g = ∂L/∂ln(alpha), d being pixel minus mean.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    pub g: f32,
    pub gx: f32,
    pub gy: f32,
    pub gxx: f32,
    pub gxy: f32,
    pub gyy: f32,
}

/// Gradients by the shape parameters of one Gaussian, and its share of the camera's.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShapeGradient {
    pub mean: [f32; 3],
    pub quat: [f32; 4],
    pub log_scale: [f32; 3],
    pub opacity_logit: f32,
    pub pose: [f32; 6],
    pub intrinsics: [f32; 4],
    /// By the projected mean, pixels.
    pub mean_2d: [f32; 2],
}

impl Lens {
    /// Gradients by shape, pose and intrinsics from the sums over pixels; `by_depth` is the gradient by camera z of
    /// the drawn depth, `by_mean` what reached the mean through the color's view direction.
    #[inline(always)]
    pub fn backward(
        &self,
        gaussians: &GaussianSlices<'_>,
        n: usize,
        m: &Moments,
        by_depth: f32,
        by_mean: [f32; 3],
    ) -> ShapeGradient {
        let Ok(t) = self.in_camera(gaussians, n) else { return ShapeGradient::default() };
        let Ok(geometry) = self.geometry(gaussians, n, t) else { return ShapeGradient::default() };
        let d = geometry.dilated_determinant;
        let [xx, xy, yy] = geometry.covariance;
        let conic = [(yy + DILATION_PX2) / d, -xy / d, (xx + DILATION_PX2) / d];
        let by_covariance = self.covariance_backward(&geometry, conic, m);
        let by_mean_2d = [conic[0] * m.gx + conic[1] * m.gy, conic[1] * m.gx + conic[2] * m.gy];
        let by_rows = {
            let ([r0, r1], [c0, c1, c2]) = (geometry.rows, by_covariance);
            [mix(2.0 * c0, r0, 2.0 * c1, r1), mix(2.0 * c1, r0, 2.0 * c2, r1)]
        };
        let mut out = ShapeGradient { mean_2d: by_mean_2d, ..ShapeGradient::default() };
        let by_t = self.position_backward(&geometry, by_mean_2d, &by_rows, by_depth, &mut out.intrinsics);
        let by_axes = [
            scaled(by_rows[0], geometry.jx),
            scaled(by_rows[1], geometry.jy),
            mix(geometry.jxz, by_rows[0], geometry.jyz, by_rows[1]),
        ];
        let to_mean = transposed_times(&self.rotation, by_t);
        out.mean = sum_of(to_mean, by_mean);
        // Left twist: t moves by ρ + φ×t, the axes by φ×axes, the eye by −Rᵀρ (so view directions by +Rᵀρ).
        let seen = times(&self.rotation, by_mean);
        let spin = |i: usize, j: usize| dot(by_axes[i], geometry.axes[j]) - dot(by_axes[j], geometry.axes[i]);
        let torque = cross(t, by_t);
        let push = sum_of(by_t, seen);
        let twist = sum_of(torque, [spin(2, 1), spin(0, 2), spin(1, 0)]);
        out.pose = [push[0], push[1], push[2], twist[0], twist[1], twist[2]];
        (out.quat, out.log_scale) = self.axes_backward(&geometry, &by_axes);
        out.opacity_logit = m.g * (1.0 - sigmoid(gaussians.opacity_logits[n]));
        out
    }

    /// By the covariance before dilation, as a symmetric matrix (xx, xy, yy).
    #[inline(always)]
    fn covariance_backward(&self, geometry: &Geometry, [a, b, c]: [f32; 3], m: &Moments) -> [f32; 3] {
        // By the conic as a symmetric matrix: q = ½(a dx² + 2b dx dy + c dy²), so b carries both off-diagonals.
        let (ga, gb, gc) = (-0.5 * m.gxx, -0.5 * m.gxy, -0.5 * m.gyy);
        // ∂L/∂cov = −conic · G · conic
        let (x0, x1) = (ga * a + gb * b, ga * b + gb * c);
        let (y0, y1) = (gb * a + gc * b, gb * b + gc * c);
        let mut out = [-(a * x0 + b * y0), -(a * x1 + b * y1), -(b * x1 + c * y1)];
        if self.antialiased {
            // ln compensation = ½ ln det − ½ ln dilated det
            let ([xx, xy, yy], det) = (geometry.covariance, geometry.determinant.max(f32::MIN_POSITIVE));
            out[0] += 0.5 * m.g * (yy / det - a);
            out[1] += 0.5 * m.g * (-xy / det - b);
            out[2] += 0.5 * m.g * (xx / det - c);
        }
        out
    }

    /// By the mean in camera space; adds to `intrinsics`.
    #[inline(always)]
    fn position_backward(
        &self,
        geometry: &Geometry,
        by_mean_2d: [f32; 2],
        by_rows: &[[f32; 3]; 2],
        by_depth: f32,
        intrinsics: &mut [f32; 4],
    ) -> [f32; 3] {
        let (z, mut by_t) = (geometry.t[2], [0.0, 0.0, by_depth]);
        for axis in 0..2 {
            let (f, v, g) = (self.focal[axis], geometry.t[axis], by_mean_2d[axis]);
            let by_j = dot(by_rows[axis], geometry.axes[axis]);
            let by_jz = dot(by_rows[axis], geometry.axes[2]);
            let jz = if axis == 0 { geometry.jxz } else { geometry.jyz };
            by_t[axis] += g * f / z;
            by_t[2] -= (g * v + by_j) * f / (z * z);
            intrinsics[axis] += (g * v + by_j) / z;
            intrinsics[2 + axis] += g;
            if geometry.clamped[axis] {
                // jz = −f·limit/z and f·limit = center + 0.15 size or center − 1.15 size: free of f.
                by_t[2] -= by_jz * jz / z;
                intrinsics[2 + axis] += by_jz / z;
            } else {
                by_t[axis] -= by_jz * f / (z * z);
                by_t[2] -= 2.0 * by_jz * jz / z;
                intrinsics[axis] -= by_jz * v / (z * z);
            }
        }
        by_t
    }

    /// By quaternion and log scales.
    #[inline(always)]
    fn axes_backward(&self, geometry: &Geometry, by_axes: &Mat3) -> ([f32; 4], [f32; 3]) {
        let (r, s) = (&geometry.rotation, geometry.scale);
        let mut d = [[0.0; 3]; 3];
        let mut by_log_scale = [0.0; 3];
        for i in 0..3 {
            for j in 0..3 {
                let c = &self.rotation;
                let v = c[0][i] * by_axes[0][j] + c[1][i] * by_axes[1][j] + c[2][i] * by_axes[2][j];
                by_log_scale[j] += v * r[i][j] * s[j];
                d[i][j] = v * s[j];
            }
        }
        let [w, x, y, z] = geometry.quat;
        let by_unit = [
            2.0 * (x * (d[2][1] - d[1][2]) + y * (d[0][2] - d[2][0]) + z * (d[1][0] - d[0][1])),
            2.0 * (y * (d[0][1] + d[1][0]) + z * (d[0][2] + d[2][0]) + w * (d[2][1] - d[1][2]))
                - 4.0 * x * (d[1][1] + d[2][2]),
            2.0 * (x * (d[0][1] + d[1][0]) + z * (d[1][2] + d[2][1]) + w * (d[0][2] - d[2][0]))
                - 4.0 * y * (d[0][0] + d[2][2]),
            2.0 * (x * (d[0][2] + d[2][0]) + y * (d[1][2] + d[2][1]) + w * (d[1][0] - d[0][1]))
                - 4.0 * z * (d[0][0] + d[1][1]),
        ];
        let q = geometry.quat;
        let along = q[0] * by_unit[0] + q[1] * by_unit[1] + q[2] * by_unit[2] + q[3] * by_unit[3];
        let tangent = |i: usize| (by_unit[i] - along * q[i]) / geometry.quat_length;
        ([tangent(0), tangent(1), tangent(2), tangent(3)], by_log_scale)
    }
}
