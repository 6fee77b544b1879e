//! Lashes.
use super::Origin;
use crate::stream::Stream;
use serde::Serialize;

/// Lashes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lashes {
    /// Length in the middle of the upper lid (metres).
    pub length_m: f32,
    /// 0..=1 of the most.
    pub density: f32,
}

impl Lashes {
    pub(super) fn sample(s: &mut Stream, origin: Origin) -> Self {
        let female = 1.0 - origin.sex;
        Lashes {
            length_m: s.normal_within(0.0075 + 0.0015 * female, 0.0008, [0.005, 0.011]),
            density: s.uniform(0.6, 1.0),
        }
    }
}
