//! Seats the eyeballs between the lids.
//!
//! MakeHuman's macro targets leave the lids of most adults two to six millimeters too low over the pupil, so that
//! every neutral face looks half asleep. In people at rest who look straight ahead the upper lid stands some 4 mm over
//! the pupil's center and the lower lid some 5 mm under it (margin reflex distances 1 and 2). So the balls of the
//! template, and of each macro column, follow the height of the lids; local columns move the lids alone.
use crate::model::{HeadModel, Part};
use glam::Vec3;

/// Landmarks on the margins of the four lids.
const MARGINS: [usize; 8] = [37, 38, 40, 41, 43, 44, 46, 47];
/// How far the middle between the lids lies under the pupil (meters).
const MIDDLE_BELOW_PUPIL_M: f32 = 6e-4;

/// Lowers or lifts the eyeballs, and moves everything so that the origin is midway between them again.
pub fn seat(model: &mut HeadModel) {
    let is_ball: Vec<bool> = ball_vertices(model);
    let lids = |field: &[Vec3]| {
        let points = model.landmarks_at(field);
        MARGINS.iter().map(|&l| points[l].y).sum::<f32>() / MARGINS.len() as f32
    };
    let step = lids(&model.template) + MIDDLE_BELOW_PUPIL_M;
    let n = model.template.len();
    let is_macro = |name: &str| !name.contains('/') || name.starts_with("build/");
    let steps: Vec<f32> = (0..model.identity.len())
        .map(|k| if is_macro(&model.identity.names[k]) { lids(model.identity.column(k)) } else { 0.0 })
        .collect();
    lift_the_rest(&mut model.template, &is_ball, -step);
    for (column, step) in model.identity.columns.chunks_mut(n).zip(steps) {
        lift_the_rest(column, &is_ball, -step);
    }
}

/// Balls that go down while the origin follows them: everything else goes up.
fn lift_the_rest(field: &mut [Vec3], is_ball: &[bool], by: f32) {
    let rest = field.iter_mut().zip(is_ball).filter(|(_, ball)| !**ball);
    rest.for_each(|(value, _)| value.y += by);
}

fn ball_vertices(model: &HeadModel) -> Vec<bool> {
    let mut is_ball = vec![false; model.template.len()];
    let balls = model.faces.iter().zip(&model.face_parts);
    for (face, _) in balls.filter(|(_, part)| matches!(part, Part::EyeLeft | Part::EyeRight)) {
        face.iter().for_each(|&v| is_ball[v as usize] = true);
    }
    is_ball
}
