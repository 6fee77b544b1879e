//! The image against the reference's; all thread counts and instruction sets against each other.
use crate::scene::{Loss, behind_walls, cameras, cloud, greatest_difference};
use glam::Vec3;
use splat::reference::{self, Pinhole, Scene};
use splat::{Camera, Colors, Cutoff, Gradients, Instructions, Rendered, Settings};

#[test]
fn image_is_the_reference_image() {
    for (seed, kind) in [(1, Colors::Sh { degree: 3 }), (2, Colors::Features { channels: 5 })] {
        let (gaussians, cameras) = (cloud(400, kind, seed), cameras(83, 70));
        for antialiased in [false, true] {
            let background = vec![0.1; kind.channels()];
            let settings =
                Settings { background, antialiased, cutoff: Cutoff::Smooth { width: 4e-3 }, ..Settings::default() };
            let (images, _) = splat::forward(gaussians.slices(), &cameras, &settings).unwrap();
            let scene = Scene::new(gaussians.slices(), &settings.background);
            for (image, camera) in images.iter().zip(&cameras) {
                let want = reference::render(&scene, &Pinhole::new(camera), &settings);
                let difference = greatest_difference(image, &want);
                assert!(difference < 3e-5, "{kind:?}, antialiased {antialiased}: {difference:.2e}");
            }
        }
    }
}

/// With the step cutoff a pixel at the very edge may fall on either side in `f32`; it then differs by 1/255 at most.
#[test]
fn hard_cutoff_differs_at_few_pixels() {
    let (gaussians, cameras) = (cloud(400, Colors::Features { channels: 1 }, 3), cameras(83, 70));
    let settings = Settings::default();
    let (images, _) = splat::forward(gaussians.slices(), &cameras, &settings).unwrap();
    let want = reference::render(&Scene::new(gaussians.slices(), &[]), &Pinhole::new(&cameras[0]), &settings);
    let differences = images[0].color.iter().zip(&want.color).map(|(g, w)| (*g as f64 - w).abs());
    let flips = differences.clone().filter(|d| *d > 1e-5).count();
    assert!(flips < 30 && differences.fold(0.0, f64::max) < 0.004, "{flips} pixels");
}

/// Walls of opaque Gaussians: pixels stop at them, and what lies behind gets no gradient.
#[test]
fn opaque_pixels_stop() {
    let gaussians = behind_walls(4, 100);
    let camera = [Camera::look_at(Vec3::new(0.0, 0.0, 0.8), Vec3::ZERO, Vec3::Y, 160.0, 64, 64)];
    let settings = Settings::default();
    let (images, saved) = splat::forward(gaussians.slices(), &camera, &settings).unwrap();
    let want = reference::render(&Scene::new(gaussians.slices(), &[]), &Pinhole::new(&camera[0]), &settings);
    let near = images[0].color.iter().zip(&want.color).filter(|(g, w)| (**g as f64 - **w).abs() < 1e-4).count();
    assert!(near as f64 > 0.99 * want.color.len() as f64, "{near} of {}", want.color.len());
    let (low, high) = images[0].alpha.iter().fold((1.0f32, 0.0f32), |(l, h), &a| (l.min(a), h.max(a)));
    assert!(
        low > 0.89 && high <= 1.0 - 1e-4,
        "alpha from {low} to {high}: stops after 0.9 (next 0.999) at the earliest"
    );
    let loss = Loss::new(&camera, 3, 0);
    let got = splat::backward(gaussians.slices(), &camera, &settings, &saved, &loss.upstream()).unwrap();
    assert!(got.opacity_logits[400..].iter().all(|g| *g == 0.0), "a hidden Gaussian has a gradient");
    assert!(got.opacity_logits[..400].iter().filter(|g| **g != 0.0).count() > 50);
}

fn bits(images: &[Rendered], gradients: &Gradients) -> Vec<u32> {
    let g = gradients;
    let mut all: Vec<f32> = images.iter().flat_map(|i| [&i.color, &i.alpha, &i.depth]).flatten().copied().collect();
    for part in [&g.means, &g.quats, &g.log_scales, &g.opacity_logits, &g.colors, &g.background, &g.mean_2d_abs] {
        all.extend(part);
    }
    all.extend(g.camera_pose.iter().flatten().chain(g.intrinsics.iter().flatten()));
    all.into_iter().map(f32::to_bits).collect()
}

#[test]
fn bit_identical_at_any_thread_count() {
    let (gaussians, cameras) = (cloud(9000, Colors::Sh { degree: 2 }, 9), cameras(150, 97));
    let loss = Loss::new(&cameras, 3, 1);
    for instructions in Instructions::available() {
        let settings = Settings { instructions, ..Settings::default() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (images, saved) = splat::forward(gaussians.slices(), &cameras, &settings).unwrap();
                let g = splat::backward(gaussians.slices(), &cameras, &settings, &saved, &loss.upstream()).unwrap();
                bits(&images, &g)
            })
        };
        let one = run(1);
        for threads in [2, 3, 7] {
            assert!(one == run(threads), "{}: {threads} threads differ from one", instructions.name());
        }
    }
}

#[test]
fn instruction_sets_agree() {
    let (gaussians, cameras) = (cloud(500, Colors::Sh { degree: 3 }, 10), cameras(96, 64));
    let images = |instructions| {
        let settings = Settings { instructions, cutoff: Cutoff::Smooth { width: 4e-3 }, ..Settings::default() };
        splat::forward(gaussians.slices(), &cameras, &settings).unwrap().0
    };
    let plain = images(Instructions::available()[0]);
    for instructions in Instructions::available() {
        for (a, b) in plain.iter().zip(&images(instructions)) {
            let worst = a.color.iter().zip(&b.color).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-5, "{}: {worst:e}", instructions.name());
        }
    }
}
