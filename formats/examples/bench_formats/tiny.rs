//! As many shards as fourteen million images make, each with one row: verify and merge.
use crate::process::{forget_peak, peak_mib};
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
    let clock = Instant::now();
    let findings = verify(folder, Depth::Quick, &mut |_| ())?;
    assert!(findings.is_empty(), "{findings:?}");
    let verified = clock.elapsed().as_secs_f64();
    let merged = merge(folder)?;
    assert!(matches!(merged, Merged::New(rows) if rows.len() == SHARDS as usize));
    let both = clock.elapsed().as_secs_f64();
    table.push("verify 13,672 tiny shards", verified, "s", None);
    table.push("verify and merge 13,672 tiny shards", both, "s", None);
    let raw = crate::raw::read_all_secs(&folder.join("frames"))?;
    table.push("verify and merge over reading their bytes", both / raw, "x", Threshold::most(100.0));
    table.push("peak memory of both", peak_mib(), "MiB", Threshold::most(500.0));
    Ok(())
}

fn write(folder: &Path, index: u32, plan: &Provenance) -> Result<(), formats::Error> {
    let path = folder.join("frames").join(ShardName::new("train", index, SHARDS).file_name());
    let mut writer = ShardWriter::<FrameRow>::create(&path, plan, Existing::Replace)?;
    writer.push(FrameRow { identity_id: index, ..frame(index.into(), 500) })?;
    writer.finish().map(|_| ())
}
