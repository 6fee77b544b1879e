//! Pigment of hair.
//!
//! Constants, and where they come from:
//!
//! | constants                                       | source                                            |
//! | ----------------------------------------------- | ------------------------------------------------- |
//! | eumelanin 8, 1.3, 0.3 for black, brown, blond   | scale of pbrt's hair material, whose brown is 1.3 |
//! | ranges and weights of the five light colors     | chosen by eye                                     |
//! | cube of the caucasian weight (dark is dominant) | chosen by eye                                     |
//! | onset of graying 50 ± 9 years, 28 years long    | chosen by eye                                     |
use super::Origin;
use crate::stream::Stream;
use serde::Serialize;

/// Pigment of hair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pigment {
    /// Concentration of eumelanin (black 8, brown 1.3, blond 0.3).
    pub eumelanin: f32,
    /// Concentration of pheomelanin (red).
    pub pheomelanin: f32,
    /// Fraction of strands without pigment.
    pub grey: f32,
}

impl Pigment {
    /// Melanins of the head hair; red hair is rare and caucasian; gray comes with age. Dark hair is dominant: whoever has
    /// some of it among the ancestors mostly has it too.
    pub(super) fn sample(s: &mut Stream, origin: Origin) -> Self {
        let light = s.pick(&[origin.ancestry[0] + origin.ancestry[1], origin.ancestry[2].powi(3)]) == 1;
        let (eumelanin, pheomelanin) = if !light {
            (s.uniform(4.0, 9.0), s.uniform(0.0, 0.4))
        } else {
            match s.pick(&[0.28, 0.27, 0.2, 0.17, 0.08]) {
                0 => (s.uniform(3.0, 7.0), s.uniform(0.0, 0.4)),
                1 => (s.uniform(1.4, 3.0), s.uniform(0.1, 0.6)),
                2 => (s.uniform(0.7, 1.4), s.uniform(0.1, 0.5)),
                3 => (s.uniform(0.18, 0.6), s.uniform(0.05, 0.3)),
                _ => (s.uniform(0.3, 0.9), s.uniform(0.9, 2.0)),
            }
        };
        let onset = s.normal(50.0, 9.0);
        let grey = ((origin.age - onset) / 28.0).clamp(0.0, 0.95);
        Pigment { eumelanin, pheomelanin, grey }
    }
}
