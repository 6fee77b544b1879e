//! What compacting and collecting leave.
use super::*;

#[test]
fn compacting_changes_files_not_rows() {
    let folder = Folder::new("compact");
    let set = folder.set();
    for clip_id in 0..6 {
        put(&set, clip_id, 2, clip_id as u8);
    }
    let mut commit = Commit::on(&set.latest().unwrap());
    commit.put_rows(2, &clip(2, 3, 77)).unwrap();
    commit.note("state", "state-000030.safetensors");
    let before = set.commit(&commit).unwrap();
    let done = set.compact(formats::versions::SMALL_BYTES).unwrap();
    assert_eq!((done.version, done.from_parts, done.into_parts), (8, 6, 1));
    let after = set.latest().unwrap();
    assert_eq!((after.log().kind, grays(&after)), (Kind::Compact, grays(&before)));
    assert!(Diff::between(&before, &after).is_empty());
    assert_eq!(after.log().note, before.log().note, "a run that goes on from the version finds its note");
    assert_eq!(set.compact(formats::versions::SMALL_BYTES).unwrap().from_parts, 0, "one part is left alone");
    let collected = set.gc(Keep { newest: 1 }).unwrap();
    assert_eq!(collected.versions, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(collected.files.len(), 7 + 7, "a part and an index each");
    assert_eq!(grays(&after), grays(&set.latest().unwrap()));
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
    for gray in 0..6 {
        put(&set, u32::from(gray % 2), 1, gray);
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
    let expected = grays(&set.version(2).unwrap());
    let preview = set.gc_preview(Keep { newest: 2 }).unwrap();
    let done = set.gc(Keep { newest: 2 }).unwrap();
    assert_eq!(preview, done);
    assert_eq!(done.versions, [1, 3, 4]);
    assert!(data.join("part-000007-0123456789abcdef.parquet").exists());
    assert!(!data.join("part-000003-0123456789abcdef.parquet").exists());
    assert_eq!(grays(&set.version(2).unwrap()), expected);
    assert!(matches!(set.tag("late", 3), Err(Error::Collected { .. })));
    assert_eq!(set.tags().unwrap(), [("best".to_string(), 2)]);
    std::fs::remove_file(data.join("part-000007-0123456789abcdef.parquet")).unwrap();
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
    set.untag("best").unwrap();
    assert_eq!(set.gc(Keep { newest: 2 }).unwrap().versions, [1, 2, 3, 4]);
    assert!(set.version(2).is_err());
}
