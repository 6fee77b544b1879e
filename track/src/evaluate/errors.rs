//! Errors of single answers.
use crate::frame::Frame;
use crate::picture::{Mips, Picture};
use formats::FrameRow;
use glam::Vec3;
use head::model::ARKIT;

/// Mean absolute errors of ARKit units by group; `None` where a group is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnitErrors {
    /// All but the looks, which are told in degrees.
    pub all: f64,
    /// `eyeBlink*`
    pub blink: f64,
    /// `eyeBlink*`, `eyeSquint*`, `eyeWide*`
    pub eyes: f64,
    /// `jawOpen`
    pub jaw_open: f64,
    /// `jaw*`
    pub jaw: f64,
    /// `mouth*`
    pub lips: f64,
    /// `brow*`
    pub brows: f64,
}

impl UnitErrors {
    /// Of one face.
    pub fn new(found: &[f32; 52], truth: &[f32; 52]) -> Self {
        let of = |keep: &dyn Fn(&str) -> bool| {
            let errors: Vec<f64> =
                (0..52).filter(|&k| keep(ARKIT[k])).map(|k| f64::from((found[k] - truth[k]).abs())).collect();
            super::mean(&errors)
        };
        UnitErrors {
            all: of(&|name| !name.starts_with("eyeLook")),
            blink: of(&|name| name.starts_with("eyeBlink")),
            eyes: of(&|name| name.starts_with("eye") && !name.starts_with("eyeLook")),
            jaw_open: of(&|name| name == "jawOpen"),
            jaw: of(&|name| name.starts_with("jaw")),
            lips: of(&|name| name.starts_with("mouth")),
            brows: of(&|name| name.starts_with("brow")),
        }
    }
}

/// Mean angle between the gaze of both eyes and the truth, both in the head (degrees); `gaze` is in the head's space.
pub fn gaze_deg(gaze: &[Vec3; 2], truth: &FrameRow) -> f64 {
    use head::model::Joint;
    let turn = |k: Joint| glam::Quat::from_scaled_axis(Vec3::from(truth.pose[k as usize]));
    let head_from_world = (turn(Joint::Neck) * turn(Joint::Head)).inverse();
    let angle = |eye: usize| {
        let there = head_from_world * Vec3::from(truth.gaze[eye]);
        f64::from(gaze[eye].normalize_or(Vec3::Z).dot(there.normalize_or(Vec3::Z)).clamp(-1.0, 1.0).acos().to_degrees())
    };
    0.5 * (angle(0) + angle(1))
}

/// Mean absolute difference of the matte in the output frame: everywhere, and where the true matte is between 2 % and 98 %
/// within [`EDGE_PX`] pixels.
pub fn matte(frame: &Frame, photo: &Mips, alpha: &[u8]) -> Option<[f64; 2]> {
    let gray = formats::image::gray8_from_png(alpha).ok()?;
    let rgba = gray.data.iter().flat_map(|a| [*a, *a, *a, 255]).collect();
    let truth = Mips::new(Picture { width: photo.size().0, height: photo.size().1, rgba });
    let size = frame.canvas.width;
    let seen = frame.colours_at(&truth, size);
    // Only where the render has something to say.
    let inside: Vec<usize> = (0..seen.planes[3].len()).filter(|i| seen.planes[3][*i] > 0.99).collect();
    let error = |i: &usize| (seen.planes[0][*i] - frame.canvas.planes[3][*i]).abs() as f64;
    let edge: Vec<f64> = inside.iter().filter(|i| is_edge(&seen.planes[0], size, **i)).map(error).collect();
    Some([super::mean(&inside.iter().map(error).collect::<Vec<_>>()), super::mean(&edge)])
}

/// How far from a pixel the matte may change for it to belong to the edge.
const EDGE_PX: usize = 3;

fn is_edge(alpha: &[f32], size: usize, i: usize) -> bool {
    let (x, y) = (i % size, i / size);
    let around = |v: usize| v.saturating_sub(EDGE_PX)..(v + EDGE_PX + 1).min(size);
    let (mut low, mut high) = (1.0f32, 0.0f32);
    for row in around(y) {
        for column in around(x) {
            low = low.min(alpha[row * size + column]);
            high = high.max(alpha[row * size + column]);
        }
    }
    low < 0.5 && high > 0.5
}
