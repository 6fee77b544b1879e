//! One Gaussian through one camera: EWA projection (Zwicker et al. 2002, eq. 24–31).
use super::vectors::{Mat3, cross, dot, mix, sum_of, times, transposed_times, triple};
use super::{ALPHA_CUT, DILATION_PX2, Settings};
use crate::{Camera, GaussianSlices};

/// Why a Gaussian is not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culled {
    NonFinite,
    Depth,
    Transparent,
    Small,
    Outside,
}

/// A camera in the form the inner loop wants.
#[derive(Clone, Debug)]
pub struct Lens {
    pub rotation: Mat3,
    translation: [f32; 3],
    pub eye: [f32; 3],
    pub focal: [f32; 2],
    center: [f32; 2],
    size: [f32; 2],
    near: f32,
    far: f32,
    radius_clip: f32,
    pub antialiased: bool,
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
    /// Camera z, meters.
    pub depth: f32,
    /// ln(opacity / cut): the ellipse where alpha falls to the cut is `½ dᵀ covariance⁻¹ d = reach`.
    pub reach: f32,
    /// Three standard deviations along the longer axis.
    pub radius: f32,
}

/// Everything between the parameters and the footprint that the gradient needs again.
pub struct Geometry {
    /// Mean in camera space.
    pub t: [f32; 3],
    pub quat: [f32; 4],
    pub quat_length: f32,
    pub rotation: Mat3,
    pub scale: [f32; 3],
    /// Principal axes in camera space, scaled: camera rotation · rotation · scale.
    pub axes: Mat3,
    /// Jacobian of the projection: `[[jx, 0, jxz], [0, jy, jyz]]`.
    pub jx: f32,
    pub jxz: f32,
    pub jy: f32,
    pub jyz: f32,
    /// x/z or y/z was clamped before the Jacobian was taken.
    pub clamped: [bool; 2],
    /// Rows of Jacobian · axes: covariance = rows · rowsᵀ.
    pub rows: [[f32; 3]; 2],
    /// Before dilation.
    pub covariance: [f32; 3],
    pub determinant: f32,
    pub dilated_determinant: f32,
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
            radius_clip: settings.radius_clip_px,
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
        let (middle, half) = (0.5 * (covariance[0] + covariance[2]), 0.5 * (covariance[0] - covariance[2]));
        let radius = 3.0 * (middle + (half * half + xy * xy).sqrt()).sqrt();
        if radius <= self.radius_clip {
            return Err(Culled::Small);
        }
        let reach = (opacity / ALPHA_CUT).ln().max(0.0);
        for axis in 0..2 {
            let extent = (2.0 * reach * covariance[2 * axis]).sqrt();
            if mean[axis] + extent < 0.5 || mean[axis] - extent > self.size[axis] - 0.5 {
                return Err(Culled::Outside);
            }
        }
        Ok(Footprint {
            mean,
            covariance,
            determinant: geometry.dilated_determinant,
            opacity,
            depth: t[2],
            reach,
            radius,
        })
    }

    #[inline(always)]
    pub fn in_camera(&self, gaussians: &GaussianSlices<'_>, n: usize) -> Result<[f32; 3], Culled> {
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
    pub fn geometry(&self, gaussians: &GaussianSlices<'_>, n: usize, t: [f32; 3]) -> Result<Geometry, Culled> {
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
pub fn sigmoid(v: f32) -> f32 {
    1.0 / (1.0 + (-v).exp())
}
