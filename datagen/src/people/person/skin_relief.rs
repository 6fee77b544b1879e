//! What the years have made of somebody's skin: its fine shape, and the sun in it.
//!
//! Constants, and where they come from:
//!
//! | constants                                        | source        |
//! | ------------------------------------------------ | ------------- |
//! | wrinkles from 28 years on                        | chosen by eye |
//! | depths of pores and creases of the lips          | chosen by eye |
//! | height of the lid fold; 45 % single lids (asian) | chosen by eye |
//! | down, tan                                        | chosen by eye |
use super::Origin;
use crate::stream::Stream;

/// The fine shape of somebody's skin, and its tan; fields as in [`Skin`](super::Skin).
pub(super) struct SkinRelief {
    pub wrinkles: f32,
    pub pores_m: f32,
    pub lip_creases_m: f32,
    pub lid_fold_m: f32,
    pub lid_fold: f32,
    pub down: f32,
    pub tan: f32,
}

impl SkinRelief {
    pub fn sample(s: &mut Stream, origin: Origin) -> Self {
        let asian = origin.ancestry[1];
        let aged = ((origin.age - 28.0) / 55.0).max(0.0);
        let grown = ((origin.age - 8.0) / 12.0).clamp(0.0, 1.0);
        // Many East Asian lids have no fold, or a low one.
        let single = s.chance(0.45 * asian);
        SkinRelief {
            wrinkles: (aged * s.uniform(0.6, 1.25)).min(1.0),
            pores_m: 1e-5 * s.uniform(2.0, 4.5) * (0.35 + 0.65 * grown) * (1.0 + 0.4 * aged),
            lip_creases_m: 1e-5 * s.uniform(6.0, 13.0) * (0.6 + 0.4 * grown),
            lid_fold_m: s.normal_within(0.0042 - 0.0014 * asian, 0.0008, [0.002, 0.0065]),
            lid_fold: if single { 0.12 } else { s.uniform(0.55, 1.0) },
            down: s.uniform(0.015, 0.06),
            tan: s.uniform(0.0, 1.0).powi(2) * 0.9,
        }
    }
}
