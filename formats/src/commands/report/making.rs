//! How the dataset was made: its provenance, and how fast, by the side files in `meta/`.
use super::chart::Histogram;
use formats::{Error, Provenance, Scan, Shard, side};
use std::collections::BTreeMap;

/// Rows, seconds and shards of one machine.
#[derive(Default)]
pub struct Host {
    /// Shards.
    pub shards: u64,
    /// Rows.
    pub rows: u64,
    /// Working time of all its processes together.
    pub secs: f64,
}

/// Where the shards come from.
pub struct Making {
    /// Of the first shard.
    pub provenance: Provenance,
    /// Different plans among the shards.
    pub plans: usize,
    /// By name of the machine.
    pub hosts: BTreeMap<String, Host>,
    /// Rows a second of each shard.
    pub rate: Histogram,
    /// Shards without a side file.
    pub without_side: u64,
    /// When the first shard was begun and the last one finished, seconds since 1970.
    pub span: Option<(f64, f64)>,
}

impl Making {
    /// Reads footers and side files.
    ///
    /// # Errors
    /// As [`Shard::open`] and [`side::read`].
    pub fn read(scan: &Scan) -> Result<Self, Error> {
        let mut plans = std::collections::BTreeSet::new();
        let mut making = Making {
            provenance: Shard::open(&scan.files()[0])?.provenance(),
            plans: 0,
            hosts: BTreeMap::new(),
            rate: Histogram::new(0.0, 5000.0, 0.05),
            without_side: 0,
            span: None,
        };
        for file in scan.files() {
            let Some(side) = side::read(file)? else {
                making.without_side += 1;
                continue;
            };
            let (end, begin) = (side.unix_secs as f64, side.unix_secs as f64 - side.elapsed_secs);
            let (first, last) = making.span.unwrap_or((begin, end));
            making.span = Some((first.min(begin), last.max(end)));
            let host = making.hosts.entry(side.host).or_default();
            (host.shards, host.rows, host.secs) =
                (host.shards + 1, host.rows + side.rows, host.secs + side.elapsed_secs);
            if side.elapsed_secs > 0.0 {
                making.rate.add(side.rows as f64 / side.elapsed_secs);
            }
            plans.insert(side.config_hash);
        }
        making.plans = plans.len();
        Ok(making)
    }
}
