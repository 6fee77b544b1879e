//! Damaged and hostile files: refused or read, never a panic. What the fuzzer (`make fuzz`) once found lies in `corpus/`.
mod mutate;
mod targets;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::path::{Path, PathBuf};
use targets::TARGETS;

/// A folder of its own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hostile-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

#[test]
fn what_was_once_found_is_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/corpus");
    for target in &TARGETS {
        let folder = Folder::new(&format!("corpus-{}", target.name));
        (target.seeds)(&folder.0);
        for entry in std::fs::read_dir(&corpus).unwrap() {
            let path = entry.unwrap().path();
            eprintln!("{} on {path:?}", target.name);
            (target.read)(&std::fs::read(path).unwrap(), &folder.0);
        }
    }
}

#[test]
fn mutants_are_read_or_refused() {
    for target in &TARGETS {
        let folder = Folder::new(&format!("mutants-{}", target.name));
        let seeds = (target.seeds)(&folder.0);
        for seed in &seeds {
            (target.read)(seed, &folder.0);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for k in 0..60 {
            eprintln!("{} {k}", target.name);
            (target.read)(&mutate::mutant(&seeds, &mut rng), &folder.0);
        }
    }
}
