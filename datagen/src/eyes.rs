//! Eyeballs: the person's iris and white on the ball that the rig has turned.
use crate::person::Eyes;
use crate::scene::{EyeMaterial, Material};
use crate::stream::{derive, subject};
use head::Posed;
use head::model::Joint;

/// Distance of the iris plane from the ball's centre in the human eye: 12.0 mm of ball radius, limbus at 5.9 mm
/// from the axis, so √(12² − 5.9²) ≈ 10.4 mm, a little deeper for the iris itself (Bérard et al. 2014, fig. 2).
const IRIS_PLANE_M: f32 = 0.0098;
/// Class id of iris and pupil in `formats::frame::SEGMENTATION`.
const CLASS_IRIS: u8 = 4;

/// Material of the eyeball of a side (0 left, 1 right) in this pose.
pub fn material(eyes: &Eyes, posed: &Posed, side: usize, seed: u64) -> Material {
    let joint = if side == 0 { Joint::EyeLeft } else { Joint::EyeRight };
    let turn = posed.world_from_rest[joint as usize];
    Material::Eye(EyeMaterial {
        center: posed.eye_centers[side],
        axis: posed.gaze[side].normalize_or(glam::Vec3::Z),
        up: turn.transform_vector3(glam::Vec3::Y).normalize_or(glam::Vec3::Y),
        iris_radius: eyes.iris_radius_m,
        pupil_radius: eyes.pupil_radius_m,
        iris_plane: IRIS_PLANE_M,
        iris: eyes.iris,
        sclera: eyes.sclera,
        veins: eyes.veins,
        seed: derive(seed, &[subject::PERSON, 2, side as u64]),
        iris_class: CLASS_IRIS,
    })
}
