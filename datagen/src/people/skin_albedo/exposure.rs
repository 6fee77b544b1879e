//! Where the sun has been: brow, nose, cheeks and ears most, under the chin least, below the collar hardly.
use crate::tracer::elementary::smoothstep;
use glam::Vec3;
use head::ibug;

/// Of one head.
pub(super) struct Exposure {
    /// Height of the chin (meters).
    chin_y: f32,
}

/// Between the chin and where collars begin (meters).
const COLLAR_M: [f32; 2] = [0.055, 0.085];

impl Exposure {
    /// `landmarks` are the 68 on the neutral head (meters).
    pub fn new(landmarks: &[Vec3]) -> Self {
        Exposure { chin_y: landmarks[ibug::CHIN].y }
    }

    /// Fraction of the sun that a place of the neutral head gets, 0..=1: the light of a high sun and the sky on a surface
    /// with that unit normal, less below the collar.
    pub fn at(&self, p: Vec3, normal: Vec3) -> f32 {
        let sky = 0.5 + 0.5 * normal.dot(Vec3::new(0.0, 0.80, 0.60));
        let open = 1.0 - 0.85 * smoothstep(COLLAR_M[0], COLLAR_M[1], self.chin_y - p.y);
        smoothstep(0.15, 0.85, sky) * open
    }
}
