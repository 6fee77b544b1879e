//! Lashes.
//!
//! Constants, and where they come from:
//!
//! | constants                                       | source        |
//! | ----------------------------------------------- | ------------- |
//! | length, density, bend and their change with age | chosen by eye |
//! | bend by asian ancestry                          | chosen by eye |
//! | mascara: 45 % of women, from 16 years           | chosen by eye |
//! | pigment relative to the hair of the head        | chosen by eye |
use super::{Origin, Pigment};
use crate::stream::{Stream, Subject};
use serde::Serialize;

/// Lashes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lashes {
    /// Length in the middle of the upper lid (meters).
    pub length_m: f32,
    /// 0..=1 of the most.
    pub density: f32,
    /// How far they bend upwards from root to tip (radians).
    pub curl_rad: f32,
    /// Paint on them, 0..=1: thicker, and gathered to points.
    pub mascara: f32,
    /// Pigment.
    pub pigment: Pigment,
}

impl Lashes {
    /// Women's are a little longer; they thin out with age. Straight ones are common in East Asia.
    pub(super) fn sample(s: &mut Stream, origin: Origin, hair: Pigment, seed: u64) -> Self {
        let female = 1.0 - origin.sex;
        let aged = ((origin.age - 45.0) / 40.0).clamp(0.0, 1.0);
        let length_m = s.normal_within(0.0088 + 0.0010 * female, 0.0008, [0.006, 0.012]) * (1.0 - 0.2 * aged);
        let density = s.uniform(0.65, 1.0) * (1.0 - 0.35 * aged);
        let mut s = Stream::new(seed, Subject::LashLooks, &[]);
        let painted = origin.sex < 0.4 && origin.age > 16.0 && s.chance(0.45);
        let mascara = if painted { s.uniform(0.3, 1.0) } else { 0.0 };
        let curl_rad = s.normal_within(1.3 - 0.45 * origin.ancestry[1], 0.2, [0.6, 1.8]) + 0.25 * mascara;
        let pigment = Pigment {
            eumelanin: (1.8 * hair.eumelanin + 1.2).max(9.0 * mascara),
            pheomelanin: 0.5 * hair.pheomelanin,
            grey: if painted { 0.0 } else { 0.3 * hair.grey },
        };
        Lashes { length_m, density, curl_rad, mascara, pigment }
    }
}
