//! Images and gradients against the CPU's.
use crate::emulator::{Emulator, Order};
use crate::engines;
use crate::scene::{Loss, SPOILT, any_gaussians, behind_walls, cameras, cloud, greatest_difference, spoil};
use glam::Vec3;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use splat::cuda::{Address, DeviceGaussians, DeviceImages, Engine, Error, Overflow, Rasterizer};
use splat::rasterize::Depth;
use splat::reference::{Pinhole, Scene};
use splat::{Camera, Colors, Cutoff, Gaussians, Gradients, Rendered, Settings, reference};
use std::sync::Arc;

/// Both take the same steps in `f32`, but contract and order sums differently: a few ulp of each sum's greatest term.
const IMAGE_TOLERANCE: f32 = 3e-6;
/// Relative to the greatest gradient of a kind: sums over hundreds of pixels whose signs cancel; the kernels also take
/// what lies behind as a difference, where the CPU adds it up.
const GRADIENT_TOLERANCE: f32 = 3e-5;

struct Case {
    gaussians: Gaussians,
    cameras: Vec<Camera>,
    settings: Settings,
}

fn parts(g: &Gradients) -> [(&'static str, Vec<f32>); 10] {
    [
        ("means", g.means.clone()),
        ("quats", g.quats.clone()),
        ("log_scales", g.log_scales.clone()),
        ("opacity_logits", g.opacity_logits.clone()),
        ("colors", g.colors.clone()),
        ("background", g.background.clone()),
        ("mean_2d", g.mean_2d.clone()),
        ("mean_2d_abs", g.mean_2d_abs.clone()),
        ("camera_pose", g.camera_pose.as_flattened().to_vec()),
        ("intrinsics", g.intrinsics.as_flattened().to_vec()),
    ]
}

fn close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance, "{what}[{i}]: {g} against {w}, tolerance {tolerance:e}");
    }
}

/// Draws and differentiates on `rasterizer`.
fn run(rasterizer: &mut Rasterizer, case: &Case) -> (Vec<Rendered>, Gradients) {
    let (images, saved) = rasterizer.forward_slices(case.gaussians.slices(), &case.cameras, &case.settings).unwrap();
    let loss = Loss::new(&case.cameras, case.gaussians.kind.channels(), 5);
    let gradients = rasterizer.backward_slices(&saved, &loss.upstream()).unwrap();
    (images, gradients)
}

fn run_on_cpu(case: &Case) -> (Vec<Rendered>, Gradients) {
    let (g, loss) = (case.gaussians.slices(), Loss::new(&case.cameras, case.gaussians.kind.channels(), 5));
    let (images, saved) = splat::forward(g, &case.cameras, &case.settings).unwrap();
    let gradients = splat::backward(g, &case.cameras, &case.settings, &saved, &loss.upstream()).unwrap();
    (images, gradients)
}

/// Images and gradients of every engine are the CPU's.
fn agrees(case: &Case) {
    engines().into_iter().for_each(|(name, engine)| agrees_on(name, engine, case));
}

fn agrees_on(name: &str, engine: Arc<dyn Engine>, case: &Case) {
    let (want_images, want_gradients) = run_on_cpu(case);
    let (images, gradients) = run(&mut Rasterizer::shared(engine), case);
    assert_eq!(images.len(), want_images.len());
    for (image, want) in images.iter().zip(&want_images) {
        assert_eq!(image.stats, want.stats, "{name}");
        close(&format!("{name}: color"), &image.color, &want.color, IMAGE_TOLERANCE);
        close(&format!("{name}: alpha"), &image.alpha, &want.alpha, IMAGE_TOLERANCE);
        close(&format!("{name}: depth"), &image.depth, &want.depth, IMAGE_TOLERANCE);
        let greatest = want.radii.iter().fold(0.0f32, |m, r| m.max(*r));
        close(&format!("{name}: radii"), &image.radii, &want.radii, IMAGE_TOLERANCE * greatest);
    }
    for ((what, got), (_, want)) in parts(&gradients).iter().zip(&parts(&want_gradients)) {
        let scale = want.iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        close(&format!("{name}: {what}"), got, want, GRADIENT_TOLERANCE * scale);
    }
}

fn bits(images: &[Rendered], gradients: &Gradients) -> Vec<u32> {
    let pixels = images.iter().flat_map(|i| [&i.color, &i.alpha, &i.depth]).flatten().copied();
    let all = pixels.chain(parts(gradients).into_iter().flat_map(|(_, part)| part));
    all.map(f32::to_bits).collect()
}

/// A smooth cutoff, so that rounding at the cut moves no pixel by 1/255.
fn settings(channels: usize) -> Settings {
    Settings {
        background: (0..channels).map(|c| 0.1 + 0.2 * c as f32).collect(),
        cutoff: Cutoff::Smooth { width: 4e-3 },
        absolute_gradients: true,
        ..Settings::default()
    }
}

#[test]
fn harmonics_of_every_degree() {
    for degree in 0..=3 {
        let kind = Colors::Sh { degree };
        agrees(&Case { gaussians: cloud(200, kind, degree as u64), cameras: cameras(53, 38), settings: settings(3) });
    }
}

/// On a GPU twenty, of a size that fills it.
#[test]
fn random_scenes() {
    for (name, engine) in engines() {
        let (count, n, size) = if name == "GPU" { (20, 4000, 200) } else { (2, 100, 40) };
        for seed in 0..count {
            let kind = [Colors::Sh { degree: 3 }, Colors::Features { channels: 3 }][seed as usize % 2];
            let cameras = cameras(size + seed as usize, size - 3 * seed as usize);
            let antialiased = seed % 3 == 0;
            let case = Case {
                gaussians: cloud(n, kind, 100 + seed),
                cameras,
                settings: Settings { antialiased, ..settings(3) },
            };
            agrees_on(&format!("{name}, seed {seed}"), engine.clone(), &case);
        }
    }
}

#[test]
fn features_of_any_width() {
    for channels in [0, 1, 3, 6, 17] {
        let kind = Colors::Features { channels };
        agrees(&Case { gaussians: cloud(120, kind, 7), cameras: cameras(40, 33), settings: settings(channels) });
    }
}

#[test]
fn antialiased() {
    let mut gaussians = cloud(150, Colors::Sh { degree: 1 }, 5);
    gaussians.log_scales.iter_mut().for_each(|s| *s -= 1.2); // about a pixel, where the factor matters
    let settings = Settings { antialiased: true, ..settings(3) };
    agrees(&Case { gaussians, cameras: cameras(48, 48), settings });
}

/// Depth divided by alpha, where alpha is large enough for `f32` to hold the quotient; small Gaussians left out.
#[test]
fn expected_depth_and_clipped_radii() {
    let mut gaussians = cloud(200, Colors::Features { channels: 2 }, 13);
    for n in 0..8 {
        gaussians.log_scales[3 * n..3 * n + 3].copy_from_slice(&[-1.0, -1.1, -1.2]);
    }
    let settings = Settings { depth: Depth::Expected, radius_clip_px: 4.0, ..settings(2) };
    let case = Case { gaussians, cameras: cameras(40, 35), settings };
    assert!(run_on_cpu(&case).0[0].stats.culled_small > 10);
    agrees(&case);
}

/// The cutoff that everyone uses. At its edge a pixel may fall on either side in `f32`, and then differs by 1/255.
#[test]
fn hard_cutoff() {
    let case = Case {
        gaussians: cloud(400, Colors::Features { channels: 3 }, 3),
        cameras: cameras(83, 70),
        settings: Settings::default(),
    };
    let (want, want_gradients) = run_on_cpu(&case);
    for (name, engine) in engines() {
        let (images, gradients) = run(&mut Rasterizer::shared(engine), &case);
        for (image, want) in images.iter().zip(&want) {
            let differences = image.color.iter().zip(&want.color).map(|(g, w)| (g - w).abs());
            let flips = differences.clone().filter(|d| *d > IMAGE_TOLERANCE).count();
            let greatest = differences.fold(0.0, f32::max);
            assert!(flips < 30 && greatest < 0.004, "{name}: {flips} pixels, {greatest}");
        }
        for ((what, got), (_, want)) in parts(&gradients).iter().zip(&parts(&want_gradients)) {
            let scale = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            close(&format!("{name}: {what}"), got, want, 2e-3 * scale);
        }
    }
}

#[test]
fn image_is_the_reference_image() {
    let (gaussians, cameras) = (cloud(300, Colors::Sh { degree: 2 }, 8), cameras(61, 45));
    let settings = settings(3);
    let scene = Scene::new(gaussians.slices(), &settings.background);
    for (name, engine) in engines() {
        let (images, _) = Rasterizer::shared(engine).forward_slices(gaussians.slices(), &cameras, &settings).unwrap();
        for (image, camera) in images.iter().zip(&cameras) {
            let difference = greatest_difference(image, &reference::render(&scene, &Pinhole::new(camera), &settings));
            assert!(difference < 3e-5, "{name}: {difference:.2e}");
        }
    }
}

/// Every kind of gradient against central differences of the `f64` reference.
#[test]
fn gradients_match_central_differences_of_the_reference() {
    const STEP: f64 = 1e-5;
    let (gaussians, cameras, settings) = (cloud(9, Colors::Sh { degree: 3 }, 11), cameras(37, 30), settings(3));
    let loss = Loss::new(&cameras, 3, 5);
    let scene = Scene::new(gaussians.slices(), &settings.background);
    let pinholes: Vec<Pinhole> = cameras.iter().map(Pinhole::new).collect();
    let central_difference = |change: &dyn Fn(&mut Scene, &mut [Pinhole], f64)| {
        let at = |step| {
            let (mut scene, mut pinholes) = (scene.clone(), pinholes.clone());
            change(&mut scene, &mut pinholes, step);
            loss.of_reference(&scene, &pinholes, &settings)
        };
        ((at(STEP) - at(-STEP)) / (2.0 * STEP)) as f32
    };
    for (name, engine) in engines() {
        let mut rasterizer = Rasterizer::shared(engine);
        let case = Case { gaussians: gaussians.clone(), cameras: cameras.clone(), settings: settings.clone() };
        let (_, got) = run(&mut rasterizer, &case);
        type Field = fn(&mut Scene) -> &mut Vec<f64>;
        let fields: [(&str, &[f32], Field); 6] = [
            ("means", &got.means, |s| &mut s.means),
            ("quats", &got.quats, |s| &mut s.quats),
            ("log_scales", &got.log_scales, |s| &mut s.log_scales),
            ("opacity_logits", &got.opacity_logits, |s| &mut s.opacity_logits),
            ("colors", &got.colors, |s| &mut s.colors),
            ("background", &got.background, |s| &mut s.background),
        ];
        let check = |what: &str, got: &[f32], want: &[f32]| {
            let scale = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            assert!(scale > 1e-3, "{what}: no gradient to compare");
            close(&format!("{name}: {what}"), got, want, 3e-4 * scale);
        };
        for (what, got, field) in fields {
            let want: Vec<f32> =
                (0..got.len()).map(|i| central_difference(&|s, _, step| field(s)[i] += step)).collect();
            check(what, got, &want);
        }
        for camera in 0..cameras.len() {
            let turned = |i: usize| {
                central_difference(&|_, p, step| {
                    let mut xi = [0.0; 6];
                    xi[i] = 0.1 * step;
                    p[camera] = p[camera].twisted(xi);
                }) / 0.1
            };
            let pose: Vec<f32> = (0..6).map(turned).collect();
            check("camera_pose, translation", &got.camera_pose[camera][..3], &pose[..3]);
            check("camera_pose, rotation", &got.camera_pose[camera][3..], &pose[3..]);
            let want: Vec<f32> =
                (0..4).map(|i| central_difference(&|_, p, step| p[camera].intrinsics[i] += step)).collect();
            check("intrinsics", &got.intrinsics[camera], &want);
        }
    }
}

/// A wall of opaque Gaussians: pixels stop, warps leave early, and what lies behind gets no gradient.
#[test]
fn opaque_pixels_stop() {
    let cameras = vec![Camera::look_at(Vec3::new(0.0, 0.0, 0.8), Vec3::ZERO, Vec3::Y, 120.0, 48, 48)];
    let case = Case { gaussians: behind_walls(4, 300), cameras, settings: settings(3) };
    agrees(&case);
    for (_, engine) in engines() {
        let (_, gradients) = run(&mut Rasterizer::shared(engine), &case);
        assert!(gradients.opacity_logits[400..].iter().all(|g| *g == 0.0), "a hidden Gaussian has a gradient");
    }
}

/// Many instances a tile (several loads of 256), Gaussians over all tiles, keys for several blocks of scan and sort.
#[test]
fn crowded_tiles() {
    let mut gaussians = cloud(2500, Colors::Features { channels: 1 }, 12);
    gaussians.opacity_logits.iter_mut().for_each(|v| *v -= 5.0);
    for n in 0..40 {
        gaussians.log_scales[3 * n..3 * n + 3].fill(0.2f32.ln());
    }
    agrees(&Case { gaussians, cameras: cameras(65, 34), settings: settings(1) });
}

/// Tiles without an instance, an image without a Gaussian, no Gaussian, no camera.
#[test]
fn nothing_to_draw() {
    let kind = Colors::Features { channels: 2 };
    let mut gaussians = cloud(3, kind, 1);
    gaussians.log_scales.iter_mut().for_each(|s| *s -= 2.5);
    agrees(&Case { gaussians: gaussians.clone(), cameras: cameras(150, 40), settings: settings(2) });
    gaussians.means.iter_mut().for_each(|v| *v += 50.0);
    agrees(&Case { gaussians, cameras: cameras(33, 17), settings: settings(2) });
    agrees(&Case { gaussians: cloud(0, kind, 0), cameras: cameras(20, 5), settings: settings(2) });
    agrees(&Case { gaussians: cloud(3, kind, 0), cameras: vec![], settings: settings(2) });
}

#[test]
fn broken_gaussians_are_counted() {
    let kind = Colors::Sh { degree: 1 };
    let mut gaussians = cloud(51 + SPOILT, kind, 2);
    spoil(&mut gaussians, 50);
    gaussians.means[3 * 59] = 30.0;
    agrees(&Case { gaussians, cameras: cameras(64, 48), settings: settings(3) });
}

/// The same bits run after run, and in whatever order the threads of a block run.
#[test]
fn bit_identical() {
    for (name, engine) in engines() {
        let (runs, n, size) = if name == "GPU" { (10, 30_000, 400) } else { (2, 300, 70) };
        let (gaussians, cameras) = (cloud(n, Colors::Sh { degree: 2 }, 9), cameras(size, size - 25));
        let case = Case { gaussians, cameras, settings: Settings::default() };
        let mut rasterizer = Rasterizer::shared(engine);
        let mut now = || {
            let (images, gradients) = run(&mut rasterizer, &case);
            bits(&images, &gradients)
        };
        let first = now();
        (1..runs).for_each(|_| assert!(first == now(), "{name}: two runs differ"));
        if name == "emulator" {
            let (images, gradients) = run(&mut Rasterizer::new(Emulator::new(Order::Descending)), &case);
            assert!(first == bits(&images, &gradients), "a barrier is missing");
        }
    }
}

/// Blocks that run at once give the same bits: those of scan and sort wait for each other's sums.
#[test]
fn blocks_at_once() {
    let mut gaussians = cloud(6000, Colors::Features { channels: 1 }, 12);
    gaussians.log_scales.iter_mut().for_each(|s| *s -= 0.7);
    let case = Case { gaussians, cameras: cameras(75, 60), settings: Settings::default() };
    let [alone, at_once] = [Order::Ascending, Order::Concurrent].map(|order| {
        let (images, gradients) = run(&mut Rasterizer::new(Emulator::new(order)), &case);
        bits(&images, &gradients)
    });
    assert!(alone == at_once);
}

/// With too little room the pass is repeated, and nobody sees a difference.
#[test]
fn overflow_is_made_good() {
    let case = Case {
        gaussians: cloud(300, Colors::Features { channels: 3 }, 6),
        cameras: cameras(64, 64),
        settings: Settings::default(),
    };
    for (name, engine) in engines() {
        let roomy = run(&mut Rasterizer::shared(engine.clone()), &case);
        let mut rasterizer = Rasterizer::shared(engine.clone()).with_capacity(100);
        let (_, saved) = rasterizer.forward_slices(case.gaussians.slices(), &case.cameras, &case.settings).unwrap();
        assert!(saved.frame().instances().unwrap() > 100, "{name}: it must not fit");
        let tight = run(&mut Rasterizer::shared(engine).with_capacity(100), &case);
        assert!(bits(&roomy.0, &roomy.1) == bits(&tight.0, &tight.1), "{name}");
    }
}

/// Without waiting, an incomplete frame is an error of its backward pass, and the next frame is whole.
#[test]
fn deferred_overflow_is_an_error_once() {
    let case = Case {
        gaussians: cloud(300, Colors::Features { channels: 3 }, 6),
        cameras: cameras(64, 64),
        settings: Settings::default(),
    };
    for (name, engine) in engines() {
        let want = run(&mut Rasterizer::shared(engine.clone()), &case);
        let mut rasterizer = Rasterizer::shared(engine).with_capacity(100).on_overflow(Overflow::Defer);
        let (_, saved) = rasterizer.forward_slices(case.gaussians.slices(), &case.cameras, &case.settings).unwrap();
        let loss = Loss::new(&case.cameras, 3, 5);
        let error = rasterizer.backward_slices(&saved, &loss.upstream()).unwrap_err();
        assert!(matches!(error, Error::Overflow { capacity: 100, wanted } if wanted > 100), "{name}: {error}");
        let got = run(&mut rasterizer, &case);
        assert!(bits(&want.0, &want.1) == bits(&got.0, &got.1), "{name}");
    }
}

/// Two scenes in one call are each drawn by their own cameras, as in two calls.
#[test]
fn scenes_of_a_batch_are_independent() {
    let kind = Colors::Sh { degree: 1 };
    let (a, b) = (cloud(90, kind, 20), cloud(90, kind, 21));
    let both = Gaussians::concat(kind, &[a.slices(), b.slices()]).unwrap();
    let views = cameras(48, 33);
    let all: Vec<Camera> = [&views[..], &[views[1], views[0]]].concat();
    let settings = Settings::default();
    for (name, engine) in engines() {
        let mut rasterizer = Rasterizer::shared(engine.clone());
        let alone = [(&a, &all[..2]), (&b, &all[2..])]
            .map(|(g, cameras)| rasterizer.forward_slices(g.slices(), cameras, &settings).unwrap().0)
            .concat();
        let memory = Memory { engine: &*engine };
        let device = DeviceGaussians {
            means: memory.of(&both.means),
            quats: memory.of(&both.quats),
            log_scales: memory.of(&both.log_scales),
            opacity_logits: memory.of(&both.opacity_logits),
            colors: memory.of(&both.colors),
            kind,
            n_scenes: 2,
            n_gaussians: 90,
        };
        let pixels = 4 * 48 * 33;
        let color = memory.of(&vec![0.0; 3 * pixels]);
        let images = DeviceImages { color, ..DeviceImages::default() };
        // SAFETY: all were made just above with these sizes.
        let frame = unsafe { rasterizer.forward(&device, &all, &settings, &images) }.unwrap();
        assert_eq!(frame.stats().unwrap(), alone.iter().map(|i| i.stats).collect::<Vec<_>>(), "{name}");
        let got = memory.back(color, 3 * pixels);
        let want: Vec<f32> = alone.iter().flat_map(|i| i.color.clone()).collect();
        assert!(got.iter().map(|v| v.to_bits()).eq(want.iter().map(|v| v.to_bits())), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Nothing that is not a number comes out, every Gaussian is accounted for, and as on the CPU but for what lies
    /// within rounding of two reasons.
    #[test]
    fn no_input_corrupts_the_image(
        gaussians in any_gaussians(),
        antialiased: bool,
    ) {
        let case = Case { gaussians, cameras: cameras(33, 20), settings: Settings { antialiased, ..settings(3) } };
        let cpu = run_on_cpu(&case).0;
        for (name, engine) in engines() {
            let (images, gradients) = run(&mut Rasterizer::shared(engine), &case);
            for (image, cpu) in images.iter().zip(&cpu) {
                let s = image.stats;
                let culled = s.culled_non_finite + s.culled_depth + s.culled_transparent + s.culled_small + s.culled_outside;
                prop_assert_eq!(s.visible + culled, 6);
                prop_assert_eq!(s.culled_non_finite, cpu.stats.culled_non_finite);
                prop_assert!(image.alpha.iter().all(|a| (0.0..=1.0).contains(a)), "{}", name);
                prop_assert!([&image.color, &image.depth].into_iter().flatten().all(|v| v.is_finite()), "{}", name);
            }
            prop_assert!(parts(&gradients).iter().all(|(_, part)| part.iter().all(|v| v.is_finite())), "{}", name);
        }
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let mut rasterizer = Rasterizer::shared(engines().remove(0).1);
    let wide = cloud(2, Colors::Features { channels: 33 }, 0);
    let error = rasterizer.forward_slices(wide.slices(), &cameras(16, 16), &Settings::default()).err().unwrap();
    assert!(error.to_string().contains("channels on a GPU: expected shape [32], got [33]"), "{error}");
    let good = cloud(2, Colors::Features { channels: 1 }, 0);
    let unequal = [cameras(16, 16), cameras(16, 17)].concat();
    let error = rasterizer.forward_slices(good.slices(), &unequal, &Settings::default()).err().unwrap();
    assert!(error.to_string().contains("images of one batch"), "{error}");
    let (_, saved) = rasterizer.forward_slices(good.slices(), &cameras(16, 16), &Settings::default()).unwrap();
    let few = Loss::new(&cameras(16, 16)[..1], 1, 0);
    assert!(matches!(rasterizer.backward_slices(&saved, &few.upstream()), Err(Error::Input(_))));
}

/// Memory that a test copies to and from.
pub struct Memory<'a> {
    pub engine: &'a dyn Engine,
}

impl Memory<'_> {
    pub fn of(&self, values: &[f32]) -> Address {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let at = self.engine.allocate(bytes.len().max(4)).unwrap();
        // SAFETY: just allocated with that length.
        unsafe { self.engine.write(at, &bytes).unwrap() };
        at
    }

    pub fn back(&self, at: Address, length: usize) -> Vec<f32> {
        let mut bytes = vec![0; 4 * length];
        // SAFETY: from `of`, with that many values.
        unsafe { self.engine.read(&mut bytes, at).unwrap() };
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }
}
