//! One Gaussian through one camera: EWA projection (Zwicker et al. 2002, eq. 24–31) and its gradient.
use super::harmonics::{self, MAX_K};
use super::{ALPHA_CUT, DILATION_PX2, Settings};
use crate::{Camera, Colors, GaussianSlices};

type Mat3 = [[f32; 3]; 3];

/// Why a Gaussian is not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culled {
    NonFinite,
    Depth,
    Transparent,
    Outside,
}

/// A camera in the form the inner loop wants.
#[derive(Clone, Debug)]
pub struct Lens {
    rotation: Mat3,
    translation: [f32; 3],
    eye: [f32; 3],
    focal: [f32; 2],
    center: [f32; 2],
    size: [f32; 2],
    near: f32,
    far: f32,
    antialiased: bool,
}

/// A Gaussian on the image plane; pixels. Covariances hold xx, xy, yy.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    pub mean: [f32; 2],
    /// After dilation.
    pub covariance: [f32; 3],
    pub determinant: f32,
    /// After the antialiasing factor; at least [`ALPHA_CUT`].
    pub opacity: f32,
    /// Camera z, metres.
    pub depth: f32,
    /// ln(opacity / cut): the ellipse where alpha falls to the cut is `½ dᵀ covariance⁻¹ d = reach`.
    pub reach: f32,
}

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
}

/// Everything between the parameters and the footprint that the gradient needs again.
struct Geometry {
    /// Mean in camera space.
    t: [f32; 3],
    quat: [f32; 4],
    quat_length: f32,
    rotation: Mat3,
    scale: [f32; 3],
    /// Principal axes in camera space, scaled: camera rotation · rotation · scale.
    axes: Mat3,
    /// Jacobian of the projection: `[[jx, 0, jxz], [0, jy, jyz]]`.
    jx: f32,
    jxz: f32,
    jy: f32,
    jyz: f32,
    /// x/z or y/z was clamped before the Jacobian was taken.
    clamped: [bool; 2],
    /// Rows of Jacobian · axes: covariance = rows · rowsᵀ.
    rows: [[f32; 3]; 2],
    /// Before dilation.
    covariance: [f32; 3],
    determinant: f32,
    dilated_determinant: f32,
}

impl Lens {
    pub fn new(camera: &Camera, settings: &Settings) -> Self {
        let m = camera.camera_from_world;
        let rotation = [0, 1, 2].map(|r| [m.col(0)[r], m.col(1)[r], m.col(2)[r]]);
        let translation = [m.col(3)[0], m.col(3)[1], m.col(3)[2]];
        let eye = transposed_times(&rotation, translation).map(|v| -v);
        Lens {
            rotation,
            translation,
            eye,
            focal: [camera.fx, camera.fy],
            center: [camera.cx, camera.cy],
            size: [camera.width as f32, camera.height as f32],
            near: settings.near_m,
            far: settings.far_m,
            antialiased: settings.antialiased,
        }
    }

    /// Where Gaussian `n` lands.
    #[inline(always)]
    pub fn project(&self, gaussians: &GaussianSlices<'_>, n: usize) -> Result<Footprint, Culled> {
        let t = self.in_camera(gaussians, n)?;
        let logit = gaussians.opacity_logits[n];
        if !logit.is_finite() {
            return Err(Culled::NonFinite);
        }
        let alone = sigmoid(logit);
        if alone < ALPHA_CUT {
            return Err(Culled::Transparent);
        }
        let geometry = self.geometry(gaussians, n, t)?;
        let opacity = alone * self.compensation(&geometry);
        let (mean, [xx, xy, yy]) = (self.mean(t), geometry.covariance);
        let covariance = [xx + DILATION_PX2, xy, yy + DILATION_PX2];
        let finite = [mean[0], mean[1], covariance[0], xy, covariance[2], geometry.dilated_determinant, opacity];
        if finite.iter().any(|v| !v.is_finite()) || geometry.dilated_determinant <= 0.0 {
            return Err(Culled::NonFinite);
        }
        if opacity < ALPHA_CUT {
            return Err(Culled::Transparent);
        }
        let reach = (opacity / ALPHA_CUT).ln().max(0.0);
        for axis in 0..2 {
            let extent = (2.0 * reach * covariance[2 * axis]).sqrt();
            if mean[axis] + extent < 0.5 || mean[axis] - extent > self.size[axis] - 0.5 {
                return Err(Culled::Outside);
            }
        }
        Ok(Footprint { mean, covariance, determinant: geometry.dilated_determinant, opacity, depth: t[2], reach })
    }

    /// Colour of Gaussian `n` from here, into `out` `[C]`; false if it is not finite.
    #[inline(always)]
    pub fn color(&self, gaussians: &GaussianSlices<'_>, n: usize, out: &mut [f32]) -> bool {
        let stride = gaussians.kind.stride();
        let stored = &gaussians.colors[n * stride..(n + 1) * stride];
        match gaussians.kind {
            Colors::Features { .. } => out.copy_from_slice(stored),
            Colors::Sh { .. } => {
                let sum = self.sh_color(gaussians, n, self.direction(gaussians, n).0).1;
                if sum.iter().any(|v| !v.is_finite()) {
                    return false;
                }
                out.copy_from_slice(&[sum[0].max(0.0), sum[1].max(0.0), sum[2].max(0.0)]);
            }
        }
        out.iter().all(|v| v.is_finite())
    }

    /// Harmonics in direction `d`, and the colour before it is cut at 0.
    #[inline(always)]
    fn sh_color(&self, gaussians: &GaussianSlices<'_>, n: usize, d: [f32; 3]) -> ([f32; MAX_K], [f32; 3]) {
        let Colors::Sh { degree } = gaussians.kind else { return ([0.0; MAX_K], [0.0; 3]) };
        let (b, stride) = (harmonics::basis(degree, d), gaussians.kind.stride());
        let mut sum = [0.5f32; 3];
        for (k, coefficient) in gaussians.colors[n * stride..(n + 1) * stride].chunks_exact(3).enumerate() {
            for c in 0..3 {
                sum[c] += b[k] * coefficient[c];
            }
        }
        (b, sum)
    }

    /// Gradient of the colour, `by_color` being that by [`Self::color`]. Adds to `stored` (the Gaussian's stored colour)
    /// and returns the gradient by its mean.
    #[inline(always)]
    pub fn color_backward(
        &self,
        gaussians: &GaussianSlices<'_>,
        n: usize,
        by_color: &[f32],
        stored: &mut [f32],
    ) -> [f32; 3] {
        let Colors::Sh { degree } = gaussians.kind else {
            stored.iter_mut().zip(by_color).for_each(|(s, g)| *s += g);
            return [0.0; 3];
        };
        let (d, length) = self.direction(gaussians, n);
        let (b, color) = self.sh_color(gaussians, n, d);
        let open = |c: usize| if color[c] > 0.0 { by_color[c] } else { 0.0 };
        let g = [open(0), open(1), open(2)];
        let coefficients = &gaussians.colors[n * stored.len()..(n + 1) * stored.len()];
        let mut weights = [0.0; MAX_K];
        for (k, (s, c)) in stored.chunks_exact_mut(3).zip(coefficients.chunks_exact(3)).enumerate() {
            for i in 0..3 {
                s[i] += b[k] * g[i];
            }
            weights[k] = c[0] * g[0] + c[1] * g[1] + c[2] * g[2];
        }
        let by_d = harmonics::gradient(degree, d, &weights);
        let along = dot(by_d, d);
        if length > 0.0 { mix(1.0 / length, by_d, -along / length, d) } else { [0.0; 3] }
    }

    /// Gradients by shape, pose and intrinsics from the sums over pixels; `by_depth` is the gradient by camera z of
    /// the drawn depth, `by_mean` what reached the mean through the colour's view direction.
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
        let mut out = ShapeGradient::default();
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

    #[inline(always)]
    fn in_camera(&self, gaussians: &GaussianSlices<'_>, n: usize) -> Result<[f32; 3], Culled> {
        let mean = triple(gaussians.means, n);
        let moved = times(&self.rotation, mean);
        let t = sum_of(moved, self.translation);
        if !t.iter().all(|v| v.is_finite()) {
            return Err(Culled::NonFinite);
        }
        if t[2] < self.near || t[2] > self.far || t[2] <= 0.0 { Err(Culled::Depth) } else { Ok(t) }
    }

    #[inline(always)]
    fn mean(&self, [x, y, z]: [f32; 3]) -> [f32; 2] {
        [self.focal[0] * x / z + self.center[0], self.focal[1] * y / z + self.center[1]]
    }

    #[inline(always)]
    fn geometry(&self, gaussians: &GaussianSlices<'_>, n: usize, t: [f32; 3]) -> Result<Geometry, Culled> {
        let [q0, q1, q2, q3] = gaussians.quats[4 * n..4 * n + 4] else { return Err(Culled::NonFinite) };
        let log_scale = triple(gaussians.log_scales, n);
        let quat_length = (q0 * q0 + q1 * q1 + q2 * q2 + q3 * q3).sqrt();
        let usable = quat_length.is_finite() && quat_length > 1e-18 && log_scale.iter().all(|v| v.is_finite());
        if !usable {
            return Err(Culled::NonFinite);
        }
        let quat = [q0 / quat_length, q1 / quat_length, q2 / quat_length, q3 / quat_length];
        let rotation = rotation_from_quat(quat);
        let scale = [log_scale[0].exp(), log_scale[1].exp(), log_scale[2].exp()];
        let mut axes = [[0.0; 3]; 3];
        for i in 0..3 {
            let c = self.rotation[i];
            for j in 0..3 {
                axes[i][j] = (c[0] * rotation[0][j] + c[1] * rotation[1][j] + c[2] * rotation[2][j]) * scale[j];
            }
        }
        let z = t[2];
        let (jx, jy, mut jz, mut clamped) = (self.focal[0] / z, self.focal[1] / z, [0.0; 2], [false; 2]);
        for axis in 0..2 {
            // As every rasterizer since Zwicker: far outside the frame the affine approximation is taken at its edge.
            let (f, size, center) = (self.focal[axis], self.size[axis], self.center[axis]);
            let ratio = t[axis] / z;
            let limited = ratio.clamp(-(center + 0.15 * size) / f, (1.15 * size - center) / f);
            clamped[axis] = limited != ratio;
            jz[axis] = -f * limited / z;
        }
        let rows = [mix(jx, axes[0], jz[0], axes[2]), mix(jy, axes[1], jz[1], axes[2])];
        let covariance = [dot(rows[0], rows[0]), dot(rows[0], rows[1]), dot(rows[1], rows[1])];
        // |r0 × r1|² = det(rows · rowsᵀ), without the cancellation of xx·yy − xy².
        let normal = cross(rows[0], rows[1]);
        let determinant = dot(normal, normal);
        let dilated_determinant =
            determinant + DILATION_PX2 * (covariance[0] + covariance[2]) + DILATION_PX2 * DILATION_PX2;
        Ok(Geometry {
            t,
            quat,
            quat_length,
            rotation,
            scale,
            axes,
            jx,
            jxz: jz[0],
            jy,
            jyz: jz[1],
            clamped,
            rows,
            covariance,
            determinant,
            dilated_determinant,
        })
    }

    #[inline(always)]
    fn compensation(&self, geometry: &Geometry) -> f32 {
        if self.antialiased { (geometry.determinant / geometry.dilated_determinant).sqrt() } else { 1.0 }
    }

    /// Unit direction from the eye to Gaussian `n`, and the distance.
    #[inline(always)]
    fn direction(&self, gaussians: &GaussianSlices<'_>, n: usize) -> ([f32; 3], f32) {
        let mean = triple(gaussians.means, n);
        let d = mix(1.0, mean, -1.0, self.eye);
        let length = dot(d, d).sqrt();
        (if length > 0.0 { scaled(d, 1.0 / length) } else { [0.0, 0.0, 1.0] }, length)
    }
}

/// Of a unit quaternion w x y z.
#[inline(always)]
fn rotation_from_quat([w, x, y, z]: [f32; 4]) -> Mat3 {
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

#[inline(always)]
fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}

#[inline(always)]
fn triple(v: &[f32], n: usize) -> [f32; 3] {
    [v[3 * n], v[3 * n + 1], v[3 * n + 2]]
}

#[inline(always)]
fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[inline(always)]
fn scaled(v: [f32; 3], s: f32) -> [f32; 3] {
    [v[0] * s, v[1] * s, v[2] * s]
}

#[inline(always)]
fn sum_of(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// `s · a + t · b`
#[inline(always)]
fn mix(s: f32, a: [f32; 3], t: f32, b: [f32; 3]) -> [f32; 3] {
    [s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]]
}

#[inline(always)]
fn times(m: &Mat3, v: [f32; 3]) -> [f32; 3] {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

#[inline(always)]
fn transposed_times(m: &Mat3, v: [f32; 3]) -> [f32; 3] {
    sum_of(scaled(m[0], v[0]), mix(v[1], m[1], v[2], m[2]))
}
