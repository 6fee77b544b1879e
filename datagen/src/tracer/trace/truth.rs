//! The maps against formulas: a ball and a fur whose every ray is known.
use super::test_scenes::{alone, ball, fur};
use super::*;
use crate::tracer::scene::CoverageGrid;
use std::f32::consts::{PI, TAU};

const RADIUS_M: f32 = 0.11;

fn settings(size: usize, spp: u32, max_bounces: u32) -> RenderSettings {
    RenderSettings {
        width: size,
        height: size,
        spp,
        tolerance: 0.0,
        max_bounces,
        seed: 3,
        subsurface: Subsurface::Diffuse,
        denoise: Denoise::Off,
        coverage: CoverageGrid::Fast,
    }
}

/// From aside and above, turned, with another focal length across than down.
fn camera(size: usize) -> Camera {
    let eye = Vec3::new(0.35, 0.22, 0.6);
    let up = Vec3::new(0.2, 1.0, 0.0);
    let camera = Camera::look_at(eye, Vec3::new(0.01, -0.005, 0.0), up, 2.1 * size as f32, size, size);
    Camera { fy: 1.03 * camera.fy, cx: camera.cx + 1.7, ..camera }
}

/// Where the ray through a pixel's center meets the ball about the origin (world), by the quadratic formula in `f64`.
fn on_ball(camera: &Camera, x: usize, y: usize) -> Option<glam::DVec3> {
    let world_from_camera = camera.camera_from_world.as_dmat4().inverse();
    let across = (x as f64 + 0.5 - f64::from(camera.cx)) / f64::from(camera.fx);
    let down = (y as f64 + 0.5 - f64::from(camera.cy)) / f64::from(camera.fy);
    let d = world_from_camera.transform_vector3(glam::DVec3::new(across, down, 1.0)).normalize_or_zero();
    let o = world_from_camera.transform_point3(glam::DVec3::ZERO);
    let (b, c) = (o.dot(d), o.length_squared() - f64::from(RADIUS_M).powi(2));
    // one per mille within the outline, where triangles hide one another
    let inside = b * b - c - (0.045 * f64::from(RADIUS_M)).powi(2);
    (inside > 0.0).then(|| o + d * (-b - (b * b - c).sqrt()))
}

#[test]
fn maps_of_a_ball_are_those_of_the_formula() {
    // 3 µm from the ball at most, seen aslant 25 times that along the ray
    let scene = build(&alone(ball(RADIUS_M, 300)), AccelKind::Auto).unwrap();
    const SIZE: usize = 128;
    let camera = camera(SIZE);
    let film = render(&scene, &camera, &Environment::uniform(Vec3::ONE), &settings(SIZE, 1, 0)).unwrap();
    let (mut seen, mut worst) = (0, [0.0f64; 4]);
    for i in 0..SIZE * SIZE {
        let Some(p) = on_ball(&camera, i % SIZE, i / SIZE) else { continue };
        seen += 1;
        let labels = &film.labels;
        let exact_depth = camera.camera_from_world.as_dmat4().transform_point3(p).z;
        let depth = f64::from(labels.depth[i]);
        let (x, y) = ((i % SIZE) as f32 + 0.5, (i / SIZE) as f32 + 0.5);
        let ray = Vec3::new((x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0);
        let back = camera.camera_from_world.inverse().transform_point3(ray * labels.depth[i]).as_dvec3();
        let n = p.normalize_or_zero();
        let (u, v) = ((n.x.atan2(n.z) as f32 / TAU).rem_euclid(1.0), 1.0 - n.y.acos() as f32 / PI);
        let uv = labels.uv[i];
        let around = (uv.x - u).abs().min(1.0 - (uv.x - u).abs()) * n.x.hypot(n.z) as f32;
        let found = [
            (depth - exact_depth).abs(),
            back.distance(p),
            labels.normal[i].as_dvec3().distance(n),
            f64::from(around.max((uv.y - v).abs())),
        ];
        (0..4).for_each(|k| worst[k] = worst[k].max(found[k]));
    }
    let [depth_m, position_m, normal, uv] = worst;
    assert!(seen > 5000 && depth_m < 1e-4 && position_m < 1e-4, "{seen} pixels, {depth_m} m, {position_m} m");
    assert!(normal < 2e-3 && uv < 0.5 / 1024.0, "normal {normal}, texture coordinate {uv}: half a texel of 1024");
}

/// Against 16,384 rays a pixel that ask the accelerator, which know nothing of the mask that coverage is drawn into. 1,024
/// places a pixel are off by less than a step of 8-bit alpha on the mean, by more where many strands lie level; 4,096 are off
/// by about as much as the rays themselves.
#[test]
fn coverage_is_that_of_thousands_of_rays() {
    let hair = fur(RADIUS_M, 0.03, 3000, 2.5e-4);
    let scene = build(&SceneDesc { meshes: vec![ball(RADIUS_M, 64)], curves: vec![hair] }, AccelKind::Auto).unwrap();
    let (camera, env, s) = (camera(64), Environment::uniform(Vec3::ONE), settings(64, 4, 0));
    let (view, integrator) = (View::new(&camera, &Optics::default()), Integrator::new(&scene, &env, &s));
    let share = |i: usize| {
        let corner = Vec2::new((i % 64) as f32, (i / 64) as f32);
        let covers = |k: &u32| {
            let at = Vec2::from(Sampler::new(77, i as u32, *k).next_2d());
            integrator.covers(&view.ray(corner + at), &mut 0)
        };
        (0..16384).filter(covers).count() as f32 / 16384.0
    };
    let long: Vec<f32> = (0..64 * 64).map(share).collect();
    let partial = long.iter().filter(|share| **share > 0.0 && **share < 1.0).count();
    assert!(partial > 200, "{partial} pixels are part hair, part background");
    for (coverage, mean_limit, worst_limit) in [(CoverageGrid::Fast, 0.004, 0.06), (CoverageGrid::Fine, 0.002, 0.01)] {
        let film = render(&scene, &camera, &env, &RenderSettings { coverage, ..s }).unwrap();
        let off = |i: usize| (film.alpha[i] - long[i]).abs();
        let sum: f32 = (0..long.len()).filter(|&i| long[i] > 0.0 && long[i] < 1.0).map(off).sum();
        let (mean, worst) = (sum / partial as f32, (0..long.len()).map(off).fold(0.0, f32::max));
        assert!(mean < mean_limit && worst < worst_limit, "{coverage:?}: {partial} pixels, {mean}, worst {worst}");
    }
}

#[test]
fn brows_are_looked_through_and_hair_is_not() {
    let eye = Vec3::new(0.0, 0.0, 0.8);
    let top = Vec3::new(0.0, 0.6, 0.8) * RADIUS_M;
    for (class, covers) in [(8, true), (2, false), (9, false), (15, false)] {
        let mut strands = fur(RADIUS_M, 0.03, 4000, 8e-3);
        strands.class = class;
        let scene = build(&SceneDesc { meshes: vec![ball(RADIUS_M, 64)], curves: vec![strands] }, AccelKind::Auto);
        let scene = scene.unwrap();
        assert!(scene.hidden(eye, top, 1e-3), "class {class}");
        assert_eq!(scene.covered(eye, top, 1e-3), covers, "class {class}");
        assert!(scene.covered(eye, -top, 1e-3), "the ball itself covers its far side");
    }
}

#[test]
fn optics_blur_the_picture_and_leave_the_labels() {
    use crate::tracer::optics::{Lens, Motion, Optics};
    const SIZE: usize = 64;
    let scene = build(&alone(ball(RADIUS_M, 100)), AccelKind::Auto).unwrap();
    let (camera, env, set) = (camera(SIZE), Environment::uniform(Vec3::ONE), settings(SIZE, 32, 0));
    let shot = |optics: &Optics| render_through(&scene, &camera, optics, &env, &set).unwrap();
    let edge_px = |film: &Film| film.alpha.iter().filter(|a| (0.02..0.98).contains(*a)).count() as f32;
    let pinhole = shot(&Optics::default());
    assert_eq!(pinhole, render(&scene, &camera, &env, &set).unwrap());
    let depth = camera.camera_from_world.transform_point3(Vec3::ZERO).z;
    let lens = |focus_m| Optics { lens: Some(Lens { aperture_m: 0.05, focus_m }), motion: None };
    let moved = Motion { turn_rad: Vec3::Y * 0.06, shift_m: Vec3::ZERO };
    let (sharp, soft) = (shot(&lens(depth)), shot(&lens(0.5 * depth)));
    let streaked = shot(&Optics { lens: None, motion: Some(moved) });
    for film in [&sharp, &soft, &streaked] {
        assert_eq!(film.labels, pinhole.labels);
        let area = |film: &Film| film.alpha.iter().sum::<f32>();
        assert!((area(film) / area(&pinhole) - 1.0).abs() < 0.01, "blur takes as much as it gives");
    }
    assert!(edge_px(&sharp) < 1.3 * edge_px(&pinhole), "the outline of a ball lies near its centre's depth");
    // The circle of confusion is 0.05 m · 134 px · (2 - 1) / depth: some 9 pixels.
    assert!(edge_px(&soft) > 3.5 * edge_px(&pinhole), "{} against {}", edge_px(&soft), edge_px(&pinhole));
    assert!(edge_px(&streaked) > 2.0 * edge_px(&pinhole), "{}", edge_px(&streaked));
}
