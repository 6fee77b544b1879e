//! Temporal flicker: how much the face's colors change between consecutive frames in which the driver hardly moves.
//!
//! A pair of consecutive frames is calm if every one of the 52 coefficients changes by less than 0.01, and every angle of the
//! eyes and of the jaw by less than 0.01 rad. Pairs without any change (held frames) give the same image and do not count. The
//! head's turn is left out: one camera sees both.
use super::choice::evenly;
use crate::clip::Frame;
use nets::view::Drawn;
use std::fmt;
use tch::{Kind, Tensor};

/// Changes below are calm: of coefficients, and of angles in radians.
const CALM: f32 = 0.01;
/// Calm pairs that are rendered at most.
const MOST_PAIRS: usize = 16;
/// Pixels with more coverage show the head.
const COVERED: f64 = 0.5;

/// What remains where the motion explains next to nothing.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Flicker {
    /// Mean absolute change of display RGB of the pixels on the face, in levels of 255.
    pub levels: f64,
    /// Calm pairs of frames, spread evenly over those of the clip.
    pub pairs: usize,
}

impl Flicker {
    /// Of the change of each pair, in levels; none without a pair.
    pub fn of(changes: &[f64]) -> Option<Self> {
        let pairs = changes.len();
        (pairs > 0).then(|| Flicker { levels: changes.iter().sum::<f64>() / pairs as f64, pairs })
    }
}

impl fmt::Display for Flicker {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:.3} levels of 255 over {} calm pairs of frames", self.levels, self.pairs)
    }
}

/// The first frames of the calm pairs that are rendered.
pub fn calm_pairs(frames: &[Frame]) -> Vec<usize> {
    let is_calm = |i: &usize| {
        let motion = motion(&frames[*i], &frames[i + 1]);
        motion > 0.0 && motion < CALM
    };
    let calm: Vec<usize> = (0..frames.len().saturating_sub(1)).filter(is_calm).collect();
    evenly(calm.len(), MOST_PAIRS, 1).into_iter().map(|k| calm[k]).collect()
}

/// Largest change of a coefficient, an angle of the eyes or the jaw; the head's turn does not count.
fn motion(a: &Frame, b: &Frame) -> f32 {
    let (from, to) = (a.channels(), b.channels());
    let is_of_head = |k: usize| (52..55).contains(&k);
    let in_face = (0..from.len()).filter(|&k| !is_of_head(k)).map(|k| (to[k] - from[k]).abs());
    in_face.fold((b.jaw - a.jaw).length(), f32::max)
}

/// Mean absolute change of display RGB, in levels of 255, over the pixels that both images cover and that lie in the bounding
/// box of `landmarks` (pixels); none where there is no such pixel.
pub fn change(a: &Drawn, b: &Drawn, landmarks: &[[f32; 2]]) -> Option<f64> {
    let (height, width) = (a.color.size()[2], a.color.size()[3]);
    let range = |k: usize, side: i64| {
        let ends = landmarks.iter().fold((f32::MAX, f32::MIN), |(low, high), p| (low.min(p[k]), high.max(p[k])));
        ((ends.0.floor() as i64).clamp(0, side), (ends.1.ceil() as i64).clamp(0, side))
    };
    let ((left, right), (top, bottom)) = (range(0, width), range(1, height));
    if left >= right || top >= bottom {
        return None;
    }
    let face = |t: &Tensor| t.narrow(2, top, bottom - top).narrow(3, left, right - left);
    let is_covered = |drawn: &Drawn| face(&drawn.alpha).gt(COVERED);
    let both = is_covered(a).logical_and(&is_covered(b)).to_kind(Kind::Float);
    let pixels = both.sum(Kind::Float).double_value(&[]);
    let sum = ((face(&a.color) - face(&b.color)).abs() * &both).sum(Kind::Float).double_value(&[]);
    (pixels > 0.0).then(|| 255.0 * sum / (3.0 * pixels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// A picture of 16 px, half covered.
    fn drawn(value: f64) -> Drawn {
        let alpha = Tensor::ones([1, 1, 16, 16], (Kind::Float, Device::Cpu));
        let _ = alpha.narrow(3, 0, 8).zero_();
        Drawn { color: Tensor::full([1, 3, 16, 16], value, (Kind::Float, Device::Cpu)), alpha }
    }

    #[test]
    fn only_covered_pixels_of_the_face_count() {
        let (a, b) = (drawn(0.5), drawn(0.5 + 10.0 / 255.0));
        let _ = b.color.narrow(3, 0, 8).fill_(1.0); // not covered
        let _ = b.color.narrow(2, 12, 4).fill_(1.0); // below the face
        let face = [[2.0, 2.0], [14.0, 11.5]];
        assert!((change(&a, &b, &face).unwrap() - 10.0).abs() < 1e-3);
        assert_eq!(change(&a, &a, &face), Some(0.0));
        assert_eq!(change(&a, &b, &[[1.0, 1.0], [6.0, 6.0]]), None, "nothing is covered there");
        assert_eq!(change(&a, &b, &[[40.0, 1.0], [60.0, 6.0]]), None, "outside");
    }

    #[test]
    fn calm_pairs_move_a_little() {
        let mut frames = vec![Frame::of_expression([0.0; 52]); 6];
        frames[1].expression[8] = 0.005;
        frames[2].expression[8] = 0.009;
        frames[3].expression[8] = 0.5;
        frames[4].expression[8] = 0.5;
        frames[5].expression[8] = 0.505;
        (frames[1].head.yaw, frames[5].head.yaw) = (0.3, -0.2);
        assert_eq!(calm_pairs(&frames), [0, 1, 4], "2 to 3 moves, 3 to 4 is held; the head may turn");
        frames[5].jaw.x = 0.1;
        assert_eq!(calm_pairs(&frames), [0, 1]);
        assert!(calm_pairs(&[]).is_empty() && Flicker::of(&[]).is_none());
        assert_eq!(Flicker::of(&[1.0, 2.0]), Some(Flicker { levels: 1.5, pairs: 2 }));
    }
}
