//! How somebody looks beyond the shape of the head: skin, eyes, teeth, hair. All of it drawn from one seed.
use crate::cloth::Garment;
use crate::glasses::Glasses;
use crate::headwear::Headwear;
use crate::stream::{Stream, subject};
use crate::teeth::Teeth;
use glam::Vec3;
use serde::Serialize;

/// Facts about a person that colour and hair follow.
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

/// Skin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skin {
    /// 0 (type I) … 5 (type VI) on Fitzpatrick's scale, continuous.
    pub melanin: f32,
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
    /// Lip colour, 0 as the skin … 1 strong.
    pub lip: f32,
    /// Lipstick laid over (linear RGB, opacity in the last), if any.
    pub lipstick: Option<[f32; 4]>,
    /// Colour on the upper lids (linear RGB, opacity in the last), if any.
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
    /// Depth of pores (metres).
    pub pores_m: f32,
    /// Depth of the creases of the lips (metres).
    pub lip_creases_m: f32,
    /// Height of the fold over the margin of the upper lid (metres), and how deep it is, 0..=1.
    pub lid_fold_m: f32,
    /// See [`Skin::lid_fold_m`].
    pub lid_fold: f32,
    /// Down: the share of light it throws back at grazing angles.
    pub down: f32,
    /// Of noise patterns.
    pub seed: u64,
}

/// Eyes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Eyes {
    /// Name of the colour.
    pub color: &'static str,
    /// Iris colour (linear RGB) near the pupil and near the limbus.
    pub iris: [Vec3; 2],
    /// Iris radius (metres).
    pub iris_radius_m: f32,
    /// Pupil radius (metres).
    pub pupil_radius_m: f32,
    /// Colour of the white.
    pub sclera: Vec3,
    /// Strength of the veins, 0..=1.
    pub veins: f32,
}

/// Pigment of hair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pigment {
    /// Concentration of eumelanin (black 8, brown 1.3, blond 0.3).
    pub eumelanin: f32,
    /// Concentration of pheomelanin (red).
    pub pheomelanin: f32,
    /// Share of strands without pigment.
    pub grey: f32,
}

/// Hair on the scalp.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hair {
    /// How it is worn.
    pub style: HairStyle,
    /// Pigment.
    pub pigment: Pigment,
    /// Typical length (metres).
    pub length_m: f32,
    /// Where it is parted: x in half head widths; the sign is the side.
    pub part: f32,
    /// Thickness of the whole (metres over the skull).
    pub volume_m: f32,
    /// How it curls by itself.
    pub curl: Curl,
    /// Radius of curls (metres); 0 straight.
    pub curl_radius_m: f32,
    /// Turns a metre.
    pub curl_turns: f32,
    /// How strands gather to locks, 0..=1.
    pub clump: f32,
    /// Stray strands, 0..=1.
    pub frizz: f32,
    /// How far the hair line has gone back, 0..=1.
    pub receding: f32,
    /// Whether a fringe covers the forehead.
    pub fringe: bool,
    /// How far the front is combed aside, -1..=1.
    pub sweep: f32,
    /// How far the front stands up, 0..=1.
    pub quiff: f32,
    /// How much shorter the sides are than the top, 0..=1.
    pub fade: f32,
}

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
    /// How little neighbouring locks keep step, 0..=1.
    pub fn disorder(self) -> f32 {
        match self {
            Curl::Straight => 0.0,
            Curl::Wavy => 0.15,
            Curl::Curly => 0.5,
            Curl::Coily => 1.0,
        }
    }
}

/// How hair is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HairStyle {
    /// None.
    Bald,
    /// A few millimetres.
    Buzz,
    /// Some centimetres, from the crown outwards.
    Short,
    /// Combed back.
    Swept,
    /// To the ears or chin, parted.
    Medium,
    /// Over the shoulders, parted.
    Long,
    /// A tail at the back.
    Tied,
    /// A knot at the back.
    Bun,
    /// Curls that stand off.
    Curly,
    /// Close, round, tightly curled.
    Afro,
}

impl HairStyle {
    /// Name as written into `identities`.
    pub fn name(self) -> &'static str {
        match self {
            HairStyle::Bald => "bald",
            HairStyle::Buzz => "buzz",
            HairStyle::Short => "short",
            HairStyle::Swept => "swept",
            HairStyle::Medium => "medium",
            HairStyle::Long => "long",
            HairStyle::Tied => "tied",
            HairStyle::Bun => "bun",
            HairStyle::Curly => "curly",
            HairStyle::Afro => "afro",
        }
    }
}

/// Brows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Brows {
    /// Strands in one brow, 0..=1 of the most.
    pub density: f32,
    /// Half height in the middle (metres).
    pub half_height_m: f32,
    /// Length of a hair (metres).
    pub length_m: f32,
    /// Share of hairs that outgrow the others.
    pub wiry: f32,
    /// Pigment.
    pub pigment: Pigment,
}

/// Lashes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lashes {
    /// Length in the middle of the upper lid (metres).
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

/// Beard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beard {
    /// How it is worn.
    pub style: BeardStyle,
    /// Length (metres).
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

impl Looks {
    /// Draws the looks of the person with `seed`; the head is bare, see [`crate::accessories`].
    pub fn sample(seed: u64, origin: Origin) -> Self {
        let mut s = Stream::new(seed, &[subject::PERSON, 1]);
        let skin = sample_skin(&mut s, origin, seed);
        let pigment = sample_pigment(&mut s, origin);
        let eyes = sample_eyes(&mut s, origin, pigment, skin.melanin);
        let hair = sample_hair(&mut s, origin, pigment);
        let brows = sample_brows(&mut s, origin, pigment);
        let lashes = sample_lashes(&mut s, origin, pigment, seed);
        let beard = sample_beard(&mut s, origin, pigment);
        let yellow = (s.uniform(0.0, 0.6) + origin.age / 150.0).min(1.0);
        let teeth = Vec3::new(0.68, 0.64, 0.56).lerp(Vec3::new(0.60, 0.52, 0.37), yellow) * s.uniform(0.85, 1.05);
        let teeth = Teeth::sample(seed, origin.age, teeth);
        let garment = Garment::sample(&mut Stream::new(seed, &[subject::PERSON, 2]), origin.sex);
        Looks { skin, eyes, teeth, hair, brows, lashes, beard, garment, glasses: None, headwear: None }
    }

    /// Fitzpatrick's class.
    pub fn skin_tone(&self) -> &'static str {
        ["I", "II", "III", "IV", "V", "VI"][(self.skin.melanin.round() as usize).min(5)]
    }
}

fn sample_skin(s: &mut Stream, origin: Origin, seed: u64) -> Skin {
    let [african, asian, caucasian] = origin.ancestry;
    let typical = 4.1 * african + 1.9 * asian + 0.9 * caucasian;
    let melanin = s.normal_within(typical, 0.55, [0.25 + 0.7 * asian, 5.0]);
    let fair = (1.0 - melanin / 2.5).max(0.0);
    let age = origin.age;
    let relief = SkinRelief::sample(&mut Stream::new(seed, &[subject::PERSON, 3]), origin);
    let makeup = Makeup::sample(&mut Stream::new(seed, &[subject::PERSON, 6]), origin);
    let lipstick = (origin.sex < 0.4 && age > 16.0 && s.chance(0.3)).then(|| {
        let red =
            Vec3::new(0.45, 0.05, 0.07).lerp(Vec3::new(0.5, 0.16, 0.17), s.uniform(0.0, 1.0)) * s.uniform(0.5, 1.0);
        [red.x, red.y, red.z, s.uniform(0.3, 0.8)]
    });
    Skin {
        melanin,
        haemoglobin: s.normal_within(1.05, 0.2, [0.7, 1.6]),
        freckles: if s.chance(0.1 + 0.3 * fair * caucasian) { s.uniform(0.2, 1.0) * (0.3 + fair) } else { 0.0 }
            .min(1.0),
        moles: s.pick(&[3.0, 3.0, 2.0, 1.0, 1.0, 0.5]) as u32,
        blotches: s.uniform(0.2, 0.7) + (age / 250.0).min(0.3),
        eye_shadow: s.uniform(0.1, 0.6) + (age / 200.0).min(0.4),
        lip: s.uniform(0.35, 0.95),
        lipstick,
        gloss: s.uniform(0.7, 1.25),
        roughness: s.uniform(0.28, 0.40),
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

/// What is laid over the skin; fields as in [`Skin`].
struct Makeup {
    eye_shadow: Option<[f32; 4]>,
    liner: f32,
    rouge: f32,
    /// How readily age spots come.
    spotted: f32,
}

impl Makeup {
    fn sample(s: &mut Stream, origin: Origin) -> Makeup {
        let wears = origin.sex < 0.4 && origin.age > 16.0 && s.chance(0.4);
        let hue = s.uniform(0.0, 1.0);
        let color = Vec3::new(0.16, 0.09, 0.07).lerp(Vec3::new(0.10, 0.10, 0.15), hue) * s.uniform(0.6, 1.6);
        let opacity = s.uniform(0.1, 0.5);
        let (liner, rouge) = (s.uniform(0.2, 0.9), s.uniform(0.0, 0.8));
        Makeup {
            eye_shadow: (wears && s.chance(0.6)).then_some([color.x, color.y, color.z, opacity]),
            liner: if wears { liner } else { 0.0 },
            rouge: if wears { rouge } else { 0.0 },
            spotted: s.uniform(0.1, 1.0),
        }
    }
}

/// The fine shape of somebody's skin; fields as in [`Skin`].
struct SkinRelief {
    wrinkles: f32,
    pores_m: f32,
    lip_creases_m: f32,
    lid_fold_m: f32,
    lid_fold: f32,
    down: f32,
}

impl SkinRelief {
    fn sample(s: &mut Stream, origin: Origin) -> SkinRelief {
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
        }
    }
}

/// Melanins of the head hair; red hair is rare and caucasian; grey comes with age.
fn sample_pigment(s: &mut Stream, origin: Origin) -> Pigment {
    let light = s.pick(&[origin.ancestry[0] + origin.ancestry[1], origin.ancestry[2]]) == 1;
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

/// Iris colours follow the melanin of hair and skin loosely, as they do in people.
fn sample_eyes(s: &mut Stream, origin: Origin, hair: Pigment, melanin: f32) -> Eyes {
    // Linear albedo of the iris disc: inner ring, outer ring.
    const COLORS: [(&str, [f32; 3], [f32; 3]); 6] = [
        ("dark brown", [0.060, 0.026, 0.011], [0.032, 0.014, 0.007]),
        ("brown", [0.135, 0.056, 0.020], [0.065, 0.027, 0.011]),
        ("hazel", [0.20, 0.105, 0.030], [0.095, 0.085, 0.035]),
        ("green", [0.21, 0.165, 0.060], [0.105, 0.135, 0.075]),
        ("blue", [0.22, 0.27, 0.31], [0.105, 0.175, 0.26]),
        ("grey", [0.26, 0.28, 0.28], [0.15, 0.18, 0.20]),
    ];
    let caucasian = origin.ancestry[2];
    let fair = (1.0 - hair.eumelanin / 4.0).clamp(0.0, 1.0);
    let light = caucasian * (0.3 + 0.7 * fair) * (1.0 - (melanin - 1.3) / 1.6).clamp(0.0, 1.0);
    let weights = [1.3 - caucasian, 0.9 - 0.3 * light, 0.35 * light, 0.25 * light, 0.7 * light, 0.18 * light]
        .map(|w: f32| w.max(0.0));
    let (color, inner, outer) = COLORS[s.pick(&weights)];
    let shade = s.uniform(0.8, 1.25);
    let yellow = s.uniform(0.0, 1.0) * (0.4 + origin.age / 120.0).min(1.0);
    Eyes {
        color,
        iris: [Vec3::from(inner) * shade, Vec3::from(outer) * shade],
        iris_radius_m: s.normal_within(0.00590, 0.00018, [0.0055, 0.0063]),
        pupil_radius_m: s.normal_within(0.0019, 0.0004, [0.0012, 0.0030]),
        sclera: Vec3::new(0.62, 0.585, 0.56).lerp(Vec3::new(0.58, 0.52, 0.44), yellow),
        veins: s.uniform(0.1, 0.6),
    }
}

fn sample_hair(s: &mut Stream, origin: Origin, pigment: Pigment) -> Hair {
    const STYLES: [HairStyle; 10] = [
        HairStyle::Bald,
        HairStyle::Buzz,
        HairStyle::Short,
        HairStyle::Swept,
        HairStyle::Medium,
        HairStyle::Long,
        HairStyle::Tied,
        HairStyle::Bun,
        HairStyle::Curly,
        HairStyle::Afro,
    ];
    let (male, old) = (origin.sex, ((origin.age - 30.0) / 50.0).clamp(0.0, 1.0));
    let curl = sample_curl(s, origin.ancestry);
    //                 bald  buzz  short swept medium long tied bun curly afro
    let women = [0.01, 0.02, 0.10, 0.05, 0.27, 0.30, 0.13, 0.09, 0.0, 0.0];
    let men = [0.04 + 0.14 * old, 0.14, 0.46, 0.16, 0.07, 0.03, 0.015, 0.015, 0.0, 0.0];
    let mut weights: [f32; 10] = std::array::from_fn(|i| women[i] + (men[i] - women[i]) * male);
    match curl {
        Curl::Coily => {
            weights[1] += 0.25;
            weights[9] += 0.8;
            (weights[3], weights[4], weights[5]) = (0.0, 0.0, 0.05);
        }
        Curl::Curly => weights[8] += 0.6,
        _ => {}
    }
    let style = STYLES[s.pick(&weights)];
    let length_m = match style {
        HairStyle::Bald => 0.0,
        HairStyle::Buzz => s.uniform(0.003, 0.009),
        HairStyle::Short if curl == Curl::Coily => s.uniform(0.012, 0.025),
        HairStyle::Short => s.uniform(0.022, 0.055),
        HairStyle::Swept => s.uniform(0.05, 0.09),
        HairStyle::Medium => s.uniform(0.14, 0.22),
        HairStyle::Long => s.uniform(0.28, 0.42),
        HairStyle::Tied | HairStyle::Bun => s.uniform(0.24, 0.36),
        HairStyle::Curly => s.uniform(0.07, 0.16),
        HairStyle::Afro => s.uniform(0.015, 0.055),
    };
    let (curl_radius_m, curl_turns) = match curl {
        Curl::Straight => (0.0, 0.0),
        Curl::Wavy => (s.uniform(0.0025, 0.006), s.uniform(12.0, 22.0)),
        Curl::Curly => (s.uniform(0.004, 0.009), s.uniform(22.0, 45.0)),
        Curl::Coily => (s.uniform(0.0013, 0.0026), s.uniform(130.0, 210.0)),
    };
    let receding = if male > 0.5 && origin.age > 20.0 && style != HairStyle::Bald {
        // Who has lost much wears the rest short.
        let most = if matches!(style, HairStyle::Medium | HairStyle::Long | HairStyle::Curly) { 0.3 } else { 1.0 };
        (s.normal(0.1, 0.25) + 0.6 * old).clamp(0.0, most)
    } else {
        0.0
    };
    let tight = match curl {
        Curl::Coily | Curl::Curly => 0.28,
        _ => 0.0,
    };
    Hair {
        style,
        pigment,
        length_m,
        part: s.sign() * s.uniform(0.0, 0.5),
        volume_m: s.uniform(0.005, 0.014),
        curl,
        curl_radius_m,
        curl_turns,
        clump: s.uniform(0.35, 0.7) + tight,
        frizz: s.uniform(0.05, 0.5),
        receding,
        fringe: s.chance(0.25 * (1.0 - male)),
        sweep: s.sign() * s.uniform(0.0, 1.0),
        quiff: s.uniform(-0.6, 0.9).max(0.0),
        fade: s.uniform(0.2, 0.85),
    }
}

fn sample_curl(s: &mut Stream, [african, asian, caucasian]: [f32; 3]) -> Curl {
    // The strongest root wins more often than its share.
    let squared = [african, asian, caucasian].map(|w| w * w);
    let of = |a: f32, b: f32, c: f32| squared[0] * a + squared[1] * b + squared[2] * c;
    let weights = [of(0.02, 0.75, 0.45), of(0.05, 0.21, 0.37), of(0.18, 0.04, 0.18), of(0.75, 0.0, 0.0)];
    [Curl::Straight, Curl::Wavy, Curl::Curly, Curl::Coily][s.pick(&weights)]
}

fn sample_brows(s: &mut Stream, origin: Origin, hair: Pigment) -> Brows {
    let male = origin.sex;
    // Brows are darker than blond hair and turn grey later.
    let pigment =
        Pigment { eumelanin: hair.eumelanin.max(0.45) * 1.3, pheomelanin: hair.pheomelanin, grey: 0.4 * hair.grey };
    let aged = ((origin.age - 50.0) / 35.0).clamp(0.0, 1.0);
    Brows {
        // Women's thin out with age, men's grow long.
        density: s.normal_within(0.6 + 0.2 * male, 0.15, [0.25, 1.0]) * (1.0 - 0.35 * aged * (1.0 - male)),
        half_height_m: s.normal_within(0.0036 + 0.0013 * male, 0.0006, [0.0024, 0.0062]),
        length_m: s.normal_within(0.0085 + 0.001 * male, 0.001, [0.006, 0.012]),
        wiry: 0.01 + 0.12 * aged * male,
        pigment,
    }
}

/// Children have the longest for their size; they thin out with age. Straight ones are common in East Asia.
fn sample_lashes(s: &mut Stream, origin: Origin, hair: Pigment, seed: u64) -> Lashes {
    let female = 1.0 - origin.sex;
    let aged = ((origin.age - 45.0) / 40.0).clamp(0.0, 1.0);
    let length_m = s.normal_within(0.0088 + 0.0010 * female, 0.0008, [0.006, 0.012]) * (1.0 - 0.2 * aged);
    let density = s.uniform(0.65, 1.0) * (1.0 - 0.35 * aged);
    let mut s = Stream::new(seed, &[subject::PERSON, 7]);
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

fn sample_beard(s: &mut Stream, origin: Origin, hair: Pigment) -> Beard {
    let able = origin.sex > 0.5 && origin.age > 17.0;
    let growth = 1.0 - 0.5 * origin.ancestry[1];
    let drawn = s.pick(&[1.0 - 0.5 * growth, 0.30 * growth, 0.05 * growth, 0.06 * growth, 0.15 * growth]);
    let styles = [BeardStyle::None, BeardStyle::Stubble, BeardStyle::Moustache, BeardStyle::Goatee, BeardStyle::Full];
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
