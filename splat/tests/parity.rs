//! Against another implementation: scenes that gsplat's plain PyTorch code drew and differentiated in double precision
//! (`parity/make_golden.py` says how).
use glam::{Mat4, Vec3};
use serde_json::Value;
use splat::{Camera, Colors, Gaussians, Instructions, Settings, Upstream};
use std::path::Path;

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// Errors relative to the greatest wanted value; `f32` against `f64`.
fn compare(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    let scale = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(scale > 1e-3, "{what}: nothing to compare");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * scale, "{what}[{i}]: {g} against {w}, greatest {scale}");
    }
}

/// Gradient by a left twist (ρ, φ) from that by the matrix: the twist moves it by ξ^ · matrix.
fn by_twist(matrix: &Mat4, by: &Mat4) -> [f32; 6] {
    let rho = by.col(3).truncate();
    let phi: Vec3 = (0..4).map(|c| matrix.col(c).truncate().cross(by.col(c).truncate())).sum();
    [rho.x, rho.y, rho.z, phi.x, phi.y, phi.z]
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity").join(name);
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let part = |key: &str| numbers(&golden["scene"][key]);
    let gaussians = Gaussians {
        means: part("means"),
        quats: part("quats"),
        log_scales: part("log_scales"),
        opacity_logits: part("opacity_logits"),
        colors: part("colors"),
        kind: Colors::Sh { degree: golden["degree"].as_u64().unwrap() as usize },
    };
    let side = |i: usize| golden["size"][i].as_u64().unwrap() as usize;
    let matrix = |key: &str| Mat4::from_cols_slice(&numbers(&golden[key])).transpose();
    let lens = numbers(&golden["intrinsics"]);
    let camera = Camera {
        width: side(0),
        height: side(1),
        fx: lens[0],
        fy: lens[1],
        cx: lens[2],
        cy: lens[3],
        camera_from_world: matrix("camera_from_world"),
    };
    let antialiased = golden["antialiased"].as_bool().unwrap();
    for instructions in Instructions::available() {
        let background = numbers(&golden["background"]);
        let settings = Settings { background, antialiased, instructions, ..Settings::default() };
        let (images, saved) = splat::forward(gaussians.slices(), &[camera], &settings).unwrap();
        compare("color", &images[0].color, &numbers(&golden["color"]), 1e-5);
        compare("alpha", &images[0].alpha, &numbers(&golden["alpha"]), 1e-5);
        compare("depth", &images[0].depth, &numbers(&golden["depth"]), 1e-5);
        let pixels = side(0) * side(1);
        let weights: Vec<f32> = (0..5 * pixels).map(|i| (0.7 * i as f64).sin() as f32).collect();
        let (color, rest) = weights.split_at(3 * pixels);
        let (alpha, depth) = rest.split_at(pixels);
        let upstream = [Upstream { color, alpha: Some(alpha), depth: Some(depth) }];
        let got = splat::backward(gaussians.slices(), &[camera], &settings, &saved, &upstream).unwrap();
        for (key, got) in [
            ("means", &got.means),
            ("quats", &got.quats),
            ("log_scales", &got.log_scales),
            ("opacity_logits", &got.opacity_logits),
            ("colors", &got.colors),
        ] {
            compare(key, got, &numbers(&golden["gradients"][key]), 5e-5);
        }
        let pose = by_twist(&camera.camera_from_world, &matrix("by_camera_from_world"));
        compare("pose", &got.camera_pose[0], &pose, 5e-5);
        compare("intrinsics", &got.intrinsics[0], &numbers(&golden["by_intrinsics"]), 5e-5);
    }
}

#[test]
fn harmonics_from_an_off_center_camera() {
    check("harmonics.json");
}

#[test]
fn antialiased() {
    check("antialiased.json");
}
