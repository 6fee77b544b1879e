//! What a call takes and gives beyond one scene's colors: batches, radii, clipping, memory that is used again.
use crate::scene::{Loss, cameras, cloud};
use glam::Vec3;
use splat::rasterize::{Depth, Pool, SceneViews, backward_batch, forward_batch};
use splat::{Camera, Colors, Error, GaussianSlices, Gaussians, Settings};

/// A batch is its scenes, bit by bit, whatever lies in the pool.
#[test]
fn a_batch_is_its_scenes() {
    let kind = Colors::Sh { degree: 2 };
    let scenes: Vec<Gaussians> = (0..3).map(|seed| cloud(70, kind, seed)).collect();
    let parts: Vec<GaussianSlices> = scenes.iter().map(Gaussians::slices).collect();
    let all = Gaussians::concat(kind, &parts).unwrap();
    let (views, settings, pool) = (cameras(50, 41), Settings::default(), Pool::default());
    let split = all.slices().scenes(3).unwrap();
    let batch: Vec<SceneViews> = split.iter().map(|&gaussians| SceneViews { gaussians, cameras: &views }).collect();
    let loss = Loss::new(&views, 3, 2);
    let up = loss.upstream();
    for round in 0..3 {
        let drawn = forward_batch(&pool, &batch, &settings).unwrap();
        let saved: Vec<_> = drawn.iter().map(|(_, saved)| saved).collect();
        let gradients = backward_batch(&batch, &settings, &saved, &[&up, &up, &up]).unwrap();
        for ((scene, (images, _)), got) in scenes.iter().zip(drawn).zip(gradients) {
            let (alone, saved) = splat::forward(scene.slices(), &views, &settings).unwrap();
            assert_eq!(images, alone, "round {round}");
            assert_eq!(got, splat::backward(scene.slices(), &views, &settings, &saved, &up).unwrap(), "round {round}");
            pool.take_back(images, got);
        }
    }
    assert!(matches!(all.slices().scenes(4), Err(Error::Shape { .. })));
    assert!(matches!(backward_batch(&batch, &settings, &[], &[]), Err(Error::Shape { what: "saved: scenes", .. })));
}

/// Memory left by a large scene of other shape does not show in a small one.
#[test]
fn a_pool_leaves_no_trace() {
    let pool = Pool::default();
    let run = |pool: &Pool, n: usize, kind: Colors, width: usize, absolute_gradients: bool| {
        let (gaussians, views) = (cloud(n, kind, 5), cameras(width, width / 2 + 3));
        let settings = Settings { absolute_gradients, ..Settings::default() };
        let (images, saved) = pool.forward(gaussians.slices(), &views, &settings).unwrap();
        let loss = Loss::new(&views, kind.channels(), 1);
        let gradients = splat::backward(gaussians.slices(), &views, &settings, &saved, &loss.upstream()).unwrap();
        (images, gradients)
    };
    for (n, kind, width, absolute) in [
        (900, Colors::Sh { degree: 3 }, 130, true),
        (40, Colors::Features { channels: 5 }, 33, false),
        (200, Colors::Features { channels: 3 }, 64, false),
        (0, Colors::Features { channels: 3 }, 20, true),
        (300, Colors::Sh { degree: 0 }, 90, false),
    ] {
        let (images, gradients) = run(&pool, n, kind, width, absolute);
        assert_eq!((&images, &gradients), (&run(&Pool::default(), n, kind, width, absolute).0, &gradients));
        assert_eq!(gradients, run(&Pool::default(), n, kind, width, absolute).1);
        pool.take_back(images, gradients);
    }
}

/// One round Gaussian of known size: its radius, and what a clip leaves.
#[test]
fn radius_is_three_standard_deviations() {
    let one = Gaussians {
        means: vec![0.0; 3],
        quats: vec![1.0, 0.0, 0.0, 0.0],
        log_scales: vec![0.02f32.ln(); 3],
        opacity_logits: vec![2.0],
        colors: vec![1.0; 3],
        kind: Colors::Features { channels: 3 },
    };
    let camera = [Camera::look_at(Vec3::new(0.0, 0.0, 0.5), Vec3::ZERO, Vec3::Y, 100.0, 48, 48)];
    let draw = |radius_clip_px| {
        let settings = Settings { radius_clip_px, ..Settings::default() };
        splat::forward(one.slices(), &camera, &settings).unwrap().0.remove(0)
    };
    let image = draw(0.0);
    let want = 3.0 * (4.0f32 * 4.0 + 0.3).sqrt(); // 0.02 m · 100 px / 0.5 m, dilated
    assert!((image.radii[0] - want).abs() < 1e-3, "{} against {want}", image.radii[0]);
    assert!(image.visible().eq([true]));
    let clipped = draw(want + 0.1);
    assert_eq!((clipped.stats.culled_small, clipped.radii[0], clipped.visible().next()), (1, 0.0, Some(false)));
    assert!(clipped.alpha.iter().all(|a| *a == 0.0) && draw(want - 0.1).stats.visible == 1);
}

/// A flat wall of Gaussians at one distance: the expected depth is that distance wherever anything is.
#[test]
fn expected_depth_is_a_distance() {
    let mut wall = cloud(40, Colors::Features { channels: 1 }, 3);
    wall.means.chunks_mut(3).for_each(|mean| mean[2] = 0.0);
    let camera = [Camera::look_at(Vec3::new(0.0, 0.0, 0.6), Vec3::ZERO, Vec3::Y, 80.0, 40, 40)];
    let settings = Settings { depth: Depth::Expected, ..Settings::default() };
    let image = &splat::forward(wall.slices(), &camera, &settings).unwrap().0[0];
    assert!(image.alpha.iter().filter(|a| **a > 0.0).count() > 100);
    for (alpha, depth) in image.alpha.iter().zip(&image.depth) {
        assert!(if *alpha > 0.0 { (depth - 0.6).abs() < 1e-4 } else { *depth == 0.0 }, "{depth} at alpha {alpha}");
    }
}
