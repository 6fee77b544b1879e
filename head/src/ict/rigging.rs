//! Joints and skinning weights of the ICT mesh, from its geometry and its `jawOpen`.
use super::Kept;
use super::layout::Block;
use crate::model::JointRest;
use glam::{Vec2, Vec3};

/// Template space (meters).
const NECK_PIVOT: Vec3 = Vec3::new(0.0, -0.170, -0.100);
const HEAD_PIVOT: Vec3 = Vec3::new(0.0, -0.055, -0.090);

/// Vertices of the left and the right eyeball in the files.
const EYES: [std::ops::Range<usize>; 2] = [21_451..22_221, 23_021..23_791];

/// Middle of the eyeball centers in the files' unit: the origin of the template.
pub fn eye_middle(positions: &[Vec3]) -> Vec3 {
    let centers = EYES.map(|range| sphere_center(positions[range].iter().copied()));
    0.5 * (centers[0] + centers[1])
}

/// Joints and weights.
pub struct Rig {
    pub joints: Vec<JointRest>,
    pub weights: Vec<[f32; 5]>,
}

impl Rig {
    /// `jaw_open` is the unit's column `[V]`.
    pub fn new(template: &[Vec3], kept: &Kept, jaw_open: &[Vec3]) -> Rig {
        let select = |block: Block| -> Vec<u32> {
            (0..template.len() as u32).filter(|&v| kept.blocks[v as usize] == block).collect()
        };
        let jaw = JawHinge::new(template, jaw_open, &select(Block::TeethLower));
        // Skull joints follow the upper teeth and the eyeballs, the neck the border of the bust.
        let skull = [select(Block::EyeLeft), select(Block::EyeRight), select(Block::TeethUpper)].concat();
        let bottom = template.iter().map(|p| p.y).fold(f32::INFINITY, f32::min);
        let low = |v: &u32| template[*v as usize].y < bottom + 0.03;
        let bust: Vec<u32> = select(Block::Head).into_iter().filter(low).collect();
        let eye = |block: Block| {
            let vertices = select(block);
            let center = sphere_center(vertices.iter().map(|&v| template[v as usize]));
            follow(template, vertices, center)
        };
        let (left, right) = (eye(Block::EyeLeft), eye(Block::EyeRight));
        let joints = vec![
            follow(template, bust, NECK_PIVOT),
            follow(template, skull.clone(), HEAD_PIVOT),
            follow(template, skull, jaw.pivot),
            left,
            right,
        ];
        let weights =
            (0..template.len()).map(|v| weights(kept.blocks[v], template[v], jaw.share(template[v], jaw_open[v])));
        Rig { joints, weights: weights.collect() }
    }
}

fn weights(block: Block, p: Vec3, jaw: f32) -> [f32; 5] {
    match block {
        Block::EyeLeft => [0.0, 0.0, 0.0, 1.0, 0.0],
        Block::EyeRight => [0.0, 0.0, 0.0, 0.0, 1.0],
        Block::TeethLower => [0.0, 0.0, 1.0, 0.0, 0.0],
        Block::TeethUpper | Block::LashLeft | Block::LashRight | Block::EyeSocket => [0.0, 1.0, 0.0, 0.0, 0.0],
        _ => {
            // Along the neck, which leans forwards: the chin is all head, the nape at its height is not.
            let head = ramp(-0.170, -0.105, p.y + 0.40 * (p.z + 0.080));
            [1.0 - head, head * (1.0 - jaw), head * jaw, 0.0, 0.0]
        }
    }
}

/// The joint at `place` in the template, riding on the mean of `vertices`.
fn follow(template: &[Vec3], vertices: Vec<u32>, place: Vec3) -> JointRest {
    let mean = vertices.iter().map(|&v| template[v as usize]).sum::<Vec3>() / vertices.len().max(1) as f32;
    JointRest { vertices, offset: place - mean }
}

/// The rotation about x that `jawOpen` is at the lower teeth.
struct JawHinge {
    pivot: Vec3,
    angle_rad: f32,
}

impl JawHinge {
    /// Rigid fit in the plane x = 0 (2-D Procrustes), then the point that it leaves in place.
    fn new(template: &[Vec3], jaw_open: &[Vec3], teeth: &[u32]) -> JawHinge {
        let rest: Vec<Vec2> = teeth.iter().map(|&v| yz(template[v as usize])).collect();
        let open: Vec<Vec2> = teeth.iter().map(|&v| yz(template[v as usize] + jaw_open[v as usize])).collect();
        let mean = |points: &[Vec2]| points.iter().sum::<Vec2>() / points.len().max(1) as f32;
        let (from, to) = (mean(&rest), mean(&open));
        let pairs = || rest.iter().zip(&open).map(|(a, b)| (*a - from, *b - to));
        let cross: f32 = pairs().map(|(a, b)| a.perp_dot(b)).sum();
        let dot: f32 = pairs().map(|(a, b)| a.dot(b)).sum();
        let angle_rad = cross.atan2(dot);
        let rotation = glam::Mat2::from_angle(angle_rad);
        let fixed = (glam::Mat2::IDENTITY - rotation).inverse() * (to - rotation * from);
        // A hinge elsewhere than around the ears would be a jaw that only slides.
        let is_plausible = angle_rad > 0.05 && fixed.is_finite() && fixed.distance(Vec2::new(-0.02, -0.075)) < 0.05;
        let place = if is_plausible { fixed } else { Vec2::new(-0.020, -0.075) };
        JawHinge { pivot: Vec3::new(0.0, place.x, place.y), angle_rad: angle_rad.max(0.05) }
    }

    /// How far a vertex goes with the jaw: its displacement against that of the bone at its place.
    fn share(&self, p: Vec3, displacement: Vec3) -> f32 {
        let arm = p - self.pivot;
        let rigid = glam::Quat::from_rotation_x(self.angle_rad) * arm - arm;
        (displacement.dot(rigid) / rigid.length_squared().max(1e-8)).clamp(0.0, 1.0)
    }
}

/// As (y, z): a positive angle in this plane is a positive rotation about x.
fn yz(p: Vec3) -> Vec2 {
    Vec2::new(p.y, p.z)
}

/// Least-squares sphere: `|p|² = 2 p·c + k` is linear in center and `k`.
fn sphere_center(points: impl Iterator<Item = Vec3>) -> Vec3 {
    let points: Vec<glam::DVec3> = points.map(|p| p.as_dvec3()).collect();
    let n = points.len().max(1) as f64;
    let mean = points.iter().sum::<glam::DVec3>() / n;
    let (mut matrix, mut right) = (glam::DMat3::ZERO, glam::DVec3::ZERO);
    for p in points.iter().map(|p| *p - mean) {
        matrix += glam::DMat3::from_cols(p * p.x, p * p.y, p * p.z);
        right += 0.5 * p.length_squared() * p;
    }
    (mean + matrix.inverse() * right).as_vec3()
}

/// Smooth step from 0 at `from` to 1 at `to`.
fn ramp(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
