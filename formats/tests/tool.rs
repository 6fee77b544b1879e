//! The tool `shards` as a user or a script calls it.
use formats::{Error, Existing, FrameRow, IdentityRow, Provenance, ShardName, image};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A dataset of two identities, three shards of frames, in a folder of its own.
struct Dataset(PathBuf);

impl Dataset {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shards-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let dataset = Dataset(path);
        dataset.write_identities();
        for (split, index, total, identity) in [("train", 0, 2, 0), ("train", 1, 2, 1), ("val", 0, 1, 2)] {
            dataset.write_frames(&ShardName::new(split, index, total), identity, CONFIG);
        }
        dataset
    }

    fn write_identities(&self) {
        let rows = ["train", "train", "val"].into_iter().enumerate().map(|(i, split)| {
            Ok::<_, Error>(IdentityRow { identity_id: i as u32, split: split.into(), ..IdentityRow::default() })
        });
        let path = self.0.join("identities").join(ShardName::new("part", 0, 1).file_name());
        formats::write_identities(&path, rows, &provenance(CONFIG), Existing::Replace).unwrap();
    }

    fn write_frames(&self, name: &ShardName, identity: u32, config: &str) -> PathBuf {
        let path = self.0.join("frames").join(name.file_name());
        let rows = (0..6).map(|camera| Ok::<_, Error>(row(&name.split, identity, camera)));
        formats::write_frames(&path, rows, &provenance(config), Existing::Replace).unwrap();
        path
    }

    /// Layers of the first `rows` frames of the only `val` shard, which has six.
    fn write_layers(&self, rows: u64) {
        let path = self.0.join("exr").join(ShardName::new("val", 0, 1).file_name());
        let mut writer = formats::ShardWriter::create(&path, &provenance(CONFIG), Existing::Replace).unwrap();
        for row in 0..rows {
            let exr = vec![0x76, 0x2f, 0x31, 0x01, row as u8];
            writer.push(formats::exr::ExrRow { frame_id: 200 + row, exr }).unwrap();
        }
        writer.finish().unwrap();
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    fn shard(&self) -> PathBuf {
        self.0.join("frames/train-00001-of-00002.parquet")
    }
}

impl Drop for Dataset {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

const CONFIG: &str = "cameras = 6\n";

fn provenance(config: &str) -> Provenance {
    Provenance::new("datagen", "0.1.0", config, 7)
}

/// A disc of the identity's color, with landmarks on its rim and a mask of it.
fn row(split: &str, identity: u32, camera: u32) -> FrameRow {
    let (width, height, radius) = (96, 72, 24.0 + camera as f32);
    let inside = |i: usize| ((i % width) as f32 + 0.5 - 48.0).hypot((i / width) as f32 + 0.5 - 36.0) < radius;
    let skin = [[224, 172, 140], [150, 98, 70], [84, 52, 36]][identity as usize];
    let rgb: Vec<u8> = (0..width * height).flat_map(|i| if inside(i) { skin } else { [90, 110, 130] }).collect();
    let mask: Vec<u8> = (0..width * height).map(|i| u8::from(inside(i))).collect();
    let rim = |k: usize| (k as f32 / 12.0 * std::f32::consts::TAU).sin_cos();
    FrameRow {
        frame_id: u64::from(identity * 100 + camera),
        identity_id: identity,
        camera_id: camera,
        split: split.into(),
        width: width as u32,
        height: height as u32,
        image: image::png_from_rgb8(width, height, &rgb).unwrap(),
        segmentation: Some(image::png_from_gray8(width, height, &mask).unwrap()),
        landmarks_2d: (0..12).map(|k| [48.0 + radius * rim(k).0, 36.0 + radius * rim(k).1]).collect(),
        landmark_visible: (0..12).map(|k| f32::from(k < 8)).collect(),
        light: r#"{"kind":"sun","height":0.5}"#.into(),
        ..FrameRow::default()
    }
}

fn shards(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_shards")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Ends with `code` and one line on stderr that contains `words`.
fn assert_fails(output: &Output, code: i32, words: &str) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("shards: ") && stderr.contains(words) && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn a_good_dataset_is_listed_checked_and_merged() {
    let set = Dataset::new("good");
    set.write_layers(6);
    let listed = shards(&["ls", set.path()]);
    assert_eq!(text(&listed.stdout).lines().count(), 4);
    assert!(text(&listed.stderr).contains("4 shards, 21 rows"), "{}", text(&listed.stderr));
    for deep in [&["verify", set.path()][..], &["verify", "--deep", set.path()]] {
        let verified = shards(deep);
        assert_eq!((verified.status.code(), text(&verified.stdout).as_str()), (Some(0), ""));
    }
    let merged = shards(&["merge", set.path()]);
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
    let readme = std::fs::read_to_string(set.0.join("README.md")).unwrap();
    assert!(readme.contains("| train | 12 |") && readme.contains("path: frames/val-*.parquet"), "{readme}");
    assert_eq!(std::fs::read_to_string(set.0.join("plan.toml")).unwrap(), CONFIG);
    let modified = |name: &str| std::fs::metadata(set.0.join(name)).unwrap().modified().unwrap();
    let before = (modified("manifest.parquet"), modified("README.md"));
    let again = shards(&["merge", set.path()]);
    assert!(text(&again.stderr).contains("already there"), "{}", text(&again.stderr));
    assert_eq!(before, (modified("manifest.parquet"), modified("README.md")), "a finished dataset is not touched");
}

#[test]
fn stat_and_show_tell_the_values() {
    let set = Dataset::new("values");
    let stat = text(&shards(&["stat", set.path()]).stdout);
    assert!(stat.contains("train                     12 rows of 2 identities"), "{stat}");
    assert!(stat.contains("camera_id") && stat.contains("0 … 5"), "{stat}");
    let out = set.0.join("images");
    let shown = shards(&["show", set.shard().to_str().unwrap(), "--row", "3", "--out", out.to_str().unwrap()]);
    let labels: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&labels["frame_id"], &labels["light"]["kind"]), (&103.into(), &"sun".into()));
    assert_eq!(labels["landmarks_2d"].as_array().unwrap().len(), 12);
    let expected = row("train", 1, 3);
    assert_eq!(std::fs::read(out.join("000000000103.png")).unwrap(), expected.image);
    assert_eq!(std::fs::read(out.join("000000000103-segmentation.png")).unwrap(), expected.segmentation.unwrap());
}

#[test]
fn the_sheet_shows_every_frame() {
    let set = Dataset::new("sheet");
    let out = set.0.join("sheet.png");
    let args =
        ["sheet", set.path(), "--out", out.to_str().unwrap(), "--cell", "96", "--draw", "landmarks,segmentation"];
    assert_eq!(shards(&args).status.code(), Some(0));
    let first = std::fs::read(&out).unwrap();
    // 18 frames of 96x72 in 3 columns and 6 rows, none left empty, 4 pixels between them.
    assert_eq!(image::size_of(&first).unwrap(), (304, 460));
    assert_eq!(shards(&args).status.code(), Some(0));
    assert_eq!(std::fs::read(&out).unwrap(), first, "the same seed draws the same sheet");
}

#[test]
fn json_is_one_object_a_line() {
    let set = Dataset::new("json");
    for args in
        [&["ls", "--json"][..], &["stat", "--json"], &["schema", "--json"], &["verify", "--json"], &["merge", "--json"]]
    {
        let output = shards(&[args, &[set.path()]].concat());
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
        for line in text(&output.stdout).lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(event["event"].is_string(), "{line}");
        }
    }
}

#[test]
fn bad_input_gets_one_line_and_its_code() {
    let set = Dataset::new("bad");
    assert_fails(&shards(&["ls", "/nowhere/at all"]), 66, "no dataset here: \"/nowhere/at all\"");
    let empty = set.0.join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_fails(&shards(&["stat", empty.to_str().unwrap()]), 66, "no frames/*.parquet here");
    let foreign = set.0.join("foreign.parquet");
    std::fs::write(&foreign, "this is no parquet file at all").unwrap();
    assert_fails(&shards(&["show", foreign.to_str().unwrap()]), 65, "not a readable Parquet file");
    let whole = std::fs::read(set.shard()).unwrap();
    std::fs::write(&foreign, &whole[..whole.len() / 2]).unwrap();
    assert_fails(&shards(&["show", foreign.to_str().unwrap()]), 65, "not a readable Parquet file");
    assert_fails(&shards(&["show", set.shard().to_str().unwrap(), "--row", "6"]), 2, "6 rows are here");
    assert_fails(&shards(&["sheet", set.path(), "--out", "/proc/nothing/sheet.png"]), 73, "cannot create");
    assert_eq!(shards(&["ls"]).status.code(), Some(2), "clap's own code");
    assert!(text(&shards(&["--help"]).stdout).contains("65 bad input data"));
    assert!(text(&shards(&["--completions", "bash"]).stdout).contains("_shards"));
}

#[test]
fn a_newer_schema_is_refused() {
    let set = Dataset::new("newer");
    let mut bytes = std::fs::read(set.shard()).unwrap();
    let key = b"schema_version";
    let at = bytes.windows(key.len()).rposition(|w| w == key).unwrap() + key.len();
    let digit = at + bytes[at..].iter().position(|&b| b == b'2').unwrap();
    bytes[digit] = b'7';
    std::fs::write(set.shard(), bytes).unwrap();
    assert_fails(&shards(&["ls", set.path()]), 65, "frames table has version 7, this build reads up to 2");
}

#[test]
fn verify_finds_each_kind_of_damage() {
    type Damage = fn(&Dataset);
    let kinds: [(&str, Damage, &str); 11] = [
        ("missing", |s| std::fs::remove_file(s.shard()).unwrap(), "train-00001-of-00002.parquet: missing"),
        ("cut", |s| cut(&s.shard(), 4096), "not a readable Parquet file"),
        ("emptied", |s| std::fs::write(s.shard(), "").unwrap(), "not a readable Parquet file"),
        (
            "foreign",
            |s| drop(s.write_frames(&ShardName::new("train", 1, 2), 1, "cameras = 7\n")),
            "foreign: made from another plan",
        ),
        (
            "replaced",
            |s| assert!(std::fs::copy(s.0.join("frames/train-00000-of-00002.parquet"), s.shard()).is_ok()),
            "duplicate: frame_id 0",
        ),
        (
            "duplicate",
            |s| drop(s.write_frames(&ShardName::new("train", 0, 3), 1, CONFIG)),
            "duplicate: shards of train with different totals",
        ),
        (
            "whole split missing",
            |s| std::fs::remove_file(s.0.join("frames/val-00000-of-00001.parquet")).unwrap(),
            "missing: no frame of 1 identities, the first is 2",
        ),
        ("layers", |s| s.write_layers(4), "not the rows of the frames shard"),
        ("no side file", |s| std::fs::remove_file(s.0.join("meta/val-00000.json")).unwrap(), "no side file in meta/"),
        (
            "split",
            |s| drop(s.write_frames(&ShardName::new("test", 0, 1), 2, CONFIG)),
            "identity 2 is in several splits",
        ),
        (
            "name",
            |s| assert!(std::fs::copy(s.shard(), s.0.join("frames/copy.parquet")).is_ok()),
            "foreign: expected a name like",
        ),
    ];
    for (kind, damage, words) in kinds {
        let set = Dataset::new(kind);
        damage(&set);
        let found = shards(&["verify", set.path()]);
        assert_eq!(found.status.code(), Some(1), "{kind}");
        assert!(text(&found.stdout).contains(words), "{kind}: {}", text(&found.stdout));
        let merged = shards(&["merge", set.path()]);
        assert_eq!(merged.status.code(), Some(65), "{kind}");
        assert!(!set.0.join("manifest.parquet").exists(), "{kind}: merge refuses");
    }
}

#[test]
fn repair_puts_bad_shards_aside_and_names_them() {
    let set = Dataset::new("repair");
    assert_eq!(shards(&["repair", set.path()]).status.code(), Some(0), "nothing to do");
    cut(&set.shard(), 4096);
    let told = shards(&["repair", "--dry-run", set.path()]);
    assert!(set.shard().exists() && text(&told.stderr).contains("would move"));
    let repaired = shards(&["repair", set.path()]);
    assert_eq!(
        (repaired.status.code(), text(&repaired.stdout).as_str()),
        (Some(1), "train 1\n"),
        "{}",
        text(&repaired.stderr)
    );
    assert!(!set.shard().exists() && set.0.join("damaged/train-00001-of-00002.parquet").exists());
    set.write_frames(&ShardName::new("train", 1, 2), 1, CONFIG);
    assert_eq!(shards(&["repair", set.path()]).status.code(), Some(0), "made again");
}

#[test]
fn deep_verify_finds_every_flipped_bit() {
    let set = Dataset::new("flip");
    let whole = std::fs::read(set.shard()).unwrap();
    for k in 0..40 {
        let mut bytes = whole.clone();
        bytes[k * (whole.len() - 1) / 39] ^= 1 << (k % 8);
        std::fs::write(set.shard(), bytes).unwrap();
        let found = shards(&["verify", "--deep", "--quiet", set.path()]);
        assert_eq!(found.status.code(), Some(1), "bit {k}: {}", text(&found.stderr));
        assert_eq!(text(&found.stderr), "", "bit {k}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_defect() {
    let set = Dataset::new("pipe");
    let mut child = Command::new(env!("CARGO_BIN_EXE_shards"))
        .args(["ls", set.path()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 141)), "{:?} {}", output.status, text(&output.stderr));
    assert!(!text(&output.stderr).contains("defect"));
}

fn cut(path: &Path, length: u64) {
    std::fs::File::options().write(true).open(path).unwrap().set_len(length).unwrap();
}
