//! Brows.
//!
//! Constants, and where they come from:
//!
//! | constants                                         | source        |
//! | ------------------------------------------------- | ------------- |
//! | density, height, length and their sex differences | chosen by eye |
//! | thinning and wiry hairs from 50 years on          | chosen by eye |
//! | pigment relative to the hair of the head          | chosen by eye |
use super::{Origin, Pigment};
use crate::stream::Stream;
use serde::Serialize;

/// Brows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brows {
    /// Strands in one brow, 0..=1 of the most.
    pub density: f32,
    /// Half height in the middle (meters).
    pub half_height_m: f32,
    /// Length of a hair (meters).
    pub length_m: f32,
    /// Fraction of hairs that outgrow the others.
    pub wiry: f32,
    /// Pigment.
    pub pigment: Pigment,
}

impl Brows {
    pub(super) fn sample(s: &mut Stream, origin: Origin, hair: Pigment) -> Self {
        let male = origin.sex;
        // Brows are darker than blond hair and turn gray later.
        let pigment =
            Pigment { eumelanin: hair.eumelanin.max(0.45) * 1.1, pheomelanin: hair.pheomelanin, grey: 0.4 * hair.grey };
        let aged = ((origin.age - 50.0) / 35.0).clamp(0.0, 1.0);
        Brows {
            // Women's thin out with age, men's grow long.
            density: s.normal_within(0.68 + 0.2 * male, 0.17, [0.25, 1.15]) * (1.0 - 0.35 * aged * (1.0 - male)),
            half_height_m: s.normal_within(0.0040 + 0.0013 * male, 0.0008, [0.0024, 0.0070]),
            length_m: s.normal_within(0.0085 + 0.001 * male, 0.001, [0.006, 0.012]),
            wiry: 0.01 + 0.12 * aged * male,
            pigment,
        }
    }
}
