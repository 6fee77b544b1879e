//! The example `fit` on a folder made by our own rasterizer: the fit must show views that it never saw.
#[path = "../examples/fit/train.rs"]
mod train;
#[path = "../examples/fit/view.rs"]
mod view;

use glam::{Mat4, Vec3};
use serde_json::json;
use splat::{Camera, Colors, Gaussians, Settings};
use std::path::{Path, PathBuf};
use view::read_folder;

const SIZE: usize = 96;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("formats-fit-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A colored ball of a hundred large Gaussians with a dark belt.
fn ball() -> Gaussians {
    let mut out = Gaussians::empty(Colors::Features { channels: 3 });
    for n in 0..160 {
        // A Fibonacci lattice.
        let (z, turn) = (1.0 - (2 * n + 1) as f32 / 160.0, n as f32 * 2.399_963);
        let ring = (1.0 - z * z).sqrt();
        let d = Vec3::new(ring * turn.cos(), z, ring * turn.sin());
        out.means.extend((0.3 * d).to_array());
        out.quats.extend([1.0, 0.0, 0.0, 0.0]);
        out.log_scales.extend([0.035f32.ln(); 3]);
        out.opacity_logits.push(4.0);
        let shade = if d.y.abs() < 0.25 { 0.25 } else { 1.0 };
        out.colors.extend([0.5 + 0.5 * d.x, 0.5 + 0.5 * d.y, 0.5 + 0.5 * d.z].map(|c| shade * c));
    }
    out
}

/// Writes `n` views of the ball from around it, as nerfstudio does.
fn write_views(folder: &Path, n: usize) {
    let ball = ball();
    let frames: Vec<_> = (0..n)
        .map(|i| {
            let (turn, lift) = (i as f32 * 2.4, 0.5 * (i as f32 * 1.7).sin());
            let eye = Vec3::new(turn.cos(), lift, turn.sin()).normalize_or(Vec3::X) * 1.2;
            let camera = Camera::look_at(eye, Vec3::ZERO, Vec3::Y, 120.0, SIZE, SIZE);
            let image = &splat::forward(ball.slices(), &[camera], &Settings::default()).unwrap().0[0];
            let byte = |v: f32| (v * 255.0).round().clamp(0.0, 255.0) as u8;
            let pixels: Vec<u8> = image
                .color
                .chunks(3)
                .zip(&image.alpha)
                .flat_map(|(rgb, &a)| {
                    let straight = |c: f32| byte(if a > 0.0 { c / a } else { 0.0 });
                    [straight(rgb[0]), straight(rgb[1]), straight(rgb[2]), byte(a)]
                })
                .collect();
            let name = format!("images/{i:03}.png");
            std::fs::create_dir_all(folder.join("images")).unwrap();
            image::RgbaImage::from_raw(SIZE as u32, SIZE as u32, pixels).unwrap().save(folder.join(&name)).unwrap();
            let pose = camera.camera_from_world.inverse() * Mat4::from_scale(Vec3::new(1.0, -1.0, -1.0));
            let rows: Vec<Vec<f32>> = (0..4).map(|r| pose.row(r).to_array().to_vec()).collect();
            json!({"file_path": name, "transform_matrix": rows})
        })
        .collect();
    let all = json!({"w": SIZE, "h": SIZE, "fl_x": 120.0, "fl_y": 120.0, "cx": 48.0, "cy": 48.0, "frames": frames});
    std::fs::write(folder.join("transforms.json"), all.to_string()).unwrap();
}

#[test]
fn shows_views_that_it_never_saw() {
    let folder = folder("ball");
    write_views(&folder, 24);
    let mut views = read_folder(&folder, SIZE).unwrap();
    let held_out = views.split_off(20);
    let plan = train::Plan { steps: 500, gaussians: 3000, degree: 1, seed: 1 };
    let (mut first, mut last, mut n) = (0.0, 0.0, 0);
    let fitted = train::fit(&views, &plan, &mut |p| {
        if p.step == 1 {
            first = p.loss;
        }
        (last, n) = (p.loss, p.gaussians);
    })
    .unwrap();
    assert!(last < 0.3 * first, "loss from {first} to {last}");
    assert!(fitted.len() > 1000 && fitted.len() <= 3000 && fitted.len() == n);
    for view in &held_out {
        let quality = train::psnr(&train::draw(&fitted, view).unwrap(), &view.over([0.0; 3]));
        assert!(quality > 24.0, "{quality:.1} dB");
    }
}

#[test]
fn bad_folders_are_named() {
    let folder = folder("bad");
    let complaint = |folder: &Path| read_folder(folder, 64).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(complaint(&folder.join("none")).contains("transforms.json"));
    write_views(&folder, 1);
    let path = folder.join("transforms.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, what) in [
        ("\"fl_x\"", "\"other\"", "fl_x"),
        ("\"fl_y\"", "\"camera_model\":\"FOV\",\"fl_y\"", "camera_model \"FOV\" is not read"),
        ("000.png", "nowhere", "no image"),
        ("transform_matrix", "matrix", "4 x 4"),
        ("\"frames\"", "\"pictures\"", "frames"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        assert!(complaint(&folder).contains(what), "{}", complaint(&folder));
    }
    std::fs::write(&path, &good).unwrap();
    let small = read_folder(&folder, 48).unwrap().remove(0);
    assert_eq!((small.camera.width, small.camera.fx, small.camera.cx), (48, 60.0, 24.0));
    let photo = folder.join("images/000.png");
    let whole = std::fs::read(&photo).unwrap();
    std::fs::write(&photo, &whole[..whole.len() * 6 / 10]).unwrap();
    assert!(complaint(&folder).contains("cut short"), "{}", complaint(&folder));
}

/// A mask says which pixels count; the lens of nerfstudio's default data sets is straightened.
#[test]
fn masks_and_lenses_of_a_folder_count() {
    let folder = folder("mask");
    write_views(&folder, 1);
    let photo = folder.join("images/000.png");
    // Opaque everywhere, so that what is not comes from the mask or from the lens.
    image::open(&photo).unwrap().to_rgb8().save(&photo).unwrap();
    let left = image::RgbImage::from_fn(SIZE as u32, SIZE as u32, |x, _| image::Rgb([if x < 48 { 255 } else { 0 }; 3]));
    left.save(folder.join("mask.png")).unwrap();
    let path = folder.join("transforms.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let read = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        std::fs::write(&path, good.replace(from, to)).unwrap();
        read_folder(&folder, SIZE).unwrap().remove(0)
    };
    assert!(!read("\"fl_x\"", "\"fl_x\"").has_alpha());
    let masked = read("\"file_path\"", "\"mask_path\":\"mask.png\",\"file_path\"");
    assert!(masked.has_alpha());
    let white = masked.over([1.0; 3]);
    let red = |x: usize| white[(48 * SIZE + x) * 3];
    assert_eq!(red(72), 1.0, "what the mask hides is background");
    assert!(red(30) < 1.0, "what it shows is not");
    let bent = read("\"fl_x\"", "\"camera_model\":\"OPENCV\",\"k1\":0.3,\"fl_x\"");
    assert!(bent.has_alpha(), "the corners of the straightened photo were outside the lens");
}
