//! Tests of the fault list: how long one is, its random numbers, and the row it ends with, which `tests/faults/report.py` reads.

/// `full` under EFFIGY_FAULTS=full, else `short`.
pub fn times(full: u64, short: u64) -> u64 {
    if is_full() { full } else { short }
}

/// Is this `make faults`?
pub fn is_full() -> bool {
    std::env::var("EFFIGY_FAULTS").is_ok_and(|v| v == "full")
}

/// The figure that stands for the test.
pub fn passed(name: &str, what: &str) {
    row(name, "passed", what);
}

/// What cannot be tried here, and why: neither passed nor failed.
pub fn skipped(name: &str, why: &str) {
    row(name, "skipped", why);
}

/// A line for people, and a JSON line at the end of the file that `EFFIGY_FAULT_ROWS` names.
fn row(name: &str, state: &str, what: &str) {
    println!("{name:<4} {state:<8} {what}");
    if let Some(path) = std::env::var_os("EFFIGY_FAULT_ROWS") {
        let line = format!("{}\n", serde_json::json!({ "name": name, "state": state, "what": what }));
        let file = std::fs::File::options().append(true).create(true).open(&path);
        let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, line.as_bytes()));
        written.unwrap_or_else(|e| panic!("{e}: {path:?}"));
    }
}

/// Reproducible random numbers: SplitMix64. The field is the seed.
pub struct Rng(pub u64);

impl Rng {
    /// From 0, below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// May this process mount file systems?
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

/// Is a program installed?
pub fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|p| p.join(program).is_file()))
}
