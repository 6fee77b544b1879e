//! Light by known answers; the same bytes at any thread count; the denoiser against a long rendering.
use super::test_scenes::{alone, ball, fur};
use super::*;
use crate::tracer::bsdf::opening::Opening;
use crate::tracer::scene::{CoatedMaterial, CoverageGrid, EyeMaterial, HairMaterial, Paint, SkinMaterial};

fn settings(size: usize, spp: u32) -> RenderSettings {
    RenderSettings {
        width: size,
        height: size,
        spp,
        tolerance: 0.0,
        max_bounces: 4,
        seed: 7,
        subsurface: Subsurface::Diffuse,
        denoise: Denoise::Off,
        coverage: CoverageGrid::Fast,
    }
}

fn front(size: usize) -> Camera {
    Camera::look_at(Vec3::new(0.0, 0.0, 0.6), Vec3::ZERO, Vec3::Y, 2.0 * size as f32, size, size)
}

fn window() -> Environment {
    let texels = (0..64 * 32).map(|i| {
        let (x, y) = (i % 64, i / 64);
        let lamp = (40..44).contains(&x) && (8..12).contains(&y);
        Vec3::new(0.25, 0.3, 0.4) + if lamp { Vec3::new(30.0, 26.0, 20.0) } else { Vec3::ZERO }
    });
    Environment::new(64, 32, texels.collect(), 0.0).unwrap()
}

fn made_of(material: Material) -> SceneDesc {
    alone(MeshDesc { material, ..ball(0.1, 24) })
}

/// Mean color where the film is fully covered.
fn covered_mean(film: &Film) -> Vec3 {
    let inside: Vec<Vec3> = film.rgb.iter().zip(&film.alpha).filter(|(_, a)| **a == 1.0).map(|(c, _)| *c).collect();
    inside.iter().sum::<Vec3>() / inside.len() as f32
}

fn kinds() -> Vec<AccelKind> {
    let all = [AccelKind::Portable, AccelKind::Embree];
    all.into_iter().filter(|k| *k == AccelKind::Portable || accel::automatic() == AccelKind::Embree).collect()
}

#[test]
fn a_diffuse_ball_in_a_white_furnace_shows_its_albedo() {
    let albedo = Vec3::new(0.8, 0.5, 0.1);
    for kind in kinds() {
        let scene = build(&made_of(Material::Diffuse(Paint::Flat(albedo))), kind).unwrap();
        let film = render(&scene, &front(48), &Environment::uniform(Vec3::ONE), &settings(48, 16)).unwrap();
        let seen = covered_mean(&film);
        assert!((seen - albedo).abs().max_element() < 2e-3, "{kind:?} {seen}");
        assert_eq!(film.alpha[0], 0.0);
    }
}

#[test]
fn no_material_outshines_a_white_furnace() {
    let white = || Paint::Flat(Vec3::ONE);
    let eye = EyeMaterial {
        center: Vec3::ZERO,
        axis: Vec3::Z,
        up: Vec3::Y,
        iris_radius: 0.05,
        pupil_radius: 0.02,
        iris_plane: 0.08,
        iris: [Vec3::ONE; 2],
        sclera: Vec3::ONE,
        veins: 0.0,
        seed: 1,
        opening: Opening::bare(Vec3::ZERO).into(),
        iris_class: 4,
    };
    for (name, material, floor) in [
        ("skin", Material::Skin(SkinMaterial::new(white())), 0.85),
        ("teeth", Material::Coated(CoatedMaterial { albedo: white(), roughness: 0.1, ior: 1.6 }), 0.9),
        ("eye", Material::Eye(eye), 0.3),
    ] {
        let scene = build(&made_of(material), AccelKind::Auto).unwrap();
        for subsurface in [Subsurface::Diffuse, Subsurface::RandomWalk] {
            let s = RenderSettings { subsurface, ..settings(32, 64) };
            let film = render(&scene, &front(32), &Environment::uniform(Vec3::ONE), &s).unwrap();
            let seen = covered_mean(&film);
            assert!(seen.max_element() < 1.01 && seen.min_element() > floor, "{name} {subsurface:?}: {seen}");
        }
    }
}

#[test]
fn clear_hair_vanishes_in_a_white_furnace() {
    let mut hair = fur(0.1, 0.03, 400, 1e-3);
    hair.material = HairMaterial { sigma_a: Vec3::ZERO, ..hair.material };
    let scene = build(&SceneDesc { meshes: vec![], curves: vec![hair] }, AccelKind::Auto).unwrap();
    let s = RenderSettings { max_bounces: 60, ..settings(48, 64) };
    let film = render(&scene, &front(48), &Environment::uniform(Vec3::ONE), &s).unwrap();
    let (light, cover) = (film.rgb.iter().sum::<Vec3>(), film.alpha.iter().sum::<f32>());
    assert!(cover > 50.0 && (light / cover - Vec3::ONE).abs().max_element() < 0.03, "{light} {cover}");
}

/// Sampling the light (with the heuristic) against scattering alone, which needs no density of the light at all.
#[test]
fn sampling_the_light_agrees_with_brute_force() {
    let env = window();
    for material in [
        Material::Skin(SkinMaterial::new(Paint::Flat(Vec3::splat(0.5)))),
        Material::Diffuse(Paint::Flat(Vec3::splat(0.7))),
    ] {
        let scene = build(&made_of(material), AccelKind::Auto).unwrap();
        let s = settings(16, 4096);
        let film = render(&scene, &front(16), &env, &RenderSettings { spp: 256, ..s }).unwrap();
        let (view, integrator) = (View::new(&front(16), &Optics::default()), Integrator::new(&scene, &env, &s));
        let mut brute = Vec3::ZERO;
        for i in 0..16 * 16 {
            for k in 0..s.spp {
                let mut sampler = Sampler::new(99, i, k);
                let at = Vec2::new((i % 16) as f32, (i / 16) as f32) + Vec2::from(sampler.next_2d());
                brute += integrator.scattered_only(view.ray(at), &mut sampler) / s.spp as f32;
            }
        }
        let mean = film.rgb.iter().sum::<Vec3>();
        assert!((mean / brute - Vec3::ONE).abs().max_element() < 0.02, "{mean} {brute}");
    }
}

#[test]
fn threads_change_no_byte() {
    let mut desc = made_of(Material::Skin(SkinMaterial::new(Paint::Flat(Vec3::new(0.7, 0.5, 0.4)))));
    desc.curves.push(fur(0.1, 0.03, 2000, 2e-4));
    for kind in kinds() {
        let scene = build(&desc, kind).unwrap();
        let s = RenderSettings { subsurface: Subsurface::RandomWalk, ..settings(40, 4) };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| render(&scene, &front(40), &window(), &s).unwrap())
        };
        let (one, three) = (with(1), with(3));
        assert!(one == three && one == with(2), "{kind:?}");
        let other = render(&scene, &front(40), &window(), &RenderSettings { seed: 8, ..s }).unwrap();
        assert!(one.rgb != other.rgb && one.labels == other.labels, "a seed changes the noise, never the labels");
    }
}

#[test]
fn labels_are_the_geometry() {
    let scene = build(&made_of(Material::Diffuse(Paint::Flat(Vec3::ONE))), AccelKind::Auto).unwrap();
    let camera = front(64);
    let film = render(&scene, &camera, &Environment::uniform(Vec3::ONE), &settings(64, 1)).unwrap();
    let mesh = ball(0.1, 24);
    let mut seen = 0;
    for (i, surface) in film.labels.surface.iter().enumerate() {
        let Some(hit) = surface else {
            assert_eq!(
                (film.labels.depth[i], film.labels.class[i], film.labels.part[i]),
                (0.0, 0, crate::tracer::film::NO_PART)
            );
            continue;
        };
        seen += 1;
        let [a, b, c] = mesh.triangles[hit.triangle as usize].map(|k| mesh.positions[k as usize]);
        let point = a * (1.0 - hit.bary.x - hit.bary.y) + b * hit.bary.x + c * hit.bary.y;
        let (pixel, depth) = camera.project(point);
        let center = Vec2::new((i % 64) as f32 + 0.5, (i / 64) as f32 + 0.5);
        assert!((pixel - center).length() < 0.01 && (depth - film.labels.depth[i]).abs() < 1e-5, "{pixel} {center}");
        assert!(film.labels.normal[i].dot(point.normalize_or(Vec3::Z)) > 0.99 && film.labels.class[i] == 1);
    }
    assert!(seen > 1000, "{seen}");
    assert!(
        scene.hidden(Vec3::Z, Vec3::new(0.0, 0.0, -0.1), 1e-4)
            && !scene.hidden(Vec3::Z, Vec3::new(0.0, 0.0, 0.1), 1e-3)
    );
}

#[test]
fn the_denoiser_comes_nearer_to_a_long_rendering() {
    if let Err(why) = denoise::available() {
        eprintln!("skipped: {why}");
        return;
    }
    let scene =
        build(&made_of(Material::Skin(SkinMaterial::new(Paint::Flat(Vec3::splat(0.6))))), AccelKind::Auto).unwrap();
    let shot =
        |spp, denoise| render(&scene, &front(96), &window(), &RenderSettings { denoise, ..settings(96, spp) }).unwrap();
    let long = shot(512, Denoise::Off);
    let error = |film: &Film| film.rgb.iter().zip(&long.rgb).map(|(a, b)| (a - b).length_squared()).sum::<f32>();
    let noisy = error(&shot(4, Denoise::Off));
    for denoise in [Denoise::Fast, Denoise::High] {
        let film = shot(4, denoise);
        assert!(error(&film) < 0.5 * noisy, "{denoise:?}: {} {noisy}", error(&film));
        assert!(film == shot(4, denoise), "{denoise:?}: the same bytes again");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let mut desc = made_of(Material::Diffuse(Paint::Flat(Vec3::ONE)));
    desc.meshes[0].classes.pop();
    let err = build(&desc, AccelKind::Portable).err().unwrap().to_string();
    assert!(err.starts_with("scene: mesh 0: ") && err.contains("classes, expected"), "{err}");
}

/// Blocks that agree stop half-way: fewer rays where they do, the same picture but for noise, and no darker one.
#[test]
fn what_agrees_takes_half_of_the_paths() {
    let scene = build(&alone(ball(0.1, 48)), AccelKind::Auto).unwrap();
    let shot = |tolerance, spp, seed| {
        let s = RenderSettings { tolerance, seed, ..settings(48, spp) };
        render(&scene, &front(48), &window(), &s).unwrap()
    };
    let light = |film: &Film| film.rgb.iter().sum::<Vec3>().element_sum();
    let (all, half) = (shot(0.0, 32, 7), shot(1.0, 32, 7));
    assert_eq!(half.rgb, shot(0.0, 16, 7).rgb, "nothing is as noisy as 1: all stop half-way");
    assert_eq!(shot(1e-9, 32, 7).rgb, all.rgb, "nothing is as quiet as that: none stops");
    let some = shot(0.02, 32, 7);
    assert!(half.rays < some.rays && some.rays < all.rays, "{} {} {}", half.rays, some.rays, all.rays);
    assert_eq!((&some.labels, &some.alpha), (&all.labels, &all.alpha));
    let (mut sums, mut full) = (0.0, 0.0);
    for seed in 0..24 {
        (sums, full) = (sums + light(&shot(0.02, 32, seed)), full + light(&shot(0.0, 32, seed)));
    }
    assert!((sums / full - 1.0).abs() < 0.004, "bias {}", sums / full - 1.0);
}
