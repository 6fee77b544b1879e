//! Posed folders: intrinsics follow the pixels, lenses are straightened, COLMAP's models are read in both forms.
use super::{folder, picture};
use formats::posed::{self, Distortion, Posed};
use serde_json::{Value, json};
use std::path::Path;

fn put_image(folder: &Path, name: &str, width: u32, height: u32) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture(width, height).save(path).unwrap();
}

fn put_transforms(folder: &Path, extra: Value, frame: Value) {
    let mut frame = frame;
    if frame["transform_matrix"].is_null() {
        frame["transform_matrix"] = json!([[1, 0, 0, 0.5], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]);
    }
    let mut all = extra;
    all["frames"] = json!([frame]);
    std::fs::write(folder.join("transforms.json"), all.to_string()).unwrap();
}

fn one(folder: &Path) -> Posed {
    posed::read(folder).unwrap().unwrap().remove(0)
}

#[test]
fn a_folder_without_poses_has_none() {
    let folder = folder("posed-none");
    assert!(posed::read(&folder).unwrap().is_none());
    std::fs::remove_dir_all(folder).unwrap();
}

/// `w` and `h` say in which pixels the numbers count; nerfstudio trains on pictures of half and quarter size.
#[test]
fn intrinsics_follow_the_pixels() {
    let folder = folder("posed-size");
    put_image(&folder, "images/a.png", 64, 48);
    let frame = json!({"file_path": ".\\images\\a"});
    let intrinsics = json!({"w": 128, "h": 96, "fl_x": 100.0, "fl_y": 110.0, "cx": 60.0, "cy": 50.0});
    put_transforms(&folder, intrinsics, frame.clone());
    let (photo, camera) = one(&folder).open().unwrap();
    assert_eq!((photo.width, photo.height), (64, 48), "backslashes and a missing ending lead to the image");
    assert_eq!([camera.fx, camera.fy, camera.cx, camera.cy], [50.0, 55.0, 30.0, 25.0]);
    assert!((camera.eye() - glam::Vec3::new(0.5, 0.0, 2.0)).length() < 1e-6, "OpenGL's pose is world from camera");
    assert!(photo.stored.is_some(), "what is not changed stays byte for byte");

    put_transforms(&folder, json!({"camera_angle_x": 2.0 * (0.5f64).atan()}), frame.clone());
    let (_, camera) = one(&folder).open().unwrap();
    assert!((camera.fx - 64.0).abs() < 1e-3 && camera.fx == camera.fy && (camera.cx, camera.cy) == (32.0, 24.0));

    put_transforms(&folder, json!({"w": 128, "h": 128, "fl_x": 100.0}), frame.clone());
    let refused = one(&folder).open().unwrap_err().to_string();
    assert!(refused.contains("128x128 pixels") && refused.contains("64x48"), "{refused}");

    put_transforms(&folder, json!({}), frame);
    assert!(one(&folder).open().unwrap_err().to_string().contains("neither fl_x nor camera_angle_x"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A photo whose EXIF says "turned": its cameras count stored pixels, unless the poses say the turned size.
#[test]
fn photos_turn_with_their_cameras_only() {
    let folder = folder("posed-exif");
    let mut jpeg = formats::image::jpeg_from_rgb8(8, 4, &[200; 96], 90).unwrap();
    let exif: [u8; 36] = *b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    jpeg.splice(2..2, exif);
    std::fs::write(folder.join("a.jpg"), jpeg).unwrap();
    for (w, h) in [(8, 4), (4, 8)] {
        put_transforms(&folder, json!({"w": w, "h": h, "fl_x": 9.0}), json!({"file_path": "a.jpg"}));
        let (photo, camera) = one(&folder).open().unwrap();
        assert_eq!((photo.width, photo.height, camera.width, camera.height), (w, h, w, h));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// The default data set of nerfstudio: OPENCV with k1 ≠ 0. Its models' formulas are tested in `posed::lens`.
#[test]
fn lenses_are_straightened_and_masks_count() {
    let folder = folder("posed-lens");
    put_image(&folder, "a.png", 64, 48);
    let lens = json!({"w": 64, "h": 48, "fl_x": 60.0, "camera_model": "OPENCV", "k1": -0.2, "k2": 0.01, "p1": 0.001});
    put_transforms(&folder, lens, json!({"file_path": "a.png"}));
    let (photo, _) = one(&folder).open().unwrap();
    let original = picture(64, 48);
    let middle = (24 * 64 + 32) * 4;
    let near = |a: u8, b: u8| a.abs_diff(b) <= 40;
    assert!(near(photo.rgba[middle + 1], original.get_pixel(32, 24).0[1]), "the middle stays");
    assert!(photo.has_alpha && photo.stored.is_none());
    let moved = photo.rgba.chunks(4).zip(original.pixels()).filter(|(a, b)| a[..3] != b.0).count();
    assert!(moved > 2000, "the rest moves, here {moved} pixels");

    for (name, bytes) in [
        ("rgb.png", formats::image::png_from_rgb8(64, 48, &[[255; 3 * 32], [0; 3 * 32]].concat().repeat(48)).unwrap()),
        ("gray.png", formats::image::png_from_gray8(64, 48, &[[255; 32], [0; 32]].concat().repeat(48)).unwrap()),
    ] {
        std::fs::write(folder.join(name), bytes).unwrap();
        put_transforms(&folder, json!({"fl_x": 60.0}), json!({"file_path": "a.png", "mask_path": name}));
        let (photo, _) = one(&folder).open().unwrap();
        let opaque = photo.rgba.chunks(4).filter(|p| p[3] == 255).count();
        assert_eq!(opaque, 32 * 48, "{name}");
    }
    put_transforms(&folder, json!({"fl_x": 9.0, "camera_model": "EQUIRECTANGULAR"}), json!({"file_path": "a.png"}));
    assert!(posed::read(&folder).unwrap_err().to_string().contains("EQUIRECTANGULAR"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// Fisheye lenses by nerfstudio's name, by instant-ngp's flag and in COLMAP's models.
#[test]
fn fisheye_lenses_are_straightened() {
    let folder = folder("posed-fisheye");
    put_image(&folder, "a.png", 64, 48);
    let fisheye = Distortion::Fisheye { k: [0.05, -0.01, 0.002, -0.0005] };
    for by in [json!({"camera_model": "OPENCV_FISHEYE"}), json!({"is_fisheye": true})] {
        let mut lens = json!({"w": 64, "h": 48, "fl_x": 40.0, "k1": 0.05, "k2": -0.01, "k3": 0.002, "k4": -0.0005});
        lens.as_object_mut().unwrap().extend(by.as_object().unwrap().clone());
        put_transforms(&folder, lens, json!({"file_path": "a.png"}));
        let posed = one(&folder);
        assert_eq!(posed.lens.distortion, fisheye, "{by}");
        let (photo, camera) = posed.open().unwrap();
        assert!(photo.has_alpha && photo.stored.is_none() && camera.fx == 40.0);
        assert_ne!(photo.rgba[..3], picture(64, 48).get_pixel(0, 0).0, "{by}: the corner moves");
    }
    std::fs::remove_file(folder.join("transforms.json")).unwrap();
    std::fs::create_dir_all(folder.join("images")).unwrap();
    std::fs::rename(folder.join("a.png"), folder.join("images/a.png")).unwrap();
    let sparse = folder.join("sparse/0");
    std::fs::create_dir_all(&sparse).unwrap();
    let numbers = [40.0, 40.0, 32.0, 24.0, 0.05, -0.01, 0.002, -0.0005];
    let text = numbers.map(|v: f64| v.to_string()).join(" ");
    std::fs::write(sparse.join("cameras.txt"), format!("3 OPENCV_FISHEYE 64 48 {text}\n")).unwrap();
    std::fs::write(sparse.join("images.txt"), "1 1 0 0 0 0 0 0 3 a.png\n\n").unwrap();
    assert_eq!(one(&folder).lens.distortion, fisheye);
    let mut binary = 1u64.to_le_bytes().to_vec();
    binary.extend(3u32.to_le_bytes().into_iter().chain(5u32.to_le_bytes()));
    binary.extend(64u64.to_le_bytes().into_iter().chain(48u64.to_le_bytes()));
    binary.extend(numbers.iter().flat_map(|v| v.to_le_bytes()));
    std::fs::write(sparse.join("cameras.bin"), binary).unwrap();
    let mut binary = 1u64.to_le_bytes().to_vec();
    binary.extend(1u32.to_le_bytes());
    binary.extend([1.0f64, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0].iter().flat_map(|v| v.to_le_bytes()));
    binary.extend(3u32.to_le_bytes());
    binary.extend(b"a.png\0");
    binary.extend(0u64.to_le_bytes());
    std::fs::write(sparse.join("images.bin"), binary).unwrap();
    assert_eq!(one(&folder).lens.distortion, fisheye, "binary");
    std::fs::remove_dir_all(folder).unwrap();
}

/// The same model as text and as binary; one image is without points.
#[test]
fn colmap_models_are_read_in_both_forms() {
    let folder = folder("posed-colmap");
    put_image(&folder, "images/b 1.png", 64, 48);
    put_image(&folder, "images/a.png", 64, 48);
    let sparse = folder.join("sparse/0");
    std::fs::create_dir_all(&sparse).unwrap();
    let cameras = "# Camera list\n7 OPENCV 128 96 100 110 64 48 0.1 -0.05 0.002 -0.001\n9 PINHOLE 64 48 50 55 32 24\n";
    let images = "# Image list\n1 0 1 0 0 0.1 0.2 0.3 7 a.png\n\n2 2 0 0 0 0 0 1 9 b 1.png\n3.5 4 -1 7 8 2\n";
    std::fs::write(sparse.join("cameras.txt"), cameras).unwrap();
    std::fs::write(sparse.join("images.txt"), images).unwrap();
    let text = posed::read(&folder).unwrap().unwrap();

    let mut bin = 2u64.to_le_bytes().to_vec();
    let mut camera = |id: u32, model: u32, size: [u64; 2], params: &[f64]| {
        bin.extend(id.to_le_bytes().into_iter().chain(model.to_le_bytes()));
        size.iter().for_each(|v| bin.extend(v.to_le_bytes()));
        params.iter().for_each(|v| bin.extend(v.to_le_bytes()));
    };
    camera(7, 4, [128, 96], &[100.0, 110.0, 64.0, 48.0, 0.1, -0.05, 0.002, -0.001]);
    camera(9, 1, [64, 48], &[50.0, 55.0, 32.0, 24.0]);
    std::fs::write(sparse.join("cameras.bin"), &bin).unwrap();
    let mut bin = 2u64.to_le_bytes().to_vec();
    let mut image = |id: u32, pose: [f64; 7], camera: u32, name: &str, points: u64| {
        bin.extend(id.to_le_bytes());
        pose.iter().for_each(|v| bin.extend(v.to_le_bytes()));
        bin.extend(camera.to_le_bytes());
        bin.extend(name.bytes().chain([0]));
        bin.extend(points.to_le_bytes());
        bin.extend(vec![0; 24 * points as usize]);
    };
    image(1, [0.0, 1.0, 0.0, 0.0, 0.1, 0.2, 0.3], 7, "a.png", 0);
    image(2, [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 9, "b 1.png", 2);
    std::fs::write(sparse.join("images.bin"), &bin).unwrap();
    let binary = posed::read(&folder).unwrap().unwrap();
    let plain = |all: &[Posed]| all.iter().map(|p| (p.path.clone(), p.lens, p.camera_from_world)).collect::<Vec<_>>();
    assert_eq!(plain(&text), plain(&binary));

    let (a, camera) = text[0].open().unwrap();
    assert_eq!([camera.fx, camera.fy, camera.cx, camera.cy], [50.0, 55.0, 32.0, 24.0], "half the size");
    assert!(a.has_alpha, "straightened");
    let front = camera.camera_from_world.transform_point3(glam::Vec3::new(1.0, 2.0, 3.0));
    assert!((front - glam::Vec3::new(1.1, -1.8, -2.7)).length() < 1e-5, "half a turn about x: {front}");
    assert!(!text[1].open().unwrap().0.has_alpha, "a pinhole stays as it is");

    for length in [0, 8, 40, bin.len() - 1] {
        std::fs::write(sparse.join("images.bin"), &bin[..length]).unwrap();
        let refused = posed::read(&folder).unwrap_err().to_string();
        assert!(refused.contains("not a COLMAP model") && refused.contains("images.bin"), "{refused}");
    }
    std::fs::remove_file(sparse.join("images.bin")).unwrap();
    std::fs::write(sparse.join("cameras.txt"), cameras.replace("9 PINHOLE", "9 FOV")).unwrap();
    assert!(posed::read(&folder).unwrap_err().to_string().contains("camera model FOV"));
    std::fs::remove_dir_all(folder).unwrap();
}
