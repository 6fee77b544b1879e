//! Beard.
//!
//! Constants, and where they come from:
//!
//! | constants                                      | source        |
//! | ---------------------------------------------- | ------------- |
//! | from 17 years; growth halved by asian ancestry | chosen by eye |
//! | weights of styles, lengths, density, shadow    | chosen by eye |
//! | beards are 1.2 times as gray as the head       | chosen by eye |
use super::{Origin, Pigment};
use crate::stream::Stream;
use serde::Serialize;

/// Beard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beard {
    /// How it is worn.
    pub style: BeardStyle,
    /// Length (meters).
    pub length_m: f32,
    /// 0..=1 of the most.
    pub density: f32,
    /// Bluish shadow of shaven hair, 0..=1.
    pub shadow: f32,
    /// Pigment.
    pub pigment: Pigment,
}

/// How a beard is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BeardStyle {
    /// None.
    None,
    /// A few days old.
    Stubble,
    /// Over the lip only.
    Moustache,
    /// Around the mouth.
    Goatee,
    /// Everywhere.
    Full,
}

impl Beard {
    pub(super) fn sample(s: &mut Stream, origin: Origin, hair: Pigment) -> Self {
        let able = origin.sex > 0.5 && origin.age > 17.0;
        let growth = 1.0 - 0.5 * origin.ancestry[1];
        let drawn = s.pick(&[1.0 - 0.5 * growth, 0.30 * growth, 0.05 * growth, 0.06 * growth, 0.15 * growth]);
        let styles =
            [BeardStyle::None, BeardStyle::Stubble, BeardStyle::Moustache, BeardStyle::Goatee, BeardStyle::Full];
        let style = if able { styles[drawn] } else { BeardStyle::None };
        let length_m = match style {
            BeardStyle::None => 0.0,
            BeardStyle::Stubble => s.uniform(0.0012, 0.004),
            BeardStyle::Moustache | BeardStyle::Goatee => s.uniform(0.006, 0.012),
            BeardStyle::Full => s.uniform(0.008, 0.03),
        };
        let shadow = if able { s.uniform(0.1, 0.7) * growth } else { 0.0 };
        let pigment = Pigment { grey: (hair.grey * 1.2).min(1.0), ..hair };
        Beard { style, length_m, density: s.uniform(0.6, 1.0), shadow, pigment }
    }
}
