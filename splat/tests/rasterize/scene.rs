//! Scenes and losses that the tests share.
use glam::Vec3;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{StandardNormal, StandardUniform};
use splat::reference::{self, Pinhole, Scene};
use splat::{Camera, Colors, Gaussians, Rendered, Settings, Upstream};

/// Normal and uniform numbers from a seed.
pub struct Random(ChaCha8Rng);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn normal(&mut self) -> f32 {
        self.0.sample(StandardNormal)
    }

    /// In 0..1.
    pub fn uniform(&mut self) -> f32 {
        self.0.sample(StandardUniform)
    }

    pub fn normals(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| scale * self.normal()).collect()
    }
}

/// `n` rotated anisotropic Gaussians around the origin, a few millimeters to centimeters in size, alpha below the cap.
pub fn cloud(n: usize, kind: Colors, seed: u64) -> Gaussians {
    let mut random = Random::new(seed);
    let means = random.normals(3 * n, 0.06);
    let quats = random.normals(4 * n, 1.0);
    let log_scales = (0..3 * n).map(|_| (0.012f32).ln() + 0.7 * random.normal()).collect();
    let opacity_logits = (0..n).map(|_| 0.5 + random.normal().clamp(-2.0, 2.0)).collect();
    let colors = match kind {
        Colors::Sh { .. } => random.normals(n * kind.stride(), 0.3),
        Colors::Features { .. } => (0..n * kind.stride()).map(|_| random.uniform()).collect(),
    };
    Gaussians { means, quats, log_scales, opacity_logits, colors, kind }
}

/// Walls of a hundred opaque Gaussians each that face +z, and `hidden` ordinary ones behind them.
pub fn behind_walls(walls: usize, hidden: usize) -> Gaussians {
    let mut gaussians = cloud(100 * walls + hidden, Colors::Features { channels: 3 }, 4);
    gaussians.means.iter_mut().skip(2).step_by(3).for_each(|z| *z -= 0.2);
    for n in 0..100 * walls {
        let (column, row, wall) = (n % 10, n / 10 % 10, n / 100);
        let mean = [0.04 * column as f32 - 0.18, 0.04 * row as f32 - 0.18, 0.2 + 0.02 * wall as f32];
        gaussians.means[3 * n..3 * n + 3].copy_from_slice(&mean);
        gaussians.log_scales[3 * n..3 * n + 3].copy_from_slice(&[-3.5, -3.6, -3.7]);
        gaussians.opacity_logits[n] = 6.0;
    }
    gaussians
}

/// How many Gaussians [`spoil`] spoils.
pub const SPOILT: usize = 9;

/// Nine Gaussians from number `first` on that cannot be drawn: seven not finite, then one behind the cameras, one
/// transparent.
pub fn spoil(gaussians: &mut Gaussians, first: usize) {
    let (n, stride) = (first, gaussians.kind.stride());
    let g = gaussians;
    g.means[3 * n..3 * (n + SPOILT)].fill(0.0);
    g.opacity_logits[n..n + SPOILT].fill(2.0);
    g.means[3 * n] = f32::NAN;
    g.means[3 * (n + 1) + 1] = f32::INFINITY;
    g.quats[4 * (n + 2)..4 * (n + 3)].fill(0.0);
    g.log_scales[3 * (n + 3)] = f32::NEG_INFINITY;
    g.log_scales[3 * (n + 4)] = 200.0;
    g.opacity_logits[n + 5] = f32::NAN;
    g.colors[stride * (n + 6)] = f32::NAN;
    g.means[3 * (n + 7)..3 * (n + 8)].copy_from_slice(&[0.0, 0.0, 5.0]);
    g.opacity_logits[n + 8] = -20.0;
}

/// Six Gaussians of any numbers: ordinary ones, large and tiny ones, and the ones that are none.
pub fn any_gaussians() -> impl Strategy<Value = Gaussians> {
    let number = prop_oneof![
        8 => -3.0f32..3.0,
        1 => prop_oneof![Just(0.0f32), Just(1e-40), Just(1e30), Just(-1e30), Just(f32::MAX)],
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ];
    let spread = prop_oneof![Just(0.01f32), Just(0.3), Just(30.0)];
    (prop::collection::vec(number, 14 * 6), spread, -8.0f32..1.0).prop_map(|(numbers, spread, small)| {
        let mut gaussians = Gaussians::empty(Colors::Features { channels: 3 });
        for v in numbers.chunks(14) {
            gaussians.means.extend(v[..3].iter().map(|v| v * spread));
            gaussians.quats.extend(&v[3..7]);
            gaussians.log_scales.extend(v[7..10].iter().map(|v| v + small));
            gaussians.opacity_logits.push(v[10]);
            gaussians.colors.extend(v[11..14].iter().map(|v| v.clamp(-1e3, 1e3)));
        }
        gaussians
    })
}

/// Two cameras off the axis, with unequal focal lengths and an off-center principal point; sides not multiples of 16.
pub fn cameras(width: usize, height: usize) -> Vec<Camera> {
    let focal = 1.4 * width as f32;
    let mut a = Camera::look_at(Vec3::new(0.2, 0.1, 0.5), Vec3::ZERO, Vec3::Y, focal, width, height);
    let mut b =
        Camera::look_at(Vec3::new(-0.35, -0.15, 0.4), Vec3::new(0.01, 0.02, 0.0), Vec3::X, focal, width, height);
    (a.fx, a.cx, a.cy) = (1.2 * a.fx, a.cx + 3.3, a.cy - 1.7);
    (b.fy, b.cx) = (0.8 * b.fy, b.cx - 2.1);
    vec![a, b]
}

/// A linear loss: random weights on every output of every camera.
pub struct Loss {
    pub color: Vec<Vec<f32>>,
    pub alpha: Vec<Vec<f32>>,
    pub depth: Vec<Vec<f32>>,
}

impl Loss {
    pub fn new(cameras: &[Camera], channels: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut images = |channels: usize| -> Vec<Vec<f32>> {
            cameras.iter().map(|c| random.normals(c.width * c.height * channels, 1.0)).collect()
        };
        Loss { color: images(channels), alpha: images(1), depth: images(1) }
    }

    pub fn upstream(&self) -> Vec<Upstream<'_>> {
        self.color
            .iter()
            .zip(&self.alpha)
            .zip(&self.depth)
            .map(|((color, alpha), depth)| Upstream { color, alpha: Some(alpha), depth: Some(depth) })
            .collect()
    }

    /// By the reference, in `f64`.
    pub fn of_reference(&self, scene: &Scene, cameras: &[Pinhole], settings: &Settings) -> f64 {
        let dot = |weights: &[f32], values: &[f64]| -> f64 {
            assert_eq!(weights.len(), values.len());
            weights.iter().zip(values).map(|(w, v)| *w as f64 * v).sum()
        };
        let of_camera = |(i, camera): (usize, &Pinhole)| {
            let image = reference::render(scene, camera, settings);
            dot(&self.color[i], &image.color) + dot(&self.alpha[i], &image.alpha) + dot(&self.depth[i], &image.depth)
        };
        cameras.iter().enumerate().map(of_camera).sum()
    }
}

/// Greatest difference of any output from the reference's image.
pub fn greatest_difference(got: &Rendered, want: &reference::Image) -> f64 {
    let of = |got: &[f32], want: &[f64]| {
        assert_eq!(got.len(), want.len());
        got.iter().zip(want).map(|(g, w)| (*g as f64 - w).abs()).fold(0.0, f64::max)
    };
    of(&got.color, &want.color).max(of(&got.alpha, &want.alpha)).max(of(&got.depth, &want.depth))
}
