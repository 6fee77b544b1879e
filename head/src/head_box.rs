//! Middle and height of a head: what cameras are placed by, in the generator and in the tracker.
use crate::ibug;
use crate::model::{HeadModel, Part};
use glam::Vec3;

/// The size of a head, which decides the focal length.
#[derive(Clone, Copy, Debug)]
pub struct HeadBox {
    /// Midway between chin and crown, a little in front of the ears (meters).
    pub center: Vec3,
    /// Chin to crown (meters).
    pub height_m: f32,
}

impl HeadBox {
    /// Of a person at rest, `neutral` `[V]` (head space, meters).
    pub fn of(model: &HeadModel, neutral: &[Vec3]) -> Self {
        let skin = model.faces.iter().zip(&model.face_parts).filter(|(_, part)| **part == Part::Skin);
        let crown_y = skin.flat_map(|(face, _)| face.map(|v| neutral[v as usize].y)).fold(f32::MIN, f32::max);
        Self::from_landmarks(&model.landmarks_at(neutral), crown_y)
    }

    /// From landmarks `[L]` of a head at rest and the height of its crown (head space, meters). The crown of a refined mesh is
    /// not that of the mesh it refines, so boxes of the two differ slightly.
    pub fn from_landmarks(landmarks: &[Vec3], crown_y: f32) -> Self {
        let chin = landmarks[ibug::CHIN];
        let (right, left) = (landmarks[ibug::JAW_RIGHT], landmarks[ibug::JAW_LEFT]);
        let ears_z = 0.5 * (right.z + left.z);
        let z = 0.5 * (ears_z + landmarks[ibug::NOSE_TIP].z) - 0.02;
        HeadBox {
            center: Vec3::new(0.5 * (right.x + left.x), 0.5 * (chin.y + crown_y), z),
            height_m: (crown_y - chin.y).max(0.05),
        }
    }
}
