//! Every kind of scattering by known answers: densities against what is drawn (chi-square), furnaces, reciprocity.
use super::skin::{Base, CoatDesc, Coated, Lobe};
use super::*;
use crate::tracer::bsdf::opening::Opening;
use crate::tracer::sampler::Sampler;
use crate::tracer::scene::{DielectricMaterial, EyeMaterial, HairMaterial, Sheet};
use glam::Vec3;
use std::f32::consts::TAU;

/// Unit, by the cosine to z and the azimuth.
fn direction(cos: f32, azimuth: f32) -> Vec3 {
    let sin = (1.0 - cos * cos).max(0.0).sqrt();
    Vec3::new(sin * azimuth.cos(), sin * azimuth.sin(), cos)
}

/// A surface as seen along a direction.
type Seen = fn(Vec3) -> Bsdf<'static>;

fn diffuse(albedo: f32) -> Bsdf<'static> {
    Bsdf::Diffuse(diffuse::Diffuse { normal: Vec3::Z, albedo: Vec3::splat(albedo) })
}

/// Skin (two lobes), or a tooth (one sharp lobe of a high index).
fn coated(wo: Vec3, albedo: f32, base: Base, lobes: [(f32, f32); 2], ior: f32) -> Bsdf<'static> {
    let lobes = lobes.map(|(share, alpha)| Lobe { share, alpha });
    let desc = CoatDesc { albedo: Vec3::splat(albedo), base_normal: Vec3::Z, base, lobes, fuzz: 0.2, ior };
    Bsdf::Coated(Coated::new(desc, Vec3::Z, wo))
}

const SKIN: [(f32, f32); 2] = [(0.85, 0.35), (0.15, 0.16)];
const TOOTH: [(f32, f32); 2] = [(1.0, 0.12), (0.0, 1.0)];

/// An iris and a white, both of that albedo, at a point of the eyeball that looks along z.
fn eye_at(lateral_m: f32, wo: Vec3, albedo: f32) -> Bsdf<'static> {
    let material = EyeMaterial {
        center: Vec3::ZERO,
        axis: Vec3::Z,
        up: Vec3::Y,
        iris_radius: 0.0059,
        pupil_radius: 0.002,
        iris_plane: 0.0097,
        iris: [Vec3::splat(albedo); 2],
        sclera: Vec3::splat(albedo),
        veins: 0.0,
        seed: 3,
        opening: Opening::bare(Vec3::ZERO).into(),
        iris_class: 4,
    };
    let p = Vec3::new(lateral_m, 0.0, (0.012f32.powi(2) - lateral_m * lateral_m).sqrt());
    let point = eye::at(&material, p, p.normalize_or(Vec3::Z), wo);
    Bsdf::Coated(Coated::new(point.coat, point.normal, wo))
}

fn strands(sigma_a: f32, tilt: f32) -> hair::Strands {
    let sigma_a = Vec3::splat(sigma_a);
    hair::Strands::new(&HairMaterial { sigma_a, beta_m: 0.3, beta_n: 0.3, tilt, ior: 1.55 })
}

/// Draws directions into a grid over the sphere and compares the counts with the integral of the density over each cell;
/// gives the normal deviate of the statistic (Wilson, Hilferty 1931): beyond 4, once in 30,000 honest tests.
fn chi_square(bsdf: &Bsdf, draws: u32) -> f32 {
    const ROWS: usize = 16;
    const COLUMNS: usize = 32;
    let cell = |d: Vec3| {
        let row = ((0.5 * (1.0 - d.z)) * ROWS as f32) as usize;
        let column = ((d.y.atan2(d.x) / TAU + 0.5) * COLUMNS as f32) as usize;
        row.min(ROWS - 1) * COLUMNS + column.min(COLUMNS - 1)
    };
    let mut counts = vec![0.0f64; ROWS * COLUMNS];
    for i in 0..draws {
        // plain numbers: points spread too well would agree better than chance allows
        let mut s = Sampler::new(31, i, 0);
        if let Some(Scattered::Spread { direction, .. }) = bsdf.sample(s.next_plain(), [s.next_plain(), s.next_plain()])
        {
            counts[cell(direction)] += 1.0;
        }
    }
    let fine = 24;
    let expected: Vec<f64> = (0..ROWS * COLUMNS)
        .map(|k| {
            let (row, column) = (k / COLUMNS, k % COLUMNS);
            let at = |i: usize, j: usize| {
                let z = 1.0 - 2.0 * (row as f32 + (i as f32 + 0.5) / fine as f32) / ROWS as f32;
                let azimuth = ((column as f32 + (j as f32 + 0.5) / fine as f32) / COLUMNS as f32 - 0.5) * TAU;
                f64::from(bsdf.eval(direction(z, azimuth)).1)
            };
            let sum: f64 = (0..fine * fine).map(|m| at(m / fine, m % fine)).sum();
            sum / (fine * fine) as f64 * 4.0 * std::f64::consts::PI / (ROWS * COLUMNS) as f64 * f64::from(draws)
        })
        .collect();
    // cells of fewer than five are one
    let (mut statistic, mut freedom, mut rare) = (0.0, 0.0, (0.0, 0.0));
    for (count, expected) in counts.iter().zip(&expected) {
        if *expected < 5.0 {
            rare = (rare.0 + count, rare.1 + expected);
            continue;
        }
        statistic += (count - expected).powi(2) / expected;
        freedom += 1.0;
    }
    if rare.1 >= 5.0 {
        statistic += (rare.0 - rare.1).powi(2) / rare.1;
        freedom += 1.0;
    }
    let spread = 2.0 / (9.0 * freedom);
    (((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()) as f32
}

#[test]
fn directions_are_drawn_with_the_density_that_is_said() {
    let hair = strands(0.4, 0.035);
    for (cos, azimuth) in [(0.95, 0.3), (0.6, 2.0), (0.35, -1.0)] {
        let wo = direction(cos, azimuth);
        let kinds = [
            ("diffuse", diffuse(0.7)),
            ("skin", coated(wo, 0.6, Base::Diffuse, SKIN, 1.4)),
            ("tooth", coated(wo, 0.8, Base::Diffuse, [(1.0, 0.25), (0.0, 1.0)], 1.5)),
            ("hair", Bsdf::Hair(hair::Fiber::new(&hair, 1.0, Vec3::X, wo, 0.4))),
        ];
        for (name, bsdf) in kinds {
            let deviate = chi_square(&bsdf, 200_000);
            assert!(deviate < 4.0, "{name} seen along {wo}: {deviate}");
        }
    }
}

#[test]
fn light_goes_both_ways_alike() {
    let ways = [(0.9, 0.2, 0.5, 2.5), (0.3, 1.0, 0.8, 1.2), (0.55, -2.0, 0.56, 1.0), (0.15, 0.0, 0.95, 3.0)];
    for (cos_a, azimuth_a, cos_b, azimuth_b) in ways {
        let (a, b) = (direction(cos_a, azimuth_a), direction(cos_b, azimuth_b));
        let one_way = |seen: Seen, from: Vec3, to: Vec3| seen(to).eval(from).0.x / from.z;
        let kinds: [(&str, Seen); 3] = [
            ("diffuse", |_| diffuse(0.7)),
            ("skin", |wo| coated(wo, 0.6, Base::Diffuse, SKIN, 1.4)),
            ("tooth", |wo| coated(wo, 0.8, Base::Diffuse, TOOTH, 1.5)),
        ];
        for (name, seen) in kinds {
            let (there, back) = (one_way(seen, a, b), one_way(seen, b, a));
            assert!((there / back - 1.0).abs() < 1e-4, "{name}: {there} {back}");
        }
        // a boundary reflects the same share on both sides of the same path
        let inside = dielectric::refract(a, Vec3::Z, 1.376).unwrap();
        let (there, back) = (fresnel(a.z, 1.376), fresnel(-inside.z, 1.0 / 1.376));
        assert!((there - back).abs() < 1e-5, "{there} {back}");
    }
}

/// Averaged over the fiber's width, at one inclination and without tilt; beyond that the model is not reciprocal, for the
/// attenuation knows the viewer's side alone (Chiang et al. 2016 take that for granted, and so do we).
#[test]
fn a_fiber_without_tilt_is_reciprocal_across() {
    let s = strands(0.3, 0.0);
    let across = |to: Vec3, from: Vec3| {
        let n = 4000;
        let at = |i: i32| -0.998 + 1.996 * (i as f32 + 0.5) / n as f32;
        (0..n).map(|i| hair::Fiber::new(&s, 1.0, Vec3::X, to, at(i)).eval(from).0.x).sum::<f32>() / n as f32
    };
    for (inclination, apart) in [(0.0f32, 2.0f32), (0.4, 0.7), (-0.6, 2.8)] {
        let to = Vec3::new(inclination.sin(), 0.0, inclination.cos());
        let from = Vec3::new(inclination.sin(), apart.sin() * inclination.cos(), apart.cos() * inclination.cos());
        let (there, back) = (across(to, from), across(from, to));
        assert!((there / back - 1.0).abs() < 5e-3, "{there} {back}");
    }
}

#[test]
fn furnaces_show_what_is_kept_and_no_more() {
    for cos in [1.0, 0.8, 0.5, 0.2, 0.08] {
        let wo = direction(cos, 0.4);
        assert!((furnace(&diffuse(1.0), 1 << 12) - Vec3::ONE).length() < 1e-3);
        for (name, bsdf, least) in [
            ("skin", coated(wo, 1.0, Base::Diffuse, SKIN, 1.4), 0.85),
            ("skin that is walked", coated(wo, 1.0, Base::Walk, SKIN, 1.4), 0.85),
            ("tooth", coated(wo, 1.0, Base::Diffuse, TOOTH, 1.5), 0.85),
            ("white of an eye", eye_at(0.009, wo, 1.0), 0.5),
        ] {
            let white = furnace(&bsdf, 1 << 15).x;
            assert!((least..1.01).contains(&white), "{name} cos {cos}: {white}");
        }
        for absorption in [0.0, 0.5, 4.0] {
            let s = strands(absorption, 0.035);
            let kept = furnace(&Bsdf::Hair(hair::Fiber::new(&s, 1.0, Vec3::X, wo, 0.3)), 1 << 15).x;
            let exact = absorption == 0.0;
            assert!(kept < 1.005 && (!exact || kept > 0.99), "fibre of absorption {absorption} cos {cos}: {kept}");
        }
        for sheet in [Sheet::Solid, Sheet::Thin] {
            let glass = dielectric::Dielectric::new(&DielectricMaterial { ior: 1.5, sheet }, Vec3::Z, wo);
            assert!((furnace(&Bsdf::Dielectric(glass), 1 << 10) - Vec3::ONE).length() < 1e-5);
        }
    }
    for lateral_m in [0.0, 0.002, 0.004, 0.0055] {
        let iris = furnace(&eye_at(lateral_m, Vec3::Z, 0.9), 1 << 15).x;
        assert!(iris < 1.01, "iris {lateral_m} m from its middle: {iris}");
    }
}

/// What `sample` weighs is what `eval` integrates to: the same light by two ways.
#[test]
fn drawn_and_summed_light_agree() {
    let hair = strands(0.8, 0.035);
    for cos in [0.9, 0.4] {
        let wo = direction(cos, 1.0);
        for (name, bsdf) in [
            ("skin", coated(wo, 0.5, Base::Diffuse, [(0.85, 0.5), (0.15, 0.3)], 1.4)),
            ("eye", eye_at(0.004, wo, 0.4)),
            ("hair", Bsdf::Hair(hair::Fiber::new(&hair, 1.0, Vec3::X, wo, -0.5))),
        ] {
            // the eye's tear film is a peak of a hundredth of a steradian: more points find it
            let n = if name == "eye" { 1 << 22 } else { 1 << 19 };
            let (density, light) = over_the_sphere(&bsdf, n);
            // what is missing falls below a horizon; an iris is a bowl, and leans away from the cornea
            assert!(density < 1.02 && density > 0.85, "{name}: {density}");
            assert!((furnace(&bsdf, 1 << 16) - light).abs().max_element() < 0.01, "{name}: {light}");
        }
    }
}

#[test]
fn a_cosine_direction_comes_back_to_its_numbers() {
    let n = direction(0.3, 2.0);
    let (t, b) = frame(n);
    for i in 0..1000 {
        let u = Sampler::new(5, i, 0).next_2d();
        let d = cosine(n, u);
        let (x, y, z) = (d.dot(t), d.dot(b), d.dot(n));
        let azimuth = y.atan2(x).rem_euclid(TAU) / TAU;
        assert!((1.0 - z * z - u[0]).abs() < 1e-5, "{u:?}: {z}");
        assert!((azimuth - u[1]).abs() < 1e-3 || (azimuth - u[1]).abs() > 0.999 || u[0] < 1e-4, "{u:?}: {azimuth}");
        assert!(d.is_normalized());
    }
}
