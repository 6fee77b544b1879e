//! The shipped weights on a real photo, though they were trained on renders only.
use formats::dataset::Dataset;
use head::ibug;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Middle of Eileen Collins' face in `astronaut.png` (512 × 512), between nose and eyes, and its height; measured by hand.
const CENTRE: [f32; 2] = [226.0, 118.0];
const HEIGHT: f32 = 90.0;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn photo() -> image::RgbImage {
    let path = root().join("third_party/photos/astronaut.png");
    image::open(&path).unwrap_or_else(|e| panic!("{e}: {path:?} (make setup fetches it)")).into_rgb8()
}

fn temp(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("track-photo-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn fit(folder: &Path, photo: &image::RgbImage, extra: &[&str]) -> Output {
    fit_all(folder, &[("photo.png", photo)], extra)
}

fn fit_all(folder: &Path, photos: &[(&str, &image::RgbImage)], extra: &[&str]) -> Output {
    head::analytic::head().save(&folder.join("head.safetensors")).unwrap();
    let paths: Vec<PathBuf> = photos.iter().map(|(name, _)| folder.join(name)).collect();
    for ((_, photo), path) in photos.iter().zip(&paths) {
        photo.save(path).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_track"));
    command.current_dir(root()).args(["fit", "--json", "--threads", "1", "--photos"]).args(&paths);
    command.arg("--head").arg(folder.join("head.safetensors")).arg("--out").arg(folder.join("out"));
    command.args(extra).output().unwrap()
}

/// Centre and size of the face in the one event of the run.
fn face_of(output: &Output) -> [f32; 3] {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|l| l.contains("\"photo\"")).unwrap_or_else(|| panic!("no event in {text:?}"));
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    std::array::from_fn(|k| event["face"][k].as_f64().unwrap() as f32)
}

#[test]
fn the_face_is_found_at_several_sizes_and_the_shard_is_whole() {
    for scale in [0.5f32, 1.0, 1.7] {
        let folder = temp(&format!("sizes-{}", (10.0 * scale) as u32));
        let side = (512.0 * scale) as u32;
        let scaled = image::imageops::resize(&photo(), side, side, image::imageops::FilterType::Triangle);
        let output = fit(&folder, &scaled, &[]);
        assert_eq!(output.status.code(), Some(0), "x{scale}: {}", String::from_utf8_lossy(&output.stderr));
        let [x, y, size] = face_of(&output).map(|v| v / scale);
        assert!((x - CENTRE[0]).hypot(y - CENTRE[1]) < 0.2 * HEIGHT, "x{scale}: found at ({x}, {y})");
        assert!((0.7..1.5).contains(&(size / HEIGHT)), "x{scale}: size {size}");
        let data = Dataset::open(&folder.join("out")).unwrap();
        let row = data.frame(0).unwrap();
        assert!(folder.join("out/README.md").is_file() && folder.join("out/manifest.parquet").is_file());
        assert_eq!((data.len(), row.width, row.height), (1, 512, 512));
        assert!(row.alpha.is_some() && !row.shape.is_empty() && row.landmarks_2d.len() >= ibug::COUNT);
        assert_eq!(data.identities().len(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// A small face in a large photo: a twenty-fourth of its width, where 6 % of it would be 270 px.
#[test]
fn a_small_face_in_a_large_photo_is_found() {
    let folder = temp("large");
    let twice = image::imageops::resize(&photo(), 1024, 1024, image::imageops::FilterType::Triangle);
    let mut large = image::RgbImage::from_pixel(4500, 3000, image::Rgb([120, 128, 136]));
    image::imageops::replace(&mut large, &twice, 2900, 1400);
    let output = fit(&folder, &large, &["--face", "largest"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let [x, y, size] = face_of(&output);
    let apart = (x - 2900.0 - 2.0 * CENTRE[0]).hypot(y - 1400.0 - 2.0 * CENTRE[1]);
    assert!(apart < 0.5 * HEIGHT && (0.7..1.5).contains(&(size / HEIGHT / 2.0)), "{size} px at ({x}, {y})");
    std::fs::remove_dir_all(folder).unwrap();
}

/// The stranger is the rendered man with the beard in the gallery: cosine -0.10 to the photo, where the threshold is 0.3.
#[test]
fn a_photo_of_somebody_else_is_named() {
    let folder = temp("stranger");
    let (one, gallery) = (photo(), image::open(root().join("docs/gallery-people.jpg")).unwrap().into_rgb8());
    let mirrored = image::imageops::flip_horizontal(&one);
    let stranger = image::imageops::crop_imm(&gallery, 224, 0, 224, 224).to_image();
    let stranger = image::imageops::resize(&stranger, 448, 448, image::imageops::FilterType::Triangle);
    let all = [("one.png", &one), ("stranger.png", &stranger), ("mirrored.png", &mirrored)];
    let warning = |photos: &[(&str, &image::RgbImage)], extra: &[&str]| {
        drop(std::fs::remove_dir_all(folder.join("out")));
        let output = fit_all(&folder, photos, extra);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}");
        text.lines().find(|line| line.contains("another person")).map(str::to_owned)
    };
    let named = warning(&all, &[]).expect("a warning");
    assert!(named.contains("stranger.png") && named.contains("--same-person"), "{named}");
    assert_eq!(warning(&all, &["--same-person"]), None);
    assert_eq!(warning(&[all[0], all[2]], &[]), None);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn two_faces_need_a_choice() {
    let folder = temp("two");
    let one = photo();
    let mut two = image::RgbImage::new(768, 512);
    image::imageops::replace(&mut two, &image::imageops::crop_imm(&one, 60, 0, 384, 512).to_image(), 0, 0);
    image::imageops::replace(&mut two, &image::imageops::crop_imm(&one, 60, 0, 384, 512).to_image(), 384, 0);
    let output = fit(&folder, &two, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{text}");
    assert!(text.contains("2 faces") && text.contains("--face") && text.contains("px at ("), "{text}");
    assert!(!folder.join("out").exists(), "nothing was written");
    assert_eq!(fit(&folder, &two, &["--face", "largest"]).status.code(), Some(0));
    assert_eq!(fit(&folder, &two, &["--face", "2"]).status.code(), Some(2));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_portrait_on_its_side_is_found_and_framed_upright() {
    let folder = temp("turned");
    let upright = photo();
    let face = face_of(&fit(&folder, &upright, &[]));
    let side = upright.width() as f32;
    let to_the_right = (image::imageops::rotate90(&upright), [side - face[1], face[0]]);
    let to_the_left = (image::imageops::rotate270(&upright), [face[1], side - face[0]]);
    for (turned, middle) in [to_the_right, to_the_left] {
        drop(std::fs::remove_dir_all(folder.join("out")));
        let output = fit(&folder, &turned, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let [x, y, size] = face_of(&output);
        assert!((x - middle[0]).hypot(y - middle[1]) < 0.15 * face[2], "{middle:?}, found at ({x}, {y})");
        assert!((size / face[2] - 1.0).abs() < 0.15, "{} and {size} px", face[2]);
        let row = formats::read_frames(&folder.join("out/frames/train-00000-of-00001.parquet")).unwrap().remove(0);
        let at = |landmark: usize| row.landmarks_2d[landmark];
        let eyes_above_mouth = at(ibug::LOWER_LIP_OUTER)[1] - at(ibug::RIGHT_EYE.start + 1)[1];
        let sideways = (at(ibug::LOWER_LIP_OUTER)[0] - at(ibug::NASION)[0]).abs();
        assert!(
            eyes_above_mouth > 2.0 * sideways,
            "the frame is upright: {eyes_above_mouth} px down, {sideways} px across"
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn no_face_says_what_was_looked_for() {
    let folder = temp("none");
    let wall = image::imageops::crop_imm(&photo(), 300, 0, 70, 180).to_image();
    let wall = image::imageops::resize(&wall, 280, 720, image::imageops::FilterType::Triangle);
    let output = fit(&folder, &wall, &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(65), "{text}");
    assert!(
        text.contains("no face found")
            && text.contains("px high, upright and in quarter turns")
            && text.contains("photo.png"),
        "{text}"
    );
    assert!(!folder.join("out").exists(), "nothing was written");
    std::fs::remove_dir_all(folder).unwrap();
}
