//! One row of `identities`: a person, once.

/// One identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentityRow {
    /// 0..n.
    pub identity_id: u32,
    /// `train`, `val` or `test`.
    pub split: String,
    /// Seed everything about the person is drawn from.
    pub seed: u64,
    /// `[Ks]` coefficients of the head model's identity basis.
    pub shape: Vec<f32>,
    /// Years.
    pub age: f32,
    /// 0 female … 1 male.
    pub sex: f32,
    /// Weights of the ancestry axes (african, asian, caucasian), sum 1.
    pub ancestry: [f32; 3],
    /// Name of the skin tone class (`I` … `VI`, Fitzpatrick).
    pub skin_tone: String,
    /// Name of the hair style.
    pub hair_style: String,
    /// Every other drawn parameter (JSON): albedo, hair, beard, brow, eye, teeth.
    pub parameters: String,
    /// UV albedo, RGB PNG, sRGB.
    pub albedo: Option<Vec<u8>>,
    /// UV image of what the head shows from outside, unlit: skin, and hair and cloth before it; RGB PNG, sRGB.
    pub appearance: Option<Vec<u8>>,
    /// UV position map of the neutral head `[H, W, 3]` f32, meters, row-major; rows top to bottom (v from 1 to 0).
    pub position: Option<UvMap>,
}

/// A float map over the UV atlas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UvMap {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// `[height, width, 3]`
    pub values: Vec<f32>,
}
