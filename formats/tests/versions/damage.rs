//! What was changed, lost or left half-way.
use super::*;

#[test]
fn verify_finds_what_was_changed_or_lost() {
    let folder = Folder::new("damage");
    let set = folder.set();
    for gray in 0..4 {
        put(&set, u32::from(gray % 2), 2, gray);
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
    assert_eq!(grays(&next.latest().unwrap()), grays(&version));
    put(&next, 1, 1, 2);
    assert!(index.exists() && !draft.exists(), "the next writer puts the name right");
    assert_eq!(next.gc(Keep { newest: 9 }).unwrap().files.len(), 1, "the dead writer's draft");
    assert_eq!(grays(&next.latest().unwrap()), BTreeMap::from([(0, vec![1, 1]), (1, vec![2])]));
}
