//! Jitter: second differences in time of the landmarks tracked on the avatar, beside those of the motion that drives it.
//!
//! Of three consecutive frames, `|p(t − 1) − 2 p(t) + p(t + 1)|` of each landmark, divided by the distance between the outer
//! corners of the eyes in the middle frame; the mean over landmarks and runs. The jaw line is left out: its landmarks slide
//! along the contour. The driver's own are the landmarks of the head model, moved by the same coefficients and seen by the same
//! cameras: jitter of the driver's tracking is among them, errors of the avatar and of tracking it again are not.
use head::ibug;
use std::fmt;

/// Percent of the distance between the outer corners of the eyes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Jitter {
    /// Of the landmarks that the tracker reads on the avatar.
    pub avatar_percent: f64,
    /// Of the motion that drives it.
    pub driver_percent: f64,
    /// Runs of three consecutive frames that all show a face.
    pub runs: usize,
}

/// Landmarks `[68]` of one frame (pixels), with its place in the clip.
type Placed = (usize, Vec<[f32; 2]>);

impl Jitter {
    /// Of the same frames, in order; none without three consecutive ones.
    pub fn of(tracked: &[Placed], driven: &[Placed]) -> Option<Self> {
        let of = |frames: &[Placed]| -> Vec<f64> {
            frames.windows(3).filter(|w| w[0].0 + 2 == w[2].0).map(second_difference_percent).collect()
        };
        let (avatar, driver) = (of(tracked), of(driven));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        (!avatar.is_empty()).then(|| Jitter {
            avatar_percent: mean(&avatar),
            driver_percent: mean(&driver),
            runs: avatar.len(),
        })
    }
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Jitter { avatar_percent, driver_percent, runs } = self;
        write!(
            f,
            "{avatar_percent:.2} % of the eye distance, the driver's own {driver_percent:.2} %, over {runs} runs of 3 frames"
        )
    }
}

/// Mean over the landmarks of three frames.
fn second_difference_percent(run: &[Placed]) -> f64 {
    let [before, now, after] = [0, 1, 2].map(|k| &run[k].1);
    let inner = ibug::JAW.end..ibug::COUNT;
    let n = inner.len() as f64;
    let difference = |i: usize| {
        let along = |k: usize| f64::from(before[i][k] - 2.0 * now[i][k] + after[i][k]);
        along(0).hypot(along(1))
    };
    let (right, left) = (now[ibug::RIGHT_EYE_OUTER], now[ibug::LEFT_EYE_OUTER]);
    let eyes_px = f64::from((right[0] - left[0]).hypot(right[1] - left[1])).max(1.0);
    100.0 * inner.map(difference).sum::<f64>() / n / eyes_px
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eyes 100 px apart, everything `x` px to the right; the jaw line where it likes.
    fn face(frame: usize, x: f32) -> Placed {
        let mut points = vec![[x, 0.0]; ibug::COUNT];
        points[ibug::LEFT_EYE_OUTER][0] += 100.0;
        points[0] = [(frame % 2) as f32 * 50.0, 0.0];
        (frame, points)
    }

    #[test]
    fn steady_motion_is_no_jitter() {
        let steady: Vec<Placed> = (0..5).map(|i| face(i, 3.0 * i as f32)).collect();
        let shaking: Vec<Placed> = (0..5).map(|i| face(i, if i % 2 == 0 { 0.5 } else { 0.0 })).collect();
        let jitter = Jitter::of(&shaking, &steady).unwrap();
        assert!((jitter.avatar_percent - 1.0).abs() < 1e-5 && jitter.driver_percent < 1e-5, "{jitter:?}");
        assert_eq!(jitter.runs, 3);
    }

    #[test]
    fn runs_do_not_reach_over_gaps() {
        let frames: Vec<Placed> = [0, 1, 3, 4, 5].map(|i| face(i, 0.0)).into();
        assert_eq!(Jitter::of(&frames, &frames).unwrap().runs, 1);
        assert_eq!(Jitter::of(&frames[..3], &frames[..3]), None);
    }
}
