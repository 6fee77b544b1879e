//! Shards as readers and writers in other tools use them.
mod damage;
mod publish;

use formats::identity::UvMap;
use formats::{
    Dataset, Error, Existing, FrameRow, FrameWriter, IdentityRow, Part, Provenance, Published, Shard, image,
};
use std::path::{Path, PathBuf};

fn provenance() -> Provenance {
    Provenance::new("datagen", "0.1.0", "resolution = 64\n", 7)
}

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("formats-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A row whose every column depends on `i`.
fn full_row(i: u32) -> FrameRow {
    let noise: Vec<u8> =
        (0..64 * 48 * 3).map(|k: u32| (k.wrapping_mul(2654435761).wrapping_add(i * 977) >> 13) as u8).collect();
    let gray: Vec<u8> = noise.iter().step_by(3).copied().collect();
    let deep: Vec<u16> = noise.iter().map(|&v| u16::from(v) * 251 + i as u16).collect();
    let f = i as f32;
    FrameRow {
        frame_id: u64::from(i) << 33,
        identity_id: i / 4,
        expression_id: i / 2 % 2,
        camera_id: i % 2,
        light_id: i * 3,
        split: if i < 4 { "train" } else { "val" }.into(),
        width: 64,
        height: 48,
        image: image::png_from_rgb8(64, 48, &noise).unwrap(),
        alpha: Some(image::png_from_gray8(64, 48, &gray).unwrap()),
        valid: Some(image::png_from_gray8(64, 48, &gray).unwrap()),
        segmentation: Some(image::png_from_gray8(64, 48, &gray).unwrap()),
        depth: Some(image::png_from_gray16(64, 48, &deep[..64 * 48]).unwrap()),
        normal: Some(image::png_from_rgb8(64, 48, &noise).unwrap()),
        uv: Some(image::png_from_rgb16(64, 48, &deep).unwrap()),
        albedo: Some(image::png_from_rgb8(64, 48, &noise).unwrap()),
        position: Some(image::png_from_rgb16(64, 48, &deep).unwrap()),
        expression: std::array::from_fn(|k| k as f32 / 52.0 + f),
        pose: std::array::from_fn(|j| [j as f32, f, -1.0]),
        camera_from_world: std::array::from_fn(|r| std::array::from_fn(|c| (r * 4 + c) as f32 + f)),
        intrinsics: [[100.0 + f, 0.0, 32.0], [0.0, 100.0, 24.0], [0.0, 0.0, 1.0]],
        landmarks_2d: (0..70).map(|k| [k as f32, f]).collect(),
        landmarks_3d: (0..70).map(|k| [k as f32, f, 0.5]).collect(),
        landmark_visible: (0..70).map(|k| (k % 2) as f32).collect(),
        landmark_spread: (0..70).map(|k| k as f32 * 0.1 + f).collect(),
        expression_spread: (0..52).map(|k| k as f32 * 0.01).collect(),
        gaze: [[0.0, f, 1.0], [0.1, f, 1.0]],
        light: r#"{"kind":"sun"}"#.into(),
        action: format!(r#"{{"kind":"blink","frame":{i}}}"#),
        capture: r#"{"lens":"phone"}"#.into(),
        frame_time: Some(f64::from(i) / 30.0),
        samples_per_pixel: 64,
        seed: u64::MAX - u64::from(i),
        shape: (0..11).map(|k| k as f32 - f).collect(),
        source_path: format!("photo {i} ä.png"),
    }
}

/// A row with nothing optional.
fn bare_row(i: u32) -> FrameRow {
    let image = full_row(i).image;
    FrameRow {
        frame_id: i.into(),
        identity_id: i,
        split: "train".into(),
        width: 64,
        height: 48,
        image,
        ..FrameRow::default()
    }
}

fn write(path: &Path, rows: &[FrameRow]) -> Result<formats::Written, Error> {
    formats::write_frames(path, rows.iter().cloned().map(Ok::<_, Error>), &provenance(), Existing::Keep)
}

#[test]
fn rows_come_back_as_they_were() {
    let folder = Folder::new("round-trip");
    let (full, bare): (Vec<_>, Vec<_>) = ((0..8).map(full_row).collect(), (0..300).map(bare_row).collect());
    write(&folder.join("full.parquet"), &full).unwrap();
    write(&folder.join("bare.parquet"), &bare).unwrap();
    assert_eq!(formats::read_frames(&folder.join("full.parquet")).unwrap(), full);
    assert_eq!(formats::read_frames(&folder.join("bare.parquet")).unwrap(), bare);
    assert_eq!(Shard::open(&folder.join("full.parquet")).unwrap().provenance(), provenance());
    write(&folder.join("empty.parquet"), &[]).unwrap();
    assert!(formats::read_frames(&folder.join("empty.parquet")).unwrap().is_empty());
}

/// A half-timed video would play wrong.
#[test]
fn all_rows_of_a_file_have_a_time_or_none() {
    let folder = Folder::new("times");
    for times in [[Some(0.0), None], [None, Some(0.0)]] {
        let rows: Vec<FrameRow> =
            times.iter().enumerate().map(|(i, t)| FrameRow { frame_time: *t, ..bare_row(i as u32) }).collect();
        let err = write(&folder.join("half.parquet"), &rows).unwrap_err().to_string();
        assert!(err.contains("row 1: frame_time: some rows of the file have one, others have none"), "{err}");
    }
}

#[test]
fn a_map_may_be_missing_in_some_rows_but_not_appear_later() {
    let folder = Folder::new("optional");
    let mut rows: Vec<_> = (0..3).map(full_row).collect();
    rows[1].alpha = None;
    write(&folder.join("a.parquet"), &rows).unwrap();
    assert_eq!(formats::read_frames(&folder.join("a.parquet")).unwrap(), rows);
    rows[0].alpha = None;
    let err = write(&folder.join("b.parquet"), &rows).unwrap_err();
    assert!(err.to_string().starts_with("row 2: alpha: present, but the first row of the file has none"), "{err}");
    rows.swap(1, 2);
    let err = write(&folder.join("b.parquet"), &rows).unwrap_err();
    assert!(err.to_string().contains("alpha") || err.to_string().contains("ascending"), "{err}");
    rows[1].landmarks_2d.pop();
    assert!(write(&folder.join("b.parquet"), &rows).is_err());
    assert_eq!(folder.names(), ["a.parquet"], "nothing half-written remains");
}

#[test]
fn rows_out_of_order_or_doubled_are_refused() {
    let folder = Folder::new("order");
    for rows in [[full_row(2), full_row(1)], [full_row(1), full_row(1)]] {
        let err = write(&folder.join("a.parquet"), &rows).unwrap_err();
        assert!(err.to_string().contains("expected ascending rows"), "{err}");
    }
    assert!(folder.names().is_empty());
}

#[test]
fn identities_come_back_as_they_were() {
    let folder = Folder::new("identities");
    let map = UvMap { height: 6, width: 5, values: (0..90).map(|v| v as f32 / 7.0).collect() };
    let row = |i: u32| IdentityRow {
        identity_id: i,
        split: "test".into(),
        seed: u64::MAX,
        shape: vec![i as f32; 9],
        age: 31.5,
        sex: 0.25,
        ancestry: [0.2, 0.3, 0.5],
        skin_tone: "III".into(),
        hair_style: "bob".into(),
        parameters: "{}".into(),
        albedo: Some(full_row(i).image),
        appearance: Some(full_row(i + 1).image),
        position: Some(map.clone()),
    };
    let rows: Vec<_> = (0..5).map(row).collect();
    let path = folder.join("identities/part-00000-of-00001.parquet");
    formats::write_identities(&path, rows.iter().cloned().map(Ok::<_, Error>), &provenance(), Existing::Keep).unwrap();
    assert_eq!(formats::read_identities(&path).unwrap(), rows);
    write(&folder.join("frames/train-00000-of-00001.parquet"), &[full_row(0)]).unwrap();
    let dataset = Dataset::open(&folder.0).unwrap();
    assert_eq!(dataset.identities().len(), 5);
    assert_eq!(dataset.identities()[3].albedo, None);
    assert_eq!(dataset.identity_with_maps(3).unwrap(), rows[3]);
    assert!(formats::read_frames(&path).unwrap_err().to_string().contains("expected \"frames\""));
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let folder = Folder::new("bytes");
    let rows: Vec<_> = (0..8).map(full_row).collect();
    let first = write(&folder.join("a.parquet"), &rows).unwrap();
    for k in 0..4 {
        let again = write(&folder.join(&format!("b{k}.parquet")), &rows).unwrap();
        assert_eq!((&again.sha256, again.bytes), (&first.sha256, first.bytes));
    }
    let again = write(&folder.join("a.parquet"), &rows).unwrap();
    assert_eq!(again.published, Published::Same);
}

#[test]
fn a_row_is_read_alone() {
    let folder = Folder::new("random");
    let rows: Vec<_> = (0..600).map(bare_row).collect();
    write(&folder.join("frames/train-00000-of-00002.parquet"), &rows[..300]).unwrap();
    write(&folder.join("frames/train-00001-of-00002.parquet"), &rows[300..]).unwrap();
    let dataset = Dataset::open(&folder.0).unwrap();
    assert_eq!(dataset.len(), 600);
    for i in [0, 1, 255, 256, 299, 300, 555, 556, 599] {
        assert_eq!(dataset.frame(i).unwrap(), rows[i], "frame {i}");
        assert!(dataset.labels(i).image.is_empty());
    }
    assert_eq!(dataset.split("train").len(), 600);
    assert_eq!(dataset.order(1, 2), Dataset::open(&folder.0).unwrap().order(1, 2));
    let shard = &dataset.shards()[1];
    assert_eq!(shard.read_row::<FrameRow>(255, Part::All).unwrap(), rows[555]);
    assert!(shard.read_row::<FrameRow>(300, Part::All).is_err());
}

#[test]
fn exr_layers_come_back_as_they_were() {
    let folder = Folder::new("exr");
    let path = folder.join("exr/train-00000-of-00001.parquet");
    let row = |i: u8| formats::exr::ExrRow {
        frame_id: i.into(),
        exr: [&[0x76, 0x2f, 0x31, 0x01][..], &vec![i; 70_000]].concat(),
    };
    let mut writer = formats::ShardWriter::create(&path, &provenance(), Existing::Keep).unwrap();
    for i in 0..5 {
        writer.push(row(i)).unwrap();
    }
    writer.finish().unwrap();
    let shard = Shard::open(&path).unwrap();
    assert_eq!(shard.read_row::<formats::exr::ExrRow>(3, Part::All).unwrap(), row(3));
    assert!(folder.join("meta/exr-train-00000.json").exists());
}
