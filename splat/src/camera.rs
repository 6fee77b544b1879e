//! The pinhole camera that the tracer and the rasterizer share.
use crate::Error;
use glam::{Mat4, Quat, Vec2, Vec3};

/// A pinhole camera: intrinsics in pixels, extrinsics in meters.
///
/// Camera space: x right, y down, z forward. A point projects to `(fx·x/z + cx, fy·y/z + cy)`;
/// the center of the top-left pixel is `(0.5, 0.5)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Image width in pixels.
    pub width: usize,
    /// Image height in pixels.
    pub height: usize,
    /// Focal length along x in pixels.
    pub fx: f32,
    /// Focal length along y in pixels.
    pub fy: f32,
    /// Principal point, x, in pixels.
    pub cx: f32,
    /// Principal point, y, in pixels.
    pub cy: f32,
    /// Rigid transform from world to camera space (meters).
    pub camera_from_world: Mat4,
}

impl Camera {
    /// A camera at `eye` that looks at `target` (world, meters), `up` being up in the image;
    /// `focal_px` pixels of focal length, principal point in the middle.
    pub fn look_at(eye: Vec3, target: Vec3, up: Vec3, focal_px: f32, width: usize, height: usize) -> Self {
        let z = (target - eye).normalize_or(Vec3::NEG_Z);
        let x = z.cross(up).normalize_or(Vec3::X);
        let y = z.cross(x);
        let camera_from_world = Mat4::from_cols(
            glam::vec4(x.x, y.x, z.x, 0.0),
            glam::vec4(x.y, y.y, z.y, 0.0),
            glam::vec4(x.z, y.z, z.z, 0.0),
            glam::vec4(-x.dot(eye), -y.dot(eye), -z.dot(eye), 1.0),
        );
        let (cx, cy) = (width as f32 / 2.0, height as f32 / 2.0);
        Camera { width, height, fx: focal_px, fy: focal_px, cx, cy, camera_from_world }
    }

    /// Where the camera stands (world, meters).
    pub fn eye(&self) -> Vec3 {
        self.camera_from_world.inverse().transform_point3(Vec3::ZERO)
    }

    /// Pixel position and depth (meters along z) of a world point; the depth may be negative.
    pub fn project(&self, point_in_world: Vec3) -> (Vec2, f32) {
        let p = self.camera_from_world.transform_point3(point_in_world);
        (Vec2::new(self.fx * p.x / p.z + self.cx, self.fy * p.y / p.z + self.cy), p.z)
    }

    /// World-space ray through a pixel position: origin and unit direction.
    pub fn ray(&self, pixel: Vec2) -> (Vec3, Vec3) {
        let world_from_camera = self.camera_from_world.inverse();
        let d = Vec3::new((pixel.x - self.cx) / self.fx, (pixel.y - self.cy) / self.fy, 1.0);
        let direction = world_from_camera.transform_vector3(d);
        (world_from_camera.transform_point3(Vec3::ZERO), direction / direction.length())
    }

    /// The camera moved by a twist ξ = (translation ρ in meters, rotation φ in radians) in its own space:
    /// `Exp(ξ) · camera_from_world`. [`crate::Gradients::camera_pose`] is the gradient by ξ.
    ///
    /// Exponential map of SE(3): Solà et al. 2018, "A micro Lie theory", eq. 172–174.
    pub fn twisted(&self, xi: [f32; 6]) -> Self {
        let (rho, phi) = (Vec3::new(xi[0], xi[1], xi[2]), Vec3::new(xi[3], xi[4], xi[5]));
        let angle = phi.length();
        // (1 − cos θ)/θ² and (θ − sin θ)/θ³, by their series where those cancel.
        let (first, second) = if angle < 0.05 {
            (0.5 - angle * angle / 24.0, 1.0 / 6.0 - angle * angle / 120.0)
        } else {
            ((1.0 - angle.cos()) / (angle * angle), (angle - angle.sin()) / (angle * angle * angle))
        };
        let turned = phi.cross(rho);
        let translation = rho + first * turned + second * phi.cross(turned);
        let step = Mat4::from_rotation_translation(Quat::from_scaled_axis(phi), translation);
        Camera { camera_from_world: step * self.camera_from_world, ..*self }
    }

    /// The same view at another image size.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let (sx, sy) = (width as f32 / self.width as f32, height as f32 / self.height as f32);
        Camera { width, height, fx: self.fx * sx, fy: self.fy * sy, cx: self.cx * sx, cy: self.cy * sy, ..*self }
    }

    /// # Errors
    /// [`Error::Camera`] if no image can be made with it.
    pub fn check(&self) -> Result<(), Error> {
        let finite =
            [self.fx, self.fy, self.cx, self.cy].iter().all(|v| v.is_finite()) && self.camera_from_world.is_finite();
        if self.width == 0 || self.height == 0 || self.width > 1 << 15 || self.height > 1 << 15 {
            return Err(Error::Camera(format!(
                "image of {}x{} pixels; expected 1 to 32768 a side",
                self.width, self.height
            )));
        }
        if !finite || self.fx <= 0.0 || self.fy <= 0.0 {
            return Err(Error::Camera(format!(
                "focal length {}, {} px or pose not finite and positive",
                self.fx, self.fy
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Pinhole;

    #[test]
    fn ray_and_projection_agree() {
        let c = Camera::look_at(Vec3::new(0.3, 0.1, 0.9), Vec3::new(0.0, 0.02, 0.0), Vec3::Y, 300.0, 64, 48);
        let (o, d) = c.ray(Vec2::new(12.5, 40.25));
        let (p, z) = c.project(o + d * 0.7);
        assert!((p - Vec2::new(12.5, 40.25)).length() < 1e-3 && z > 0.0);
    }

    #[test]
    fn twist_is_the_reference_twist() {
        let c = Camera::look_at(Vec3::new(0.3, 0.1, 0.9), Vec3::ZERO, Vec3::Y, 300.0, 64, 48);
        for xi in [[0.1, -0.2, 0.3, 0.4, -0.5, 0.6], [0.5, 0.1, 0.2, 0.01, 0.02, -0.01], [1.0, 2.0, 3.0, 0.0, 0.0, 0.0]]
        {
            let got = Pinhole::new(&c.twisted(xi));
            let want = Pinhole::new(&c).twisted(xi.map(f64::from));
            let pairs = got.rotation.iter().flatten().zip(want.rotation.iter().flatten());
            for (a, b) in pairs.chain(got.translation.iter().zip(&want.translation)) {
                assert!((a - b).abs() < 1e-6, "{a} against {b}");
            }
        }
    }

    #[test]
    fn world_up_is_image_up() {
        let c = Camera::look_at(Vec3::new(0.0, 0.0, 1.0), Vec3::ZERO, Vec3::Y, 100.0, 100, 100);
        assert!(c.project(Vec3::new(0.0, 0.1, 0.0)).0.y < 50.0, "y up in the world is up in the image");
        assert!(c.project(Vec3::new(0.1, 0.0, 0.0)).0.x > 50.0, "a head facing +z shows its left (+x) on the right");
    }
}
