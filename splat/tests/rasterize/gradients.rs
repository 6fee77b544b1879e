//! Every analytic gradient of the fast `f32` rasterizer against central differences of the `f64` reference. The alpha
//! cutoff is smooth here, so that the loss is differentiable everywhere but at the cap and the stop.
use crate::scene::{Loss, cameras, cloud};
use splat::rasterize::Depth;
use splat::reference::{Pinhole, Scene};
use splat::{Colors, Cutoff, Gaussians, Instructions, Settings, Upstream};

/// Step of the central differences: in `f64` its error is far under the tolerance.
const STEP: f64 = 1e-5;

struct Case {
    gaussians: Gaussians,
    settings: Settings,
}

/// Largest error of `got`, relative to the largest wanted entry of the same kind: `f32` sums over hundreds of
/// pixels with signs that cancel leave about 1e-5 of it.
fn compare(what: &str, got: &[f32], want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(scale > 1e-3, "{what}: no gradient to compare");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (*g as f64 - w).abs() / scale;
        assert!(error < 2e-4, "{what}[{i}]: {g} against {w}, error {error:.2e} of the greatest {scale:.3}");
    }
}

fn check(case: &Case) {
    let cameras = cameras(45, 38);
    let (g, settings) = (&case.gaussians, &case.settings);
    let loss = Loss::new(&cameras, g.kind.channels(), 7);
    let (_, saved) = splat::forward(g.slices(), &cameras, settings).unwrap();
    let got = splat::backward(g.slices(), &cameras, settings, &saved, &loss.upstream()).unwrap();

    let scene = Scene::new(g.slices(), &settings.background);
    let pinholes: Vec<Pinhole> = cameras.iter().map(Pinhole::new).collect();
    let central_difference = |change: &dyn Fn(&mut Scene, &mut Vec<Pinhole>, f64)| {
        let at = |step: f64| {
            let (mut scene, mut pinholes) = (scene.clone(), pinholes.clone());
            change(&mut scene, &mut pinholes, step);
            loss.of_reference(&scene, &pinholes, settings)
        };
        (at(STEP) - at(-STEP)) / (2.0 * STEP)
    };
    type Field = fn(&mut Scene) -> &mut Vec<f64>;
    let fields: [(&str, &[f32], Field, f64); 6] = [
        ("means", &got.means, |s| &mut s.means, 0.05),
        ("quats", &got.quats, |s| &mut s.quats, 1.0),
        ("log_scales", &got.log_scales, |s| &mut s.log_scales, 1.0),
        ("opacity_logits", &got.opacity_logits, |s| &mut s.opacity_logits, 1.0),
        ("colors", &got.colors, |s| &mut s.colors, 1.0),
        ("background", &got.background, |s| &mut s.background, 1.0),
    ];
    for (what, got, field, unit) in fields {
        let want: Vec<f64> =
            (0..got.len()).map(|i| central_difference(&|s, _, step| field(s)[i] += unit * step) / unit).collect();
        compare(what, got, &want);
    }
    for camera in 0..cameras.len() {
        let turned = |i: usize| {
            move |_: &mut Scene, p: &mut Vec<Pinhole>, step: f64| {
                let mut xi = [0.0; 6];
                xi[i] = 0.1 * step;
                p[camera] = p[camera].twisted(xi);
            }
        };
        let want: Vec<f64> = (0..6).map(|i| central_difference(&turned(i)) / 0.1).collect();
        compare("camera_pose, translation", &got.camera_pose[camera][..3], &want[..3]);
        compare("camera_pose, rotation", &got.camera_pose[camera][3..], &want[3..]);
        let want: Vec<f64> = (0..4)
            .map(|i| central_difference(&|_, p: &mut Vec<Pinhole>, step| p[camera].intrinsics[i] += step))
            .collect();
        compare("intrinsics", &got.intrinsics[camera], &want);
    }
}

fn settings(channels: usize) -> Settings {
    Settings {
        background: (0..channels).map(|c| 0.2 + 0.3 * c as f32).collect(),
        cutoff: Cutoff::Smooth { width: 4e-3 },
        ..Settings::default()
    }
}

#[test]
fn harmonics_of_every_degree() {
    for degree in 0..=3 {
        check(&Case { gaussians: cloud(9, Colors::Sh { degree }, degree as u64), settings: settings(3) });
    }
}

#[test]
fn features_of_any_width() {
    for channels in [1, 3, 6] {
        check(&Case { gaussians: cloud(9, Colors::Features { channels }, 40), settings: settings(channels) });
    }
}

#[test]
fn antialiased() {
    let mut gaussians = cloud(9, Colors::Sh { degree: 1 }, 5);
    gaussians.log_scales.iter_mut().for_each(|s| *s -= 0.8); // about a pixel, where the factor matters
    check(&Case { gaussians, settings: Settings { antialiased: true, ..settings(3) } });
}

#[test]
fn every_instruction_set() {
    for instructions in Instructions::available() {
        check(&Case {
            gaussians: cloud(7, Colors::Features { channels: 3 }, 6),
            settings: Settings { instructions, ..settings(3) },
        });
    }
}

/// One long Gaussian at 30° to the pixel axes: halving the cross term of the conic's gradient (easily done, the
/// matrix holds it twice) shows here and nowhere else.
#[test]
fn cross_term_of_a_rotated_anisotropic_gaussian() {
    let mut gaussians = cloud(1, Colors::Features { channels: 3 }, 0);
    gaussians.means = vec![0.004, -0.003, 0.01];
    gaussians.quats = vec![0.96, 0.05, -0.04, 0.26];
    gaussians.log_scales = [0.05f32, 0.008, 0.01].map(f32::ln).to_vec();
    gaussians.opacity_logits = vec![1.2];
    check(&Case { gaussians, settings: settings(3) });
}

/// Means outside the frame, where the affine approximation is taken at the frame's edge and no longer moves.
#[test]
fn beyond_the_frame() {
    let mut gaussians = cloud(8, Colors::Sh { degree: 2 }, 8);
    gaussians.means.iter_mut().for_each(|v| *v *= 3.0);
    gaussians.log_scales.iter_mut().for_each(|s| *s = 0.06f32.ln() + 0.3 * *s / 4.0);
    check(&Case { gaussians, settings: settings(3) });
}

/// The depth image divided by alpha. Everything is in sight here: at the silhouette's very edge, where alpha is next to
/// nothing, the expected depth has steps that no difference quotient survives.
#[test]
fn expected_depth() {
    let mut gaussians = cloud(9, Colors::Features { channels: 3 }, 12);
    gaussians.log_scales.iter_mut().for_each(|s| *s = 0.2f32.ln() + 0.1 * *s);
    let settings = Settings { depth: Depth::Expected, ..settings(3) };
    check(&Case { gaussians, settings });
}

/// With one Gaussian, ∂L/∂cx is the gradient by its projected mean; so pixel by pixel their absolute values add up.
#[test]
fn absolute_gradients_are_sums_over_pixels() {
    let mut gaussians = cloud(1, Colors::Features { channels: 3 }, 0);
    gaussians.means.fill(0.0);
    let camera = &cameras(30, 27)[..1];
    let settings = Settings { absolute_gradients: true, ..settings(3) };
    let loss = Loss::new(camera, 3, 5);
    let (_, saved) = splat::forward(gaussians.slices(), camera, &settings).unwrap();
    let of = |color: &[f32]| {
        let upstream = [Upstream { color, alpha: None, depth: None }];
        splat::backward(gaussians.slices(), camera, &settings, &saved, &upstream).unwrap()
    };
    let whole = of(&loss.color[0]);
    let length = whole.intrinsics[0][2].hypot(whole.intrinsics[0][3]);
    assert!((whole.mean_2d[0] / length - 1.0).abs() < 1e-5, "{} against {length}", whole.mean_2d[0]);
    let mut sums = [0.0f32; 2];
    for pixel in 0..30 * 27 {
        let mut color = vec![0.0; 30 * 27 * 3];
        color[3 * pixel..3 * pixel + 3].copy_from_slice(&loss.color[0][3 * pixel..3 * pixel + 3]);
        let g = of(&color).intrinsics[0];
        sums = [sums[0] + g[2].abs(), sums[1] + g[3].abs()];
    }
    let (got, want) = (of(&loss.color[0]).mean_2d_abs[0], sums[0].hypot(sums[1]));
    assert!(want > 0.1 && (got / want - 1.0).abs() < 1e-4, "{got} against {want}");
}
