//! Where a face is: centre, size and roll, the common language of detector, landmark net and fit.
use head::ibug;
use nets::pictures::align::Affine;

/// A face in a picture.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Face {
    /// Middle of the landmarks' box, in the face's own upright frame (pixels).
    pub centre: [f32; 2],
    /// Longer side of that box (pixels): brow to chin, or nose to ear in profile.
    pub size: f32,
    /// Clockwise turn on screen (radians); 0 is upright.
    pub roll_rad: f32,
    /// 0..=1.
    pub score: f32,
}

impl Face {
    /// From the 68 landmarks in iBUG order (pixels). "Up" points from the mouth to the eyes.
    pub fn from_landmarks(points: &[[f32; 2]]) -> Self {
        let mean = |range: std::ops::Range<usize>| {
            let n = range.len() as f32;
            points[range].iter().fold([0.0, 0.0], |m, p| [m[0] + p[0] / n, m[1] + p[1] / n])
        };
        let (eyes, mouth) = (mean(ibug::EYES), mean(ibug::MOUTH));
        let roll_rad = (eyes[0] - mouth[0]).atan2(mouth[1] - eyes[1]);
        let upright = Affine::about([0.0; 2], [0.0; 2], 1.0, -roll_rad);
        let mut low = [f32::MAX; 2];
        let mut high = [f32::MIN; 2];
        for p in &points[..ibug::COUNT] {
            let q = upright.apply(*p);
            for k in 0..2 {
                low[k] = low[k].min(q[k]);
                high[k] = high[k].max(q[k]);
            }
        }
        let middle = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
        let size = (high[0] - low[0]).max(high[1] - low[1]);
        Face { centre: upright.inverse().apply(middle), size, roll_rad, score: 1.0 }
    }

    /// The similarity that brings the face upright into the middle of a square of `side` pixels which is `margin`
    /// times as long as the face.
    pub fn crop(&self, side: usize, margin: f32) -> Affine {
        let half = side as f32 / 2.0;
        Affine::about(self.centre, [half, half], side as f32 / (margin * self.size), -self.roll_rad)
    }

    /// The face seen through a similarity.
    pub fn mapped(&self, s: &Affine) -> Face {
        let roll_rad = self.roll_rad + s.turn_rad();
        Face { centre: s.apply(self.centre), size: self.size * s.scale(), roll_rad, score: self.score }
    }

    /// Overlap of the two faces' discs' bounding squares: intersection over union.
    pub fn overlap(&self, other: &Face) -> f32 {
        let side = |k: usize| {
            let low = (self.centre[k] - self.size / 2.0).max(other.centre[k] - other.size / 2.0);
            let high = (self.centre[k] + self.size / 2.0).min(other.centre[k] + other.size / 2.0);
            (high - low).max(0.0)
        };
        let both = side(0) * side(1);
        both / (self.size.powi(2) + other.size.powi(2) - both).max(1e-6)
    }

    /// `120x120 px at (40, 60), score 0.93`: the square around the face, from its top left corner.
    pub fn describe(&self) -> String {
        let corner = self.centre.map(|c| c - self.size / 2.0);
        format!("{0:.0}x{0:.0} px at ({1:.0}, {2:.0}), score {3:.2}", self.size, corner[0], corner[1], self.score)
    }
}

/// Lists faces in one line, numbered as `--face` numbers them.
pub fn list(faces: &[Face]) -> String {
    let each: Vec<String> = faces.iter().enumerate().map(|(i, f)| format!("{i}: {}", f.describe())).collect();
    each.join("; ")
}

/// Keeps the best of overlapping faces (greedy non-maximum suppression), best first.
pub fn suppress(mut faces: Vec<Face>, max_overlap: f32) -> Vec<Face> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Face> = Vec::new();
    for face in faces {
        // A small face in the middle of a large one is the same face too, though the overlap is small.
        let inside = |k: &Face| {
            let distance = (k.centre[0] - face.centre[0]).hypot(k.centre[1] - face.centre[1]);
            distance < 0.35 * k.size.max(face.size)
        };
        if kept.iter().all(|k| k.overlap(&face) <= max_overlap && !inside(k)) {
            kept.push(face);
        }
    }
    kept
}

/// The iBUG landmark on the other side of the face.
pub fn mirror_of(landmark: usize) -> usize {
    match landmark {
        0..=16 => 16 - landmark,
        17..=26 => 43 - landmark,
        27..=30 => landmark,
        31..=35 => 66 - landmark,
        36..=39 => 81 - landmark,
        40 | 41 => 87 - landmark,
        42..=45 => 81 - landmark,
        46 | 47 => 87 - landmark,
        48..=54 => 102 - landmark,
        55..=59 => 114 - landmark,
        60..=64 => 124 - landmark,
        65..=67 => 132 - landmark,
        _ => landmark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, y: f32, size: f32, score: f32) -> Face {
        Face { centre: [x, y], size, roll_rad: 0.0, score }
    }

    #[test]
    fn mirror_is_an_involution_and_swaps_the_corners() {
        assert!((0..ibug::COUNT).all(|i| mirror_of(mirror_of(i)) == i));
        assert_eq!([0, 17, 36, 39, 41, 48, 60, 31].map(mirror_of), [16, 26, 45, 42, 46, 54, 64, 35]);
        assert_eq!([8, 27, 33, 51, 57, 62, 66].map(mirror_of), [8, 27, 33, 51, 57, 62, 66]);
    }

    #[test]
    fn suppression_keeps_the_best_of_each() {
        let kept = suppress(vec![face(50., 50., 40., 0.6), face(53., 50., 44., 0.9), face(150., 50., 40., 0.7)], 0.3);
        assert_eq!(kept.iter().map(|f| f.score).collect::<Vec<_>>(), [0.9, 0.7]);
        assert!(list(&kept).starts_with("0: 44x44 px at (31, 28), score 0.90; 1: 40x40"));
    }

    #[test]
    fn roll_follows_the_picture() {
        let mut points = vec![[0.0f32, 0.0]; ibug::COUNT];
        for (i, p) in points.iter_mut().enumerate() {
            *p = [
                (i % 17) as f32 * 4.0,
                if i < 17 {
                    60.0
                } else if i < 48 {
                    10.0 + (i % 2) as f32
                } else {
                    45.0
                },
            ];
        }
        let before = Face::from_landmarks(&points);
        let s = Affine::about([30.0, 30.0], [80.0, 90.0], 1.5, 0.3);
        let turned: Vec<[f32; 2]> = points.iter().map(|p| s.apply(*p)).collect();
        let (after, expected) = (Face::from_landmarks(&turned), before.mapped(&s));
        assert!((after.roll_rad - expected.roll_rad).abs() < 1e-4 && (after.size - expected.size).abs() < 1e-2);
        let middle = after.crop(128, 2.0).apply(after.centre);
        assert!((middle[0] - 64.0).abs() < 1e-3 && (middle[1] - 64.0).abs() < 1e-3);
    }
}
