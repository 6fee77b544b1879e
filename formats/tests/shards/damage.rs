//! Shards that are cut, bent, foreign or of a later time.
use super::*;

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
    let digit = at + bytes[at..].iter().position(|&b| b == b'2').unwrap();
    bytes[digit] = b'9';
    std::fs::write(&path, bytes).unwrap();
    let err = Shard::open(&path).err().unwrap();
    assert!(matches!(err, Error::Version { got: 9, newest: 2, .. }));
    assert!(err.to_string().starts_with("frames table has version 9, this build reads up to 2: "), "{err}");
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
