//! The tool as a user meets it: what it refuses, with which code, and that it leaves nothing behind.
mod toy;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn track(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_track"));
    command.current_dir(root()).args(arguments).args(["--threads", "1"]).output().expect("the tool starts")
}

fn temp(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("track-cli-{name}-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Exit code and the one line on stderr.
fn refusal(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("track:")).collect();
    assert_eq!(lines.len(), 1, "one line, got: {text}");
    (output.status.code().unwrap(), lines[0].to_string())
}

/// Fits `photo` with a toy head and untrained weights: for refusals that come before the networks are asked.
fn fit_untrained(folder: &Path, photo: &str, extra: &[&str]) -> Output {
    let (head, weights) = (folder.join("head.safetensors"), folder.join("weights.safetensors"));
    head::analytic::head().save(&head).unwrap();
    let shape = track::face_net::FaceShape::of(&head::analytic::head(), 8);
    track::networks::Networks::new(tch::Device::Cpu, shape).save(&weights, 0).unwrap();
    let out = folder.join("out");
    let paths = [&head, &weights, &out].map(|p| p.to_string_lossy().into_owned());
    let fixed = ["fit", "--photos", photo, "--head", &paths[0], "--weights", &paths[1], "--out", &paths[2]];
    track(&[&fixed, extra].concat())
}

#[test]
fn missing_photos_and_empty_folders_are_66() {
    let folder = temp("missing");
    let (code, line) = refusal(&fit_untrained(&folder, "no/such.png", &[]));
    assert_eq!(code, 66);
    assert!(line.contains("no photo here") && line.contains("no/such.png"), "{line}");
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).unwrap();
    let (code, line) = refusal(&fit_untrained(&folder, &empty.to_string_lossy(), &[]));
    assert_eq!(code, 66);
    assert!(line.contains("no readable photo"), "{line}");
    assert!(!folder.join("out").exists(), "nothing was written");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_no_image_is_65() {
    let folder = temp("noimage");
    let photo = folder.join("letter.png");
    std::fs::write(&photo, b"dear sir or madam, this is not a picture at all").unwrap();
    let (code, line) = refusal(&fit_untrained(&folder, &photo.to_string_lossy(), &[]));
    assert_eq!(code, 65);
    assert!(line.contains("cannot read photo") && line.contains("letter.png"), "{line}");
    let photo = folder.join("half.png");
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(64, 64).write_to(&mut png, image::ImageFormat::Png).unwrap();
    std::fs::write(&photo, &png.into_inner()[..60]).unwrap();
    let (code, line) = refusal(&fit_untrained(&folder, &photo.to_string_lossy(), &[]));
    assert!(code == 65 && line.contains("cut short") && line.contains("half.png"), "{code}: {line}");
    assert!(!folder.join("out").exists(), "nothing was written");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn missing_weights_and_wrong_options_are_told_apart() {
    let folder = temp("weights");
    let out = folder.join("out").to_string_lossy().into_owned();
    let photo = folder.join("a.png");
    image::RgbImage::new(64, 64).save(&photo).unwrap();
    let photo = photo.to_string_lossy().into_owned();
    let (code, line) = refusal(&track(&["fit", "--photos", &photo, "--out", &out, "--weights", "none.safetensors"]));
    assert_eq!(code, 66);
    assert!(line.contains("tracker weights"), "{line}");
    assert_eq!(refusal(&fit_untrained(&folder, &photo, &["--size", "7"])).0, 2);
    assert_eq!(refusal(&fit_untrained(&folder, &photo, &["--set", "fit.nonsense=1"])).0, 78);
    assert_eq!(track(&["fit", "--photos", &photo, "--out", &out, "--face", "left"]).status.code(), Some(2));
    assert_eq!(refusal(&track(&["train", "--data", "no/such/data", "--out", &out])).0, 66);
    assert!(!Path::new(&out).exists(), "nothing was written");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn training_writes_weights_and_card_goes_on_and_can_be_measured() {
    let folder = temp("train");
    let data = folder.join("data");
    toy::dataset(&data);
    let data = data.to_string_lossy().into_owned();
    let weights = folder.join("w/track.safetensors");
    let out = weights.to_string_lossy().into_owned();
    let head = folder.join("head.safetensors");
    head::analytic::head().save(&head).unwrap();
    let head = head.to_string_lossy().into_owned();
    let train = |steps: &str| {
        let small = ["--set", "train.crops=4", "--set", "train.patches=2", "--set", "train.val_crops=4"];
        track(&[&["train", "--data", &data, "--head", &head, "--out", &out, "--steps", steps], &small[..]].concat())
    };
    let first = train("2");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    let steps = || formats::card::WeightsCard::read(&weights).unwrap().steps;
    assert_eq!(steps(), 2);
    let second = train("3");
    assert_eq!(second.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&second.stderr).contains("resuming from step 2"));
    assert_eq!(steps(), 3);
    assert!(std::fs::metadata(&weights).unwrap().len() < 10_000_000);
    let measured = track(&["eval", "--data", &data, "--split", "val", "--weights", &out, "--head", &head]);
    assert_eq!(measured.status.code(), Some(0), "{}", String::from_utf8_lossy(&measured.stderr));
    assert!(String::from_utf8_lossy(&measured.stdout).contains("landmarks in space"));
    std::fs::remove_dir_all(folder).unwrap();
}
