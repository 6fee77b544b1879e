//! Thresholds of the CPU benchmarks are ratios measured in the same run: milliseconds mean something else on another machine.
use effigy_tests::tool::root;
use std::path::{Path, PathBuf};

/// Units of time, and of work per time.
const UNITS: [&str; 9] = ["ms", "s", "core-s", "h", "1/s", "1/core-s", "MB/s", "frames/s", "Mrays/core-s"];

/// `bench/` and the examples of every crate. `bench_gpu` names the GPU that its milliseconds belong to.
fn sources() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path().join("examples"));
    let mut open: Vec<PathBuf> = crates.filter(|folder| folder.is_dir()).chain([root().join("bench")]).collect();
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true if path.ends_with("bench_gpu") => (),
                true => open.push(path),
                false if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                false => (),
            }
        }
    }
    found
}

/// Thresholds that follow a unit of time: `"ms", Threshold::AtMost(…)`.
fn absolute_thresholds(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{e}: {path:?}"));
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let of_unit = |unit: &&str| {
        let words = format!("\"{unit}\", Threshold::");
        let found = text.match_indices(&words).map(|(at, _)| &text[at + words.len()..]);
        let absolute = found.filter(|threshold| !threshold.starts_with("None"));
        absolute.map(|threshold| words.clone() + threshold.split(' ').next().unwrap_or_default()).collect::<Vec<_>>()
    };
    UNITS.iter().flat_map(of_unit).map(|found| format!("{}: {found}", path.display())).collect()
}

#[test]
fn no_cpu_benchmark_has_a_threshold_in_units_of_time() {
    let sources = sources();
    assert!(sources.iter().any(|path| path.ends_with("bench_splat/main.rs")), "{sources:?}");
    let found: Vec<String> = sources.iter().flat_map(|path| absolute_thresholds(path)).collect();
    assert!(found.is_empty(), "expected ratios measured in the same run:\n{}", found.join("\n"));
}
