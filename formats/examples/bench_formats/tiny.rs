//! As many shards as fourteen million images make, each with one row: verify and merge.
use crate::process::{Of, forget_peak, peak_mib, processor_secs};
use crate::rows::frame;
use crate::table::{Table, Threshold};
use formats::manifest::{Merged, merge};
use formats::verify::{Depth, verify};
use formats::{Existing, FrameRow, Provenance, ShardName, ShardWriter};
use rayon::prelude::*;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

const SHARDS: u32 = 13_672;

/// Fills the table.
pub fn measure(folder: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let plan = Provenance::new("bench", "0", "bench = true\n", 0);
    (0..SHARDS).into_par_iter().try_for_each(|index| write(folder, index, &plan))?;
    forget_peak();
    let (clock, before) = (Instant::now(), processor_secs(Of::Itself));
    let findings = verify(folder, Depth::Quick, &mut |_| ())?;
    assert!(findings.is_empty(), "{findings:?}");
    let verified = clock.elapsed().as_secs_f64();
    let merged = merge(folder)?;
    assert!(matches!(merged, Merged::New(rows) if rows.len() == SHARDS as usize));
    let both = clock.elapsed().as_secs_f64();
    table.push("verify 13,672 tiny shards", verified, "s", None);
    table.push("verify and merge 13,672 tiny shards", both, "s", None);
    // Processor time: a wall clock over reading alone, which one thread does, tells how busy the machine is.
    let processor = processor_secs(Of::Itself) - before;
    table.push("verify and merge: processor time", processor, "s", None);
    let over = processor * 1e3 / crate::calibration::loop_ms();
    table.push("verify and merge: processor time over 16 million multiply-adds", over, "x", Threshold::most(15_000.0));
    table.push("peak memory of both", peak_mib(), "MiB", Threshold::most(500.0));
    Ok(())
}

fn write(folder: &Path, index: u32, plan: &Provenance) -> Result<(), formats::Error> {
    let path = folder.join("frames").join(ShardName::new("train", index, SHARDS).file_name());
    let mut writer = ShardWriter::<FrameRow>::create(&path, plan, Existing::Replace)?;
    writer.push(FrameRow { identity_id: index, ..frame(index.into(), 500) })?;
    writer.finish().map(|_| ())
}
