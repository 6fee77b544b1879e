//! The head model: template, bases, rig, labels. Importers fill it; everything downstream only reads it.
use glam::{Vec2, Vec3};
use std::collections::BTreeMap;

/// A parametric head. Space: meters, right-handed, y up, the face looks along +z, the origin lies midway
/// between the eyeball centers of the template. Letters: `V` vertices, `F` faces, `T` texture vertices,
/// `Ks` identity columns, `J` joints, `L` landmarks.
#[derive(Clone, Debug)]
pub struct HeadModel {
    /// Which importer made it: `makehuman`, `ict`, `flame`, `analytic`.
    pub source: String,
    /// `[V]` neutral positions (meters).
    pub template: Vec<Vec3>,
    /// `[F]` quads, counter-clockwise seen from outside; a triangle repeats its last index.
    pub faces: Vec<[u32; 4]>,
    /// `[F]` what each face belongs to.
    pub face_parts: Vec<Part>,
    /// `[T]` texture coordinates in 0..=1, origin bottom left, every part in one atlas without overlap.
    pub uvs: Vec<Vec2>,
    /// `[F]` indices into `uvs`.
    pub face_uvs: Vec<[u32; 4]>,
    /// `Ks` identity columns.
    pub identity: Basis,
    /// The 52 ARKit units, in the order of [`ARKIT`]; a unit the source lacks is a zero column.
    /// The `eyeLook*` columns move lids only: the eyeballs turn by [`crate::rig`].
    pub expression: Basis,
    /// `J` joints in the order of [`Joint::ALL`].
    pub joints: Vec<JointRest>,
    /// `[V, J]` skinning weights, rows sum to one.
    pub weights: Vec<[f32; 5]>,
    /// `[V]` the vertex on the other side; an involution.
    pub mirror: Vec<u32>,
    /// The 68 landmarks (iBUG order), then dense ones.
    pub landmarks: Vec<SurfacePoint>,
    /// Names of vertex masks in 0..=1, `[V]` each: at least `face`, `scalp`, `neck`, `ears`, `lips`, `brows`,
    /// `beard`, `eyelids`, `nose`, `cheeks`, `forehead`.
    pub regions: BTreeMap<String, Vec<f32>>,
    /// How plausible identities are distributed.
    pub identity_prior: IdentityPrior,
}

/// `K` linear displacement columns over the `V` vertices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basis {
    /// `[K]`
    pub names: Vec<String>,
    /// `[K, V]` displacements (meters), row-major.
    pub columns: Vec<Vec3>,
}

/// A Gaussian over shape vectors, fitted to the sampler: `shape = mean + Σ_k c_k · components[k]`, `c ~ N(0, 1)`.
/// The tracker fits the `c`.
#[derive(Clone, Debug, Default)]
pub struct IdentityPrior {
    /// `[Ks]`
    pub mean: Vec<f32>,
    /// `[Kc, Ks]`, each scaled by its standard deviation, largest first.
    pub components: Vec<Vec<f32>>,
}

/// What a face of the mesh is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Part {
    /// Face, scalp, ears and neck.
    Skin = 0,
    /// Left eyeball (the person's left, +x).
    EyeLeft = 1,
    /// Right eyeball.
    EyeRight = 2,
    /// Upper teeth.
    TeethUpper = 3,
    /// Lower teeth.
    TeethLower = 4,
    /// Gums.
    Gums = 5,
    /// Tongue.
    Tongue = 6,
    /// Inside of the mouth.
    Mouth = 7,
    /// Eyelashes, where the source has them as a mesh.
    Lashes = 8,
}

/// The joints that move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Joint {
    /// Base of the neck (root).
    Neck = 0,
    /// Skull on the neck.
    Head = 1,
    /// Jaw.
    Jaw = 2,
    /// The person's left eyeball.
    EyeLeft = 3,
    /// The person's right eyeball.
    EyeRight = 4,
}

impl Joint {
    /// In storage order.
    pub const ALL: [Joint; 5] = [Joint::Neck, Joint::Head, Joint::Jaw, Joint::EyeLeft, Joint::EyeRight];

    /// The joint it hangs on.
    pub fn parent(self) -> Option<Joint> {
        match self {
            Joint::Neck => None,
            Joint::Head => Some(Joint::Neck),
            Joint::Jaw | Joint::EyeLeft | Joint::EyeRight => Some(Joint::Head),
        }
    }
}

/// A joint at rest; it follows the identity because it is a mean of vertices.
#[derive(Clone, Debug)]
pub struct JointRest {
    /// Vertices whose mean is the joint's place.
    pub vertices: Vec<u32>,
    /// Added to that mean (meters).
    pub offset: Vec3,
}

/// A point that rides on a face of the mesh: weights of its four corners, which sum to one.
#[derive(Clone, Copy, Debug)]
pub struct SurfacePoint {
    /// Index into `faces`.
    pub face: u32,
    /// Weights of the corners.
    pub weights: [f32; 4],
}

/// Everything that poses a head.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadParams {
    /// `[Ks]` identity coefficients.
    pub shape: Vec<f32>,
    /// ARKit units, 0..=1, order of [`ARKIT`].
    pub expression: [f32; 52],
    /// `[5]` axis-angle (radians) of each joint in its parent, order of [`Joint::ALL`]; the eyeballs' add to what
    /// the `eyeLook*` units turn them by.
    pub pose: [Vec3; 5],
}

/// The ARKit units, in Apple's order of `ARFaceAnchor.BlendShapeLocation` as the trackers list them.
pub const ARKIT: [&str; 52] = [
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
];
