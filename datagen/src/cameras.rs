//! Where the camera stands: portrait distances, dense in front, sparse at the sides.
use crate::config::CameraConfig;
use crate::stream::{Stream, subject};
use glam::Vec3;
use splat::camera::Camera;

/// The size of a head, which decides the focal length.
#[derive(Clone, Copy, Debug)]
pub struct HeadBox {
    /// Midway between chin and crown, a little in front of the ears (world, metres).
    pub center: Vec3,
    /// Chin to crown (metres).
    pub height_m: f32,
}

/// Which frame a camera is for.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Row of `identities`.
    pub identity_id: u32,
    /// Index within the identity.
    pub expression_id: u32,
    /// Index within the expression; number 0 stands near the front.
    pub camera_id: u32,
}

/// Draws the camera of `view`.
pub fn sample(config: &CameraConfig, seed: u64, view: View, head: HeadBox, size: u32) -> Camera {
    let words = [subject::CAMERA, view.identity_id as u64, view.expression_id as u64, view.camera_id as u64];
    let mut s = Stream::new(seed, &words);
    let reach = if view.camera_id == 0 { config.yaw_deg.min(25.0) } else { config.yaw_deg };
    let yaw_deg = s.sign() * reach * s.uniform(0.0, 1.0).powf(1.5);
    let [low, high] = config.pitch_deg;
    // The mean of two uniform numbers: most cameras stand at eye level.
    let pitch_deg = low + (high - low) * 0.5 * (s.uniform(0.0, 1.0) + s.uniform(0.0, 1.0)) - 2.0;
    let distance_m = s.uniform(config.distance_m[0], config.distance_m[1]);
    let fill = s.uniform(config.fill[0], config.fill[1]);
    let j = config.jitter_m;
    let target = head.center + Vec3::new(s.normal(0.0, j), s.normal(0.0, j), s.normal(0.0, j));
    let orbit = Orbit {
        yaw_deg,
        pitch_deg: pitch_deg.clamp(low, high),
        distance_m,
        fill,
        roll_deg: s.normal_within(0.0, 2.0, [-6.0, 6.0]),
    };
    orbit.camera(target, head.height_m, size)
}

/// A camera that looks at a point from around it.
#[derive(Clone, Copy, Debug)]
pub struct Orbit {
    /// Degrees; positive towards the person's left (+x).
    pub yaw_deg: f32,
    /// Degrees; positive from above.
    pub pitch_deg: f32,
    /// From the target (metres).
    pub distance_m: f32,
    /// Share of the picture that `height_m` fills.
    pub fill: f32,
    /// Degrees about the line of sight.
    pub roll_deg: f32,
}

impl Orbit {
    /// A square picture of `size` pixels of `target`, `height_m` tall.
    pub fn camera(&self, target: Vec3, height_m: f32, size: u32) -> Camera {
        let (yaw, pitch) = (self.yaw_deg.to_radians(), self.pitch_deg.to_radians());
        let back = Vec3::new(yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos());
        let side = Vec3::new(yaw.cos(), 0.0, -yaw.sin());
        let up = Vec3::Y + side * self.roll_deg.to_radians().tan();
        let focal_px = self.fill * size as f32 * self.distance_m / height_m;
        Camera::look_at(target + back * self.distance_m, target, up, focal_px, size as usize, size as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_fills_what_the_config_says() {
        let head = HeadBox { center: Vec3::new(0.0, 0.01, -0.03), height_m: 0.23 };
        let config = CameraConfig { jitter_m: 0.0, ..CameraConfig::default() };
        for camera_id in 0..50 {
            let view = View { identity_id: 3, expression_id: 1, camera_id };
            let c = sample(&config, 9, view, head, 256);
            let middle = c.project(head.center).0;
            assert!((middle - glam::Vec2::splat(128.0)).length() < 0.1, "{middle}");
            let share = c.fy * head.height_m / (c.eye() - head.center).length() / 256.0;
            assert!((0.599..=0.851).contains(&share), "{share}");
        }
    }
}
