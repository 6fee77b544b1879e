//! Bits that flip, files that are cut, emptied or swapped.
use crate::set::{commits, log};
use effigy_tests::fault::{Rng, passed, times};
use effigy_tests::folder::{Folder, copy, files, read};
use effigy_tests::tool::{Run, Tool};
use effigy_tests::toy::toy;
use std::path::{Path, PathBuf};

fn verify(what: &Path, deep: bool) -> Run {
    let depth = if deep { "--deep" } else { "--quiet" };
    Tool::new("shards", Path::new(".")).words("verify").words(depth).path(what).run()
}

/// It was a finding, or the input is refused; never a defect.
fn found(run: &Run) -> bool {
    assert!([0, 1, 65, 66].contains(&run.code), "{}\n{}{}", run.line, run.stdout, run.stderr);
    run.code != 0
}

/// A file for the time it is damaged.
struct Damaged {
    path: PathBuf,
    whole: Vec<u8>,
}

impl Damaged {
    fn with(path: &Path, damage: impl FnOnce(&mut Vec<u8>)) -> Self {
        let whole = read(path);
        let mut bytes = whole.clone();
        damage(&mut bytes);
        std::fs::write(path, bytes).expect("a file");
        Damaged { path: path.into(), whole }
    }
}

impl Drop for Damaged {
    fn drop(&mut self) {
        std::fs::write(&self.path, &self.whole).expect("a file");
    }
}

fn dataset_and_set(name: &str) -> (Folder, PathBuf, PathBuf) {
    let folder = Folder::new(name);
    let (data, set) = (folder.path().join("data"), folder.path().join("set"));
    copy(&toy().join("data"), &data);
    commits(&set, 12, 0).done();
    assert_eq!((verify(&data, true).code, verify(&set, true).code), (0, 0));
    (folder, data, set)
}

fn below(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let all = files(folder).into_iter().filter(|f| names.iter().any(|n| f.starts_with(n)));
    all.map(|f| folder.join(f)).collect()
}

#[test]
fn r06_every_flipped_bit_is_found() {
    let (_folder, data, set) = dataset_and_set("r06");
    let targets = [(&data, below(&data, &["frames", "identities"])), (&set, below(&set, &["data", "index", "log"]))];
    let (mut rng, flips, mut caught) = (Rng(6), times(1000, 30), 0);
    for _ in 0..flips {
        let (of, files) = &targets[rng.below(2) as usize];
        let path = &files[rng.below(files.len() as u64) as usize];
        let damaged = Damaged::with(path, |bytes| {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << rng.below(8);
        });
        assert!(found(&verify(of, true)), "{path:?}");
        caught += 1;
        drop(damaged);
    }
    let (reads, of) = flipped_images(&set, &mut rng);
    passed(
        "R6",
        &format!("verify --deep found {caught} of {flips} flipped bits; readers {reads} of {of} in image bytes"),
    );
}

/// Flips bits in image bytes of the parts; a reader of the version that has them must refuse.
fn flipped_images(set: &Path, rng: &mut Rng) -> (u64, u64) {
    let flips = times(100, 5);
    let version = log(set).len();
    let out = set.with_file_name("out.parquet");
    for _ in 0..flips {
        // The version whose part is damaged reads it.
        let number = 1 + rng.below(version as u64);
        let prefix = format!("part-{number:06}-");
        let named = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix));
        let part = below(set, &["data"]).into_iter().find(named).expect("each commit has a part");
        let _damaged = Damaged::with(&part, |bytes| {
            let pngs: Vec<usize> = (0..bytes.len() - 8).filter(|&i| &bytes[i..i + 8] == b"\x89PNG\r\n\x1a\n").collect();
            let png = pngs[rng.below(pngs.len() as u64) as usize];
            bytes[png + 8 + rng.below(3000) as usize] ^= 1 << rng.below(8);
        });
        let checkout = Tool::new("shards", Path::new(".")).words("checkout --quiet").path(set);
        let run = checkout.words(&format!("--version {number} --out")).path(&out).run();
        assert_eq!(run.code, 65, "{}\n{}", run.line, run.stderr);
        assert!(run.stderr.contains("sha256") && !out.exists(), "{}", run.stderr);
    }
    (flips, flips)
}

#[test]
fn r07_quick_verify_finds_every_cut_empty_or_swapped_file() {
    let (_folder, data, set) = dataset_and_set("r07");
    let mut tried = 0;
    for (of, files) in
        [(&data, below(&data, &["frames", "identities"])), (&set, below(&set, &["data", "index", "log"]))]
    {
        for (i, path) in files.iter().enumerate() {
            let length = read(path).len();
            let step = if times(1, 0) == 1 { 4096 } else { 1 << 16 };
            for end in (0..length).step_by(step) {
                let _damaged = Damaged::with(path, |bytes| bytes.truncate(end));
                assert!(found(&verify(of, false)), "{path:?} cut to {end} of {length} bytes");
                tried += 1;
            }
            let other = &files[(i + 1) % files.len()];
            if other.parent() == path.parent() {
                let _damaged = Damaged::with(path, |bytes| *bytes = read(other));
                assert!(found(&verify(of, false)), "{path:?} replaced by {other:?}");
                tried += 1;
            }
        }
    }
    passed("R7", &format!("quick verify found {tried} of {tried} files cut, emptied or replaced"));
}
