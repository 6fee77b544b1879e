//! Intrinsics and lens distortion; pictures as a pinhole camera would have taken them.
use crate::photo::Photo;
use rayon::prelude::*;

/// How a lens moves points of the plane at distance 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distortion {
    /// OpenCV's polynomial: `k` for r², r⁴, r⁶, r⁸, `divisor` likewise below the line, tangential `p`. All 0: a pinhole.
    Radial {
        /// k1 … k4 of the numerator.
        k: [f64; 4],
        /// k4 … k6 of COLMAP's FULL_OPENCV.
        divisor: [f64; 3],
        /// p1, p2.
        p: [f64; 2],
    },
    /// OpenCV's fisheye model: the angle θ from the axis becomes θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸).
    Fisheye {
        /// k1 … k4.
        k: [f64; 4],
    },
}

impl Distortion {
    /// A pinhole.
    pub const NONE: Self = Distortion::Radial { k: [0.0; 4], divisor: [0.0; 3], p: [0.0; 2] };

    /// Is this a pinhole?
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Where the lens moves a point; `None` where its model folds over, beyond the picture it was calibrated on.
    pub fn apply(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        let r2 = x * x + y * y;
        match *self {
            Distortion::Radial { k, divisor, p } => {
                let poly = |k: &[f64]| 1.0 + k.iter().rev().fold(0.0, |sum, k| (sum + k) * r2);
                // d/dr of r (1 + k1 r² + …): where it is not positive, points further out come back in.
                let slope =
                    1.0 + k.iter().enumerate().rev().fold(0.0, |sum, (i, k)| (sum + (2 * i + 3) as f64 * k) * r2);
                let radial = poly(&k) / poly(&divisor);
                let [p1, p2] = p;
                let moved = [
                    x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
                    y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
                ];
                (slope > 0.0).then_some(moved)
            }
            Distortion::Fisheye { k } => {
                let r = r2.sqrt();
                let theta = r.atan();
                let theta2 = theta * theta;
                let bent = theta * (1.0 + k.iter().rev().fold(0.0, |sum, k| (sum + k) * theta2));
                let scale = if r > 1e-9 { bent / r } else { 1.0 };
                Some([x * scale, y * scale])
            }
        }
    }
}

/// What the poses say of a lens, in pixels of `size`, or of the picture where there is no size. A focal length of 0 is not
/// told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lens {
    /// Width and height that the numbers count in.
    pub size: Option<(f64, f64)>,
    /// Focal length along x.
    pub fx: f64,
    /// Focal length along y; 0: as along x.
    pub fy: f64,
    /// Principal point; NaN: the middle.
    pub cx: f64,
    /// Principal point; NaN: the middle.
    pub cy: f64,
    /// Horizontal field of view in radians, used where `fx` is 0; 0 where it is not told.
    pub angle_x_rad: f64,
    /// What the lens does besides.
    pub distortion: Distortion,
}

impl Lens {
    /// The same lens in pixels of a picture of this size; `None` without a focal length.
    pub fn scaled_to(&self, width: usize, height: usize) -> Option<Lens> {
        let (width, height) = (width as f64, height as f64);
        let (w, h) = self.size.unwrap_or((width, height));
        let (sx, sy) = (width / w, height / h);
        let fx = match (self.fx > 0.0, self.angle_x_rad > 0.0) {
            (true, _) => self.fx,
            (false, true) => 0.5 * w / (0.5 * self.angle_x_rad).tan(),
            (false, false) => return None,
        };
        let fy = if self.fy > 0.0 { self.fy } else { fx };
        let center = |c: f64, pixels: f64| if c.is_nan() { 0.5 * pixels } else { c };
        Some(Lens {
            size: Some((width, height)),
            fx: fx * sx,
            fy: fy * sy,
            cx: center(self.cx, w) * sx,
            cy: center(self.cy, h) * sy,
            ..*self
        })
    }

    /// The picture that a pinhole of the same intrinsics takes; bilinear, opacity 0 where the lens saw nothing.
    pub fn undistort(&self, photo: &Photo) -> Photo {
        let (w, h) = (photo.width, photo.height);
        let mut rgba = vec![0u8; photo.rgba.len()];
        rgba.par_chunks_exact_mut(4 * w).enumerate().for_each(|(row, out)| {
            let y = (row as f64 + 0.5 - self.cy) / self.fy;
            for (column, pixel) in out.chunks_exact_mut(4).enumerate() {
                let x = (column as f64 + 0.5 - self.cx) / self.fx;
                if let Some([x, y]) = self.distortion.apply([x, y]) {
                    sample(photo, [self.fx * x + self.cx - 0.5, self.fy * y + self.cy - 0.5], pixel);
                }
            }
        });
        Photo { width: w, height: h, rgba, has_alpha: true, stored: None }
    }
}

/// Bilinear, at texel coordinates (0 is the middle of the first); what lies more than half a pixel outside is nothing.
fn sample(photo: &Photo, [u, v]: [f64; 2], out: &mut [u8]) {
    let (w, h) = (photo.width as f64, photo.height as f64);
    if !(u >= -0.5 && v >= -0.5 && u <= w - 0.5 && v <= h - 0.5) {
        return;
    }
    let (u, v) = (u.clamp(0.0, w - 1.0), v.clamp(0.0, h - 1.0));
    let (x, y) = (u.floor() as usize, v.floor() as usize);
    let (x1, y1) = ((x + 1).min(photo.width - 1), (y + 1).min(photo.height - 1));
    let (fu, fv) = (u.fract(), v.fract());
    for (c, out) in out.iter_mut().enumerate() {
        let at = |x: usize, y: usize| f64::from(photo.rgba[(y * photo.width + x) * 4 + c]);
        let top = at(x, y) * (1.0 - fu) + at(x1, y) * fu;
        let bottom = at(x, y1) * (1.0 - fu) + at(x1, y1) * fu;
        *out = (top * (1.0 - fv) + bottom * fv + 0.5) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_distortion_moves_nothing() {
        assert_eq!(Distortion::NONE.apply([0.3, -0.2]), Some([0.3, -0.2]));
        let fisheye = Distortion::Fisheye { k: [0.0; 4] };
        let moved = fisheye.apply([1.0, 0.0]).unwrap();
        assert!((moved[0] - std::f64::consts::FRAC_PI_4).abs() < 1e-12 && moved[1] == 0.0, "45° lie at π/4");
    }

    /// Against figures of OpenCV 4's `projectPoints` and `fisheye.projectPoints` for the same coefficients.
    #[test]
    fn the_models_are_those_of_opencv() {
        let near = |a: Option<[f64; 2]>, b: [f64; 2]| {
            let a = a.unwrap();
            assert!((a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9, "{a:?} {b:?}");
        };
        let radial = Distortion::Radial { k: [0.1, -0.05, 0.01, 0.0], divisor: [0.0; 3], p: [0.002, -0.001] };
        near(radial.apply([0.4, -0.3]), OPENCV_RADIAL);
        near(Distortion::Fisheye { k: [0.05, -0.01, 0.002, -0.0005] }.apply([0.4, -0.3]), OPENCV_FISHEYE);
    }

    const OPENCV_RADIAL: [f64; 2] = [0.407_762_5, -0.305_509_375];
    const OPENCV_FISHEYE: [f64; 2] = [0.374_740_449_471, -0.281_055_337_103];

    #[test]
    fn a_grid_seen_through_a_lens_comes_out_straight() {
        let lens = Lens {
            size: None,
            fx: 80.0,
            fy: 80.0,
            cx: 64.0,
            cy: 48.0,
            angle_x_rad: 0.0,
            distortion: Distortion::Radial { k: [-0.2, 0.03, 0.0, 0.0], divisor: [0.0; 3], p: [0.0; 2] },
        };
        // A smooth scene at distance 1, photographed through the lens by inverting it numerically.
        let scene = |x: f64, y: f64| (127.5 + 100.0 * (3.0 * x).sin() * (2.0 * y).cos()) as u8;
        let mut rgba = Vec::new();
        for row in 0..96 {
            for column in 0..128 {
                let bent = [(column as f64 + 0.5 - 64.0) / 80.0, (row as f64 + 0.5 - 48.0) / 80.0];
                let mut straight = bent;
                for _ in 0..60 {
                    let [x, y] = lens.distortion.apply(straight).unwrap();
                    straight = [straight[0] + bent[0] - x, straight[1] + bent[1] - y];
                }
                rgba.extend([scene(straight[0], straight[1]); 3].into_iter().chain([255]));
            }
        }
        let photo = Photo { width: 128, height: 96, rgba, has_alpha: false, stored: None };
        let out = lens.undistort(&photo);
        let mut seen = 0;
        for (i, pixel) in out.rgba.chunks_exact(4).enumerate().filter(|(_, p)| p[3] == 255) {
            let (x, y) = ((i % 128) as f64 + 0.5 - 64.0, (i / 128) as f64 + 0.5 - 48.0);
            assert!(pixel[0].abs_diff(scene(x / 80.0, y / 80.0)) <= 2, "pixel {i}");
            seen += 1;
        }
        assert!(seen > 90 * 120, "nearly all of the picture, here {seen} pixels");
    }
}
