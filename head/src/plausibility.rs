//! Is this a plausible human face? Proportions between landmarks against those of people.
//!
//! Each measure is a ratio or an angle, so size and distance do not matter. Means and deviations are those that
//! facial anthropometry reports for adults (the order of Farkas 1994, "Anthropometry of the Head and Face", and of
//! Farkas et al. 2005, "International anthropometric study of facial morphology in various ethnic groups"), read over to
//! the 68 landmarks and widened until they hold all ancestries and both sexes. Children's faces are shorter, their eyes
//! larger, their noses flatter; norms slide between the two.
//!
//! Checked against open tables, men / women: eye over the distance between the eyes 1.06 / 1.05, mouth over it 1.74 / 1.62,
//! nose over it 1.34 / 1.27, nose over face height 0.40 / 0.41, philtrum 0.12 / 0.12, between the eyes over the breadth of
//! the cheekbones 0.24 / 0.25 (doi 10.1186/s40902-019-0191-7, table 9: a broad-nosed, full-lipped population); breadth over
//! height of the face 1.13, 1.17, 1.08 in Malay, Chinese and Indian students (Wai et al. 2015, "Nasofacial Anthropometric
//! Study"; our breadth is taken at the ears, some 7 % wider); between the eyes 31 to 38 mm by ancestry (pooled over 22,638
//! people, PMC9029890). Eyes and mouths of the base mesh are short beside these: the norms lie between mesh and tables.
//! Depth of the nose, the chin and the distance of the eyes moved halfway to what people of ICT-FaceKit's scan modes measure,
//! registered to this mesh (`make identity-space`): 0.51, -0.18, 0.222.
use crate::ibug;
use glam::Vec3;

/// A proportion of the face, measured and normed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// What it is.
    pub name: &'static str,
    /// In adults.
    pub adult: f32,
    /// In children of six.
    pub child: f32,
    /// Standard deviation within either.
    pub deviation: f32,
}

const fn norm(name: &'static str, adult: f32, child: f32, deviation: f32) -> Norm {
    Norm { name, adult, child, deviation }
}

/// Number of measures.
pub const MEASURES: usize = 22;

/// In the order of [`measure`].
pub const NORMS: [Norm; MEASURES] = [
    norm("face width / height", 1.22, 1.32, 0.075),
    norm("jaw / face width", 0.79, 0.76, 0.035),
    norm("chin / jaw width", 0.63, 0.60, 0.045),
    norm("nose width / between eyes", 1.05, 1.02, 0.125),
    norm("nose / face height", 0.44, 0.44, 0.022),
    norm("nose depth / height", 0.48, 0.41, 0.075),
    norm("nose tip over base / height", 0.24, 0.26, 0.045),
    norm("mouth / between eyes", 1.52, 1.36, 0.135),
    norm("lips height / width", 0.35, 0.43, 0.065),
    norm("upper / lower lip", 0.90, 1.00, 0.16),
    norm("philtrum / face height", 0.112, 0.115, 0.017),
    norm("chin / face height", 0.285, 0.255, 0.026),
    norm("eye / between eyes", 0.89, 0.88, 0.080),
    norm("lids open / eye", 0.32, 0.38, 0.032),
    norm("tilt of the eyes", 0.06, 0.06, 0.065),
    norm("corners of the mouth", 0.0, 0.01, 0.022),
    norm("brow over eye", 0.84, 0.80, 0.085),
    norm("chin before nose base", -0.20, -0.25, 0.045),
    norm("lips before nose base", -0.035, -0.03, 0.025),
    norm("between eyes / face width", 0.238, 0.250, 0.016),
    norm("nose off the middle", 0.0, 0.0, 0.011),
    norm("mouth off the middle", 0.0, 0.0, 0.012),
];

/// Age (years) from which a face counts as grown, and at which it counts as a child's.
const AGES: [f32; 2] = [18.0, 6.0];
/// A face with one measure this many deviations off is not believed.
pub const WORST: f32 = 3.1;
/// Nor is one whose measures are off by this much in the root mean square: many small oddities make a caricature.
pub const OVERALL: f32 = 1.38;

/// How far a face is from the norms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plausibility {
    /// Each measure's distance from its norm in deviations, in the order of [`NORMS`].
    pub off: [f32; MEASURES],
}

impl Plausibility {
    /// Of a neutral face at an age (years); `landmarks` are at least the 68 (any unit, head upright).
    pub fn of(landmarks: &[Vec3], age_years: f32) -> Plausibility {
        let grown = ((age_years - AGES[1]) / (AGES[0] - AGES[1])).clamp(0.0, 1.0);
        let measured = measure(landmarks);
        let off = |i: usize| {
            (measured[i] - (NORMS[i].child + (NORMS[i].adult - NORMS[i].child) * grown)) / NORMS[i].deviation
        };
        Plausibility { off: std::array::from_fn(off) }
    }

    /// The measure that is furthest off, and by how many deviations (with its sign).
    pub fn worst(&self) -> (&'static str, f32) {
        let furthest = (0..MEASURES).max_by(|&a, &b| self.off[a].abs().total_cmp(&self.off[b].abs())).unwrap_or(0);
        (NORMS[furthest].name, self.off[furthest])
    }

    /// Root mean square over the measures (deviations).
    pub fn overall(&self) -> f32 {
        (self.off.iter().map(|z| z * z).sum::<f32>() / MEASURES as f32).sqrt()
    }

    /// Whether it passes for a face.
    pub fn is_face(&self) -> bool {
        self.worst().1.abs() <= WORST && self.overall() <= OVERALL
    }

    /// The larger of both criteria over its limit: up to 1 for a face.
    pub fn excess(&self) -> f32 {
        (self.worst().1.abs() / WORST).max(self.overall() / OVERALL)
    }
}

/// The measures of [`NORMS`] of a neutral face, from its 68 landmarks (iBUG order).
pub fn measure(p: &[Vec3]) -> [f32; MEASURES] {
    let width = |a: usize, b: usize| p[b].x - p[a].x;
    let drop = |a: usize, b: usize| p[a].y - p[b].y;
    let face_height = drop(ibug::NASION, ibug::CHIN);
    let face_width = width(1, 15);
    let jaw = width(4, 12);
    let between_eyes = p[ibug::RIGHT_EYE_INNER].distance(p[ibug::LEFT_EYE_INNER]);
    let eye = 0.5
        * (p[ibug::RIGHT_EYE_OUTER].distance(p[ibug::RIGHT_EYE_INNER])
            + p[ibug::LEFT_EYE_INNER].distance(p[ibug::LEFT_EYE_OUTER]));
    let nose = drop(ibug::NASION, ibug::NOSE_BASE);
    let mouth = width(ibug::MOUTH_RIGHT, ibug::MOUTH_LEFT);
    let open = 0.25 * (drop(37, 41) + drop(38, 40) + drop(43, 47) + drop(44, 46));
    let eyes_y = 0.25
        * (p[ibug::RIGHT_EYE_OUTER].y
            + p[ibug::RIGHT_EYE_INNER].y
            + p[ibug::LEFT_EYE_INNER].y
            + p[ibug::LEFT_EYE_OUTER].y);
    let eyes_x = 0.25
        * (p[ibug::RIGHT_EYE_OUTER].x
            + p[ibug::RIGHT_EYE_INNER].x
            + p[ibug::LEFT_EYE_INNER].x
            + p[ibug::LEFT_EYE_OUTER].x);
    let meet_y = 0.5 * (p[ibug::UPPER_LIP_INNER].y + p[ibug::LOWER_LIP_INNER].y);
    [
        face_width / face_height,
        jaw / face_width,
        width(6, 10) / jaw,
        width(ibug::NOSE_RIGHT, ibug::NOSE_LEFT) / between_eyes,
        nose / face_height,
        (p[ibug::NOSE_TIP].z - 0.5 * (p[ibug::NOSE_RIGHT].z + p[ibug::NOSE_LEFT].z)) / nose,
        drop(ibug::NOSE_TIP, ibug::NOSE_BASE) / nose,
        mouth / between_eyes,
        drop(ibug::UPPER_LIP_OUTER, ibug::LOWER_LIP_OUTER) / mouth,
        (p[ibug::UPPER_LIP_OUTER].y - meet_y) / (meet_y - p[ibug::LOWER_LIP_OUTER].y).max(1e-6),
        drop(ibug::NOSE_BASE, ibug::UPPER_LIP_OUTER) / face_height,
        drop(ibug::LOWER_LIP_OUTER, ibug::CHIN) / face_height,
        eye / between_eyes,
        open / eye,
        0.5 * (drop(ibug::RIGHT_EYE_OUTER, ibug::RIGHT_EYE_INNER) + drop(ibug::LEFT_EYE_OUTER, ibug::LEFT_EYE_INNER))
            / eye,
        (0.5 * (p[ibug::MOUTH_RIGHT].y + p[ibug::MOUTH_LEFT].y) - meet_y) / mouth,
        (0.5 * (p[ibug::RIGHT_BROW_MIDDLE].y + p[ibug::LEFT_BROW_MIDDLE].y) - eyes_y) / eye,
        (p[ibug::CHIN].z - p[ibug::NOSE_BASE].z) / face_height,
        (p[ibug::UPPER_LIP_INNER].z - p[ibug::NOSE_BASE].z) / face_height,
        between_eyes / face_width,
        (p[ibug::NOSE_TIP].x - eyes_x) / face_width,
        (0.5 * (p[ibug::MOUTH_RIGHT].x + p[ibug::MOUTH_LEFT].x) - eyes_x) / face_width,
    ]
}
