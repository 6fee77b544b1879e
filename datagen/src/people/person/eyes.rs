//! Eyes: the colors of iris and white, and their sizes.
//!
//! Constants, and where they come from:
//!
//! | constants                                    | source                                                  |
//! | -------------------------------------------- | ------------------------------------------------------- |
//! | albedos of six irises and of the white       | chosen by eye                                           |
//! | weights of colors by ancestry, hair and skin | chosen by eye                                           |
//! | iris radius 5.9 ± 0.18 mm                    | chosen by eye, at the usual visible diameter of 11.8 mm |
//! | pupil radius 1.9 ± 0.4 mm                    | chosen by eye, for indoor light                         |
//! | yellowing with age, veins                    | chosen by eye                                           |
use super::{Origin, Pigment};
use crate::stream::Stream;
use glam::Vec3;
use serde::Serialize;

/// Eyes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Eyes {
    /// Name of the color.
    pub color: &'static str,
    /// Iris color (linear RGB) near the pupil and near the limbus.
    pub iris: [Vec3; 2],
    /// Iris radius (meters).
    pub iris_radius_m: f32,
    /// Pupil radius (meters).
    pub pupil_radius_m: f32,
    /// Color of the white.
    pub sclera: Vec3,
    /// Strength of the veins, 0..=1.
    pub veins: f32,
}

impl Eyes {
    /// Iris colors follow the melanin of hair and skin loosely, as they do in people.
    pub(super) fn sample(s: &mut Stream, origin: Origin, hair: Pigment, melanin: f32) -> Self {
        // Linear albedo of the iris disc: inner ring, outer ring.
        const COLORS: [(&str, [f32; 3], [f32; 3]); 6] = [
            ("dark brown", [0.040, 0.020, 0.010], [0.024, 0.012, 0.007]),
            ("brown", [0.090, 0.042, 0.018], [0.045, 0.021, 0.010]),
            ("hazel", [0.20, 0.105, 0.030], [0.095, 0.085, 0.035]),
            ("green", [0.21, 0.165, 0.060], [0.105, 0.135, 0.075]),
            ("blue", [0.22, 0.27, 0.31], [0.105, 0.175, 0.26]),
            ("grey", [0.26, 0.28, 0.28], [0.15, 0.18, 0.20]),
        ];
        let caucasian = origin.ancestry[2];
        let fair = (1.0 - hair.eumelanin / 4.0).clamp(0.0, 1.0);
        let light = caucasian * (0.3 + 0.7 * fair) * (1.0 - (melanin - 1.3) / 1.6).clamp(0.0, 1.0);
        let weights = [1.3 - caucasian, 0.9 - 0.3 * light, 0.35 * light, 0.25 * light, 0.7 * light, 0.18 * light]
            .map(|w: f32| w.max(0.0));
        let (color, inner, outer) = COLORS[s.pick(&weights)];
        let shade = s.uniform(0.55, 1.0);
        let yellow = s.uniform(0.0, 1.0) * (0.4 + origin.age / 120.0).min(1.0);
        Eyes {
            color,
            iris: [Vec3::from(inner) * shade, Vec3::from(outer) * shade],
            iris_radius_m: s.normal_within(0.00590, 0.00018, [0.0055, 0.0063]),
            pupil_radius_m: s.normal_within(0.0019, 0.0004, [0.0012, 0.0030]),
            sclera: Vec3::new(0.55, 0.515, 0.49).lerp(Vec3::new(0.51, 0.455, 0.385), yellow),
            veins: s.uniform(0.1, 0.6),
        }
    }
}
