//! The versioned set: what was committed can be read, by version, whatever came after.
mod damage;
#[allow(dead_code, reason = "the tests of the tools use the rest")]
#[path = "../../../tests/src/fault.rs"]
mod fault;
mod gc;
mod race;
mod tool;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema};
use fault::passed;
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

/// A frame whose gray value tells it apart.
fn row(clip_id: u32, frame_in_clip: u32, gray: u8) -> ClipRow {
    let image = image::png_from_rgb8(4, 4, &[gray; 48]).unwrap();
    let frame = FrameRow { image, width: 4, height: 4, landmarks_2d: vec![[1.0, 2.0]; 3], ..FrameRow::default() };
    ClipRow { clip_id, frame_in_clip, made_by: "test".into(), iteration: u64::from(gray), frame }
}

fn clip(clip_id: u32, frames: u32, gray: u8) -> Vec<ClipRow> {
    (0..frames).map(|i| row(clip_id, i, gray)).collect()
}

fn put(set: &VersionedSet, clip_id: u32, frames: u32, gray: u8) -> Version {
    let mut commit = Commit::on(&set.latest().unwrap());
    commit.put_rows(u64::from(clip_id), &clip(clip_id, frames, gray)).unwrap();
    commit.note("grey", gray);
    set.commit(&commit).unwrap()
}

/// The gray values of each clip.
fn grays(version: &Version) -> BTreeMap<u32, Vec<u64>> {
    let mut grays: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for row in version.rows::<ClipRow>(0..version.len(), Part::All).unwrap() {
        let pixels = image::rgb8_from_encoded(&row.frame.image).unwrap().data;
        assert_eq!(u64::from(pixels[0]), row.iteration, "the image is the row's");
        grays.entry(row.clip_id).or_default().push(row.iteration);
    }
    grays
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
        assert_eq!(&grays(&other.version(number as u64).unwrap()), expected, "version {number}");
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
    assert_eq!(grays(&second), BTreeMap::from([(1, vec![2, 2])]));
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
