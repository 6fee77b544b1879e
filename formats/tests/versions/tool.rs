//! The tool `shards` on a set of three versions.
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
    for gray in 0..3 {
        put(&set, u32::from(gray % 2), 2, gray);
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
    let (code, out, err) = shards("show SET --where frame_in_clip=1 --row 1", &folder);
    let row: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    assert_eq!((code, &row["frame_in_clip"], &row["clip_id"]), (0, &1.into(), &1.into()));
    let (_, out, _) = shards("show SET --version 1 --where clip_id<9", &folder);
    assert!(out.contains("\"clip_id\": 0"), "the first that matches: {out}");
    assert_eq!(shards("show SET --where frame_in_clip=9", &folder).0, 2);
    assert_eq!(shards("show SET --where nonsense=9", &folder).0, 2);
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
    assert_eq!(rows, VersionedSet::open(&folder.root()).unwrap().version(2).unwrap().rows(0..4, Part::All).unwrap());
    assert!(shard.schema().field_with_name("pose").unwrap().metadata().get("unit").is_some(), "columns are described");
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
