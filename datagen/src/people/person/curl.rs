//! How hair curls by itself.
//!
//! Constants, and where they come from:
//!
//! | constants                         | source                                                           |
//! | --------------------------------- | ---------------------------------------------------------------- |
//! | disorder of neighboring locks     | chosen by eye                                                    |
//! | weights of curl types by ancestry | chosen by eye: coily hair is african, straight hair mostly asian |
use crate::stream::Stream;
use serde::Serialize;

/// How hair curls by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Curl {
    /// Not at all.
    Straight,
    /// Long waves in one plane.
    Wavy,
    /// Ringlets as wide as a finger.
    Curly,
    /// Coils as wide as a pencil lead.
    Coily,
}

impl Curl {
    /// How little neighboring locks keep step, 0..=1.
    pub fn disorder(self) -> f32 {
        match self {
            Curl::Straight => 0.0,
            Curl::Wavy => 0.15,
            Curl::Curly => 0.5,
            Curl::Coily => 1.0,
        }
    }
}

impl Curl {
    pub(super) fn sample(s: &mut Stream, [african, asian, caucasian]: [f32; 3]) -> Self {
        // The strongest root wins more often than its share.
        let squared = [african, asian, caucasian].map(|w| w * w);
        let of = |a: f32, b: f32, c: f32| squared[0] * a + squared[1] * b + squared[2] * c;
        let weights = [of(0.02, 0.75, 0.45), of(0.05, 0.21, 0.37), of(0.18, 0.04, 0.18), of(0.75, 0.0, 0.0)];
        [Curl::Straight, Curl::Wavy, Curl::Curly, Curl::Coily][s.pick(&weights)]
    }
}
