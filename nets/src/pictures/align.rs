//! Face crops that are always framed alike: five points of the landmarks go to fixed places.
use head::ibug;
use tch::{Device, Kind, Tensor};

/// Where the five points lie in a crop, as fractions of its side: the frame that face recognizers use (the 112-pixel
/// template of ArcFace, Deng et al. 2019), x to the right, y down. Image-left eye, image-right eye, nose tip,
/// image-left and image-right mouth corner.
pub const TEMPLATE: [[f32; 2]; 5] =
    [[0.34192, 0.46157], [0.65653, 0.45983], [0.50022, 0.64050], [0.37098, 0.82469], [0.63152, 0.82325]];

/// A map of the picture plane: `p ↦ M·(x, y, 1)`, pixels, centers at +0.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine(pub [[f32; 3]; 2]);

impl Affine {
    /// Maps a point.
    pub fn apply(&self, p: [f32; 2]) -> [f32; 2] {
        self.0.map(|row| row[0] * p[0] + row[1] * p[1] + row[2])
    }

    /// First `self`, then `next`.
    pub fn then(&self, next: &Affine) -> Affine {
        let (a, b) = (&self.0, &next.0);
        Affine(std::array::from_fn(|i| {
            let at = |j: usize| b[i][0] * a[0][j] + b[i][1] * a[1][j];
            [at(0), at(1), at(2) + b[i][2]]
        }))
    }

    /// The inverse map.
    pub fn inverse(&self) -> Affine {
        let [[a, b, x], [c, d, y]] = self.0;
        let det = a * d - b * c;
        let (a, b, c, d) = (d / det, -b / det, -c / det, a / det);
        Affine([[a, b, -a * x - b * y], [c, d, -c * x - d * y]])
    }

    /// How many units of the target a unit of the source becomes (root of the area).
    pub fn scale(&self) -> f32 {
        let [[a, b, _], [c, d, _]] = self.0;
        (a * d - b * c).abs().sqrt()
    }

    /// The similarity that turns by `angle_rad` (y is down: positive turns clockwise on screen) and scales about `from`,
    /// which lands on `to`.
    pub fn about(from: [f32; 2], to: [f32; 2], scale: f32, angle_rad: f32) -> Affine {
        let (a, b) = (scale * angle_rad.cos(), scale * angle_rad.sin());
        Affine([[a, -b, to[0] - a * from[0] + b * from[1]], [b, a, to[1] - b * from[0] - a * from[1]]])
    }

    /// How far a similarity turns, radians.
    pub fn turn_rad(&self) -> f32 {
        self.0[1][0].atan2(self.0[0][0])
    }

    /// The similarity (turn, scale, shift; no mirroring) that brings `from` closest to `to`: least squares in closed form
    /// (Umeyama 1991, in the plane).
    pub fn similarity(from: &[[f32; 2]], to: &[[f32; 2]]) -> Affine {
        let n = from.len() as f32;
        let mean = |p: &[[f32; 2]]| p.iter().fold([0.0, 0.0], |m, q| [m[0] + q[0] / n, m[1] + q[1] / n]);
        let (cf, ct) = (mean(from), mean(to));
        let (mut dot, mut cross, mut square) = (0.0, 0.0, 0.0);
        for (f, t) in from.iter().zip(to) {
            let (f, t) = ([f[0] - cf[0], f[1] - cf[1]], [t[0] - ct[0], t[1] - ct[1]]);
            dot += f[0] * t[0] + f[1] * t[1];
            cross += f[0] * t[1] - f[1] * t[0];
            square += f[0] * f[0] + f[1] * f[1];
        }
        let (a, b) = (dot / square.max(1e-12), cross / square.max(1e-12));
        Affine([[a, -b, ct[0] - a * cf[0] + b * cf[1]], [b, a, ct[1] - b * cf[0] - a * cf[1]]])
    }
}

/// Eye centers, nose tip and mouth corners of the 68 (iBUG order), as [`TEMPLATE`] lists them.
///
/// # Panics
/// If there are fewer than 68 landmarks.
pub fn five_points(landmarks: &[[f32; 2]]) -> [[f32; 2]; 5] {
    let center = |range: std::ops::Range<usize>| {
        let n = range.len() as f32;
        range.fold([0.0, 0.0], |m, i| [m[0] + landmarks[i][0] / n, m[1] + landmarks[i][1] / n])
    };
    [
        center(ibug::RIGHT_EYE),
        center(ibug::LEFT_EYE),
        landmarks[ibug::NOSE_TIP],
        landmarks[ibug::MOUTH_RIGHT],
        landmarks[ibug::MOUTH_LEFT],
    ]
}

/// Pixels of an aligned crop of `side` pixels → pixels of the picture the landmarks belong to.
pub fn picture_from_crop(landmarks: &[[f32; 2]], side: usize) -> Affine {
    let to = TEMPLATE.map(|p| p.map(|v| v * side as f32));
    Affine::similarity(&to, &five_points(landmarks))
}

/// Cuts crops out of pictures, with area sampling where the picture is larger. Differentiable in the picture.
///
/// `pictures` `[B, C, H, W]`, one transform each → `[B, C, side, side]`; outside the picture is 0.
pub fn crop(pictures: &Tensor, picture_from_crop: &[Affine], side: usize) -> Tensor {
    let (batch, channels, h, w) = pictures.size4().expect("pictures are [B, C, H, W]");
    assert_eq!(batch as usize, picture_from_crop.len(), "one transform a picture");
    let finest = picture_from_crop.iter().map(Affine::scale).fold(1.0, f32::max);
    let samples = (finest.ceil() as i64).clamp(1, 8);
    let n = side as i64 * samples;
    let at = (Tensor::arange(n, (Kind::Float, Device::Cpu)) + 0.5) / samples as f64;
    let (x, y) = (at.view([1, n]).expand([n, n], false), at.view([n, 1]).expand([n, n], false));
    let grids: Vec<Tensor> = picture_from_crop
        .iter()
        .map(|m| {
            let line = |row: [f32; 3], size: i64| {
                let pixel = &x * f64::from(row[0]) + &y * f64::from(row[1]) + f64::from(row[2]);
                pixel * (2.0 / size as f64) - 1.0
            };
            Tensor::stack(&[line(m.0[0], w), line(m.0[1], h)], 2)
        })
        .collect();
    const BILINEAR: i64 = 0;
    const ZEROS: i64 = 0;
    let fine = pictures.grid_sampler(&Tensor::stack(&grids, 0).to_device(pictures.device()), BILINEAR, ZEROS, false);
    match samples {
        1 => fine,
        s => {
            fine.avg_pool2d([s, s], [s, s], [0, 0], false, true, None).view([batch, channels, side as i64, side as i64])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: [f32; 2], b: [f32; 2]) -> bool {
        (a[0] - b[0]).abs() < 1e-3 && (a[1] - b[1]).abs() < 1e-3
    }

    #[test]
    fn finds_a_known_similarity_and_its_inverse() {
        let truth = Affine([[1.2, -0.5, 30.0], [0.5, 1.2, -7.0]]);
        let from = [[0.0, 0.0], [10.0, 1.0], [3.0, 8.0], [-4.0, 2.0]];
        let found = Affine::similarity(&from, &from.map(|p| truth.apply(p)));
        assert!(from.iter().all(|&p| close(found.apply(p), truth.apply(p))));
        assert!(from.iter().all(|&p| close(found.then(&truth.inverse()).apply(p), p)));
        assert!((found.scale() - 1.3).abs() < 1e-5);
    }

    #[test]
    fn a_similarity_about_a_point_moves_and_turns_it() {
        let s = Affine::about([10.0, 20.0], [64.0, 60.0], 1.7, 0.4);
        assert!(
            close(s.apply([10.0, 20.0]), [64.0, 60.0]) && close(s.inverse().apply(s.apply([3.0, -8.0])), [3.0, -8.0])
        );
        assert!((s.scale() - 1.7).abs() < 1e-5 && (s.turn_rad() - 0.4).abs() < 1e-6);
    }

    #[test]
    fn a_crop_shows_what_lies_there() {
        // A picture whose red is x and green is y: crops read back their own coordinates.
        let n = 64;
        let at = Tensor::arange(n, (Kind::Float, Device::Cpu)) + 0.5;
        let (x, y) = (at.view([1, n]).expand([n, n], false), at.view([n, 1]).expand([n, n], false));
        let picture = Tensor::stack(&[x, y], 0).unsqueeze(0);
        for scale in [0.7f32, 1.0, 2.4] {
            let m = Affine([[scale, -0.2, 20.0], [0.2, scale, 18.0]]);
            let cut = crop(&picture, &[m], 10);
            for (cx, cy) in [(2i64, 3i64), (7, 7), (0, 9)] {
                let want = m.apply([cx as f32 + 0.5, cy as f32 + 0.5]);
                let got = [cut.double_value(&[0, 0, cy, cx]) as f32, cut.double_value(&[0, 1, cy, cx]) as f32];
                assert!(close(got, want), "{scale}: {got:?} against {want:?}");
            }
        }
    }

    #[test]
    fn the_five_points_go_to_the_template() {
        let mut landmarks = vec![[0.0f32; 2]; 68];
        let place = Affine([[90.0, 30.0, 200.0], [-30.0, 90.0, 150.0]]);
        (36..42).for_each(|i| landmarks[i] = place.apply(TEMPLATE[0]));
        (42..48).for_each(|i| landmarks[i] = place.apply(TEMPLATE[1]));
        [(30, 2), (48, 3), (54, 4)].into_iter().for_each(|(i, k)| landmarks[i] = place.apply(TEMPLATE[k]));
        let m = picture_from_crop(&landmarks, 100);
        assert!(close(m.apply([TEMPLATE[2][0] * 100.0, TEMPLATE[2][1] * 100.0]), landmarks[ibug::NOSE_TIP]));
    }
}
