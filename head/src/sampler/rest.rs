//! Puts drawn faces to rest: whatever the bones, lids and corners of the mouth hang within a millimeter of where
//! relaxed lids and mouths do. Without it a neutral face carries an expression, mostly a sullen one.
//!
//! The margins and corners are linear in the shape, so columns that move them are solved for, and what is asked is drawn.
//!
//! Constants, and where they come from:
//!
//! | constants                                     | source        |
//! | --------------------------------------------- | ------------- |
//! | heights of the lids, droop with age, children | chosen by eye |
//! | corners of the mouth                          | chosen by eye |
use super::person::Person;
use super::{Landmarks, normal};
use crate::ibug;
use crate::model::HeadModel;
use glam::Vec3;
use rand_chacha::ChaCha8Rng;

/// Landmarks of upper and lower margin, the middle of the ball they lie before being the origin's height.
const LIDS: [([usize; 2], [usize; 2]); 2] = [([43, 44], [46, 47]), ([37, 38], [40, 41])];
/// Height of the upper lid over the pupil and of the lower one under it in adults (meters), and how they vary.
const UPPER_M: (f32, f32) = (0.0041, 0.0005);
const LOWER_M: (f32, f32) = (0.0051, 0.0004);
/// How much lower the upper lid hangs at ninety than at thirty-five (meters).
const DROOP_M: f32 = 0.0011;
/// How much wider apart the lids of children stand, each (meters), scaled to the size of their heads.
const CHILD_M: f32 = 0.0003;
/// Height of the corners of the mouth over where the lips meet, in widths of the mouth, and how it varies.
const CORNERS: (f32, f32) = (0.008, 0.016);
/// Coefficients of lids and corners stay within this.
const REACH: f32 = 1.0;

/// The columns that open lids and lift corners.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    /// Left and right: `eye-height1..3`, and `eye-corner1..2`.
    lids: [(Vec<usize>, Vec<usize>); 2],
    corners: Option<usize>,
}

impl Rest {
    pub fn new(model: &HeadModel, landmarks: &Landmarks) -> Rest {
        let starting = |prefix: String| -> Vec<usize> {
            (0..model.identity.len()).filter(|&k| model.identity.names[k].starts_with(&prefix)).collect()
        };
        let lids =
            ["l", "r"].map(|s| (starting(format!("eyes/{s}-eye-height")), starting(format!("eyes/{s}-eye-corner"))));
        let lifts = |k: &usize| landmarks.columns[*k][48].y.abs() > 1e-3;
        let corners = starting("mouth/mouth-angles".into()).into_iter().find(lifts);
        Rest { lids, corners }
    }

    /// Moves the lids' and the mouth's columns of a shape so that they rest.
    pub fn relax(&self, shape: &mut [f32], landmarks: &Landmarks, person: &Person, rng: &mut ChaCha8Rng) {
        let size = 1.0 - 0.06 * (1.0 - person.grown());
        let child = CHILD_M * (1.0 - person.grown());
        let own = [normal(rng), normal(rng)].map(|x: f32| x.clamp(-2.0, 2.0));
        let upper = size * (UPPER_M.0 + UPPER_M.1 * own[0] + child) - DROOP_M * person.aged();
        let lower = -size * (LOWER_M.0 + LOWER_M.1 * own[1] + child);
        for (side, (opening, lifting)) in self.lids.iter().enumerate() {
            let wobble = [normal(rng), normal(rng)].map(|x: f32| 0.00015 * x.clamp(-2.0, 2.0));
            let (above, below) = LIDS[side];
            // Twice: both sets of columns move both margins a little.
            for _ in 0..2 {
                let points = landmarks.at(shape);
                let off = [upper + wobble[0] - mean_y(&points, above), lower + wobble[1] - mean_y(&points, below)];
                step(shape, landmarks, opening, |p| mean_y(p, above) - mean_y(p, below), off[0] - off[1]);
                step(shape, landmarks, lifting, |p| mean_y(p, above) + mean_y(p, below), off[0] + off[1]);
            }
        }
        if let Some(column) = self.corners {
            let points = landmarks.at(shape);
            let width = points[ibug::MOUTH_LEFT].x - points[ibug::MOUTH_RIGHT].x;
            let meet = |p: &[Vec3; ibug::COUNT]| {
                mean_y(p, [ibug::MOUTH_RIGHT, ibug::MOUTH_LEFT])
                    - mean_y(p, [ibug::UPPER_LIP_INNER, ibug::LOWER_LIP_INNER])
            };
            let wanted = width * (CORNERS.0 + CORNERS.1 * normal(rng).clamp(-2.0, 2.0));
            step(shape, landmarks, &[column], meet, wanted - meet(&points));
        }
    }
}

/// Adds the same coefficient to all `columns` so that `height` changes by `wanted` (meters), as far as they reach.
fn step(
    shape: &mut [f32],
    landmarks: &Landmarks,
    columns: &[usize],
    height: impl Fn(&[Vec3; ibug::COUNT]) -> f32,
    wanted: f32,
) {
    let per_unit: f32 = columns.iter().map(|&k| height(&landmarks.columns[k])).sum();
    if per_unit.abs() < 1e-5 {
        return;
    }
    for &k in columns {
        shape[k] = (shape[k] + wanted / per_unit).clamp(-REACH, REACH);
    }
}

fn mean_y(points: &[Vec3; ibug::COUNT], pair: [usize; 2]) -> f32 {
    0.5 * (points[pair[0]].y + points[pair[1]].y)
}
