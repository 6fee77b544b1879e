//! What other tools are given: read back without any code of ours.
use crate::set::{SIZE, Set, row, shards, text};
use formats::{Existing, FrameWriter, image};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn export(set: &Set, to: &str, more: &[&str]) -> PathBuf {
    let out = set.beside(to);
    let done = set.run(&[&["export", "--to", to, "--out", &out], more].concat());
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    out.into()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|e| panic!("{e}: {path:?}"))).unwrap()
}

/// Files of a ustar archive, by name; checksums and padding are checked.
fn untar(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let (mut at, mut files) = (0, BTreeMap::new());
    assert!(bytes.len().is_multiple_of(512) && bytes[bytes.len() - 1024..] == [0; 1024]);
    while bytes[at] != 0 {
        let head = &bytes[at..at + 512];
        let octal = |range: std::ops::Range<usize>| {
            usize::from_str_radix(std::str::from_utf8(&head[range]).unwrap().trim_matches(['\0', ' ']), 8).unwrap()
        };
        let sum: usize =
            head.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { b as usize }).sum();
        assert_eq!(octal(148..156), sum, "checksum");
        let name = std::str::from_utf8(&head[..100]).unwrap().trim_end_matches('\0').to_string();
        let size = octal(124..136);
        files.insert(name, bytes[at + 512..at + 512 + size].to_vec());
        at += 512 + size.next_multiple_of(512);
    }
    files
}

#[test]
fn webdataset_holds_each_frame_with_its_maps_and_labels() {
    let set = Set::new("webdataset");
    let out = export(&set, "webdataset", &["--where", "identity_id < 2"]);
    let files = untar(&out.join("train-000000.tar"));
    assert_eq!(files.len(), 16 * 5, "image, alpha, segmentation, depth, json");
    let expected = row("train", 1, 0, 3);
    assert_eq!(files["000000000103.png"], expected.image);
    assert_eq!(files["000000000103.depth.png"], expected.depth.unwrap());
    let labels: Value = serde_json::from_slice(&files["000000000103.json"]).unwrap();
    assert_eq!((&labels["camera_id"], &labels["light"]["kind"]), (&3.into(), &"sky".into()));
    assert_eq!(labels["landmarks_2d"].as_array().unwrap().len(), 72);
    assert!(labels.get("image").is_none());
    assert!(!out.join("val-000000.tar").exists());
}

#[test]
fn coco_boxes_and_masks_cover_the_ball() {
    let set = Set::new("coco");
    let out = export(&set, "coco", &[]);
    let coco = json(&out.join("annotations/val.json"));
    assert_eq!((coco["images"].as_array().unwrap().len(), coco["annotations"].as_array().unwrap().len()), (8, 16));
    let name = coco["images"][0]["file_name"].as_str().unwrap();
    assert_eq!(std::fs::read(out.join("images").join(name)).unwrap(), row("val", 2, 0, 0).image);
    let head = &coco["annotations"][0];
    assert_eq!((&head["category_id"], &head["num_keypoints"], &head["image_id"]), (&1.into(), &68.into(), &200.into()));
    let mask = image::gray8_from_png(&row("val", 2, 0, 0).alpha.unwrap()).unwrap();
    assert_eq!(head["area"].as_u64().unwrap(), mask.data.iter().filter(|a| **a > 0).count() as u64);
    let bbox: Vec<f64> = head["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let points: Vec<f64> = head["keypoints"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    for p in points.chunks_exact(3) {
        let within = |k: usize| (bbox[k] - 1.0..=bbox[k] + bbox[k + 2] + 1.0).contains(&p[k]);
        assert!(within(0) && within(1) && (p[2] == 1.0 || p[2] == 2.0), "{p:?} in {bbox:?}");
    }
    assert_eq!(head["segmentation"]["size"], serde_json::json!([SIZE, SIZE]));
    assert_eq!(
        unpack(head["segmentation"]["counts"].as_str().unwrap()),
        mask.data.iter().map(|a| *a > 0).collect::<Vec<_>>()
    );
    let classes: Vec<&str> =
        coco["categories"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!((classes[0], classes[1], classes.len()), ("head", "skin", 16));
}

/// A row-major mask from COCO's compressed counts, by their definition.
fn unpack(counts: &str) -> Vec<bool> {
    let (mut runs, mut value, mut shift) = (Vec::<i64>::new(), 0i64, 0);
    for byte in counts.bytes().map(|b| i64::from(b) - 48) {
        value |= (byte & 31) << shift;
        shift += 5;
        if byte & 32 == 0 {
            if byte & 16 != 0 {
                value |= -1 << shift;
            }
            if runs.len() > 2 {
                value += runs[runs.len() - 2];
            }
            runs.push(value);
            (value, shift) = (0, 0);
        }
    }
    let columns: Vec<bool> = runs.iter().enumerate().flat_map(|(k, &n)| vec![k % 2 == 1; n as usize]).collect();
    assert_eq!(columns.len(), SIZE * SIZE);
    (0..SIZE * SIZE).map(|i| columns[i % SIZE * SIZE + i / SIZE]).collect()
}

#[test]
fn nerfstudio_cameras_project_the_landmarks_where_they_are() {
    let set = Set::new("nerfstudio");
    let out = export(&set, "nerfstudio", &[]);
    let scenes: Vec<_> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(scenes.len(), 6, "three people, two expressions: {scenes:?}");
    let transforms = json(&out.join("000001-0001/transforms.json"));
    let frames = transforms["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 4);
    for (camera_id, frame) in frames.iter().enumerate() {
        let expected = row("train", 1, 1, camera_id as u32);
        let m: Vec<Vec<f64>> = serde_json::from_value(frame["transform_matrix"].clone()).unwrap();
        let number = |key: &str| frame[key].as_f64().unwrap();
        for (p, pixel) in expected.landmarks_3d.iter().zip(&expected.landmarks_2d) {
            // By hand: the columns of a rigid matrix are the camera's axes in the world, its last column the place.
            let d: Vec<f64> = (0..3).map(|r| f64::from(p[r]) - m[r][3]).collect();
            let along = |axis: usize| (0..3).map(|r| m[r][axis] * d[r]).sum::<f64>();
            // OpenGL: x right, y up, looking along -z.
            let (x, y, depth) = (along(0), -along(1), -along(2));
            assert!(depth > 0.0);
            let (u, v) = (number("fl_x") * x / depth + number("cx"), number("fl_y") * y / depth + number("cy"));
            assert!(
                (u - f64::from(pixel[0])).abs() < 1e-3 && (v - f64::from(pixel[1])).abs() < 1e-3,
                "{u} {v} {pixel:?}"
            );
        }
        let path = |key: &str| out.join("000001-0001").join(frame[key].as_str().unwrap());
        assert_eq!(std::fs::read(path("file_path")).unwrap(), expected.image);
        let depth = image::gray16_from_png(&std::fs::read(path("depth_file_path")).unwrap()).unwrap();
        assert_eq!(depth.data[24 * SIZE + 24], 816, "millimetres: 0.8 m, 0.2 times it up");
        let mask = image::gray8_from_png(&std::fs::read(path("mask_path")).unwrap()).unwrap();
        assert_eq!((mask.data[0], mask.data[24 * SIZE + 24]), (0, 255));
    }
    let ply =
        std::fs::read_to_string(out.join("000001-0001").join(transforms["ply_file_path"].as_str().unwrap())).unwrap();
    assert_eq!(ply.split("end_header\n").nth(1).unwrap().lines().count(), 72);
}

#[test]
fn an_export_appears_whole_or_not_at_all() {
    let set = Set::new("export-whole");
    let out = set.beside("out");
    let dry_run = set.run(&["export", "--to", "coco", "--out", &out, "--dry-run"]);
    assert_eq!((dry_run.status.code(), Path::new(&out).exists()), (Some(0), false));
    assert!(text(&dry_run.stdout).starts_with("24 frames"));
    std::fs::create_dir(&out).unwrap();
    let there = set.run(&["export", "--to", "coco", "--out", &out]);
    assert_eq!(there.status.code(), Some(73));
    std::fs::remove_dir(&out).unwrap();
    // One bit of an image flipped: the digest finds it half way, and nothing remains.
    let shard = set.0.join("frames/val-00000-of-00001.parquet");
    let mut bytes = std::fs::read(&shard).unwrap();
    let image = row("val", 2, 1, 3).image;
    let at = bytes.windows(image.len()).position(|w| w == image).unwrap();
    bytes[at + image.len() / 2] ^= 4;
    std::fs::write(&shard, bytes).unwrap();
    let broken = set.run(&["export", "--to", "webdataset", "--out", &out]);
    assert_eq!(broken.status.code(), Some(65));
    assert!(text(&broken.stderr).contains("sha256 differs"), "{}", text(&broken.stderr));
    let left: Vec<_> =
        std::fs::read_dir(Path::new(&out).parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["set"], "nothing unfinished remains");
}

#[test]
fn hostile_names_stay_inside_the_folder() {
    let set = Set::new("hostile");
    let path = set.0.join("frames/test-00000-of-00001.parquet");
    let mut writer = FrameWriter::create(&path, &crate::set::provenance(), Existing::Replace).unwrap();
    for (camera_id, split) in ["../../../escaped", "/tmp/escaped", "..", "a/b", "nul\0x"].into_iter().enumerate() {
        let mut frame = row("train", 0, 0, 0);
        (frame.camera_id, frame.frame_id, frame.split) = (camera_id as u32, u64::MAX - camera_id as u64, split.into());
        frame.source_path = "../../escaped".into();
        writer.push(frame).unwrap();
    }
    writer.finish().unwrap();
    for to in ["webdataset", "coco", "nerfstudio"] {
        let out = set.beside(to);
        let done = shards(&["export", path.to_str().unwrap(), "--to", to, "--out", &out]);
        assert_eq!(done.status.code(), Some(0), "{to}: {}", text(&done.stderr));
    }
    let mut beside: Vec<_> = std::fs::read_dir(set.0.parent().unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    beside.sort();
    assert_eq!(beside, ["coco", "nerfstudio", "set", "webdataset"]);
    assert!(!Path::new("/tmp/escaped").exists() && !set.0.with_file_name("escaped").exists());
    let tars: Vec<_> = std::fs::read_dir(set.beside("webdataset")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(tars.len(), 5);
    for name in tars.iter().flat_map(|tar| untar(tar).into_keys()) {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '.'), "{name}");
    }
}
