//! Brows.
use super::{Origin, Pigment};
use crate::stream::Stream;
use serde::Serialize;

/// Brows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brows {
    /// Strands in one brow, 0..=1 of the most.
    pub density: f32,
    /// Half height in the middle (metres).
    pub half_height_m: f32,
    /// Length of a hair (metres).
    pub length_m: f32,
    /// Pigment.
    pub pigment: Pigment,
}

impl Brows {
    pub(super) fn sample(s: &mut Stream, origin: Origin, hair: Pigment) -> Self {
        let male = origin.sex;
        // Brows are darker than blond hair and turn grey later.
        let pigment =
            Pigment { eumelanin: hair.eumelanin.max(0.45) * 1.3, pheomelanin: hair.pheomelanin, grey: 0.4 * hair.grey };
        Brows {
            density: s.normal_within(0.55 + 0.2 * male, 0.15, [0.25, 1.0]),
            half_height_m: s.normal_within(0.0036 + 0.0013 * male, 0.0006, [0.0024, 0.0062]),
            length_m: s.normal_within(0.0075 + 0.001 * male, 0.001, [0.005, 0.011]),
            pigment,
        }
    }
}
