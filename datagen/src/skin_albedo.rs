//! Skin as a texture: melanin and blood by region, blotches, freckles, moles, lips, shadows of hair.
//!
//! Everything is a function of the neutral head's surface point, so charts meet without seams.
use crate::hair::{Shell, brows, hairline};
use crate::light::smoothstep;
use crate::mouth_albedo::Mouth;
use crate::person::{BeardStyle, HairStyle, Looks};
use crate::stage::Stage;
use crate::stream::{Stream, lattice, noise, subject};
use glam::{Vec2, Vec3};
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
    /// Roughness factor, strength factor of the specular lobes, depth of the grain (metres).
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

/// Paints the person; `neutral` are the refined neutral positions, `landmarks` the 68 on them.
pub fn paint(stage: &Stage, looks: &Looks, neutral: &[Vec3], landmarks: &[Vec3], shell: &Shell) -> Paints {
    let places = stage.atlas.position_map(neutral);
    let painter = Painter::new(stage, looks, landmarks, shell);
    let mouth = Mouth::new(stage, looks, neutral);
    let texels: Vec<([f32; 3], [f32; 3])> = (0..places.values.len())
        .into_par_iter()
        .with_min_len(4096)
        .map(|i| match stage.atlas.part(i) {
            Some(Part::Skin) => painter.skin(i, places.values[i]),
            Some(part) => (mouth.at(part, places.values[i]).to_array(), [1.0, 1.0, 0.0]),
            None => ([0.0; 3], [1.0, 1.0, 0.0]),
        })
        .collect();
    let (mut albedo, mut gloss): (Vec<_>, Vec<_>) = texels.into_iter().unzip();
    stage.padding.apply(&mut albedo);
    stage.padding.apply(&mut gloss);
    Paints { albedo, gloss }
}

/// Colour of a part that has no pattern.
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
    hair: Vec3,
    beard: Vec3,
    brow: Vec3,
}

impl<'a> Painter<'a> {
    fn new(stage: &'a Stage, looks: &'a Looks, landmarks: &'a [Vec3], shell: &'a Shell) -> Self {
        let names = ["lips", "cheeks", "nose", "ears", "scalp", "beard", "eyelids"];
        let region = names.map(|n| stage.region_maps.get(n).map_or(&[][..], |m| m.as_slice()));
        let mut s = Stream::new(looks.skin.seed, &[subject::SKIN, 1]);
        // Moles lie on the ball around the face; where they meet the skin is decided by direction alone.
        let mole = |s: &mut Stream| {
            let at = Vec3::new(s.uniform(-0.06, 0.06), s.uniform(-0.11, 0.06), 0.0);
            (at, s.uniform(0.0005, 0.0014))
        };
        let moles = (0..looks.skin.moles).map(|_| mole(&mut s)).collect();
        let [hair, beard, brow] = [looks.hair.pigment, looks.beard.pigment, looks.brows.pigment].map(|p| p.mat_color());
        let brows = brows::LINES.map(|line| brows::arched(line.map(|i| landmarks[i])));
        Painter { looks, shell, region, landmarks, brows, moles, hair, beard, brow }
    }

    fn mask(&self, region: usize, texel: usize) -> f32 {
        self.region[region].get(texel).copied().unwrap_or(0.0)
    }

    /// Albedo and gloss at a texel whose surface point is `p`.
    fn skin(&self, texel: usize, p: Vec3) -> ([f32; 3], [f32; 3]) {
        let [lips, cheeks, nose, ears, scalp, beard, lids] = std::array::from_fn(|k| self.mask(k, texel));
        let k = &self.looks.skin;
        let (n1, n2, n3) = (noise(k.seed, p * 28.0), noise(k.seed ^ 1, p * 95.0), noise(k.seed ^ 2, p * 420.0));
        let (b1, b2) = (noise(k.seed ^ 3, p * 40.0), noise(k.seed ^ 4, p * 130.0));
        let under_eye = self.under_eye(p);
        let mut melanin = k.melanin + k.blotches * (0.16 * n1 + 0.12 * n2) + 0.10 * n3;
        melanin += 0.35 * lids * (0.4 + 0.12 * k.melanin) + 0.5 * k.eye_shadow * under_eye;
        melanin += self.freckles(p, cheeks.max(nose)) + self.mole(p);
        let mut blood = (k.haemoglobin - 1.0) * 0.8 + k.blotches * (0.22 * b1 + 0.16 * b2);
        blood +=
            k.haemoglobin * (0.26 * cheeks + 0.24 * nose + 0.30 * ears + 0.10 * lids) + 0.35 * k.eye_shadow * under_eye;
        let mut c = skin_color(melanin, blood);
        c = self.shaded_by_hair(c, p, scalp, beard);
        c = self.lips(c, lips, p);
        let (shine, rough) =
            (nose.max(0.6 * smoothstep(0.03, 0.055, p.y) * smoothstep(-0.02, 0.02, p.z)), 1.0 + 0.12 * n2);
        let oily = shine * (0.6 + 0.4 * k.gloss);
        let roughness = rough * (1.12 - 0.34 * oily) * (1.0 - 0.3 * lips) * (1.0 + 0.15 * cheeks);
        let strength =
            k.gloss * (1.0 + 0.25 * shine + 0.35 * lips) * (1.0 - 0.5 * smoothstep(0.1, 0.6, scalp) * (1.0 - shine));
        let open = 0.45 + 0.75 * nose + 0.5 * cheeks + 0.25 * shine;
        let grain = k.pores_m * open * (1.0 - lips) * (1.0 - 0.7 * lids) * (1.0 - 0.6 * scalp);
        (c.clamp(Vec3::splat(0.004), Vec3::splat(0.9)).to_array(), [roughness, strength, grain])
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

    /// Extra melanin of freckles: spots of some tenths of a millimetre to a millimetre and a half in cells of 3 mm.
    fn freckles(&self, p: Vec3, zone: f32) -> f32 {
        let amount = self.looks.skin.freckles * (0.25 + 0.75 * zone);
        if amount <= 0.01 || p.z < -0.03 {
            return 0.0;
        }
        let q = p / 0.0034;
        let cell = q.floor();
        let mut sum = 0.0f32;
        for dx in -1..=1 {
            for dy in -1..=1 {
                for dz in -1..=1 {
                    let (x, y, z) = (cell.x as i32 + dx, cell.y as i32 + dy, cell.z as i32 + dz);
                    let r = |salt: u64| lattice(self.looks.skin.seed ^ salt, x, y, z);
                    if r(31) > 0.55 * amount {
                        continue;
                    }
                    let at = Vec3::new(x as f32 + r(32), y as f32 + r(33), z as f32 + r(34));
                    let size = 0.12 + 0.24 * r(35);
                    sum = sum.max((1.0 - smoothstep(0.5 * size, size, q.distance(at))) * (0.35 + 0.65 * r(36)));
                }
            }
        }
        sum * 0.85
    }

    fn mole(&self, p: Vec3) -> f32 {
        if p.z < -0.02 {
            return 0.0;
        }
        let one = |(at, r): &(Vec3, f32)| 1.0 - smoothstep(0.6 * r, *r, Vec2::new(p.x - at.x, p.y - at.y).length());
        1.8 * self.moles.iter().map(one).fold(0.0, f32::max)
    }

    /// The tone of hair roots on scalp, chin and under the brows, which gaps between strands let through.
    fn shaded_by_hair(&self, skin: Vec3, p: Vec3, scalp: f32, beard: f32) -> Vec3 {
        let looks = self.looks;
        let hair_cover = match looks.hair.style {
            HairStyle::Bald => 0.10 * (1.0 - looks.hair.pigment.grey),
            HairStyle::Buzz => 0.55,
            _ => 0.8,
        };
        let grown = smoothstep(0.25, 0.85, scalp);
        let line = if looks.hair.style == HairStyle::Bald { 1.0 } else { hairline(self.shell.local(p), &looks.hair) };
        let mut c = skin.lerp((self.hair * 0.6).min(skin), hair_cover * grown * line);
        let stubble = match looks.beard.style {
            BeardStyle::None => 0.22 * looks.beard.shadow,
            BeardStyle::Stubble => 0.30,
            _ => 0.35,
        };
        // Under fair skin, dark roots look blue: the skin scatters the short waves over them.
        let roots = (self.beard * 0.5 + c * Vec3::new(0.42, 0.5, 0.58)).min(c);
        c = c.lerp(
            roots,
            stubble * beard * (0.8 + 0.2 * noise(looks.skin.seed ^ 8, p * 300.0)) * (1.0 - looks.beard.pigment.grey),
        );
        let brow = self.brow_cover(p) * 0.45 * looks.brows.density;
        c.lerp((self.brow * 0.8).min(c), brow)
    }

    /// 1 on the line of a brow.
    fn brow_cover(&self, p: Vec3) -> f32 {
        let line = |points: &[Vec3; 5]| {
            let d = points.windows(2).map(|w| {
                let (a, d) = (w[0], w[1] - w[0]);
                let k = ((p - a).dot(d) / d.length_squared().max(1e-12)).clamp(0.0, 1.0);
                p.distance(a + d * k)
            });
            d.fold(f32::MAX, f32::min)
        };
        let d = line(&self.brows[0]).min(line(&self.brows[1]));
        let half = self.looks.brows.half_height_m;
        1.0 - smoothstep(0.3 * half, 1.15 * half, d)
    }

    fn lips(&self, skin: Vec3, lips: f32, p: Vec3) -> Vec3 {
        let k = &self.looks.skin;
        let edge = smoothstep(0.35, 0.75, lips + 0.08 * noise(k.seed ^ 6, p * 350.0));
        let absorbed = Vec3::new(0.16, 0.80, 0.66) * k.lip * (1.0 - 0.45 * smoothstep(2.0, 5.0, k.melanin));
        let furrows = 1.0 + 0.10 * noise(k.seed ^ 7, p * Vec3::new(900.0, 120.0, 300.0));
        // Redder where the lips meet and blotched with blood; paler over the swell of the lower lip.
        let meet = 0.5 * (self.landmarks[62] + self.landmarks[66]);
        let sag = self.landmarks[48].y.min(self.landmarks[54].y) - meet.y;
        let half = (0.5 * (self.landmarks[54].x - self.landmarks[48].x)).max(1e-3);
        let from_line = p.y - (meet.y + sag * ((p.x - meet.x) / half).powi(2));
        let inner = (-(from_line / 0.0021).powi(2)).exp();
        let swell = (-((from_line + 0.0055) / 0.003).powi(2) - ((p.x - meet.x) / 0.012).powi(2)).exp();
        let deep = 1.0 + 0.75 * inner - 0.25 * swell + 0.22 * noise(k.seed ^ 9, p * 210.0);
        let own = skin * Vec3::from_array((-absorbed * deep).to_array().map(f32::exp)) * furrows;
        let colored = match k.lipstick {
            Some([r, g, b, opacity]) => own.lerp(Vec3::new(r, g, b), opacity),
            None => own,
        };
        skin.lerp(colored, edge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::light::LUMINANCE;

    #[test]
    fn more_melanin_is_darker_and_more_blood_redder() {
        let tones: Vec<Vec3> = (0..=50).map(|i| skin_color(i as f32 * 0.1, 0.0)).collect();
        assert!(tones.windows(2).all(|w| w[1].dot(LUMINANCE) < w[0].dot(LUMINANCE)));
        assert!(tones.iter().all(|c| c.x > c.y && c.y > c.z));
        let (pale, flushed) = (skin_color(1.0, 0.0), skin_color(1.0, 1.0));
        assert!(flushed.x / flushed.y > pale.x / pale.y);
    }
}
