//! Eyeballs: the person's iris and white on the ball that the rig has turned.
use crate::people::person::Eyes;
use crate::people::surface::Surface;
use crate::stream::{Subject, derive};
use crate::tracer::bsdf::opening::Opening;
use crate::tracer::scene::{EyeMaterial, Material};
use formats::segmentation::Class;
use glam::Vec3;
use head::Posed;
use head::ibug;
use head::model::Joint;
use std::sync::Arc;

/// How far the iris lies behind the plane of the limbus (meters): with the cornea's bulge before it the anterior chamber
/// is then some 3 mm deep, as in people.
const IRIS_BEHIND_LIMBUS_M: f32 = 0.0006;

/// Landmarks of the margins of the lids from the inner to the outer corner: left and right eye, upper and lower lid.
const LIDS: [[[usize; 4]; 2]; 2] = [[[42, 43, 44, 45], [42, 47, 46, 45]], [[39, 38, 37, 36], [39, 40, 41, 36]]];

/// The gap between the lids of a side (0 left, 1 right) of a head that looks along `forward`; as for [`material`].
pub fn opening(side: usize, center: Vec3, forward: Vec3, landmarks: &[Vec3], skin: &Surface) -> Opening {
    let mut opening = Opening::new(LIDS[side].map(|lid| lid.map(|l| landmarks[l])), forward);
    let reach = 0.75 * landmarks[ibug::RIGHT_EYE_OUTER].distance(landmarks[ibug::RIGHT_EYE_INNER]);
    let before = |v: u32| {
        let offset = skin.positions[v as usize] - center;
        offset.length() < reach && offset.dot(forward) > 0.0
    };
    let near = skin.triangles.iter().filter(|t| t.iter().all(|&v| before(v)));
    let edges = near.flat_map(|t| [[t[0], t[1]], [t[1], t[2]], [t[2], t[0]]]);
    opening.trim(edges.map(|e| e.map(|v| skin.positions[v as usize])));
    opening
}

/// Material of the eyeball of a side (0 left, 1 right) in this pose; `ball` are its vertices, `landmarks` the 68 and `skin`
/// what lies around it (world).
pub fn material(
    eyes: &Eyes,
    posed: &Posed,
    side: usize,
    ball: &[Vec3],
    landmarks: &[Vec3],
    skin: &Surface,
    seed: u64,
) -> Material {
    let joint = if side == 0 { Joint::EyeLeft } else { Joint::EyeRight };
    let center = posed.eye_centers[side];
    // The cornea stands out; everything else of the ball is this far from its center.
    let radius_m = ball.iter().map(|p| p.distance(center)).fold(f32::MAX, f32::min);
    let limbus_m = (radius_m * radius_m - eyes.iris_radius_m * eyes.iris_radius_m).max(0.0).sqrt();
    let turn = posed.world_from_rest[joint as usize];
    let forward = posed.world_from_rest[Joint::Head as usize].transform_vector3(Vec3::Z).normalize_or(Vec3::Z);
    let opening = opening(side, center, forward, landmarks, skin);
    Material::Eye(EyeMaterial {
        center,
        axis: posed.gaze[side].normalize_or(Vec3::Z),
        up: turn.transform_vector3(Vec3::Y).normalize_or(Vec3::Y),
        iris_radius: eyes.iris_radius_m,
        pupil_radius: eyes.pupil_radius_m,
        iris_plane: limbus_m - IRIS_BEHIND_LIMBUS_M,
        iris: eyes.iris,
        sclera: eyes.sclera,
        veins: eyes.veins,
        seed: derive(seed, Subject::Iris, &[side as u64]),
        opening: Arc::new(opening),
        iris_class: Class::Iris.id(),
    })
}
