//! What is laid over the skin.
//!
//! Constants, and where they come from:
//!
//! | constants                       | source        |
//! | ------------------------------- | ------------- |
//! | 40 % of women, from 16 years    | chosen by eye |
//! | colors, opacities, liner, rouge | chosen by eye |
//! | readiness for age spots         | chosen by eye |
use super::Origin;
use crate::stream::Stream;
use glam::Vec3;

/// What is laid over the skin; fields as in [`Skin`](super::Skin).
pub(super) struct Makeup {
    pub eye_shadow: Option<[f32; 4]>,
    pub liner: f32,
    pub rouge: f32,
    /// How readily age spots come.
    pub spotted: f32,
}

impl Makeup {
    pub fn sample(s: &mut Stream, origin: Origin) -> Self {
        let wears = origin.sex < 0.4 && origin.age > 16.0 && s.chance(0.4);
        let hue = s.uniform(0.0, 1.0);
        let color = Vec3::new(0.16, 0.09, 0.07).lerp(Vec3::new(0.10, 0.10, 0.15), hue) * s.uniform(0.6, 1.6);
        let opacity = s.uniform(0.1, 0.5);
        let (liner, rouge) = (s.uniform(0.2, 0.9), s.uniform(0.0, 0.8));
        Makeup {
            eye_shadow: (wears && s.chance(0.6)).then_some([color.x, color.y, color.z, opacity]),
            liner: if wears { liner } else { 0.0 },
            rouge: if wears { rouge } else { 0.0 },
            spotted: s.uniform(0.1, 1.0),
        }
    }
}
