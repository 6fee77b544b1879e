//! Skin as a texture: melanin and blood by region, blotches, freckles, moles, lips, shadows of hair.
//!
//! Everything is a function of the neutral head's surface point, so charts meet without seams.
mod exposure;
mod lids;
mod lips;
mod marks;
mod roots;

use crate::people::eyes;
use crate::people::hair::{Shell, brows};
use crate::people::mouth_albedo::Mouth;
use crate::people::person::Looks;
use crate::people::stage::Stage;
use crate::people::surface::Surface;
use crate::stream::{Stream, Subject, noise};
use crate::tracer::bsdf::opening::Opening;
use crate::tracer::elementary::smoothstep;
use exposure::Exposure;
use glam::Vec3;
use head::ibug;
use head::model::Part;
use rayon::prelude::*;

/// Linear RGB albedo of skin of Fitzpatrick's types I to VI, about: the light and dark skin patches of the ColorChecker
/// (McCamy et al. 1976) fix types III and V, the others continue their slope.
const TYPES: [[f32; 3]; 6] = [
    [0.610, 0.410, 0.335],
    [0.565, 0.355, 0.275],
    [0.520, 0.308, 0.222],
    [0.385, 0.212, 0.140],
    [0.225, 0.113, 0.072],
    [0.105, 0.053, 0.036],
];
/// Absorption that one unit of extra blood adds to the logarithm of the albedo.
const BLOOD: Vec3 = Vec3::new(0.055, 0.42, 0.34);

/// The maps of one person's surface, `[S, S]` rows from the top.
pub struct Paints {
    /// Linear RGB.
    pub albedo: Vec<[f32; 3]>,
    /// Roughness factor, strength factor of the specular lobes, depth of the grain (meters).
    pub gloss: Vec<[f32; 3]>,
}

/// Albedo of skin with that much melanin (0..=5, Fitzpatrick I to VI) and extra blood.
pub fn skin_color(melanin: f32, blood: f32) -> Vec3 {
    let m = melanin.clamp(0.0, 5.0);
    let i = (m as usize).min(4);
    let ln = |i: usize| Vec3::from_array(TYPES[i].map(f32::ln));
    let c = ln(i).lerp(ln(i + 1), m - i as f32) - BLOOD * blood;
    Vec3::from_array(c.to_array().map(f32::exp))
}

/// The neutral head that is painted.
pub struct Face<'a> {
    /// Its skin, refined.
    pub skin: &'a Surface,
    /// The 68 on it (meters).
    pub landmarks: &'a [Vec3],
    /// Centers of the eyeballs, left and right (meters).
    pub eyes: [Vec3; 2],
    /// Around the skull, where hair grows.
    pub shell: &'a Shell,
}

/// Paints the person; `neutral` are the refined neutral positions.
pub fn paint(stage: &Stage, looks: &Looks, neutral: &[Vec3], face: &Face) -> Paints {
    let places = stage.atlas.position_map(neutral);
    let mut normals = vec![Vec3::ZERO; neutral.len()];
    for (&v, normal) in stage.skin().vertices.iter().zip(&face.skin.normals) {
        normals[v as usize] = *normal;
    }
    let normals = stage.atlas.position_map(&normals);
    let painter = Painter::new(stage, looks, face);
    let mouth = Mouth::new(stage, looks, neutral);
    let texels: Vec<([f32; 3], [f32; 3])> = (0..places.values.len())
        .into_par_iter()
        .with_min_len(4096)
        .map(|i| match stage.atlas.part(i) {
            Some(Part::Skin) => painter.skin(i, places.values[i], normals.values[i]),
            Some(part) => (mouth.at(part, places.values[i]).to_array(), [1.0, 1.0, 0.0]),
            None => ([0.0; 3], [1.0, 1.0, 0.0]),
        })
        .collect();
    let (mut albedo, mut gloss): (Vec<_>, Vec<_>) = texels.into_iter().unzip();
    stage.padding.apply(&mut albedo);
    stage.padding.apply(&mut gloss);
    Paints { albedo, gloss }
}

/// Color of a part that has no pattern.
pub fn flat_color(part: Part, looks: &Looks) -> Vec3 {
    match part {
        Part::TeethUpper | Part::TeethLower => looks.teeth.color,
        Part::Gums => Vec3::new(0.42, 0.14, 0.13),
        Part::Tongue => Vec3::new(0.40, 0.13, 0.12),
        Part::Mouth => Vec3::new(0.30, 0.075, 0.07),
        Part::EyeLeft | Part::EyeRight => looks.eyes.sclera,
        Part::Lashes => Vec3::splat(0.02),
        Part::Skin => skin_color(looks.skin.melanin, 0.0),
    }
}

struct Painter<'a> {
    looks: &'a Looks,
    shell: &'a Shell,
    region: [&'a [f32]; 7],
    landmarks: &'a [Vec3],
    brows: [[Vec3; 5]; 2],
    moles: Vec<(Vec3, f32)>,
    openings: [Opening; 2],
    exposure: Exposure,
    hair: Vec3,
    beard: Vec3,
    brow: Vec3,
}

impl<'a> Painter<'a> {
    fn new(stage: &'a Stage, looks: &'a Looks, face: &Face<'a>) -> Self {
        let (landmarks, shell) = (face.landmarks, face.shell);
        let names = ["lips", "cheeks", "nose", "ears", "scalp", "beard", "eyelids"];
        let region = names.map(|n| stage.region_maps.get(n).map_or(&[][..], |m| m.as_slice()));
        let mut s = Stream::new(looks.skin.seed, Subject::SkinMarks, &[]);
        // Moles lie on the ball around the face; where they meet the skin is decided by direction alone.
        let mole = |s: &mut Stream| {
            let at = Vec3::new(s.uniform(-0.06, 0.06), s.uniform(-0.11, 0.06), 0.0);
            (at, s.uniform(0.0005, 0.0014))
        };
        let moles = (0..looks.skin.moles).map(|_| mole(&mut s)).collect();
        let [hair, beard, brow] = [looks.hair.pigment, looks.beard.pigment, looks.brows.pigment].map(|p| p.mat_color());
        let brows = brows::LINES.map(|line| brows::arched(line.map(|i| landmarks[i])));
        let openings = [0, 1].map(|side| eyes::opening(side, face.eyes[side], Vec3::Z, landmarks, face.skin));
        let exposure = Exposure::new(landmarks);
        Painter { looks, shell, region, landmarks, brows, moles, openings, exposure, hair, beard, brow }
    }

    fn mask(&self, region: usize, texel: usize) -> f32 {
        self.region[region].get(texel).copied().unwrap_or(0.0)
    }

    /// Albedo and gloss at a texel whose surface point is `p`, with that normal.
    fn skin(&self, texel: usize, p: Vec3, normal: Vec3) -> ([f32; 3], [f32; 3]) {
        let [lips, cheeks, nose, ears, scalp, beard, lids] = std::array::from_fn(|k| self.mask(k, texel));
        let k = &self.looks.skin;
        let (n1, n2, n3) = (noise(k.seed, p * 28.0), noise(k.seed ^ 1, p * 95.0), noise(k.seed ^ 2, p * 420.0));
        let (b1, b2) = (noise(k.seed ^ 3, p * 40.0), noise(k.seed ^ 4, p * 130.0));
        // Clusters of pores and vessels: what is left of them in a portrait, where a pixel is a millimeter.
        let (fine, finer) = (noise(k.seed ^ 11, p * 330.0), noise(k.seed ^ 12, p * 700.0));
        let under_eye = self.under_eye(p);
        let mut melanin = k.melanin + k.blotches * (0.16 * n1 + 0.12 * n2) + 0.10 * n3;
        melanin += 0.35 * lids * (0.4 + 0.12 * k.melanin) + 0.5 * k.eye_shadow * under_eye;
        let sun = k.tan * self.exposure.at(p, normal.normalize_or(Vec3::Z)) * (1.0 - 0.7 * lids.max(under_eye));
        melanin += sun * (1.0 - 0.16 * k.melanin);
        melanin += self.freckles(p, cheeks.max(nose)) + self.mole(p) + self.age_spots(p, lips.max(lids));
        let mut blood = (k.haemoglobin - 1.0) * 0.8 + k.blotches * (0.34 * b1 + 0.30 * b2 + 0.40 * fine + 0.55 * finer);
        blood += 0.5 * k.rouge * cheeks
            + k.haemoglobin * (0.26 * cheeks + 0.24 * nose + 0.30 * ears + 0.10 * lids)
            + 0.35 * k.eye_shadow * under_eye
            + self.blemish(p, lips.max(lids))
            + 0.22 * sun * (0.3 + nose.max(cheeks));
        // Blood lies under the melanin: the darker the skin, the less of it shows.
        let seen = 1.0 - 0.6 * smoothstep(1.8, 4.2, k.melanin);
        let coarse = (k.pores_m / 3e-5).clamp(0.5, 1.8) * (1.0 - 0.7 * lips);
        let mut c = skin_color(melanin, blood * seen) * (1.0 + coarse * (0.05 * fine + 0.11 * finer));
        c = self.shaded_by_hair(c, p, scalp, beard);
        c = self.lids(c, p);
        c = self.lips(c, lips, p);
        let margin = self.lid_margin(p);
        c = self.reddened(c, margin) * (1.0 - 0.85 * self.nostril(p, normal));
        let (shine, rough) = (
            nose.max(0.8 * smoothstep(0.03, 0.055, p.y) * smoothstep(-0.02, 0.02, p.z)).max(0.55 * cheeks),
            1.0 + 0.12 * n2,
        );
        let oily = shine * (0.6 + 0.4 * k.gloss);
        let roughness = rough
            * (1.12 - 0.5 * oily)
            * (1.0 + 0.2 * fine)
            * (1.0 - 0.45 * lips)
            * (1.0 + 0.15 * cheeks)
            * (1.0 - 0.6 * margin);
        let strength = k.gloss
            * (0.85 + 0.4 * shine + 0.5 * lips)
            * (1.0 + 0.2 * finer)
            * (1.0 - 0.5 * smoothstep(0.1, 0.6, scalp) * (1.0 - shine));
        let open = 0.45 + 0.75 * nose + 0.5 * cheeks + 0.25 * shine;
        let grain = k.pores_m * open * (1.0 - lips) * (1.0 - margin) * (1.0 - 0.7 * lids) * (1.0 - 0.6 * scalp);
        (c.clamp(Vec3::splat(0.004), Vec3::splat(0.9)).to_array(), [roughness, strength, grain])
    }

    /// 1 inside the nostrils: the mesh ends some millimeters in, where noses are still open and dark.
    fn nostril(&self, p: Vec3, normal: Vec3) -> f32 {
        let l = self.landmarks;
        let inside = [31, 35].map(|wing: usize| {
            let at = l[ibug::NOSE_BASE].lerp(l[wing], 0.48) + Vec3::new(0.0, 0.0035, -0.0015);
            let d = (p - at) / Vec3::new(0.0042, 0.0040, 0.0062);
            smoothstep(1.15, 0.55, d.length())
        });
        // The walls that face down and in, not the rim.
        inside[0].max(inside[1]) * smoothstep(0.35, -0.35, normal.z)
    }

    /// 1 in the hollow under an eye.
    fn under_eye(&self, p: Vec3) -> f32 {
        let lower = |a: usize, b: usize, c: usize| {
            let at = (self.landmarks[a] + self.landmarks[b] + self.landmarks[c]) / 3.0 + Vec3::new(0.0, -0.006, 0.0);
            let d = p - at;
            (-(d.x / 0.013).powi(2) - (d.y / 0.0055).powi(2) - (d.z / 0.02).powi(2)).exp()
        };
        lower(39, 40, 41).max(lower(42, 46, 47))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::light::LUMINANCE;

    #[test]
    fn more_melanin_is_darker_and_more_blood_redder() {
        let tones: Vec<Vec3> = (0..=50).map(|i| skin_color(i as f32 * 0.1, 0.0)).collect();
        assert!(tones.windows(2).all(|w| w[1].dot(LUMINANCE) < w[0].dot(LUMINANCE)));
        assert!(tones.iter().all(|c| c.x > c.y && c.y > c.z));
        let (pale, flushed) = (skin_color(1.0, 0.0), skin_color(1.0, 1.0));
        assert!(flushed.x / flushed.y > pale.x / pale.y);
    }
}
