//! Skin: its tone, its colors, its fine shape.
//!
//! Constants, and where they come from:
//!
//! | constants                                      | source                                    |
//! | ---------------------------------------------- | ----------------------------------------- |
//! | melanin 4.1, 1.9, 0.9 by ancestry, ± 0.55      | chosen by eye on the scale of Fitzpatrick |
//! | hemoglobin, freckles, moles, blotches, shadows | chosen by eye                             |
//! | lips, lipstick (30 % of women, from 16 years)  | chosen by eye                             |
//! | gloss and roughness                            | chosen by eye                             |
//! | age spots from 52 years on                     | chosen by eye                             |
use super::Origin;
use super::makeup::Makeup;
use super::skin_relief::SkinRelief;
use crate::stream::{Stream, Subject};
use glam::Vec3;
use serde::Serialize;

/// Skin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skin {
    /// 0 (type I) … 5 (type VI) on Fitzpatrick's scale, continuous.
    pub melanin: f32,
    /// Melanin that the sun has added where it shines most, on the same scale.
    pub tan: f32,
    /// Blood in the skin, 1 usual.
    pub haemoglobin: f32,
    /// Freckles, 0..=1.
    pub freckles: f32,
    /// Number of moles.
    pub moles: u32,
    /// Uneven tone, 0..=1.
    pub blotches: f32,
    /// Shadows under the eyes, 0..=1.
    pub eye_shadow: f32,
    /// Lip color, 0 as the skin … 1 strong.
    pub lip: f32,
    /// Lipstick laid over (linear RGB, opacity in the last), if any.
    pub lipstick: Option<[f32; 4]>,
    /// Color on the upper lids (linear RGB, opacity in the last), if any.
    pub eye_shadow_color: Option<[f32; 4]>,
    /// Dark line along the lids, 0..=1.
    pub eye_liner: f32,
    /// Rouge on the cheeks, 0..=1.
    pub rouge: f32,
    /// Spots of age, 0..=1.
    pub age_spots: f32,
    /// Oiliness: scales the specular lobes.
    pub gloss: f32,
    /// Roughness of the broad lobe.
    pub roughness: f32,
    /// Lines of age, 0..=1.
    pub wrinkles: f32,
    /// Depth of pores (meters).
    pub pores_m: f32,
    /// Depth of the creases of the lips (meters).
    pub lip_creases_m: f32,
    /// Height of the fold over the margin of the upper lid (meters), and how deep it is, 0..=1.
    pub lid_fold_m: f32,
    /// See [`Skin::lid_fold_m`].
    pub lid_fold: f32,
    /// Down: the share of light it throws back at grazing angles.
    pub down: f32,
    /// Of noise patterns.
    pub seed: u64,
}

impl Skin {
    pub(super) fn sample(s: &mut Stream, origin: Origin, seed: u64) -> Self {
        let [african, asian, caucasian] = origin.ancestry;
        let typical = 4.1 * african + 1.9 * asian + 0.9 * caucasian;
        let melanin = s.normal_within(typical, 0.55, [0.25 + 0.7 * asian, 5.0]);
        let fair = (1.0 - melanin / 2.5).max(0.0);
        let age = origin.age;
        let relief = SkinRelief::sample(&mut Stream::new(seed, Subject::SkinRelief, &[]), origin);
        let makeup = Makeup::sample(&mut Stream::new(seed, Subject::Makeup, &[]), origin);
        let lipstick = (origin.sex < 0.4 && age > 16.0 && s.chance(0.3)).then(|| {
            let red =
                Vec3::new(0.45, 0.05, 0.07).lerp(Vec3::new(0.5, 0.16, 0.17), s.uniform(0.0, 1.0)) * s.uniform(0.5, 1.0);
            [red.x, red.y, red.z, s.uniform(0.3, 0.8)]
        });
        Skin {
            melanin,
            tan: relief.tan,
            haemoglobin: s.normal_within(1.3, 0.28, [0.75, 2.1]),
            freckles: if s.chance(0.1 + 0.3 * fair * caucasian) { s.uniform(0.2, 1.0) * (0.3 + fair) } else { 0.0 }
                .min(1.0),
            moles: s.pick(&[3.0, 3.0, 2.0, 1.0, 1.0, 0.5]) as u32,
            blotches: s.uniform(0.3, 0.9) + (age / 200.0).min(0.4),
            eye_shadow: s.uniform(0.1, 0.6) + (age / 200.0).min(0.4),
            lip: s.uniform(0.35, 0.95),
            lipstick,
            gloss: s.uniform(0.6, 1.35),
            roughness: s.uniform(0.25, 0.40),
            eye_shadow_color: makeup.eye_shadow,
            eye_liner: makeup.liner,
            rouge: makeup.rouge,
            age_spots: ((age - 52.0) / 35.0).clamp(0.0, 1.0) * makeup.spotted,
            wrinkles: relief.wrinkles,
            pores_m: relief.pores_m,
            lip_creases_m: relief.lip_creases_m,
            lid_fold_m: relief.lid_fold_m,
            lid_fold: relief.lid_fold,
            down: relief.down,
            seed,
        }
    }
}
