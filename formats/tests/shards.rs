//! Shards as readers and writers in other tools use them.
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
        gaze: [[0.0, f, 1.0], [0.1, f, 1.0]],
        light: r#"{"kind":"sun"}"#.into(),
        action: format!(r#"{{"kind":"blink","frame":{i}}}"#),
        capture: r#"{"lens":"phone"}"#.into(),
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
fn a_shard_cut_anywhere_is_refused() {
    let folder = Folder::new("cut");
    let path = folder.join("whole.parquet");
    write(&path, &(0..8).map(full_row).collect::<Vec<_>>()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let cut_path = folder.join("cut.parquet");
    for length in (0..whole.len()).step_by(4096) {
        std::fs::write(&cut_path, &whole[..length]).unwrap();
        let err = Shard::open(&cut_path).err().unwrap_or_else(|| panic!("cut at {length} was opened"));
        assert!(matches!(err, Error::Data { .. }), "cut at {length}: {err}");
    }
    for length in (whole.len() - 64)..whole.len() {
        std::fs::write(&cut_path, &whole[..length]).unwrap();
        assert!(Shard::open(&cut_path).is_err(), "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_is_an_error_or_changes_nothing_else() {
    let folder = Folder::new("flip");
    let path = folder.join("whole.parquet");
    let rows: Vec<_> = (0..8).map(full_row).collect();
    write(&path, &rows).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let flipped_path = folder.join("flipped.parquet");
    for k in 0..400 {
        let mut bytes = whole.clone();
        bytes[k * (whole.len() - 1) / 399] ^= 1 << (k % 8);
        std::fs::write(&flipped_path, &bytes).unwrap();
        // No panic, no abort; and an image is never silently another one.
        if let Ok(dataset) = Dataset::open(&flipped_path) {
            for i in 0..dataset.len().min(8) {
                if let Ok(frame) = dataset.frame_with(i, &["image"]) {
                    assert_eq!(frame.image, rows[i].image);
                }
            }
        }
    }
}

#[test]
fn a_newer_version_is_refused_in_clear_words() {
    let folder = Folder::new("version");
    let path = folder.join("a.parquet");
    write(&path, &[full_row(0)]).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let key = b"schema_version";
    let at = bytes.windows(key.len()).rposition(|w| w == key).unwrap() + key.len();
    let digit = at + bytes[at..].iter().position(|&b| b == b'1').unwrap();
    bytes[digit] = b'9';
    std::fs::write(&path, bytes).unwrap();
    let err = Shard::open(&path).err().unwrap();
    assert!(matches!(err, Error::Version { got: 9, newest: 1, .. }));
    assert!(err.to_string().starts_with("frames table has version 9, this build reads up to 1: "), "{err}");
    assert_eq!(formats::exit::code_of(&err.into()), 65);
}

#[test]
fn foreign_files_are_refused() {
    let folder = Folder::new("foreign");
    std::fs::write(folder.join("text.parquet"), "PAR1 this is no parquet file PAR1").unwrap();
    assert!(matches!(Shard::open(&folder.join("text.parquet")), Err(Error::Data { .. })));
    assert!(matches!(Shard::open(&folder.join("none.parquet")), Err(Error::Missing { .. })));
    assert!(matches!(Shard::open(&folder.0), Err(Error::Data { .. })));
    assert!(matches!(Dataset::open(&folder.join("nowhere")), Err(Error::Missing { .. })));
}

#[test]
fn the_first_of_two_writers_wins() {
    let folder = Folder::new("race");
    let rows: Vec<_> = (0..3).map(full_row).collect();
    for round in 0..20 {
        let path = folder.join(&format!("r{round}.parquet"));
        let outcomes: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..3).map(|_| s.spawn(|| write(&path, &rows).unwrap().published)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|&&o| o == Published::New).count(), 1, "round {round}: {outcomes:?}");
    }
    let path = folder.join("r0.parquet");
    let before = std::fs::read(&path).unwrap();
    let err = write(&path, &[full_row(5)]).unwrap_err();
    let Error::Differs { kept, .. } = &err else { panic!("{err}") };
    assert_eq!(formats::read_frames(kept).unwrap(), [full_row(5)]);
    assert_eq!(std::fs::read(&path).unwrap(), before, "the first file stays");
    assert_eq!(formats::exit::code_of(&err.into()), 70);
    assert!(folder.names().iter().all(|n| !n.ends_with(".tmp")), "{:?}", folder.names());
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let folder = Folder::new("drop");
    let mut writer = FrameWriter::create(&folder.join("a.parquet"), &provenance(), Existing::Keep).unwrap();
    for i in 0..3 {
        writer.push(full_row(i)).unwrap();
    }
    assert_eq!(folder.names().len(), 1);
    drop(writer);
    assert!(folder.names().is_empty());
}

#[test]
fn the_side_file_tells_digest_and_host() {
    let folder = Folder::new("side");
    let path = folder.join("frames/val-00002-of-00010.parquet");
    let written = write(&path, &[full_row(0)]).unwrap();
    let side = formats::side::read(&path).unwrap().unwrap();
    assert_eq!((side.sha256, side.rows, side.bytes), (written.sha256, 1, written.bytes));
    assert_eq!(side.file, "frames/val-00002-of-00010.parquet");
    assert!(folder.join("meta/val-00002.json").exists());
}

/// Not a test of its own: what the child process of `a_full_disk_leaves_nothing` does, told where by a variable.
#[test]
fn child_writes_until_the_disk_is_full() {
    let Some(folder) = std::env::var_os("FORMATS_TEST_FULL_DISK") else { return };
    // SAFETY: plain system calls with valid arguments; they change this process only, which ends with the test.
    let limit_bytes = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: 100_000, rlim_max: 100_000 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur
    };
    let rows: Vec<_> = (0..8).map(full_row).collect();
    assert!(rows.iter().map(|r| r.image.len() as u64).sum::<u64>() > limit_bytes / 2, "the rows do not fit");
    let err = write(&PathBuf::from(folder).join("frames/train-00000-of-00001.parquet"), &rows).unwrap_err();
    println!("{err}");
    std::process::exit(formats::exit::code_of(&err.into()).into());
}

#[test]
fn a_full_disk_leaves_nothing() {
    let folder = Folder::new("full");
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_writes_until_the_disk_is_full", "--nocapture"])
        .env("FORMATS_TEST_FULL_DISK", &folder.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert_eq!(child.status.code(), Some(74), "{said}");
    assert!(said.contains("cannot write") && said.contains("train-00000-of-00001.parquet"), "{said}");
    assert_eq!(folder.names(), ["frames"]);
    assert_eq!(std::fs::read_dir(folder.join("frames")).unwrap().count(), 0, "nothing half-written remains");
}

#[test]
fn a_rerun_skips_what_is_finished_and_mends_the_rest() {
    let folder = Folder::new("rerun");
    let path = folder.join("frames/train-00000-of-00001.parquet");
    // As if a writer had been killed while writing; a process tidies up a folder when it first comes there.
    std::fs::create_dir_all(folder.join("frames")).unwrap();
    let temp = formats::publish::temp_beside(&path);
    let dead = temp.with_file_name(
        temp.file_name().unwrap().to_str().unwrap().replace(&std::process::id().to_string(), "4194304"),
    );
    std::fs::write(&dead, "half").unwrap();
    std::fs::write(&temp, "ours, at work").unwrap();
    assert_eq!(formats::shard::finished(&path, &provenance()).unwrap(), None);
    assert!(!dead.exists() && temp.exists(), "only the dead writer's file is swept");
    let written = write(&path, &[full_row(0)]).unwrap();
    // As if the writer had been killed between publishing and the side file.
    std::fs::remove_file(folder.join("meta/train-00000.json")).unwrap();
    let found = formats::shard::finished(&path, &provenance()).unwrap().unwrap();
    assert_eq!((found.sha256, found.rows), (written.sha256, 1));
    assert!(folder.join("meta/train-00000.json").exists());
    let other = Provenance::new("datagen", "0.1.0", "resolution = 32\n", 7);
    assert!(formats::shard::finished(&path, &other).unwrap_err().to_string().starts_with("made from another plan"));
    std::fs::write(&path, "half").unwrap();
    assert!(matches!(formats::shard::finished(&path, &provenance()), Err(Error::Data { .. })));
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
