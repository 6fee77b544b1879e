//! What the face network says of one crop, on the CPU: the mean over the crop and its mirror image.
use crate::face_net::{FaceNet, FaceOutput, SIDE};
use crate::networks::flat;
use crate::picture::Canvas;
use glam::{Mat3, Vec3};
use tch::Tensor;

/// One reading. All spreads are expected absolute errors (scales of a Laplace distribution).
#[derive(Clone, Debug)]
pub struct Reading {
    /// `[L]` pixels of the crop.
    pub points: Vec<[f32; 2]>,
    /// `[L]` pixels of the crop.
    pub spread_px: Vec<f32>,
    /// `[A, A]` coverage, 0..=1.
    pub alpha: Vec<f32>,
    /// Probability of being a face.
    pub is_face: f32,
    /// `[L]` probability of being visible.
    pub visible: Vec<f32>,
    /// ARKit units, 0..=1.
    pub expression: [f32; 52],
    /// Of each unit.
    pub expression_spread: [f32; 52],
    /// Yaw and pitch of the left and the right eye in the head, as [`head::rig::Look`] (radians).
    pub gaze: [[f32; 2]; 2],
    /// Of each eye (radians).
    pub gaze_spread: [f32; 2],
    /// Camera ← head, for a camera that looks at the middle of the crop.
    pub rotation: Mat3,
    /// Logarithm of the distance from camera to head (meters), and its spread.
    pub log_distance: [f32; 2],
    /// `[K]` identity coefficients.
    pub identity: Vec<f32>,
    /// `[K]`
    pub identity_spread: Vec<f32>,
}

impl FaceNet {
    /// Reads crops of [`SIDE`] pixels, averaging each with its mirror image.
    pub fn read(&self, crops: &[Canvas], device: tch::Device) -> Vec<Reading> {
        tch::no_grad(|| {
            let x = tensor_of(crops).to_device(device);
            // Both in one batch: what a layer costs beside its arithmetic is paid once.
            let mut straight = self.readings(&self.forward(&Tensor::cat(&[&x, &x.flip([3])], 0), false));
            let mirrored = straight.split_off(crops.len());
            straight.into_iter().zip(mirrored).map(|(a, b)| mean(a, mirror(b, &self.shape.mirror))).collect()
        })
    }

    /// Takes a batch apart.
    fn readings(&self, out: &FaceOutput) -> Vec<Reading> {
        let (points, spread, visible) = (flat(&out.points), flat(&out.log_spread.exp()), flat(&out.visible.sigmoid()));
        let (expression, expression_spread) = (flat(&out.expression), flat(&out.log_expression_spread.exp()));
        let (gaze, gaze_spread) = (flat(&out.gaze), flat(&out.log_gaze_spread.exp()));
        let rotation = flat(&out.rotation);
        let (distance, distance_spread) = (flat(&out.log_distance), flat(&out.log_distance_spread.exp()));
        let (identity, identity_spread) = (flat(&out.identity), flat(&out.log_identity_spread.exp()));
        let (alpha, is_face) = (flat(&out.alpha.sigmoid()), flat(&out.is_face.sigmoid()));
        let (l, k) = (self.shape.landmarks, self.shape.identity);
        let row = |values: &[f32], i: usize, n: usize| values[i * n..(i + 1) * n].to_vec();
        let units = |values: &[f32], i: usize| std::array::from_fn(|u| values[i * 52 + u]);
        (0..is_face.len())
            .map(|i| Reading {
                points: row(&points, i, 2 * l).chunks(2).map(|p| [p[0], p[1]]).collect(),
                spread_px: row(&spread, i, l),
                alpha: row(&alpha, i, crate::face_net::ALPHA_SIDE * crate::face_net::ALPHA_SIDE),
                is_face: is_face[i],
                visible: row(&visible, i, l),
                expression: units(&expression, i),
                expression_spread: units(&expression_spread, i),
                gaze: [0, 1].map(|eye| [gaze[i * 4 + 2 * eye], gaze[i * 4 + 2 * eye + 1]]),
                gaze_spread: [gaze_spread[i * 2], gaze_spread[i * 2 + 1]],
                rotation: orthonormal(&rotation[i * 6..i * 6 + 6]),
                log_distance: [distance[i], distance_spread[i]],
                identity: row(&identity, i, k),
                identity_spread: row(&identity_spread, i, k),
            })
            .collect()
    }
}

/// Crops → `[B, 3, H, W]`.
pub fn tensor_of(crops: &[Canvas]) -> Tensor {
    let (w, h) = crops.first().map_or((SIDE, SIDE), |c| (c.width, c.height));
    let values: Vec<f32> = crops.iter().flat_map(|c| c.planes[..3].iter().flatten().copied()).collect();
    Tensor::from_slice(&values).view([crops.len() as i64, 3, h as i64, w as i64])
}

/// The rotation whose first two columns are nearest to six numbers (Gram and Schmidt; Zhou et al. 2019, "On the
/// Continuity of Rotation Representations").
fn orthonormal(six: &[f32]) -> Mat3 {
    let x = Vec3::new(six[0], six[1], six[2]).normalize_or(Vec3::X);
    let y = Vec3::new(six[3], six[4], six[5]);
    let y = (y - x * x.dot(y)).normalize_or(x.any_orthonormal_vector());
    Mat3::from_cols(x, y, x.cross(y))
}

/// What a reading of the mirror image says of the crop itself. Identity is left as it is: see [`mean`].
fn mirror(r: Reading, other: &[usize]) -> Reading {
    let side = crate::face_net::ALPHA_SIDE;
    let mut alpha = r.alpha;
    alpha.chunks_exact_mut(side).for_each(<[f32]>::reverse);
    let units = |values: &[f32; 52]| std::array::from_fn(|k| values[head::params::mirrored_unit(k)]);
    Reading {
        points: other.iter().map(|&l| [SIDE as f32 - r.points[l][0], r.points[l][1]]).collect(),
        spread_px: other.iter().map(|&l| r.spread_px[l]).collect(),
        alpha,
        visible: other.iter().map(|&l| r.visible[l]).collect(),
        expression: units(&r.expression),
        expression_spread: units(&r.expression_spread),
        gaze: [mirrored_look(r.gaze[1]), mirrored_look(r.gaze[0])],
        gaze_spread: [r.gaze_spread[1], r.gaze_spread[0]],
        rotation: mirrored_rotation(r.rotation),
        ..r
    }
}

/// Yaw changes its sign.
pub fn mirrored_look([yaw, pitch]: [f32; 2]) -> [f32; 2] {
    [-yaw, pitch]
}

/// Reflected at x = 0 on both sides: in the picture and in the head.
pub fn mirrored_rotation(rotation: Mat3) -> Mat3 {
    let flip = Mat3::from_diagonal(Vec3::new(-1.0, 1.0, 1.0));
    flip * rotation * flip
}

fn half(x: f32, y: f32) -> f32 {
    0.5 * (x + y)
}

fn pair(x: [f32; 2], y: [f32; 2]) -> [f32; 2] {
    [half(x[0], y[0]), half(x[1], y[1])]
}

fn each(x: &[f32], y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(x, y)| half(*x, *y)).collect()
}

/// Mean of two readings of one crop. They share their errors, so spreads are averaged, not added up as if they were
/// independent. Identity is the first one's: lopsided coefficients change their sign in a mirror.
fn mean(a: Reading, b: Reading) -> Reading {
    let sum = a.rotation + b.rotation;
    let six: Vec<f32> = sum.x_axis.to_array().into_iter().chain(sum.y_axis.to_array()).collect();
    Reading {
        points: a.points.iter().zip(&b.points).map(|(p, q)| pair(*p, *q)).collect(),
        spread_px: each(&a.spread_px, &b.spread_px),
        alpha: each(&a.alpha, &b.alpha),
        is_face: half(a.is_face, b.is_face),
        visible: each(&a.visible, &b.visible),
        expression: std::array::from_fn(|k| half(a.expression[k], b.expression[k])),
        expression_spread: std::array::from_fn(|k| half(a.expression_spread[k], b.expression_spread[k])),
        gaze: [pair(a.gaze[0], b.gaze[0]), pair(a.gaze[1], b.gaze[1])],
        gaze_spread: pair(a.gaze_spread, b.gaze_spread),
        rotation: orthonormal(&six),
        log_distance: pair(a.log_distance, b.log_distance),
        ..a
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face_net::tests::shape;
    use head::ibug;
    use tch::{Device, nn};

    #[test]
    fn reading_a_mirrored_crop_mirrors_the_answer() {
        tch::manual_seed(3);
        let vars = nn::VarStore::new(Device::Cpu);
        let net = FaceNet::new(vars.root(), shape());
        let mut crop = Canvas::new(SIDE, SIDE);
        for (i, v) in crop.planes[1].iter_mut().enumerate() {
            *v = ((i * 37) % 101) as f32 / 101.0;
        }
        let mut image = crop.clone();
        image.planes.iter_mut().for_each(|p| p.chunks_exact_mut(SIDE).for_each(<[f32]>::reverse));
        let (a, b) = (net.read(&[crop], Device::Cpu).remove(0), net.read(&[image], Device::Cpu).remove(0));
        for (l, other) in [(ibug::RIGHT_EYE_OUTER, ibug::LEFT_EYE_OUTER), (ibug::COUNT, 73), (ibug::CHIN, ibug::CHIN)] {
            let (left, right) = (a.points[l], b.points[other]);
            assert!((left[0] + right[0] - SIDE as f32).abs() < 1e-2 && (left[1] - right[1]).abs() < 1e-2);
        }
        assert!((a.expression[8] - b.expression[9]).abs() < 1e-5, "eyeBlinkLeft and eyeBlinkRight");
        assert!((a.gaze[0][0] + b.gaze[1][0]).abs() < 1e-5 && (a.gaze[0][1] - b.gaze[1][1]).abs() < 1e-5);
        assert!((mirrored_rotation(a.rotation) - b.rotation).abs_diff_eq(Mat3::ZERO, 1e-4));
    }

    #[test]
    fn six_numbers_become_a_rotation() {
        let r = orthonormal(&[2.0, 0.1, 0.0, 0.3, 1.0, -0.2]);
        assert!((r.determinant() - 1.0).abs() < 1e-5 && (r.transpose() * r).abs_diff_eq(Mat3::IDENTITY, 1e-5));
    }
}
