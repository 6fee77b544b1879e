//! A folder of a test's own, and what lies in a folder.
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A fresh folder, removed when dropped (kept when the test fails, to be looked at).
pub struct Folder(PathBuf);

impl Folder {
    /// `target/tmp/NAME-PID`.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn new(name: &str) -> Self {
        let path = scratch().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap_or_else(|e| panic!("{e}: {path:?}"));
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept to look at: {:?}", self.0);
        } else if let Err(e) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {:?}: {e}", self.0);
        }
    }
}

/// Cargo's folder for the temporary files of tests.
pub fn scratch() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this executable");
    test.ancestors().nth(3).expect("tests lie in target/PROFILE/deps").join("tmp")
}

/// Every file below `folder` with its bytes, by path below it.
///
/// # Panics
/// If a file cannot be read.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(folder).into_iter().map(|f| (f.clone(), read(&folder.join(f)))).collect()
}

/// Every Parquet file below `folder` with a number that stands for its bytes, by path below it: what a run publishes, but for
/// `meta/`, which tells times and hosts.
///
/// # Panics
/// If a file cannot be read.
pub fn shards(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let number = |bytes: Vec<u8>| {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        hasher.finish()
    };
    let shards = files(folder).into_iter().filter(|f| f.extension().is_some_and(|e| e == "parquet"));
    shards.map(|file| (file.clone(), number(read(&folder.join(file))))).collect()
}

/// Every file below `folder` with the time of its last change.
///
/// # Panics
/// If a file cannot be looked at.
pub fn times(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let time = |f: &Path| folder.join(f).metadata().and_then(|m| m.modified()).unwrap_or_else(|e| panic!("{e}: {f:?}"));
    files(folder).into_iter().map(|f| (f.clone(), time(&f))).collect()
}

/// Paths of the files below `folder`, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        for path in std::fs::read_dir(&at).into_iter().flatten().flatten().map(|e| e.path()) {
            match path.is_dir() {
                true => open.push(path),
                false => found.push(path.strip_prefix(folder).expect("it lies below").to_path_buf()),
            }
        }
    }
    found.sort();
    found
}

/// The bytes of a file.
///
/// # Panics
/// If it cannot be read.
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{e}: {path:?}"))
}

/// A JSON file.
///
/// # Panics
/// If it is none.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&read(path)).unwrap_or_else(|e| panic!("{e}: {path:?}"))
}

/// Copies a folder with all below it.
///
/// # Panics
/// If a file cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        std::fs::create_dir_all(target.parent().expect("a file lies in a folder")).expect("a folder for the copy");
        std::fs::copy(from.join(&file), &target).unwrap_or_else(|e| panic!("{e}: {target:?}"));
    }
}
