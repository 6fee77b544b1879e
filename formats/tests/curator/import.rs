//! Folders of images become datasets.
use crate::set::{SIZE, Set, row, shards, text};
use formats::{Dataset, image};
use std::path::Path;

fn import(folder: &str, out: &str) -> std::process::Output {
    shards(&["import", folder, "--out", out])
}

/// A folder with an image of every kind: two people and one without a folder.
fn photos(set: &Set) -> String {
    let folder = set.beside("photos");
    let rgb: Vec<u8> = (0..6 * 4 * 3).map(|i| (i * 3) as u8).collect();
    let put = |name: &str, bytes: &[u8]| {
        let path = Path::new(&folder).join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    put("zoë/b.png", &image::png_from_rgb8(6, 4, &rgb).unwrap());
    put("zoë/a.JPG", &image::jpeg_from_rgb8(6, 4, &rgb, 90).unwrap());
    put("adam/1.webp", &image::webp_from_rgb8(6, 4, &rgb).unwrap());
    put("top.png", &image::png_from_gray8(6, 4, &rgb[..24]).unwrap());
    put(".hidden.png", b"no image");
    put("adam/notes.txt", b"no image");
    put("adam/._1.webp", b"no image");
    folder
}

#[test]
fn a_folder_of_images_becomes_a_dataset() {
    let set = Set::new("import");
    let (folder, out) = (photos(&set), set.beside("new"));
    let done = import(&folder, &out);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let data = Dataset::open(Path::new(&out)).unwrap();
    let names: Vec<(&str, u32)> = data.all_labels().iter().map(|r| (r.source_path.as_str(), r.identity_id)).collect();
    assert_eq!(names, [("top.png", 0), ("adam/1.webp", 1), ("zoë/a.JPG", 2), ("zoë/b.png", 2)]);
    let jpeg = std::fs::read(Path::new(&folder).join("zoë/a.JPG")).unwrap();
    assert_eq!(data.frame(2).unwrap().image, jpeg, "what is RGB and upright stays byte for byte");
    assert_eq!(image::rgb8_from_encoded(&data.frame(0).unwrap().image).unwrap().data[..6], [0, 0, 0, 3, 3, 3]);
    assert_eq!(shards(&["verify", "--deep", &out]).status.code(), Some(0));
    assert!(std::fs::read_to_string(Path::new(&out).join("README.md")).unwrap().contains("license: unknown"));
    let again = import(&folder, &out);
    assert_eq!(again.status.code(), Some(0), "the same import does nothing: {}", text(&again.stderr));
    std::fs::write(Path::new(&folder).join("zoë/b.png"), jpeg).unwrap();
    assert_ne!(import(&folder, &out).status.code(), Some(0), "other images are another dataset");
}

#[test]
fn alpha_and_rotation_are_understood() {
    let set = Set::new("import-alpha");
    let folder = set.beside("photos");
    std::fs::create_dir(&folder).unwrap();
    let rgba = ::image::RgbaImage::from_fn(4, 2, |x, y| ::image::Rgba([10, 20, 30, (x * 60 + y) as u8]));
    rgba.save(Path::new(&folder).join("a.png")).unwrap();
    let mut jpeg = image::jpeg_from_rgb8(8, 4, &[200; 96], 90).unwrap();
    // An APP1 segment that says: turned by a quarter (EXIF orientation 6).
    let exif: [u8; 36] = *b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    jpeg.splice(2..2, exif);
    std::fs::write(Path::new(&folder).join("b.jpg"), jpeg).unwrap();
    let out = set.beside("new");
    assert_eq!(import(&folder, &out).status.code(), Some(0));
    let data = Dataset::open(Path::new(&out)).unwrap();
    let (a, b) = (data.frame(0).unwrap(), data.frame(1).unwrap());
    assert_eq!(image::gray8_from_png(&a.alpha.unwrap()).unwrap().data, [0, 60, 120, 180, 1, 61, 121, 181]);
    assert_eq!((b.width, b.height, image::size_of(&b.image).unwrap()), (4, 8, (4, 8)), "upright");
    assert!(image::gray8_from_png(&b.alpha.unwrap()).unwrap().data.iter().all(|v| *v == 255));
}

#[test]
fn cameras_come_back_from_an_export() {
    let set = Set::new("import-cameras");
    let exported = set.beside("nerf");
    assert_eq!(set.run(&["export", "--to", "nerfstudio", "--out", &exported]).status.code(), Some(0));
    let out = set.beside("new");
    let done = import(&format!("{exported}/000000-0001"), &out);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let data = Dataset::open(Path::new(&out)).unwrap();
    assert_eq!(data.len(), 4);
    for (camera_id, labels) in data.all_labels().iter().enumerate() {
        let expected = row("train", 0, 1, camera_id as u32);
        assert_eq!((labels.intrinsics, labels.width as usize), (expected.intrinsics, SIZE));
        let (a, b) = (labels.camera_from_world.as_flattened(), expected.camera_from_world.as_flattened());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
    }
    assert_eq!(data.frame(0).unwrap().alpha, row("train", 0, 1, 0).alpha, "the mask is the coverage");
}

/// One of several that cannot be read is named and left out; `verify` then finds nothing.
#[test]
fn what_cannot_be_read_is_named_and_left_out() {
    let set = Set::new("import-skips");
    let (folder, out) = (photos(&set), set.beside("new"));
    let rgb: Vec<u8> = (0..64 * 48 * 3).map(|i: u32| (i.wrapping_mul(2654435761) >> 24) as u8).collect();
    let jpeg = image::jpeg_from_rgb8(64, 48, &rgb, 90).unwrap();
    std::fs::write(Path::new(&folder).join("zoë/half.jpg"), &jpeg[..jpeg.len() * 6 / 10]).unwrap();
    std::fs::write(Path::new(&folder).join("zoë/raw.CR2"), b"II*\0").unwrap();
    std::fs::write(Path::new(&folder).join("zoë/gif.gif"), b"GIF89a").unwrap();
    let done = import(&folder, &out);
    let stderr = text(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{stderr}");
    for words in ["half.jpg: not a readable image (cut short)", "raw.CR2: a raw photo", "gif.gif: not a readable image"]
    {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    assert_eq!(Dataset::open(Path::new(&out)).unwrap().len(), 4);
    assert_eq!(shards(&["verify", "--deep", &out]).status.code(), Some(0));
}

/// A program on the path that turns HEIC into PNG is used; without one the picture is named.
#[test]
fn heic_goes_through_a_program() {
    use std::os::unix::fs::PermissionsExt;
    let set = Set::new("import-heic");
    let (folder, programs) = (set.beside("photos"), set.beside("programs"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::create_dir(&programs).unwrap();
    let heic = [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(), vec![7; 100]].concat();
    std::fs::write(Path::new(&folder).join("IMG 1.HEIC"), heic).unwrap();
    let run = |out: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_shards"));
        command.args(["import", &folder, "--out", out]).env("PATH", &programs).output().unwrap()
    };
    let refused = run(&set.beside("none"));
    assert_eq!(refused.status.code(), Some(65));
    let stderr = text(&refused.stderr);
    assert!(stderr.contains("HEIC is read by the program heif-convert") && stderr.contains("IMG 1.HEIC"), "{stderr}");
    let picture = set.beside("decoded.png");
    std::fs::write(&picture, image::png_from_rgb8(6, 4, &[99; 72]).unwrap()).unwrap();
    let program = Path::new(&programs).join("heif-convert");
    std::fs::write(&program, format!("#!/bin/sh\n/bin/cp {picture:?} \"$2\"\n")).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let out = set.beside("new");
    let done = run(&out);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let data = Dataset::open(Path::new(&out)).unwrap();
    assert_eq!(image::rgb8_from_encoded(&data.frame(0).unwrap().image).unwrap().data, [99; 72]);
}

#[test]
fn bad_folders_are_refused() {
    let set = Set::new("import-bad");
    let (folder, out) = (set.beside("bad"), set.beside("new"));
    assert_eq!(import(&folder, &out).status.code(), Some(66), "no folder");
    std::fs::create_dir(&folder).unwrap();
    assert_eq!(import(&folder, &out).status.code(), Some(66), "no image");
    let put = |name: &str, bytes: &str| std::fs::write(Path::new(&folder).join(name), bytes).unwrap();
    put("a.png", "no image at all");
    let refused = import(&folder, &out);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains("not a readable image") && text(&refused.stderr).contains("a.png"));
    for (json, words) in [
        ("[", "not a transforms file"),
        ("{}", "no list"),
        (r#"{"frames":[{"file_path":"../../../etc/passwd"}]}"#, "leads out of the folder"),
        (r#"{"frames":[{"file_path":"/etc/passwd"}]}"#, "leads out of the folder"),
        (r#"{"frames":[{"transform_matrix":[]}]}"#, "without file_path"),
    ] {
        put("transforms.json", json);
        let refused = import(&folder, &out);
        assert_eq!(refused.status.code(), Some(65), "{json}");
        assert!(text(&refused.stderr).contains(words), "{json}: {}", text(&refused.stderr));
    }
    assert!(!Path::new(&out).join("frames").exists(), "nothing half-written");
}
