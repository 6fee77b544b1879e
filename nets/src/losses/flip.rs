//! ꟻLIP: the difference people see when they flip between two pictures (Andersson et al. 2020, "FLIP: A Difference
//! Evaluator for Alternating Images"), for pictures of the usual range on a monitor.
//!
//! Color: both pictures are blurred as the eye blurs (contrast sensitivity, in an opponent space) and compared in a
//! perceptual space; features: differences of edges and points in the lightness. Section numbers below are the paper's.
use tch::{Kind, Tensor};

/// Pixels per degree of a 0.7 m wide 4K monitor seen from 0.7 m: the paper's default.
pub const PIXELS_PER_DEGREE: f64 = 67.020_643_276_582_25;

/// White point: the sums of the rows of [`XYZ`].
const WHITE: [f64; 3] = [0.950_428_545_377_181_8, 1.0, 1.088_900_370_798_127_8];
const XYZ: [[f64; 3]; 3] = [
    [10135552.0 / 24577794.0, 8788810.0 / 24577794.0, 4435075.0 / 24577794.0],
    [2613072.0 / 12288897.0, 8788810.0 / 12288897.0, 887015.0 / 12288897.0],
    [1425312.0 / 73733382.0, 8788810.0 / 73733382.0, 70074185.0 / 73733382.0],
];

/// Mean difference per picture, `[B]` in 0..=1; pictures `[B, 3, H, W]`, sRGB in 0..=1.
pub fn flip(reference: &Tensor, test: &Tensor) -> Tensor {
    flip_map(reference, test).mean_dim([1i64, 2, 3].as_slice(), false, Kind::Float)
}

/// Difference per pixel, `[B, 1, H, W]` in 0..=1.
pub fn flip_map(reference: &Tensor, test: &Tensor) -> Tensor {
    let opponent =
        |t: &Tensor| opponent_from_xyz(&xyz_from_linear(&crate::pictures::data::linear_from_srgb(&t.clamp(0.0, 1.0))));
    let (a, b) = (opponent(reference), opponent(test));
    let color = color_difference(&a, &b);
    let features = feature_difference(&a.narrow(1, 0, 1), &b.narrow(1, 0, 1));
    color.pow(&(1.0 - features))
}

/// Section 4.1, in 0..=1.
fn color_difference(a: &Tensor, b: &Tensor) -> Tensor {
    const EXPONENT: f64 = 0.7;
    const KNEE: f64 = 0.4;
    const KNEE_VALUE: f64 = 0.95;
    let seen = |t: &Tensor| hunt(&lab_from_xyz(&xyz_from_linear(&filtered(t))));
    let difference = hyab(&seen(a), &seen(b)).pow_tensor_scalar(EXPONENT);
    let pure = |rgb: [f32; 3]| hunt(&lab_from_xyz(&xyz_from_linear(&Tensor::from_slice(&rgb).view([1, 3, 1, 1]))));
    let most = hyab(&pure([0.0, 1.0, 0.0]), &pure([0.0, 0.0, 1.0])).double_value(&[0, 0, 0, 0]).powf(EXPONENT);
    let knee = KNEE * most;
    let above = (&difference - knee) * ((1.0 - KNEE_VALUE) / (most - knee)) + KNEE_VALUE;
    (&difference * (KNEE_VALUE / knee)).where_self(&difference.lt(knee), &above)
}

/// Section 4.2, in 0..=1; lightness of the opponent space.
fn feature_difference(a: &Tensor, b: &Tensor) -> Tensor {
    let lightness = |t: &Tensor| (t + 16.0) / 116.0;
    let (a, b) = (lightness(a), lightness(b));
    let differ = |kind: Feature| (strength(&a, kind) - strength(&b, kind)).abs();
    let greater = differ(Feature::Edge).maximum(&differ(Feature::Point));
    (greater * std::f64::consts::FRAC_1_SQRT_2).sqrt()
}

#[derive(Clone, Copy)]
enum Feature {
    Edge,
    Point,
}

/// Length of the response to the first (edges) or second (points) derivative of a Gaussian along x and y.
fn strength(lightness: &Tensor, kind: Feature) -> Tensor {
    const WIDTH_DEG: f64 = 0.082;
    let sigma = 0.5 * WIDTH_DEG * PIXELS_PER_DEGREE;
    let radius = (3.0 * sigma).ceil() as i64;
    let n = 2 * radius + 1;
    let value = |x: f64, y: f64| {
        let g = (-(x * x + y * y) / (2.0 * sigma * sigma)).exp();
        match kind {
            Feature::Edge => -x * g,
            Feature::Point => (x * x / (sigma * sigma) - 1.0) * g,
        }
    };
    let mut kernel: Vec<f64> = (0..n * n).map(|i| value((i % n - radius) as f64, (i / n - radius) as f64)).collect();
    let sum = |sign: f64| -> f64 { kernel.iter().map(|v| (v * sign).max(0.0)).sum() };
    let (positive, negative) = (sum(1.0), sum(-1.0));
    kernel.iter_mut().for_each(|v| *v /= if *v > 0.0 { positive } else { negative });
    let across = kernel_tensor(&kernel, n, lightness);
    let down = across.transpose(2, 3);
    let response = |k: &Tensor| padded(lightness, radius).conv2d::<Tensor>(k, None, 1, 0, 1, 1).square();
    (response(&across) + response(&down)).sqrt()
}

/// The opponent picture as the eye's contrast sensitivity leaves it, in linear light 0..=1.
fn filtered(opponent: &Tensor) -> Tensor {
    // Per channel: a₁, b₁, a₂, b₂ (table 1).
    const SENSITIVITY: [[f64; 4]; 3] = [[1.0, 0.0047, 0.0, 1e-5], [1.0, 0.0053, 0.0, 1e-5], [34.1, 0.04, 13.5, 0.025]];
    let widest = 0.04 / (2.0 * std::f64::consts::PI.powi(2));
    let radius = (3.0 * widest.sqrt() * PIXELS_PER_DEGREE).ceil() as i64;
    let n = 2 * radius + 1;
    let channels: Vec<Tensor> = SENSITIVITY
        .iter()
        .zip(0..)
        .map(|([a1, b1, a2, b2], c)| {
            let bell = |a: f64, b: f64, z: f64| {
                a * (std::f64::consts::PI / b).sqrt() * (-std::f64::consts::PI.powi(2) * z / b).exp()
            };
            let value = |i: i64| {
                let (x, y) = ((i % n - radius) as f64, (i / n - radius) as f64);
                let z = (x * x + y * y) / (PIXELS_PER_DEGREE * PIXELS_PER_DEGREE);
                bell(*a1, *b1, z) + bell(*a2, *b2, z)
            };
            let kernel: Vec<f64> = (0..n * n).map(value).collect();
            let sum: f64 = kernel.iter().sum();
            let kernel: Vec<f64> = kernel.iter().map(|v| v / sum).collect();
            let channel = opponent.narrow(1, c, 1);
            padded(&channel, radius).conv2d::<Tensor>(&kernel_tensor(&kernel, n, opponent), None, 1, 0, 1, 1)
        })
        .collect();
    linear_from_xyz(&xyz_from_opponent(&Tensor::cat(&channels, 1))).clamp(0.0, 1.0)
}

fn kernel_tensor(kernel: &[f64], n: i64, like: &Tensor) -> Tensor {
    Tensor::from_slice(kernel).view([1, 1, n, n]).to_kind(like.kind()).to_device(like.device())
}

fn padded(t: &Tensor, radius: i64) -> Tensor {
    t.replication_pad2d([radius, radius, radius, radius])
}

fn mixed(matrix: [[f64; 3]; 3], t: &Tensor) -> Tensor {
    let flat: Vec<f64> = matrix.iter().flatten().copied().collect();
    let kernel = Tensor::from_slice(&flat).view([3, 3, 1, 1]).to_kind(t.kind()).to_device(t.device());
    t.conv2d::<Tensor>(&kernel, None, 1, 0, 1, 1)
}

fn xyz_from_linear(linear: &Tensor) -> Tensor {
    mixed(XYZ, linear)
}

fn linear_from_xyz(xyz: &Tensor) -> Tensor {
    let m = glam::DMat3::from_cols_array_2d(&XYZ).inverse();
    mixed(m.to_cols_array_2d(), xyz)
}

/// `(Y, Cx, Cz)`, which is linear in XYZ.
fn opponent_from_xyz(xyz: &Tensor) -> Tensor {
    let at = |c: i64| xyz.narrow(1, c, 1) / WHITE[c as usize];
    let (x, y, z) = (at(0), at(1), at(2));
    Tensor::cat(&[&y * 116.0 - 16.0, (x - &y) * 500.0, (y - z) * 200.0], 1)
}

fn xyz_from_opponent(t: &Tensor) -> Tensor {
    let y = (t.narrow(1, 0, 1) + 16.0) / 116.0;
    let x = t.narrow(1, 1, 1) / 500.0 + &y;
    let z = &y - t.narrow(1, 2, 1) / 200.0;
    Tensor::cat(&[x * WHITE[0], y * WHITE[1], z * WHITE[2]], 1)
}

/// CIE 1976 L*a*b*.
fn lab_from_xyz(xyz: &Tensor) -> Tensor {
    const DELTA: f64 = 6.0 / 29.0;
    let f = |c: i64| {
        let t = xyz.narrow(1, c, 1) / WHITE[c as usize];
        let line = &t * (1.0 / (3.0 * DELTA * DELTA)) + 4.0 / 29.0;
        t.clamp_min(1e-12).pow_tensor_scalar(1.0 / 3.0).where_self(&t.gt(DELTA * DELTA * DELTA), &line)
    };
    let (x, y, z) = (f(0), f(1), f(2));
    Tensor::cat(&[&y * 116.0 - 16.0, (x - &y) * 500.0, (y - z) * 200.0], 1)
}

/// Colors look stronger where it is lighter (Hunt effect).
fn hunt(lab: &Tensor) -> Tensor {
    let lightness = lab.narrow(1, 0, 1);
    Tensor::cat(&[lightness.shallow_clone(), lab.narrow(1, 1, 2) * lightness * 0.01], 1)
}

/// City-block in lightness, Euclidean in color (Abasi et al. 2020).
fn hyab(a: &Tensor, b: &Tensor) -> Tensor {
    let d = a - b;
    let chroma = d.narrow(1, 1, 2).square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sqrt();
    d.narrow(1, 0, 1).abs() + chroma
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[1, 3, 48, 64]` from 8-bit codes.
    fn picture(code: impl Fn(i64, i64, i64) -> i64) -> Tensor {
        let at = |i: i64| code(i / 64 % 48, i % 64, i / (64 * 48)) as f32 / 255.0;
        Tensor::from_slice(&(0..3 * 48 * 64).map(at).collect::<Vec<_>>()).view([1, 3, 48, 64])
    }

    /// Values by NVIDIA's package, printed by tests/golden/make_flip.py.
    #[test]
    fn equals_the_reference_implementation() {
        let blocks = |y: i64, x: i64, c: i64| ((x / 8 + y / 6 * 3) * 37 + c * 61) % 256;
        let smooth = |y: i64, x: i64, c: i64| (x * 3 + y * 2 + c * 40) % 256;
        let pairs = [
            (picture(blocks), picture(|y, x, c| blocks(y, (x + 63) % 64, c)), 0.201313),
            (picture(smooth), picture(|y, x, c| (smooth(y, x, c) + 20).min(255)), 0.334620),
            (picture(blocks), picture(smooth), 0.835345),
        ];
        for (a, b, want) in pairs {
            let got = flip(&a, &b).double_value(&[0]);
            assert!((got - want).abs() < 2e-3, "{got} against {want}");
            assert!(flip(&a, &a).double_value(&[0]) < 1e-6);
        }
    }
}
