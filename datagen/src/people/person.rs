//! How somebody looks beyond the shape of the head: skin, eyes, teeth, hair. All of it drawn from one seed.
mod beard;
mod brows;
mod curl;
mod eyes;
mod hair;
mod hair_style;
mod lashes;
mod makeup;
mod pigment;
mod skin;
mod skin_relief;

use crate::people::cloth::Garment;
use crate::people::glasses::Glasses;
use crate::people::headwear::Headwear;
use crate::people::teeth::Teeth;
use crate::stream::{Stream, Subject};
use glam::Vec3;
use serde::Serialize;

pub use beard::{Beard, BeardStyle};
pub use brows::Brows;
pub use curl::Curl;
pub use eyes::Eyes;
pub use hair::Hair;
pub use hair_style::HairStyle;
pub use lashes::Lashes;
pub use pigment::Pigment;
pub use skin::Skin;

/// Facts about a person that color and hair follow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Origin {
    /// Years.
    pub age: f32,
    /// 0 female … 1 male.
    pub sex: f32,
    /// Weights of the african, asian and caucasian axes, sum 1.
    pub ancestry: [f32; 3],
}

/// How somebody looks. Its JSON is the `parameters` column of `identities`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Looks {
    /// Skin.
    pub skin: Skin,
    /// Eyes.
    pub eyes: Eyes,
    /// Teeth.
    pub teeth: Teeth,
    /// Hair on the scalp.
    pub hair: Hair,
    /// Brows.
    pub brows: Brows,
    /// Lashes.
    pub lashes: Lashes,
    /// Beard.
    pub beard: Beard,
    /// What is worn on the shoulders.
    pub garment: Garment,
    /// Before the eyes, if anything.
    pub glasses: Option<Glasses>,
    /// On the head, if anything.
    pub headwear: Option<Headwear>,
}

impl Looks {
    /// Draws the looks of the person with `seed`; the head is bare, see [`crate::people::accessories`].
    pub fn sample(seed: u64, origin: Origin) -> Self {
        let mut s = Stream::new(seed, Subject::Looks, &[]);
        let skin = Skin::sample(&mut s, origin, seed);
        let pigment = Pigment::sample(&mut s, origin);
        let eyes = Eyes::sample(&mut s, origin, pigment, skin.melanin);
        let hair = Hair::sample(&mut s, origin, pigment);
        let brows = Brows::sample(&mut s, origin, pigment);
        let lashes = Lashes::sample(&mut s, origin, pigment, seed);
        let beard = Beard::sample(&mut s, origin, pigment);
        let yellow = (s.uniform(0.0, 0.6) + origin.age / 150.0).min(1.0);
        let teeth = Vec3::new(0.68, 0.64, 0.56).lerp(Vec3::new(0.60, 0.52, 0.37), yellow) * s.uniform(0.85, 1.05);
        let teeth = Teeth::sample(seed, origin.age, teeth);
        let garment = Garment::sample(&mut Stream::new(seed, Subject::Garment, &[]), origin.sex);
        Looks { skin, eyes, teeth, hair, brows, lashes, beard, garment, glasses: None, headwear: None }
    }

    /// Fitzpatrick's class.
    pub fn skin_tone(&self) -> &'static str {
        ["I", "II", "III", "IV", "V", "VI"][(self.skin.melanin.round() as usize).min(5)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_follow_origin_and_seed() {
        let woman = Origin { age: 30.0, sex: 0.0, ancestry: [0.0, 0.0, 1.0] };
        let man = Origin { age: 70.0, sex: 1.0, ancestry: [1.0, 0.0, 0.0] };
        assert_eq!(Looks::sample(4, woman), Looks::sample(4, woman));
        for seed in 0..200 {
            let (w, m) = (Looks::sample(seed, woman), Looks::sample(seed, man));
            assert_eq!(w.beard.style, BeardStyle::None);
            assert!(w.skin.melanin < 3.2 && m.skin.melanin > 1.8);
            assert!(m.eyes.color.contains("brown"), "{}", m.eyes.color);
        }
    }
}
