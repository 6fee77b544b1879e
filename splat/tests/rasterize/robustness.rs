//! Broken input is dropped and counted, never drawn and never silent.
use crate::scene::{Loss, SPOILT, any_gaussians, cameras, cloud, spoil};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use splat::{Camera, Colors, Cutoff, Error, Gaussians, Gradients, Rendered, Settings, Upstream};

fn draw(gaussians: &Gaussians, cameras: &[Camera], settings: &Settings) -> (Vec<Rendered>, Gradients) {
    let (images, saved) = splat::forward(gaussians.slices(), cameras, settings).unwrap();
    let loss = Loss::new(cameras, gaussians.kind.channels(), 3);
    let gradients = splat::backward(gaussians.slices(), cameras, settings, &saved, &loss.upstream()).unwrap();
    (images, gradients)
}

fn all_finite(images: &[Rendered], g: &Gradients) -> bool {
    images.iter().flat_map(|i| [&i.color, &i.alpha, &i.depth]).flatten().all(|v| v.is_finite())
        && [&g.means, &g.quats, &g.log_scales, &g.opacity_logits, &g.colors, &g.background, &g.mean_2d_abs]
            .into_iter()
            .flatten()
            .all(|v| v.is_finite())
        && g.camera_pose.iter().flatten().chain(g.intrinsics.iter().flatten()).all(|v| v.is_finite())
}

fn total(image: &Rendered) -> usize {
    let s = image.stats;
    s.visible + s.culled_non_finite + s.culled_depth + s.culled_transparent + s.culled_small + s.culled_outside
}

#[test]
fn broken_gaussians_are_counted_and_leave_the_rest_untouched() {
    let cameras = cameras(64, 48);
    let good = cloud(50, Colors::Sh { degree: 1 }, 1);
    let settings = Settings::default();
    let (clean, _) = draw(&good, &cameras, &settings);
    let mut bad = cloud(50 + SPOILT, Colors::Sh { degree: 1 }, 1);
    let target = [&mut bad.means, &mut bad.quats, &mut bad.log_scales, &mut bad.opacity_logits, &mut bad.colors];
    for (to, from) in
        target.into_iter().zip([&good.means, &good.quats, &good.log_scales, &good.opacity_logits, &good.colors])
    {
        to[..from.len()].copy_from_slice(from);
    }
    spoil(&mut bad, 50);
    let (images, gradients) = draw(&bad, &cameras, &settings);
    for (image, clean) in images.iter().zip(&clean) {
        assert_eq!((&image.color, &image.alpha, &image.depth), (&clean.color, &clean.alpha, &clean.depth));
        assert_eq!(image.stats.culled_non_finite, 7);
        assert_eq!((image.stats.culled_depth, image.stats.culled_transparent), (1, 1));
        assert_eq!(total(image), 50 + SPOILT);
    }
    assert!(all_finite(&images, &gradients));
    assert!(gradients.means[3 * 50..].iter().all(|g| *g == 0.0));
}

#[test]
fn a_scale_of_zero_is_a_dot() {
    let mut gaussians = cloud(1, Colors::Features { channels: 1 }, 0);
    gaussians.means.fill(0.0);
    gaussians.log_scales.fill(-500.0);
    let (images, gradients) = draw(&gaussians, &cameras(32, 32), &Settings::default());
    assert_eq!(images[0].stats.visible, 1, "the dilation alone gives it a footprint");
    assert!(all_finite(&images, &gradients));
    let settings = Settings { antialiased: true, ..Settings::default() };
    let (images, _) = draw(&gaussians, &cameras(32, 32), &settings);
    assert_eq!(images[0].stats.culled_transparent, 1, "and without it, it has no area");
}

#[test]
fn nothing_at_all() {
    let gaussians = cloud(0, Colors::Features { channels: 2 }, 0);
    let settings = Settings { background: vec![0.25, 0.5], ..Settings::default() };
    let (images, gradients) = draw(&gaussians, &cameras(17, 5), &settings);
    assert!(images[0].color.chunks(2).all(|c| c == [0.25, 0.5]) && images[0].alpha.iter().all(|a| *a == 0.0));
    assert!(gradients.background.iter().all(|g| g.abs() > 0.0));
    assert!(splat::forward(gaussians.slices(), &[], &Settings::default()).unwrap().0.is_empty());
}

/// Silhouette and depth alone.
#[test]
fn no_channels() {
    let gaussians = cloud(20, Colors::Features { channels: 0 }, 2);
    let (images, gradients) = draw(&gaussians, &cameras(40, 30), &Settings::default());
    assert!(images[0].color.is_empty() && images[0].alpha.iter().any(|a| *a > 0.1));
    assert!(gradients.means.iter().any(|g| *g != 0.0) && all_finite(&images, &gradients));
}

#[test]
fn wrong_shapes_are_errors() {
    let (good, views) = (cloud(4, Colors::Features { channels: 3 }, 0), cameras(16, 16));
    let settings = Settings::default();
    let mut short = good.clone();
    short.quats.pop();
    assert!(matches!(splat::forward(short.slices(), &views, &settings), Err(Error::Shape { what: "quats", .. })));
    let wide = Settings { background: vec![0.0; 4], ..Settings::default() };
    assert!(matches!(splat::forward(good.slices(), &views, &wide), Err(Error::Shape { what: "background", .. })));
    for broken in [
        Settings { near_m: f32::NAN, ..Settings::default() },
        Settings { far_m: 0.001, ..Settings::default() },
        Settings { cutoff: Cutoff::Smooth { width: 0.0 }, ..Settings::default() },
        Settings { background: vec![0.0, f32::INFINITY, 0.0], ..Settings::default() },
    ] {
        assert!(matches!(splat::forward(good.slices(), &views, &broken), Err(Error::Setting { .. })));
    }
    let blind = [Camera { fx: 0.0, ..views[0] }];
    assert!(matches!(splat::forward(good.slices(), &blind, &settings), Err(Error::Camera(_))));
    let (_, saved) = splat::forward(good.slices(), &views, &settings).unwrap();
    let loss = Loss::new(&views, 3, 0);
    let few = splat::backward(good.slices(), &views, &settings, &saved, &loss.upstream()[..1]);
    assert!(matches!(few, Err(Error::Shape { what: "upstream: cameras", .. })));
    let small = Upstream { color: &loss.color[0][1..], alpha: None, depth: None };
    let wrong = splat::backward(good.slices(), &views, &settings, &saved, &[small, small]);
    assert!(matches!(wrong, Err(Error::Shape { what: "upstream color", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn no_input_corrupts_the_image(
        g in any_gaussians(),
        antialiased: bool,
        far_off: bool,
    ) {
        let mut views = cameras(33, 20);
        if far_off {
            (views[0].cx, views[0].cy) = (-500.0, 700.0);
        }
        let settings = Settings { antialiased, background: vec![0.1, 0.2, 0.3], ..Settings::default() };
        let (images, gradients) = draw(&g, &views, &settings);
        prop_assert!(images.iter().all(|i| total(i) == 6 && i.alpha.iter().all(|a| (0.0..=1.0).contains(a))));
        prop_assert!(all_finite(&images, &gradients));
    }
}
