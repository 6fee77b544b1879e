//! What a real camera adds to a pinhole: a lens that is sharp at one distance, and an exposure during which it moves.
//!
//! Both blur the picture and its coverage. Labels (depth, normals, classes, landmarks …), the intrinsics and the pose in a
//! row stay those of the pinhole at the lens's center, in the middle of the exposure: exact, and what a reader wants to
//! learn. Camera space: x right, y down, z forward.
use crate::tracer::elementary::sin_cos;
use crate::tracer::sampler::Sampler;
use glam::{Vec2, Vec3};
use serde::Serialize;
use std::f32::consts::TAU;

/// A pinhole, unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Optics {
    /// Depth of field.
    pub lens: Option<Lens>,
    /// Motion blur.
    pub motion: Option<Motion>,
}

/// A thin lens (Potmesil and Chakravarty 1981).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Lens {
    /// Diameter of the entrance pupil (meters): focal length by f-number.
    pub aperture_m: f32,
    /// Depth of the plane that is sharp (meters).
    pub focus_m: f32,
}

/// How far the camera turns and moves from the opening of the shutter to its closing, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Motion {
    /// Scaled axis (radians), camera space; small: the turn is taken to the first order.
    pub turn_rad: Vec3,
    /// Meters, camera space.
    pub shift_m: Vec3,
}

impl Lens {
    /// Diameter of the circle of confusion (pixels) of a point at `depth_m`, under a focal length of `focal_px`.
    pub fn confusion_px(&self, depth_m: f32, focal_px: f32) -> f32 {
        self.aperture_m * focal_px * (1.0 / self.focus_m - 1.0 / depth_m).abs()
    }
}

/// A ray in camera space: through the pinhole from the origin along `direction`, whose depth is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// Meters.
    pub origin: Vec3,
    /// Not unit.
    pub direction: Vec3,
}

impl Optics {
    /// Whether it is but a pinhole that stands still.
    pub fn is_pinhole(&self) -> bool {
        self.lens.is_none() && self.motion.is_none()
    }

    /// One of the rays that make up what the pinhole sees along `direction` (depth 1); numbers are drawn only for what
    /// there is.
    pub fn bent(&self, direction: Vec3, sampler: &mut Sampler) -> Sight {
        let mut sight = Sight { origin: Vec3::ZERO, direction };
        if let Some(lens) = &self.lens {
            let at = (on_disc(sampler.next_2d()) * (0.5 * lens.aperture_m)).extend(0.0);
            sight = Sight { origin: at, direction: direction - at / lens.focus_m };
        }
        if let Some(motion) = &self.motion {
            let time = sampler.next_1d() - 0.5;
            let turned = |v: Vec3| v + motion.turn_rad.cross(v) * time;
            sight = Sight { origin: turned(sight.origin) + motion.shift_m * time, direction: turned(sight.direction) };
        }
        sight
    }
}

/// Even over the unit disc.
fn on_disc(u: [f32; 2]) -> Vec2 {
    let (sin, cos) = sin_cos(TAU * u[0]);
    Vec2::new(cos, sin) * u[1].sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOCAL_PX: f32 = 900.0;
    const LENS: Lens = Lens { aperture_m: 0.03, focus_m: 1.5 };

    /// Where `point` lies in the pictures of many rays: pixels from the pinhole's own.
    fn spread(optics: &Optics, point: Vec3) -> Vec<Vec2> {
        let pinhole = point / point.z;
        let seen = |sample| {
            let sight = optics.bent(pinhole, &mut Sampler::new(5, 9, sample));
            // Moved by the optics, the ray passes the point's plane elsewhere: the pixel that sees the point lies as far off
            // on the other side.
            let k = (point.z - sight.origin.z) / sight.direction.z;
            let there = sight.origin + sight.direction * k;
            (point - there).truncate() * (FOCAL_PX / point.z)
        };
        (0..4096).map(seen).collect()
    }

    #[test]
    fn blur_out_of_focus_is_that_of_the_formula() {
        let optics = Optics { lens: Some(LENS), motion: None };
        for depth in [0.5, 1.2, 1.5, 1.8, 6.0] {
            let point = Vec3::new(0.2, -0.1, 1.0) * depth;
            let widest = spread(&optics, point).iter().map(|p| p.length()).fold(0.0, f32::max);
            let wanted = 0.5 * LENS.confusion_px(depth, FOCAL_PX);
            assert!((widest - wanted).abs() < 0.01 * wanted + 2e-3, "at {depth} m: {widest} px, expected {wanted}");
        }
        assert_eq!(LENS.confusion_px(1.5, FOCAL_PX), 0.0);
        assert!((LENS.confusion_px(3.0, FOCAL_PX) - 9.0).abs() < 1e-4, "0.03 m · 900 px · (1/1.5 - 1/3)/m");
    }

    #[test]
    fn a_moving_point_is_on_the_mean_where_it_is_halfway() {
        let motion = Motion { turn_rad: Vec3::new(0.004, -0.01, 0.002), shift_m: Vec3::new(0.006, 0.002, -0.004) };
        let optics = Optics { lens: None, motion: Some(motion) };
        let point = Vec3::new(0.1, -0.05, 0.9);
        let seen = spread(&optics, point);
        let mean = seen.iter().sum::<Vec2>() / seen.len() as f32;
        let length = seen.iter().map(|p| p.length()).fold(0.0, f32::max) * 2.0;
        assert!(mean.length() < 0.03, "{mean} px from the middle");
        // A turn about -y looks aside by 0.01 · 900 px, less what the shift to the right gives back.
        assert!((2.0..16.0).contains(&length), "{length} px");
    }

    #[test]
    fn a_pinhole_draws_no_number() {
        let (mut a, mut b) = (Sampler::new(1, 2, 3), Sampler::new(1, 2, 3));
        let sight = Optics::default().bent(Vec3::Z, &mut a);
        assert_eq!((sight.origin, sight.direction), (Vec3::ZERO, Vec3::Z));
        assert_eq!(a.next_2d(), b.next_2d());
    }
}
