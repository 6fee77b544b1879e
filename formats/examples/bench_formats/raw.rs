//! What file system and page cache do by themselves, measured in the same run: thresholds are ratios to it, so that they mean the
//! same on another machine.
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Reads the whole file, the best of three times, MB/s.
pub fn read_mb_per_s(path: &Path) -> std::io::Result<f64> {
    let mut best = f64::MAX;
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..3 {
        let clock = Instant::now();
        let mut file = File::open(path)?;
        while file.read(&mut buffer)? > 0 {}
        best = best.min(clock.elapsed().as_secs_f64());
    }
    Ok(path.metadata()?.len() as f64 / best / 1e6)
}

/// Opens the file and reads `bytes` at each of `n` places spread over it.
pub fn places(path: &Path, bytes: usize, n: u64) -> std::io::Result<Vec<Duration>> {
    let room = path.metadata()?.len().saturating_sub(bytes as u64).max(1);
    let mut buffer = vec![0; bytes];
    (0..n)
        .map(|i| {
            let clock = Instant::now();
            File::open(path)?.read_exact_at(&mut buffer, i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % room)?;
            Ok(clock.elapsed())
        })
        .collect()
}

/// The least that makes `bytes` durable under a new name, `n` times: write, sync, rename, sync the folder.
pub fn durable(folder: &Path, bytes: usize, n: usize) -> std::io::Result<Vec<Duration>> {
    std::fs::create_dir_all(folder)?;
    let (content, temp) = (vec![7u8; bytes], folder.join("raw.tmp"));
    (0..n)
        .map(|i| {
            let clock = Instant::now();
            let mut file = File::create(&temp)?;
            file.write_all(&content)?;
            file.sync_all()?;
            std::fs::rename(&temp, folder.join(format!("raw-{i}")))?;
            File::open(folder)?.sync_all()?;
            Ok(clock.elapsed())
        })
        .collect()
}
