//! The versioned set: what was committed can be read, by version, whatever came after.
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use formats::verify::Depth;
use formats::versions::{Commit, Diff, Keep, Kind, Spec, Version};
use formats::{ClipRow, Error, FrameRow, Part, Provenance, VersionedSet, image};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder of its own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("versions-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn set(&self) -> VersionedSet {
        VersionedSet::create(&self.0.join("set"), &spec()).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.0.join("set")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn spec() -> Spec {
    let provenance = Provenance::new("zero1a", "0.1.0", "clips = 4\n", 7);
    Spec::of(&row(0, 0, 0), ClipRow::GROUP, ClipRow::POSITION, provenance)
}

/// A frame whose grey value tells it apart.
fn row(clip_id: u32, frame_in_clip: u32, grey: u8) -> ClipRow {
    let image = image::png_from_rgb8(4, 4, &[grey; 48]).unwrap();
    let frame = FrameRow { image, width: 4, height: 4, landmarks_2d: vec![[1.0, 2.0]; 3], ..FrameRow::default() };
    ClipRow { clip_id, frame_in_clip, made_by: "test".into(), iteration: u64::from(grey), frame }
}

fn clip(clip_id: u32, frames: u32, grey: u8) -> Vec<ClipRow> {
    (0..frames).map(|i| row(clip_id, i, grey)).collect()
}

fn put(set: &VersionedSet, clip_id: u32, frames: u32, grey: u8) -> Version {
    let mut commit = Commit::on(&set.latest().unwrap());
    commit.put_rows(u64::from(clip_id), &clip(clip_id, frames, grey)).unwrap();
    commit.note("grey", grey);
    set.commit(&commit).unwrap()
}

/// The grey values of each clip.
fn greys(version: &Version) -> BTreeMap<u32, Vec<u64>> {
    let mut greys: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for row in version.rows::<ClipRow>(0..version.len(), Part::All).unwrap() {
        let pixels = image::rgb8_from_encoded(&row.frame.image).unwrap().data;
        assert_eq!(u64::from(pixels[0]), row.iteration, "the image is the row's");
        greys.entry(row.clip_id).or_default().push(row.iteration);
    }
    greys
}

fn findings(set: &VersionedSet, depth: Depth) -> Vec<String> {
    let found = set.verify(depth, &mut |_| ()).unwrap();
    found.into_iter().map(|f| format!("{}: {}", f.path.display(), f.what)).collect()
}

#[test]
fn every_version_stays_as_it_was_committed() {
    let folder = Folder::new("stays");
    let set = folder.set();
    assert!(set.latest().unwrap().is_empty());
    let mut expected = vec![BTreeMap::new()];
    for (step, clip_id) in [0, 1, 2, 1, 0, 1].into_iter().enumerate() {
        let frames = 3 - step as u32 % 3;
        put(&set, clip_id, frames, step as u8);
        let mut now = expected.last().unwrap().clone();
        now.insert(clip_id, vec![step as u64; frames as usize]);
        expected.push(now);
    }
    // A second handle, which has seen nothing yet.
    let other = VersionedSet::open(&folder.root()).unwrap();
    for (number, expected) in expected.iter().enumerate() {
        assert_eq!(&greys(&other.version(number as u64).unwrap()), expected, "version {number}");
    }
    assert_eq!(other.latest_number().unwrap(), 6);
    assert_eq!(other.log(6).unwrap().note["grey"], 5);
    assert!(matches!(other.version(7), Err(Error::Missing { .. })));
    std::fs::remove_file(folder.root().join("LATEST")).unwrap();
    assert_eq!(VersionedSet::open(&folder.root()).unwrap().latest_number().unwrap(), 6, "LATEST is advice");
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
}

#[test]
fn groups_go_and_come_back() {
    let folder = Folder::new("groups");
    let set = folder.set();
    put(&set, 0, 2, 1);
    let first = put(&set, 1, 2, 2);
    let mut commit = Commit::on(&first);
    commit.remove(0);
    commit.remove(9);
    let second = set.commit(&commit).unwrap();
    assert_eq!(second.log().removed, [0], "what was not there was not removed");
    assert_eq!(greys(&second), BTreeMap::from([(1, vec![2, 2])]));
    assert_eq!((second.group(0), second.group(1)), (None, Some(0..2)));
    let third = put(&set, 0, 1, 3);
    assert_eq!(third.groups(), [(0, 0..1), (1, 1..3)]);
    let diff = Diff::between(&first, &third);
    assert_eq!((diff.added, diff.removed, diff.changed), (vec![], vec![], vec![0]));
    assert_eq!(Diff::between(&first, &second).removed, [0]);
    assert_eq!(Diff::between(&second, &third).added, [0]);
    assert!(Diff::between(&second, &second).is_empty());
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let folder = Folder::new("refused");
    let set = folder.set();
    let mut commit = Commit::on(&set.latest().unwrap());
    let says = |result: Result<(), Error>, word: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(word), "{text:?} has no {word:?}");
    };
    says(commit.put_rows(1, &clip(0, 2, 0)), "clip_id = 0, expected 1");
    says(commit.put_rows(0, &[row(0, 1, 0), row(0, 1, 0)]), "frame_in_clip = 1, expected ascending");
    says(commit.put_rows::<ClipRow>(0, &[]), "no rows for group 0");
    let mut masked = row(0, 0, 0);
    masked.frame.alpha = Some(vec![1]);
    says(commit.put_rows(0, &[masked]), "alpha");
    let foreign = Arc::new(Schema::new(vec![Field::new("a", DataType::UInt32, false)]));
    let batch = RecordBatch::try_new(foreign, vec![Arc::new(UInt32Array::from(vec![1])) as ArrayRef]).unwrap();
    says(commit.put(0, vec![batch]), "column \"a\" of type UInt32, expected \"clip_id\"");
    assert!(commit.is_empty());
    let mut other = spec();
    other.position = "no_such".into();
    assert!(VersionedSet::create(&folder.0.join("other"), &other).is_err());
    let another = Spec { provenance: Provenance::new("zero1a", "0.1.0", "clips = 5\n", 7), ..spec() };
    assert!(matches!(VersionedSet::create(&folder.root(), &another), Err(Error::Differs { .. })));
}

#[test]
fn any_table_can_have_versions() {
    let folder = Folder::new("any");
    let schema = Arc::new(Schema::new(vec![
        Field::new("subject", DataType::UInt64, false),
        Field::new("take", DataType::UInt32, false),
        Field::new("word", DataType::Utf8, true),
    ]));
    let provenance = Provenance::new("test", "0", "", 0);
    let (group, position) = ("subject".to_string(), "take".to_string());
    let spec = Spec { table: "words".into(), schema_version: 1, schema: schema.clone(), group, position, provenance };
    let set = VersionedSet::create(&folder.0.join("words"), &spec).unwrap();
    let big = u64::from(u32::MAX) + 5;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from(vec![big, big])),
        Arc::new(UInt32Array::from(vec![3, 9])),
        Arc::new(StringArray::from(vec![Some("hello"), None])),
    ];
    let mut commit = Commit::on(&set.latest().unwrap());
    commit.put(big, vec![RecordBatch::try_new(schema, columns).unwrap()]).unwrap();
    let version = set.commit(&commit).unwrap();
    let batches = version.batches(1..2, Part::Columns(&["take", "word", "version"])).unwrap();
    assert_eq!((batches.len(), batches[0].num_rows(), batches[0].num_columns()), (1, 1, 3));
    assert_eq!(version.entries()[1].position, 9);
    assert!(version.row::<ClipRow>(0, Part::All).unwrap_err().to_string().contains("expected \"clips\""));
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
}

#[test]
fn writers_who_race_both_arrive_unless_they_touch_the_same_clip() {
    let folder = Folder::new("race");
    let set = folder.set();
    let base = put(&set, 0, 1, 0);
    let change = |clip_id: u32, grey: u8| {
        let mut commit = Commit::on(&base);
        commit.put_rows(u64::from(clip_id), &clip(clip_id, 1, grey)).unwrap();
        commit
    };
    let other = VersionedSet::open(&folder.root()).unwrap();
    other.commit(&change(1, 1)).unwrap();
    set.commit(&change(2, 2)).unwrap();
    let lost = set.commit(&change(1, 3));
    assert!(matches!(lost, Err(Error::Conflict { version: 2, group: 1, .. })));
    assert_eq!(greys(&set.latest().unwrap()), BTreeMap::from([(0, vec![0]), (1, vec![1]), (2, vec![2])]));
}

#[test]
fn many_writers_at_once_lose_nothing_and_double_nothing() {
    let folder = Folder::new("crowd");
    folder.set();
    let (writers, each) = (4, 8);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let root = folder.root();
            scope.spawn(move || {
                let set = VersionedSet::open(&root).unwrap();
                for step in 0..each {
                    put(&set, writer, 1, (writer * each + step) as u8);
                }
            });
        }
    });
    let set = VersionedSet::open(&folder.root()).unwrap();
    assert_eq!(set.latest_number().unwrap(), u64::from(writers * each));
    let mut seen: Vec<u64> = (1..=32).map(|v| set.log(v).unwrap().note["grey"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..32).collect::<Vec<u64>>(), "every commit once");
    let last: BTreeMap<u32, Vec<u64>> = (0..writers).map(|w| (w, vec![u64::from(w * each + each - 1)])).collect();
    assert_eq!(greys(&set.latest().unwrap()), last);
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
    assert!(set.gc_preview(Keep { newest: 99 }).unwrap().files.is_empty(), "the losers left nothing");
}

#[test]
fn compacting_changes_files_not_rows() {
    let folder = Folder::new("compact");
    let set = folder.set();
    for clip_id in 0..6 {
        put(&set, clip_id, 2, clip_id as u8);
    }
    let before = put(&set, 2, 3, 77);
    let done = set.compact(formats::versions::SMALL_BYTES).unwrap();
    assert_eq!((done.version, done.from_parts, done.into_parts), (8, 6, 1));
    let after = set.latest().unwrap();
    assert_eq!((after.log().kind, greys(&after)), (Kind::Compact, greys(&before)));
    assert!(Diff::between(&before, &after).is_empty());
    assert_eq!(set.compact(formats::versions::SMALL_BYTES).unwrap().from_parts, 0, "one part is left alone");
    let collected = set.gc(Keep { newest: 1 }).unwrap();
    assert_eq!(collected.versions, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(collected.files.len(), 7 + 7, "a part and an index each");
    assert_eq!(greys(&after), greys(&set.latest().unwrap()));
    let held = before.row::<ClipRow>(0, Part::Labels);
    assert!(matches!(held, Err(Error::Collected { version: 7, .. })), "who holds it is told");
    assert!(matches!(set.version(7), Err(Error::Collected { version: 7, .. })));
    put(&set, 0, 1, 99);
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
}

#[test]
fn gc_keeps_what_is_tagged_or_new_and_what_is_under_way() {
    let folder = Folder::new("gc");
    let set = folder.set();
    for grey in 0..6 {
        put(&set, u32::from(grey % 2), 1, grey);
    }
    set.tag("best", 2).unwrap();
    set.tag("best", 2).unwrap();
    assert!(set.tag("best", 3).is_err(), "a name is given once");
    for bad in ["../x", "", "12", "v3", "a/b", ".hidden", "latest"] {
        assert!(set.tag(bad, 2).is_err(), "{bad:?}");
    }
    assert_eq!(set.resolve("best").unwrap(), 2);
    // A writer at work on version 7, and one that died at work on version 3.
    let data = folder.root().join("data");
    std::fs::write(data.join("part-000007-0123456789abcdef.parquet"), b"under way").unwrap();
    std::fs::write(data.join("part-000003-0123456789abcdef.parquet"), b"litter").unwrap();
    let expected = greys(&set.version(2).unwrap());
    let preview = set.gc_preview(Keep { newest: 2 }).unwrap();
    let done = set.gc(Keep { newest: 2 }).unwrap();
    assert_eq!(preview, done);
    assert_eq!(done.versions, [1, 3, 4]);
    assert!(data.join("part-000007-0123456789abcdef.parquet").exists());
    assert!(!data.join("part-000003-0123456789abcdef.parquet").exists());
    assert_eq!(greys(&set.version(2).unwrap()), expected);
    assert!(matches!(set.tag("late", 3), Err(Error::Collected { .. })));
    assert_eq!(set.tags().unwrap(), [("best".to_string(), 2)]);
    std::fs::remove_file(data.join("part-000007-0123456789abcdef.parquet")).unwrap();
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
    set.untag("best").unwrap();
    assert_eq!(set.gc(Keep { newest: 2 }).unwrap().versions, [1, 2, 3, 4]);
    assert!(set.version(2).is_err());
}

#[test]
fn an_order_is_a_function_of_seed_epoch_and_version() {
    let folder = Folder::new("order");
    let set = folder.set();
    let first = put(&set, 0, 20, 1);
    let second = put(&set, 0, 20, 2);
    let again = VersionedSet::open(&folder.root()).unwrap().version(1).unwrap();
    assert_eq!(first.order(7, 3), again.order(7, 3));
    assert_ne!(first.order(7, 3), first.order(7, 4));
    assert_ne!(first.order(7, 3), first.order(8, 3));
    assert_ne!(first.order(7, 3), second.order(7, 3));
    let mut sorted = first.order(7, 3);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20).collect::<Vec<_>>());
}

#[test]
fn verify_finds_what_was_changed_or_lost() {
    let folder = Folder::new("damage");
    let set = folder.set();
    for grey in 0..4 {
        put(&set, u32::from(grey % 2), 2, grey);
    }
    set.tag("kept", 1).unwrap();
    let root = folder.root();
    let part = |version: u64| root.join("data").join(&set.log(version).unwrap().added[0].file);
    let damaged = |path: &Path, bytes: Option<Vec<u8>>, depth: Depth| {
        let whole = std::fs::read(path).unwrap();
        match bytes {
            Some(bytes) => std::fs::write(path, bytes).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        let fresh = VersionedSet::open(&root).unwrap();
        let found = findings(&fresh, depth);
        std::fs::write(path, whole).unwrap();
        found
    };
    let whole = |path: &Path| std::fs::read(path).unwrap();
    for path in
        [part(1), root.join("index/v000002.parquet"), root.join("log/v000003.json"), root.join("tags/kept.json")]
    {
        let mut bent = whole(&path);
        let middle = bent.len() / 3;
        bent[middle] ^= 4;
        assert!(!damaged(&path, Some(bent), Depth::Deep).is_empty(), "{path:?}: a flipped bit");
        assert!(!damaged(&path, Some(Vec::new()), Depth::Quick).is_empty(), "{path:?}: emptied");
        let cut = whole(&path)[..whole(&path).len() - 7].to_vec();
        assert!(!damaged(&path, Some(cut), Depth::Quick).is_empty(), "{path:?}: cut short");
    }
    for path in
        [part(1), root.join("index/v000002.parquet"), root.join("log/v000003.json"), root.join("log/v000004.json")]
    {
        assert!(!damaged(&path, None, Depth::Quick).is_empty(), "{path:?}: lost");
    }
    let (a, b) = (part(1), part(2));
    assert!(!damaged(&a, Some(whole(&b)), Depth::Quick).is_empty(), "a part in the place of another");
    let (a, b) = (root.join("log/v000002.json"), root.join("log/v000003.json"));
    assert!(!damaged(&a, Some(whole(&b)), Depth::Quick).is_empty(), "a log entry in the place of another");
    assert_eq!(findings(&set, Depth::Deep), [""; 0], "all is as before");
}

#[test]
fn a_changed_image_is_an_error_when_it_is_read() {
    let folder = Folder::new("digest");
    let set = folder.set();
    let version = put(&set, 0, 2, 5);
    let path = folder.root().join("data").join(&version.log().added[0].file);
    let image = version.row::<ClipRow>(1, Part::All).unwrap().frame.image;
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(image.len()).rposition(|w| w == image).expect("images are stored as they are");
    bytes[at + image.len() / 2] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let read = |row, part| VersionedSet::open(&folder.root()).unwrap().latest().unwrap().row::<ClipRow>(row, part);
    assert!(read(0, Part::All).is_ok(), "the other row is whole");
    let err = read(1, Part::All).unwrap_err().to_string();
    assert!(err.contains("sha256 differs"), "{err}");
    assert!(read(1, Part::Labels).is_ok());
    let names = &["clip_id", "image"];
    let batches = VersionedSet::open(&folder.root()).unwrap().latest().unwrap().batches(1..2, Part::Columns(names));
    assert!(batches.is_err(), "the digest is read even if it was not asked for");
}

#[test]
fn a_writer_that_died_on_the_way_hinders_nobody() {
    let folder = Folder::new("died");
    let set = folder.set();
    let version = put(&set, 0, 2, 1);
    let root = folder.root();
    // Before the log entry: drafts and parts of version 2 without a log.
    let index = root.join("index/v000001.parquet");
    std::fs::copy(&index, root.join("index/v000002-0123456789abcdef.parquet")).unwrap();
    // After it: the index has not got its lasting name, LATEST is behind.
    let draft = root.join(format!("index/v000001-{:.16}.parquet", version.log().index.sha256));
    std::fs::rename(&index, &draft).unwrap();
    std::fs::write(root.join("LATEST"), "").unwrap();
    let next = VersionedSet::open(&root).unwrap();
    assert_eq!(findings(&next, Depth::Deep), [""; 0]);
    assert_eq!(greys(&next.latest().unwrap()), greys(&version));
    put(&next, 1, 1, 2);
    assert!(index.exists() && !draft.exists(), "the next writer puts the name right");
    assert_eq!(next.gc(Keep { newest: 9 }).unwrap().files.len(), 1, "the dead writer's draft");
    assert_eq!(greys(&next.latest().unwrap()), BTreeMap::from([(0, vec![1, 1]), (1, vec![2])]));
}

/// The tool `shards` on a set of three versions.
mod tool {
    use super::*;
    use std::process::Command;

    fn shards(words: &str, folder: &Folder) -> (i32, String, String) {
        let line = words.replace("SET", folder.root().to_str().unwrap()).replace("OUT", folder.0.to_str().unwrap());
        let output = Command::new(env!("CARGO_BIN_EXE_shards")).args(line.split_whitespace()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn three(name: &str) -> Folder {
        let folder = Folder::new(name);
        let set = folder.set();
        for grey in 0..3 {
            put(&set, u32::from(grey % 2), 2, grey);
        }
        folder
    }

    #[test]
    fn log_show_diff_and_tag_tell_what_there_is() {
        let folder = three("tell");
        let (code, out, _) = shards("log SET --last 2", &folder);
        assert_eq!((code, out.lines().count()), (0, 2));
        assert!(out.contains("v000003") && out.contains("put 0") && out.contains("{\"grey\":2}"), "{out}");
        assert_eq!(shards("tag SET best --version 1", &folder).0, 0);
        assert_eq!(shards("tag SET best --version 2", &folder).0, 73, "taken");
        assert_eq!(shards("tag SET", &folder).1, "best v000001\n");
        assert_eq!(shards("diff SET best latest", &folder).1, "added clip_id 1\nchanged clip_id 0\n");
        assert_eq!(shards("diff SET 2 2", &folder).0, 0);
        assert_eq!(shards("diff SET 2", &folder).0, 1, "to the latest");
        let (_, out, _) = shards("show SET --version best", &folder);
        assert!(out.contains("2 rows in 1 groups of clip_id") && out.contains("index/v000001.parquet"), "{out}");
        let (_, out, _) = shards("show SET --row 3 --out OUT/images", &folder);
        let row: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((row["clip_id"].as_u64(), row["version"].as_u64()), (Some(1), Some(2)));
        assert_eq!(std::fs::read_dir(folder.0.join("images")).unwrap().count(), 1);
        assert_eq!(shards("show SET --row 4", &folder).0, 2);
        assert_eq!(shards("show SET --version 4", &folder).0, 66);
        assert_eq!(shards("show SET --version absent", &folder).0, 66);
        assert_eq!(shards("log OUT", &folder).0, 66, "no set");
        assert_eq!(shards("tag SET best --delete", &folder).0, 0);
        assert_eq!(shards("tag SET best --delete", &folder).0, 66);
    }

    #[test]
    fn compact_gc_checkout_and_verify_do_it() {
        let folder = three("do");
        assert_eq!(shards("verify SET --deep", &folder).0, 0);
        assert_eq!(shards("checkout SET --version 2 --out OUT/two.parquet", &folder).0, 0);
        assert_eq!(shards("checkout SET --version 2 --out OUT/again.parquet", &folder).0, 0);
        let plain = |name: &str| std::fs::read(folder.0.join(name)).unwrap();
        assert_eq!(plain("two.parquet"), plain("again.parquet"));
        let shard = formats::Shard::open(&folder.0.join("two.parquet")).unwrap();
        let rows: Vec<ClipRow> = shard.read(Part::All).unwrap();
        assert_eq!(
            rows,
            VersionedSet::open(&folder.root()).unwrap().version(2).unwrap().rows(0..4, Part::All).unwrap()
        );
        assert!(
            shard.schema().field_with_name("pose").unwrap().metadata().get("unit").is_some(),
            "columns are described"
        );
        assert_eq!(shards("compact SET", &folder).0, 0);
        let (_, out, err) = shards("gc SET --keep 1 --dry-run", &folder);
        assert_eq!(out.lines().count(), 3 + 3, "three parts and indices: {out}{err}");
        assert_eq!(shards("gc SET --keep 1", &folder).0, 0);
        let (_, out, _) = shards("log SET --json", &folder);
        let collected = out.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["collected"].clone());
        assert_eq!(collected.collect::<Vec<_>>(), [true, true, true, false]);
        assert_eq!(shards("checkout SET --version 2 --out OUT/gone.parquet", &folder).0, 66);
        assert!(!folder.0.join("gone.parquet").exists());
        assert_eq!(shards("verify SET --deep", &folder).0, 0);
        let index = folder.root().join("index/v000004.parquet");
        let mut bent = std::fs::read(&index).unwrap();
        bent[9] ^= 1;
        std::fs::write(&index, bent).unwrap();
        let (code, out, _) = shards("verify SET", &folder);
        assert_eq!((code, out.lines().count()), (1, 1), "{out}");
        assert!(out.contains("v000004.parquet: not the bytes that were written"), "{out}");
    }
}
