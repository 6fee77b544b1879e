//! One shard of 4,096 images of 100 kB: written, read in order, read at random; and one of big images for the memory.
use crate::process::{bytes_read, forget_peak, peak_mib, percentile_ms};
use crate::raw;
use crate::rows::frame;
use crate::table::{Table, Threshold};
use formats::verify::{Depth, verify};
use formats::{Error as FormatsError, Existing, FrameRow, Part, Provenance, Shard, order, write_frames};
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const ROWS: u64 = 4096;
const IMAGE_BYTES: usize = 100_000;
/// Per row, as noise that nothing compresses: 70 landmarks in the picture and in space, and the image's digest.
const LANDMARK_BYTES: usize = 70 * (2 + 3) * 4 + 32;
/// A 512² frame with a little noise.
const BIG_BYTES: usize = 360_000;
const BIG_ROWS: u64 = 1024;

/// Fills the table.
pub fn measure(folder: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let plan = Provenance::new("bench", "0", "bench = true\n", 0);
    let path = folder.join("frames/train-00000-of-00001.parquet");
    forget_peak();
    let before = peak_mib();
    let clock = Instant::now();
    let rows = (0..ROWS).map(|id| Ok::<_, FormatsError>(frame(id, IMAGE_BYTES)));
    let written = write_frames(&path, rows, &plan, Existing::Replace)?;
    let secs = clock.elapsed().as_secs_f64();
    let payload = (ROWS as usize * IMAGE_BYTES) as f64;
    table.push("write 100 kB images, checked and synced", payload / secs / 1e6, "MB/s", None);
    let content = (ROWS as usize * (IMAGE_BYTES + LANDMARK_BYTES)) as f64;
    let over = (written.bytes as f64 / content - 1.0) * 100.0;
    table.push("file over its images, digests and landmarks", over, "%", Threshold::most(1.0));
    table.push("writer's peak memory, 100 kB images", peak_mib() - before, "MiB", Threshold::most(64.0));

    let shard = Shard::open(&path)?;
    let clock = Instant::now();
    let mut bytes = 0;
    shard.for_each_batch(Part::All, |batch| {
        bytes += batch.get_array_memory_size();
        Ok(())
    })?;
    let sequential = payload / clock.elapsed().as_secs_f64() / 1e6;
    table.push("sequential read of all columns, page cache", sequential, "MB/s", None);
    let raw = raw::read_mb_per_s(&path)?;
    table.push("the same file read as bytes", raw, "MB/s", None);
    table.push("sequential read over plain reading", sequential / raw, "x", Threshold::least(0.25));
    assert!(bytes as f64 > payload, "everything was read");
    random(&shard, &path, table)?;

    let clock = Instant::now();
    let findings = verify(&path, Depth::Deep, &mut |_| ())?;
    assert_eq!(findings.len(), ROWS as usize, "the images are noise: the digest is right, but each is no picture");
    table.push(
        "verify --deep: digests of file and images",
        payload / clock.elapsed().as_secs_f64() / 1e6,
        "MB/s",
        None,
    );
    std::fs::remove_file(&path)?;
    big(folder, &plan, table)
}

/// One image at a time, anywhere.
fn random(shard: &Shard, path: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let rows = order::drawn(shard.rows(), 1000, 1);
    let rows = order::shuffled(&rows, 1, 0);
    let (mut times, before) = (Vec::new(), bytes_read());
    for &row in &rows {
        let clock = Instant::now();
        let image = shard.images_of_row(row, &["image"])?;
        times.push(clock.elapsed());
        assert_eq!(image[0].as_deref(), Some(&frame(row as u64, IMAGE_BYTES).image[..]));
    }
    let share = (bytes_read() - before) / rows.len() as f64 / IMAGE_BYTES as f64;
    table.push("bytes read for a random image, of its size", share, "x", Threshold::most(1.1));
    let raw = percentile_ms(&raw::places(path, IMAGE_BYTES, 1000)?, 0.5);
    table.push("a random image, p50, page cache", percentile_ms(&times, 0.5), "ms", None);
    table.push(
        "a random image over opening and reading 100 kB",
        percentile_ms(&times, 0.5) / raw,
        "x",
        Threshold::most(12.0),
    );
    table.push("a random image, p95, page cache", percentile_ms(&times, 0.95), "ms", None);
    let mut times = Vec::new();
    for &row in rows.iter().take(200) {
        let clock = Instant::now();
        let read: FrameRow = shard.read_row(row, Part::All)?;
        times.push(clock.elapsed());
        assert_eq!(read.frame_id, row as u64);
    }
    table.push("a random row with every column, p50", percentile_ms(&times, 0.5), "ms", None);
    Ok(())
}

/// The memory depends on the row group, not on the shard.
fn big(folder: &Path, plan: &Provenance, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let path = folder.join("frames/val-00000-of-00001.parquet");
    for (rows, threshold) in [(BIG_ROWS / 2, None), (BIG_ROWS, Threshold::most(300.0))] {
        forget_peak();
        let before = peak_mib();
        let frames = (0..rows).map(|id| Ok::<_, FormatsError>(frame(id, BIG_BYTES)));
        write_frames(&path, frames, plan, Existing::Replace)?;
        table.push(format!("writer's peak memory, {rows} rows of 512² images"), peak_mib() - before, "MiB", threshold);
    }
    Ok(())
}
