//! A versioned set of 600 frames of 40 kB; each of 2,000 commits replaces a clip of 8.
use crate::calibration;
use crate::process::percentile_ms;
use crate::raw;
use crate::rows::clip;
use crate::table::{Table, Threshold};
use formats::verify::Depth;
use formats::versions::{Commit, Spec};
use formats::{ClipRow, Part, Provenance, VersionedSet};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

const COMMITS: u64 = 2000;
const CLIPS: u32 = 75;
const FRAMES: u32 = 8;
const IMAGE_BYTES: usize = 40_000;
/// Expression, pose, camera, gaze and 70 landmarks as plain numbers.
const LABEL_BYTES: usize = 4 * (52 + 15 + 16 + 9 + 6 + 70 * 6);

/// Fills the table.
pub fn measure(folder: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let plan = Provenance::new("bench", "0", "bench = true\n", 0);
    let spec = Spec::of(&clip(0, 1, 0, 100)[0], ClipRow::GROUP, ClipRow::POSITION, plan);
    let root = folder.join("set");
    let set = VersionedSet::create(&root, &spec)?;
    let mut commit = Commit::on(&set.latest()?);
    for clip_id in 0..CLIPS {
        commit.put_rows(clip_id.into(), &clip(clip_id, FRAMES, 0, IMAGE_BYTES))?;
    }
    set.commit(&commit)?;
    let mut times = Vec::new();
    for step in 1..=COMMITS {
        let clip_id = (step * 7 % u64::from(CLIPS)) as u32;
        let rows = clip(clip_id, FRAMES, step, IMAGE_BYTES);
        let clock = Instant::now();
        let mut commit = Commit::on(&set.latest()?);
        commit.put_rows(clip_id.into(), &rows)?;
        commit.note("iteration", step * 30);
        set.commit(&commit)?;
        times.push(clock.elapsed());
    }
    let bytes = FRAMES as usize * (IMAGE_BYTES + LABEL_BYTES);
    commits(&times, &raw::durable(&folder.join("raw"), bytes, 100)?, table);
    let rows = (u64::from(CLIPS * FRAMES) + COMMITS * u64::from(FRAMES)) as f64;
    let payload = rows * (IMAGE_BYTES + LABEL_BYTES) as f64;
    table.push("bytes on disk over payload, 2,001 versions", bytes_below(&root)? / payload, "x", Threshold::most(1.05));
    reading(&root, table)?;
    let clock = Instant::now();
    let found = VersionedSet::open(&root)?.verify(Depth::Quick, &mut |_| ())?;
    table.push("quick verify of 2,001 versions", clock.elapsed().as_secs_f64(), "s", None);
    assert!(found.is_empty(), "{found:?}");
    compacted(&root, table)
}

/// `raw` is what one durable file of the same bytes takes; a commit makes three, side by side, and reads the last version.
fn commits(times: &[Duration], raw: &[Duration], table: &mut Table) {
    table.push("commit of 8 frames, p50", percentile_ms(times, 0.5), "ms", None);
    table.push("commit of 8 frames, p95", percentile_ms(times, 0.95), "ms", None);
    table.push("a durable file of as many bytes, p50", percentile_ms(raw, 0.5), "ms", None);
    let over = percentile_ms(times, 0.5) / percentile_ms(raw, 0.5);
    table.push("commit over a durable file of as many bytes", over, "x", Threshold::most(8.0));
    let (first, last) = (percentile_ms(&times[..100], 0.5), percentile_ms(&times[times.len() - 100..], 0.5));
    table.push("p50 of the first 100 commits", first, "ms", None);
    table.push("p50 of the last 100 commits", last, "ms", None);
    table.push("last 100 over first 100", last / first, "x", Threshold::most(1.5));
}

/// Opens and reads as a process does that has just started.
fn reading(root: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let mut opened = Vec::new();
    for number in (1..=COMMITS).step_by(20) {
        let clock = Instant::now();
        let version = VersionedSet::open(root)?.version(number)?;
        opened.push(clock.elapsed());
        assert_eq!(version.len(), (CLIPS * FRAMES) as usize);
    }
    table.push("open a version of 2,001, p50", percentile_ms(&opened, 0.5), "ms", None);
    let over = percentile_ms(&opened, 0.5) / calibration::loop_ms();
    table.push("open a version over 16 million multiply-adds", over, "x", Threshold::most(1.0));
    let clock = Instant::now();
    let version = VersionedSet::open(root)?.latest()?;
    let rows = version.rows::<ClipRow>(0..version.len(), Part::All)?;
    let bytes: usize = rows.iter().map(|r| r.frame.image.len()).sum();
    table.push(
        "read the latest version whole, digests checked",
        bytes as f64 / clock.elapsed().as_secs_f64() / 1e6,
        "MB/s",
        None,
    );
    let mut times = Vec::new();
    for row in version.order(1, 0) {
        let clock = Instant::now();
        version.batches(row..row + 1, Part::Columns(&["image"]))?;
        times.push(clock.elapsed());
    }
    table.push("a random image of a version, p50", percentile_ms(&times, 0.5), "ms", None);
    let over = percentile_ms(&times, 0.5) / calibration::loop_ms();
    table.push("a random image of a version over 16 million multiply-adds", over, "x", Threshold::most(0.25));
    Ok(())
}

fn compacted(root: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let set = VersionedSet::open(root)?;
    let clock = Instant::now();
    let done = set.compact(formats::versions::SMALL_BYTES)?;
    table.push(
        format!("compact {} parts into {}", done.from_parts, done.into_parts),
        clock.elapsed().as_secs_f64(),
        "s",
        None,
    );
    let clock = Instant::now();
    let gone = set.gc(formats::versions::Keep { newest: 1 })?;
    table.push(format!("gc of {} versions", gone.versions.len()), clock.elapsed().as_secs_f64(), "s", None);
    Ok(())
}

fn bytes_below(folder: &Path) -> std::io::Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_below(&entry.path())?,
            false => entry.metadata()?.len() as f64,
        };
    }
    Ok(bytes)
}
