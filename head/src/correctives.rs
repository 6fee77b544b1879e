//! What linear units cannot know: where another person's lids and lips are, and that eyeballs are solid.
//!
//! The units were modeled on one face. On others, and in company, they close lids too far or not enough, press lips
//! through each other and let the balls of the eyes poke through the lids. [`Correctives`] mends the coefficients of
//! the units that close, for the person at hand, and pushes lids off the balls; everything else stays linear.
mod eyeball;

use crate::evaluate::Posed;
use crate::ibug;
use crate::model::{HeadModel, HeadParams, Joint};
use crate::params::{mirrored_unit, unit};
use crate::rig;
use eyeball::Eyeball;
use glam::Vec3;

/// Landmarks that meet when the left and the right eye close: upper, lower.
const LIDS: [[(usize, usize); 2]; 2] = [[(43, 47), (44, 46)], [(37, 41), (38, 40)]];
/// Landmarks that meet when the mouth closes.
const LIPS: [(usize, usize); 3] = [(61, 67), (62, 66), (63, 65)];
/// A unit that closes is never taken further than this.
const MOST: f32 = 1.6;
/// Lids go with the eye: the share of an eye's turn up or down (over the reach of `eyeLookUp` and `eyeLookDown`) that is
/// added to `eyeWide`, `eyeBlink` and `eyeSquint`. By the units alone an eye that looks down sinks behind its lower lid, and
/// one that looks up hides behind its upper one; lids of people keep their place over iris and white, the upper one
/// nearly with the eye, the lower one half as far (Becker and Fuchs 1988, "Lid-eye coordination during vertical gaze changes").
const FOLLOW_UP: Follow = Follow { wide: 0.65, blink: 0.0, squint: -0.1 };
/// See [`FOLLOW_UP`].
const FOLLOW_DOWN: Follow = Follow { wide: 0.0, blink: 0.38, squint: -0.75 };

/// What is added to the units of the lids by an eye that turns.
#[derive(Clone, Copy, Debug)]
struct Follow {
    wide: f32,
    blink: f32,
    squint: f32,
}

/// One unit, or the left and the right one of a pair: columns, and meters a unit by which each parts the lips.
type Gesture = Vec<(usize, f32)>;

/// Mends poses of one model.
#[derive(Clone, Debug)]
pub struct Correctives {
    balls: [Eyeball; 2],
    /// Columns of `eyeBlinkLeft`, `eyeBlinkRight`, and by how much each narrows its eye (meters a unit).
    blinks: [(usize, f32); 2],
    /// Columns of `eyeWide` and `eyeSquint`, left and right.
    wides: [usize; 2],
    squints: [usize; 2],
    /// Column of `mouthClose`, and by how much it brings the lips together (meters a unit).
    close: (usize, f32),
    /// By how much each gesture of the mouth parts the lips (meters a unit), left and right together.
    gestures: Vec<Gesture>,
    /// Distance of the lips on the template (meters); they touch there.
    lips_at_rest: f32,
}

impl Correctives {
    /// For a model.
    pub fn new(model: &HeadModel) -> Correctives {
        let landmarks = |field: &[Vec3]| model.landmarks_at(field);
        let column = |name: &str| unit(name).unwrap_or(0);
        let narrows = |k: usize, pairs: &[(usize, usize)]| -gap(&landmarks(model.expression.column(k)), pairs);
        let blinks = [column("eyeBlinkLeft"), column("eyeBlinkRight")];
        let close = column("mouthClose");
        Correctives {
            balls: [0, 1].map(|side| Eyeball::new(model, side)),
            wides: [column("eyeWideLeft"), column("eyeWideRight")],
            squints: [column("eyeSquintLeft"), column("eyeSquintRight")],
            blinks: std::array::from_fn(|side| (blinks[side], narrows(blinks[side], &LIDS[side]))),
            close: (close, narrows(close, &LIPS)),
            gestures: gestures(|k| gap(&landmarks(model.expression.column(k)), &LIPS)),
            lips_at_rest: gap(&landmarks(&model.template), &LIPS),
        }
    }

    /// Pushes the lids of a neutral mesh `[V]` (meters) off the eyeballs.
    pub fn rest(&self, model: &HeadModel, neutral: &mut [Vec3]) {
        let places = model.joint_places(neutral);
        for (side, ball) in self.balls.iter().enumerate() {
            ball.push_out(neutral, places[3 + side], Vec3::Z);
        }
    }

    /// Like [`HeadModel::pose_neutral`], mended.
    pub fn pose(&self, model: &HeadModel, neutral: &[Vec3], params: &HeadParams) -> Posed {
        let turned = self.follow(&params.expression, &params.pose);
        let expression = self.expression(model, neutral, &turned);
        let looks = HeadParams { expression, ..params.clone() };
        let mut posed = model.pose_neutral(neutral, &looks);
        for (side, ball) in self.balls.iter().enumerate() {
            ball.push_out(&mut posed.positions, posed.eye_centers[side], posed.gaze[side]);
        }
        posed
    }

    /// `[V]` how `params` move the surface from `neutral` (meters), neck and head at rest; the shape is not read.
    pub fn offsets(&self, model: &HeadModel, neutral: &[Vec3], params: &HeadParams) -> Vec<Vec3> {
        let [_, _, jaw, left, right] = params.pose;
        let still = HeadParams { pose: [Vec3::ZERO, Vec3::ZERO, jaw, left, right], ..params.clone() };
        let mut offsets = self.pose(model, neutral, &still).positions;
        offsets.iter_mut().zip(neutral).for_each(|(posed, rest)| *posed -= *rest);
        offsets
    }

    /// The units with the lids going where the eyes turn; `pose` is axis-angle, as in [`HeadParams`].
    fn follow(&self, expression: &[f32; 52], pose: &[Vec3; 5]) -> [f32; 52] {
        let mut followed = *expression;
        for (side, look) in rig::looks(expression).into_iter().enumerate() {
            let pitch = look.pitch + pose[Joint::EyeLeft as usize + side].x;
            let (reach, follow) =
                if pitch < 0.0 { (rig::LOOK_UP_RAD, FOLLOW_UP) } else { (rig::LOOK_DOWN_RAD, FOLLOW_DOWN) };
            let share = (pitch.abs() / reach).min(1.2);
            let open = 1.0 - expression[self.blinks[side].0].clamp(0.0, 1.0);
            followed[self.wides[side]] += follow.wide * share * open;
            followed[self.squints[side]] += follow.squint * share * open;
            followed[self.blinks[side].0] += follow.blink * share * open;
        }
        followed
    }

    /// The units that do on this person what the given ones say: `eyeBlink` at one closes the eye just so, whatever
    /// squints or looks down beside it, and `mouthClose` ends where the lips touch.
    pub fn expression(&self, model: &HeadModel, neutral: &[Vec3], expression: &[f32; 52]) -> [f32; 52] {
        let mut mended = *expression;
        let moved = |units: &[f32; 52]| -> Vec<Vec3> {
            let corner = |v: u32| {
                let active = (0..52).filter(|&k| units[k] != 0.0);
                active.fold(neutral[v as usize], |p, k| p + units[k] * model.expression.column(k)[v as usize])
            };
            let points = model.landmarks.iter().take(ibug::COUNT);
            points.map(|l| (0..4).map(|c| l.weights[c] * corner(model.faces[l.face as usize][c])).sum()).collect()
        };
        let mut open = *expression;
        self.blinks.iter().for_each(|&(k, _)| open[k] = 0.0);
        let points = moved(&open);
        for (side, &(k, narrows)) in self.blinks.iter().enumerate().filter(|(_, (_, narrows))| *narrows > 1e-4) {
            let left = gap(&points, &LIDS[side]);
            let share = if left > 0.0 { expression[k] } else { 1.0 };
            mended[k] = (share * left / narrows).clamp(-0.5, MOST);
        }
        let (k, narrows) = self.close;
        if expression[k] > 0.0 && narrows > 1e-4 {
            let mut open = *expression;
            open[k] = 0.0;
            let left = gap(&moved(&open), &LIPS) - self.lips_at_rest;
            mended[k] = expression[k].min((left / narrows).max(0.0));
        }
        if narrows > 1e-4 {
            mended[k] -= self.overlap(&mended) / narrows;
        }
        mended
    }

    /// How far the lips are pressed through each other by several gestures at once (meters, 0 or more): each was
    /// modeled on lips at rest, so together they press no further than the one that presses most.
    fn overlap(&self, expression: &[f32; 52]) -> f32 {
        let parts = |g: &Gesture| g.iter().map(|&(k, meters)| expression[k] * meters).sum::<f32>();
        let (all, most) =
            self.gestures.iter().map(parts).fold((0.0f32, 0.0f32), |(all, most), m| (all + m, most.min(m)));
        (most - all).max(0.0)
    }

    /// Distance in meters by which the lids of the eye of a side (0 left, 1 right) come nearest to the ball's surface;
    /// negative where they are inside. For checks.
    pub fn lid_clearance(&self, posed: &Posed, side: usize) -> f32 {
        self.balls[side].clearance(&posed.positions, posed.eye_centers[side], posed.gaze[side])
    }
}

/// The units by gesture; `parts` tells how far a unit parts the lips (meters).
fn gestures(parts: impl Fn(usize) -> f32) -> Vec<Gesture> {
    let mut found: Vec<Gesture> = Vec::new();
    for k in (0..52).filter(|&k| k <= mirrored_unit(k)) {
        let mut columns = vec![k, mirrored_unit(k)];
        columns.dedup();
        let gesture: Gesture = columns.into_iter().map(|k| (k, parts(k))).collect();
        if gesture.iter().any(|(_, meters)| meters.abs() > 1e-5) {
            found.push(gesture);
        }
    }
    found
}

/// Mean height of the first over the second of each pair.
fn gap(points: &[Vec3], pairs: &[(usize, usize)]) -> f32 {
    pairs.iter().map(|&(a, b)| points[a].y - points[b].y).sum::<f32>() / pairs.len() as f32
}
