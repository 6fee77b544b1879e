//! `shards show` of a versioned set: a row of a version, or what the version is and how other tools read it.
use super::show;
use formats::exit::{ExitCode, Failure};
use formats::filter::Filter;
use formats::scan::ScanError;
use formats::versions::{Spec, Version};
use formats::{Part, VersionedSet};
use std::path::Path;

/// Prints row `row` of those of a version that match `condition`, and writes its images into the folder `out`; without
/// either describes the version.
pub fn run(
    path: &Path,
    version: &str,
    row: Option<usize>,
    condition: Option<&str>,
    out: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let set = VersionedSet::open(path)?;
    let version = set.version(set.resolve(version)?)?;
    if row.is_none() && condition.is_none() {
        describe(&version, path);
        return Ok(ExitCode::Done);
    }
    let row = row.unwrap_or(0);
    let (found, there) = match condition {
        None => ((row < version.len()).then_some(row), version.len()),
        Some(condition) => {
            let matching = version.matching(&Filter::parse(condition).map_err(ScanError::from)?)?;
            (matching.get(row).copied(), matching.len())
        }
    };
    let Some(found) = found else {
        let which = if condition.is_some() { "rows match" } else { "rows are in the version" };
        return Err(Failure::usage(format!("--row {row}: {there} {which}: {path:?}")).into());
    };
    for batch in version.batches(found..found + 1, Part::All)? {
        show::print_row(&batch, out)?;
    }
    Ok(ExitCode::Done)
}

fn describe(version: &Version, path: &Path) {
    let (spec, number) = (version.spec(), version.number());
    let made = &spec.provenance;
    println!("version {number} of {}", path.display());
    println!("  {} rows in {} groups of {}", version.len(), version.log().groups, spec.group);
    println!("  table {:?} by {} {}, plan {:.12}", spec.table, made.tool, made.tool_version, made.config_hash);
    println!("  digest {}", version.digest());
    if number > 0 {
        println!("\n{}", recipes(spec, number));
    }
}

/// How other tools read a version; run in the folder of the set.
fn recipes(spec: &Spec, number: u64) -> String {
    let (group, position, index) = (&spec.group, &spec.position, format!("index/v{number:06}.parquet"));
    let keys = format!("{group}, {position}, version");
    let names = [group.as_str(), position.as_str(), "version"].map(|n| format!("'{n}'")).join(", ");
    format!(
        "DuckDB, in the folder of the set:\n  \
         SET VARIABLE parts = (SELECT list(DISTINCT 'data/' || file) FROM '{index}');\n  \
         FROM read_parquet(getvariable('parts')) SEMI JOIN '{index}' USING ({keys});\n\
         Polars:\n  \
         index = pl.read_parquet('{index}')\n  \
         pl.scan_parquet(['data/' + f for f in index['file'].unique()]).join(index.lazy(), on=[{names}], how='semi')"
    )
}
