//! Named faces: units (without their side) and values at full strength.
use head::model::ARKIT;

/// ARKit units, 0..=1, order of [`ARKIT`].
pub type Face = [f32; 52];

/// A face with a name.
pub struct Recipe {
    /// As it is recorded in a row.
    pub name: &'static str,
    /// Unit, or the stem of a left and a right one, and its value.
    pub units: &'static [(&'static str, f32)],
}

impl Recipe {
    /// The face at `strength`, held within 0..=1.
    pub fn face(&self, strength: f32) -> Face {
        let mut face = [0.0; 52];
        self.units.iter().for_each(|(name, value)| add_both(&mut face, name, value * strength));
        face
    }
}

/// Adds to one unit, held within 0..=1.
pub fn add(face: &mut Face, name: &str, value: f32) {
    let index = ARKIT.iter().position(|n| *n == name);
    let at = index.unwrap_or_else(|| panic!("{name} is no ARKit unit"));
    face[at] = (face[at] + value).clamp(0.0, 1.0);
}

/// Adds to `name`, or to both `nameLeft` and `nameRight`.
pub fn add_both(face: &mut Face, name: &str, value: f32) {
    if ARKIT.contains(&name) {
        return add(face, name, value);
    }
    add(face, &format!("{name}Left"), value);
    add(face, &format!("{name}Right"), value);
}

/// Both eyes look the same way, `x` to the person's left and `y` up (shares of the units' reach); the lids follow.
pub fn add_gaze(face: &mut Face, x: f32, y: f32) {
    add_eye(face, EyeSide::Left, x, y);
    add_eye(face, EyeSide::Right, x, y);
}

/// One of the eyes, from the person's own view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EyeSide {
    /// On +x.
    Left,
    /// On -x.
    Right,
}

/// One eye looks `x` to the person's left and `y` up (shares of the units' reach).
pub fn add_eye(face: &mut Face, side: EyeSide, x: f32, y: f32) {
    // x > 0: towards the person's left, which is outwards for the left eye.
    let sideways = match (side, x > 0.0) {
        (EyeSide::Left, true) => "eyeLookOutLeft",
        (EyeSide::Left, false) => "eyeLookInLeft",
        (EyeSide::Right, true) => "eyeLookInRight",
        (EyeSide::Right, false) => "eyeLookOutRight",
    };
    let upright = match (side, y > 0.0) {
        (EyeSide::Left, true) => "eyeLookUpLeft",
        (EyeSide::Left, false) => "eyeLookDownLeft",
        (EyeSide::Right, true) => "eyeLookUpRight",
        (EyeSide::Right, false) => "eyeLookDownRight",
    };
    add(face, sideways, x.abs());
    add(face, upright, y.abs());
}

const fn recipe(name: &'static str, units: &'static [(&'static str, f32)]) -> Recipe {
    Recipe { name, units }
}

/// After the action units that Ekman & Friesen's FACS lists for the basic emotions, translated to ARKit's units, and
/// everyday faces.
pub const EMOTIONS: &[Recipe] = &[
    recipe("smile", &[("mouthSmile", 0.6), ("cheekSquint", 0.3), ("eyeSquint", 0.2), ("mouthDimple", 0.2)]),
    recipe(
        "grin",
        &[("mouthSmile", 0.85), ("jawOpen", 0.18), ("cheekSquint", 0.6), ("eyeSquint", 0.35), ("mouthUpperUp", 0.35)],
    ),
    recipe(
        "laugh",
        &[("mouthSmile", 0.7), ("jawOpen", 0.5), ("cheekSquint", 0.6), ("eyeSquint", 0.4), ("mouthLowerDown", 0.3)],
    ),
    recipe("surprise", &[("browInnerUp", 0.8), ("browOuterUp", 0.8), ("eyeWide", 0.7), ("jawOpen", 0.4)]),
    recipe(
        "anger",
        &[("browDown", 0.9), ("eyeSquint", 0.4), ("mouthPress", 0.6), ("noseSneer", 0.3), ("mouthFrown", 0.3)],
    ),
    recipe(
        "rage",
        &[
            ("browDown", 0.8),
            ("mouthUpperUp", 0.6),
            ("noseSneer", 0.7),
            ("jawOpen", 0.3),
            ("mouthStretch", 0.4),
            ("mouthLowerDown", 0.5),
        ],
    ),
    recipe("sadness", &[("browInnerUp", 0.8), ("mouthFrown", 0.7), ("mouthShrugLower", 0.4), ("eyeSquint", 0.2)]),
    recipe(
        "disgust",
        &[("noseSneer", 0.9), ("mouthUpperUp", 0.5), ("browDown", 0.5), ("cheekSquint", 0.4), ("mouthFrown", 0.3)],
    ),
    recipe(
        "fear",
        &[("browInnerUp", 0.7), ("browOuterUp", 0.4), ("eyeWide", 0.8), ("mouthStretch", 0.6), ("jawOpen", 0.2)],
    ),
    recipe("smirk", &[("mouthSmileLeft", 0.5), ("mouthDimpleLeft", 0.5), ("browOuterUpLeft", 0.3)]),
    recipe("pucker", &[("mouthPucker", 0.8), ("cheekSquint", 0.1)]),
    recipe("puffed cheeks", &[("cheekPuff", 0.8), ("mouthPress", 0.3)]),
    recipe("bitten lip", &[("mouthRollLower", 0.6), ("mouthPress", 0.4), ("browInnerUp", 0.3)]),
    recipe("yawn", &[("jawOpen", 0.9), ("eyeBlink", 0.8), ("browInnerUp", 0.4), ("mouthStretch", 0.2)]),
    recipe("doubt", &[("browOuterUpRight", 0.8), ("browDownLeft", 0.6), ("mouthRight", 0.3)]),
    recipe(
        "toothy smile",
        &[
            ("mouthSmile", 0.85),
            ("mouthUpperUp", 0.55),
            ("mouthLowerDown", 0.45),
            ("cheekSquint", 0.5),
            ("jawOpen", 0.06),
        ],
    ),
    recipe(
        "bared teeth",
        &[("mouthUpperUp", 0.8), ("mouthLowerDown", 0.9), ("mouthStretch", 0.5), ("noseSneer", 0.3), ("jawOpen", 0.04)],
    ),
    recipe("closed smile", &[("mouthSmile", 0.7), ("mouthPress", 0.4), ("mouthDimple", 0.4)]),
    recipe("pressed lips", &[("mouthPress", 0.9), ("mouthRollLower", 0.25), ("mouthRollUpper", 0.2)]),
    recipe("rolled lips", &[("mouthRollLower", 0.85), ("mouthRollUpper", 0.85), ("mouthPress", 0.2)]),
    recipe("frown", &[("browDown", 0.85), ("mouthFrown", 0.75), ("eyeSquint", 0.2)]),
    recipe("raised brows", &[("browInnerUp", 0.85), ("browOuterUp", 0.85)]),
    recipe("shrug", &[("mouthShrugLower", 0.8), ("mouthShrugUpper", 0.7), ("browInnerUp", 0.4), ("mouthFrown", 0.4)]),
    recipe("shout", &[("jawOpen", 0.8), ("mouthUpperUp", 0.4), ("mouthLowerDown", 0.5), ("browDown", 0.6)]),
    recipe("gasp", &[("jawOpen", 0.95), ("browInnerUp", 0.7), ("browOuterUp", 0.6), ("eyeWide", 0.7)]),
    recipe("open mouth", &[("jawOpen", 0.75)]),
    recipe("kiss", &[("mouthPucker", 0.95), ("mouthFunnel", 0.2), ("eyeSquint", 0.2)]),
    recipe("thrust jaw", &[("jawForward", 0.8), ("mouthShrugLower", 0.5), ("browDown", 0.4)]),
    recipe("squint", &[("eyeSquint", 0.9), ("cheekSquint", 0.7), ("browDown", 0.5), ("noseSneer", 0.3)]),
];

/// Mouth shapes of speech, named by a sound that has them: the 14 of the MPEG-4 face animation table, silence left out.
pub const VISEMES: &[Recipe] = &[
    recipe("aa", &[("jawOpen", 0.45), ("mouthLowerDown", 0.2), ("mouthUpperUp", 0.1)]),
    recipe("eh", &[("jawOpen", 0.2), ("mouthStretch", 0.4), ("mouthSmile", 0.25), ("mouthLowerDown", 0.3)]),
    recipe("ih", &[("jawOpen", 0.14), ("mouthSmile", 0.2), ("mouthLowerDown", 0.25), ("mouthUpperUp", 0.15)]),
    recipe("ee", &[("jawOpen", 0.12), ("mouthSmile", 0.35), ("mouthStretch", 0.3), ("mouthUpperUp", 0.25)]),
    recipe("oh", &[("jawOpen", 0.3), ("mouthFunnel", 0.7)]),
    recipe("oo", &[("jawOpen", 0.1), ("mouthPucker", 0.75), ("mouthFunnel", 0.2)]),
    recipe("mm", &[("mouthPress", 0.6), ("mouthRollLower", 0.35), ("mouthRollUpper", 0.3)]),
    recipe("ff", &[("mouthRollLower", 0.5), ("mouthUpperUp", 0.3), ("jawOpen", 0.06)]),
    recipe("th", &[("jawOpen", 0.12), ("mouthLowerDown", 0.3), ("mouthUpperUp", 0.2)]),
    recipe("dd", &[("jawOpen", 0.1), ("mouthLowerDown", 0.35), ("mouthUpperUp", 0.15), ("mouthStretch", 0.15)]),
    recipe("kk", &[("jawOpen", 0.2), ("mouthStretch", 0.15), ("mouthLowerDown", 0.15)]),
    recipe("sh", &[("mouthFunnel", 0.5), ("jawOpen", 0.08), ("mouthUpperUp", 0.2), ("mouthLowerDown", 0.35)]),
    recipe("ss", &[("mouthStretch", 0.3), ("mouthLowerDown", 0.35), ("mouthUpperUp", 0.2), ("jawOpen", 0.03)]),
    recipe("rr", &[("jawOpen", 0.1), ("mouthFunnel", 0.35), ("mouthPucker", 0.2)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_name_real_units_and_have_names_of_their_own() {
        let all: Vec<&Recipe> = EMOTIONS.iter().chain(VISEMES).collect();
        for recipe in &all {
            let face = recipe.face(2.0);
            assert!(face.iter().all(|v| (0.0..=1.0).contains(v)) && face.iter().any(|v| *v > 0.0));
            assert_eq!(all.iter().filter(|r| r.name == recipe.name).count(), 1, "{}", recipe.name);
        }
    }
}
