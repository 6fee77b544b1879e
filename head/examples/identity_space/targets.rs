//! Surfaces that the model is registered to.
use crate::{Failure, bytes, corners_of};
use glam::{Affine3A, Vec3};
use head::ibug;
use head::model::Part;
use head::register::{Mark, Surface};
use head::{HeadModel, ict, obj};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use std::path::Path;

/// Vertices of ICT's face and head come first; the linings of eyes and mouth follow.
const ICT_OUTSIDE: u32 = 11_248;
/// Landmarks that both schemes put on the same place: nose, eyes, lips.
const SAME_PLACE: std::ops::Range<usize> = ibug::NASION..ibug::COUNT;
/// Unit of the scan (meters), roughly: chin to crown is 4.6 units and the head 3.1 units wide, in men 230 and 154 mm.
const SCAN_UNIT_M: f32 = 0.049;

/// A surface, where the head is about, and what is known of it.
pub struct Target {
    pub surface: Surface,
    pub start: Affine3A,
    /// `(landmark, place)`
    landmarks: Vec<(usize, Vec3)>,
}

impl Target {
    pub fn marks(&self, model: &HeadModel) -> Vec<Mark> {
        let mark = |&(l, place): &(usize, Vec3)| Mark { corners: corners_of(model, l), place, weight: 2.0 };
        self.landmarks.iter().map(mark).collect()
    }
}

/// People drawn from the scan modes, each an independent standard normal.
pub fn ict_people(folder: &Path, n: usize) -> Result<Vec<Target>, Failure> {
    let model = ict::import(folder)?;
    let outside = |face: &[u32; 4], part: Part| part == Part::Skin && face.iter().all(|&v| v < ICT_OUTSIDE);
    let faces: Vec<[u32; 4]> = model
        .faces
        .iter()
        .zip(&model.face_parts)
        .filter(|(face, part)| outside(face, **part))
        .map(|(face, _)| *face)
        .collect();
    let person = |seed: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let shape: Vec<f32> = (0..model.identity.len()).map(|_| StandardNormal.sample(&mut rng)).collect();
        let mut positions = model.neutral(&shape);
        let landmarks = model.landmarks_at(&positions);
        positions.truncate(ICT_OUTSIDE as usize);
        Target {
            surface: Surface::new(positions, &faces),
            start: Affine3A::IDENTITY,
            landmarks: SAME_PLACE.map(|l| (l, landmarks[l])).collect(),
        }
    };
    Ok((0..n).map(person).collect())
}

/// The scan of a real person, in its own unit; the tip of the nose says where it is.
pub fn scan(path: &Path, model: &HeadModel) -> Result<Target, Failure> {
    let mesh = obj::read(&bytes(path)?)?;
    let surface = Surface::new(mesh.positions, &mesh.faces);
    let tip = surface.positions.iter().copied().max_by(|a, b| a.z.total_cmp(&b.z)).ok_or("an empty scan")?;
    let own = model.landmarks_at(&model.template)[ibug::NOSE_TIP];
    let scale = 1.0 / SCAN_UNIT_M;
    let start =
        Affine3A::from_translation(tip) * Affine3A::from_scale(Vec3::splat(scale)) * Affine3A::from_translation(-own);
    Ok(Target { surface, start, landmarks: Vec::new() })
}
