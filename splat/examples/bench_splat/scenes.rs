//! What is drawn: scenes that anyone can make again.
use glam::Vec3;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use splat::{Camera, Colors, Gaussians};
use std::f32::consts::PI;

/// A shell like a head: an ellipsoid of 15 × 22 × 19 cm covered about 0.9 σ apart, third-degree harmonics.
pub fn shell(n: usize) -> Gaussians {
    scene(n, 0, &|normal| {
        let direction = Vec3::new(normal(), normal(), normal()).normalize_or(Vec3::Y);
        direction * Vec3::new(0.075, 0.11, 0.095) * (1.0 + 0.02 * normal())
    })
}

/// The same Gaussians all over a normal cloud of 5 cm, another for each seed.
pub fn cloud(n: usize, seed: u64) -> Gaussians {
    scene(n, seed, &|normal| 0.05 * Vec3::new(normal(), normal(), normal()))
}

/// From 75 cm in front, as through a long lens: the shell covers 48 % of the frame.
pub fn front(size: usize) -> Camera {
    let focal = 1500.0 * size as f32 / 512.0;
    Camera::look_at(Vec3::new(0.0, 0.0, 0.75), Vec3::ZERO, Vec3::Y, focal, size, size)
}

/// `count` cameras around the head, 0.75 m away and 14° apart; one alone looks from the front.
pub fn around(count: usize, size: usize) -> Vec<Camera> {
    let focal = front(size).fx;
    let turn = |i: usize| 0.25 * (i as f32 - (count as f32 - 1.0) / 2.0);
    let eye = |i: usize| 0.75 * Vec3::new(turn(i).sin(), 0.0, turn(i).cos());
    (0..count).map(|i| Camera::look_at(eye(i), Vec3::ZERO, Vec3::Y, focal, size, size)).collect()
}

fn scene(n: usize, seed: u64, place: &dyn Fn(&mut dyn FnMut() -> f32) -> Vec3) -> Gaussians {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || -> f32 { rng.sample(StandardNormal) };
    let mut g = Gaussians::empty(Colors::Sh { degree: 3 });
    let spacing = 0.9 * (4.0 * PI * 0.009 / n as f32).sqrt();
    for _ in 0..n {
        g.means.extend(place(&mut normal).to_array());
        g.log_scales.extend((0..3).map(|_| spacing.ln() + 0.3 * normal()));
        g.quats.extend((0..4).map(|_| normal()));
        g.opacity_logits.push(1.0 + normal());
        g.colors.extend((0..48).map(|_| 0.3 * normal()));
    }
    g
}
