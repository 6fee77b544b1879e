//! A pack is a smaller dataset in which everything still fits together.
use crate::set::{SIZE, Set, provenance, row, shards, text};
use formats::{Dataset, Error, Existing, FrameRow, Part, Shard, image};
use glam::Vec3;
use std::path::{Path, PathBuf};

fn pack(set: &Set, more: &[&str]) -> std::process::Output {
    set.run(&[&["pack", "--out", &set.beside("pack")], more].concat())
}

fn packed(set: &Set, more: &[&str]) -> (PathBuf, Dataset) {
    let out = PathBuf::from(set.beside("pack"));
    let done = pack(set, more);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let checked = shards(&["verify", "--deep", out.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
    let data = Dataset::open(&out).unwrap();
    (out, data)
}

/// Index of the middle pixel of a square picture.
fn middle_of(side: usize) -> usize {
    side / 2 * side + side / 2
}

/// Landmarks lie where the camera projects them, pixels.
fn assert_labels_agree(frame: &FrameRow) {
    let camera = frame.camera();
    assert_eq!(frame.landmarks_2d.len(), 72);
    for (point, pixel) in frame.landmarks_3d.iter().zip(&frame.landmarks_2d) {
        let p = camera.camera_from_world.transform_point3(Vec3::from(*point));
        let (x, y) = (camera.fx * p.x / p.z + camera.cx, camera.fy * p.y / p.z + camera.cy);
        // Landmarks are rounded to 1/64 px, and to 0.06 mm.
        assert!((x - pixel[0]).abs() < 0.03 && (y - pixel[1]).abs() < 0.03, "{x} {y} {pixel:?}");
    }
}

#[test]
fn frames_become_small_with_their_labels_and_keep_their_origin() {
    let set = Set::new("pack");
    // The ball has 28 pixels of 48; cut out 1.2 times that, and not enlarged.
    for (more, side) in [(&["--size", "24"][..], 24..25), (&["--crop", "1.2"][..], 30..40)] {
        let (out, data) = packed(&set, &[&["--max-mb", "1"], more].concat());
        assert_eq!((data.len(), data.identities().len()), (24, 3), "all that is there fits");
        for i in 0..data.len() {
            let frame = data.frame(i).unwrap();
            assert!(side.contains(&frame.width) && frame.width == frame.height, "{}", frame.width);
            assert_labels_agree(&frame);
            assert!(frame.segmentation.is_none() && frame.depth.is_none());
            let truth = row(&frame.split, frame.identity_id, frame.expression_id, frame.camera_id);
            assert_eq!(
                (frame.frame_id, frame.expression, &frame.light),
                (truth.frame_id, truth.expression, &truth.light)
            );
            let (rgb, alpha) = (
                image::rgb8_from_encoded(&frame.image).unwrap(),
                image::gray8_from_png(&frame.alpha.unwrap()).unwrap(),
            );
            let (middle, old) = (middle_of(rgb.width), middle_of(SIZE));
            let whole = image::rgb8_from_encoded(&truth.image).unwrap();
            for c in 0..3 {
                assert!(
                    rgb.data[3 * middle + c].abs_diff(whole.data[3 * old + c]) <= 6,
                    "the color in the middle stays"
                );
            }
            assert_eq!((alpha.data[0], alpha.data[middle]), (0, 255));
        }
        let from = data.shards()[0].provenance();
        assert_eq!((from.tool.as_str(), from.origin()), ("shards", provenance()));
        let card = std::fs::read_to_string(out.join("README.md")).unwrap();
        assert!(card.contains("license: cc0-1.0") && card.contains("by `shards pack`"), "{card}");
        std::fs::remove_dir_all(out).unwrap();
    }
    let (_, some) =
        packed(&set, &["--max-mb", "1", "--columns", "image,depth,segmentation", "--where", "split = 'val'"]);
    let frame = some.frame(3).unwrap();
    assert_eq!((some.len(), some.identities().len(), frame.alpha), (8, 1, None));
    assert_eq!(frame.depth, row("val", 2, 0, 3).depth, "what keeps its size keeps its values");
}

/// `n` frames of a person that hardly compress, `[96, 96]`.
fn noise(split: &str, identity: u32, n: u32) -> impl Iterator<Item = Result<FrameRow, Error>> {
    let split = split.to_string();
    (0..n).map(move |camera_id| {
        let mut frame = row(&split, identity, 0, 0);
        let mut state = u64::from(identity * 1000 + camera_id);
        let mut byte = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let rgb: Vec<u8> = (0..96 * 96 * 3).map(|_| byte()).collect();
        (frame.alpha, frame.segmentation, frame.depth) = (None, None, None);
        (frame.width, frame.height, frame.camera_id) = (96, 96, camera_id);
        frame.frame_id = u64::from(identity * 1000 + camera_id);
        frame.image = image::png_from_rgb8(96, 96, &rgb).unwrap();
        Ok(frame)
    })
}

#[test]
fn the_size_is_kept_and_people_have_equal_parts() {
    let set = Set::new("pack-size");
    for (name, split, identity, n) in [
        ("train-00000-of-00002", "train", 0, 120),
        ("train-00001-of-00002", "train", 1, 30),
        ("val-00000-of-00001", "val", 2, 30),
    ] {
        let path = set.0.join("frames").join(name).with_extension("parquet");
        formats::write_frames(&path, noise(split, identity, n), &provenance(), Existing::Replace).unwrap();
    }
    let asked = ["--max-mb", "1", "--quality", "100", "--columns", "image"];
    let (out, data) = packed(&set, &asked);
    let bytes: u64 = files(&out).iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!((800_000..1_000_000).contains(&bytes), "{bytes} bytes");
    let mut counts = [0usize; 3];
    data.all_labels().iter().for_each(|frame| counts[frame.identity_id as usize] += 1);
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least > 5 && most - least <= 1 && data.len() < 180, "{counts:?}");
    let bytes_of = |data: &Dataset| -> Vec<u8> { std::fs::read(data.shards()[0].path()).unwrap() };
    let first = bytes_of(&data);
    std::fs::remove_dir_all(&out).unwrap();
    assert!(first == bytes_of(&packed(&set, &asked).1), "the same request gives the same bytes");
    std::fs::remove_dir_all(&out).unwrap();
    assert!(first != bytes_of(&packed(&set, &[&asked[..], &["--seed", "1"]].concat()).1), "another seed, other rows");
}

/// Files of a folder, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_pack_appears_whole_or_not_at_all() {
    let set = Set::new("pack-whole");
    let told = pack(&set, &["--max-mb", "1", "--dry-run"]);
    assert!(text(&told.stdout).starts_with("about 24 of 24 frames, 3 people"), "{}", text(&told.stdout));
    assert_eq!(pack(&set, &["--max-mb", "1", "--columns", "alpha"]).status.code(), Some(2));
    assert_eq!(pack(&set, &["--max-mb", "1", "--where", "age > 200"]).status.code(), Some(65));
    std::fs::create_dir(set.beside("pack")).unwrap();
    assert_eq!(pack(&set, &["--max-mb", "1"]).status.code(), Some(73));
    std::fs::remove_dir(set.beside("pack")).unwrap();
    let shard = set.0.join("frames/val-00000-of-00001.parquet");
    let mut bytes = std::fs::read(&shard).unwrap();
    let image = row("val", 2, 1, 3).image;
    let at = bytes.windows(image.len()).position(|w| w == image).unwrap();
    bytes[at + image.len() / 2] ^= 4;
    std::fs::write(&shard, bytes).unwrap();
    let broken = pack(&set, &["--max-mb", "1"]);
    assert_eq!(broken.status.code(), Some(65));
    assert!(
        text(&broken.stderr).contains("row 7: the image is not the one that was written"),
        "{}",
        text(&broken.stderr)
    );
    let left: Vec<_> =
        std::fs::read_dir(set.0.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["set"], "nothing unfinished remains");
    let whole = Shard::open(&set.0.join("frames/train-00000-of-00002.parquet")).unwrap();
    assert_eq!(whole.frame(3, &["image", "alpha"]).unwrap().alpha, row("train", 0, 0, 3).alpha);
    assert_eq!(whole.frame(3, &[]).unwrap(), whole.read::<FrameRow>(Part::Labels).unwrap()[3]);
}
