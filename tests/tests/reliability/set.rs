//! The writer of versions (formats' example `commits`) and what must hold of its set.
use effigy_tests::folder::files;
use effigy_tests::tool::{Run, Tool, executable, root};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Path of an example of `formats`, built now if it is missing.
pub fn example(name: &str) -> PathBuf {
    let path = executable("shards").with_file_name("examples").join(name);
    if !path.exists() {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let words = ["build", "--release", "--quiet", "-p", "formats", "--example", name];
        let built = Command::new(cargo).args(words).current_dir(root()).status();
        assert!(built.is_ok_and(|s| s.success()), "{name} is not built");
    }
    path
}

/// `count` commits to `set`.
pub fn commits(set: &Path, count: u64, salt: u64) -> Tool {
    let at = set.parent().expect("a set lies in a folder");
    let line = format!("--count {count} --salt {salt} --bytes 4000");
    Tool::of(Command::new(example("commits")), at).path(set).words(&line)
}

/// The versions a run has acknowledged.
pub fn acknowledged(run: &Run) -> Vec<u64> {
    run.stdout.lines().filter_map(|line| line.parse().ok()).collect()
}

/// The events of `shards log`.
pub fn log(set: &Path) -> Vec<Value> {
    Tool::new("shards", Path::new(".")).words("log --json").path(set).done().events()
}

/// The latest version.
pub fn latest(set: &Path) -> u64 {
    log(set).last().map_or(0, |event| event["version"].as_u64().expect("a number"))
}

/// Every version that should be readable is.
pub fn clean(set: &Path, deep: bool) {
    let depth = if deep { "--deep" } else { "--quiet" };
    let run = Tool::new("shards", Path::new(".")).words("verify").words(depth).path(set).run();
    assert_eq!(run.code, 0, "{}\n{}{}", run.line, run.stdout, run.stderr);
}

/// Temporary files below a folder.
pub fn temporary(folder: &Path) -> usize {
    files(folder).iter().filter(|f| f.extension().is_some_and(|e| e == "tmp")).count()
}
