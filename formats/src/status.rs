//! How far a dataset is: which shards of its plan are done, broken or missing, and who is writing.
use crate::planned::{self, PlannedShard};
use crate::reader::Shard;
use crate::{Error, dataset, digest, publish, side};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A dataset against its plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Every shard of the plan, by number.
    pub shards: Vec<(PlannedShard, State)>,
    /// Files with names that are not in the plan.
    pub foreign: Vec<PathBuf>,
    /// Temporary files whose writers may be at work: shards being made.
    pub open: usize,
    /// Temporary files of writers that are dead; the next run here removes them.
    pub left: usize,
    /// Bytes of the files that are done.
    pub bytes: u64,
    /// `merge` has finished it.
    pub merged: bool,
}

/// How far one shard is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// All its files are there, whole, of this plan.
    Done,
    /// A file is there, but not as it should be: what, and which. `shards repair` puts it aside.
    Broken(String),
    /// A file is not there.
    Missing,
}

impl Status {
    /// Looks at footers, sizes and plans, not at every byte; any number of threads.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no plan that lists its shards; [`Error::Data`] for one that cannot be read.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let list = planned::read(folder)?;
        if list.is_empty() {
            return Err(Error::Missing { what: "plan.toml with a list of shards", path: folder.into() });
        }
        let plan = folder.join("plan.toml");
        let text = std::fs::read(&plan).map_err(|e| Error::reading("plan", &plan, e))?;
        let plan_hash = digest::hex(&digest::sha256(&text));
        let shards = planned::number(&list, folder);
        let states: Vec<(State, u64)> = shards.par_iter().map(|shard| look(shard, &plan_hash)).collect();
        let tables: BTreeSet<&String> = list.iter().flat_map(|run| &run.tables).collect();
        let known: BTreeSet<&PathBuf> = shards.iter().flat_map(|shard| &shard.files).collect();
        let (mut foreign, mut open, mut left) = (Vec::new(), 0, 0);
        for table in tables {
            let table = folder.join(table);
            foreign.extend(dataset::parquet_files(&table)?.into_iter().filter(|file| !known.contains(file)));
            for temporary in publish::temporary_files(&table) {
                *(if temporary.dead { &mut left } else { &mut open }) += 1;
            }
        }
        let bytes = states.iter().map(|(_, bytes)| bytes).sum();
        let shards = shards.into_iter().zip(states).map(|(shard, (state, _))| (shard, state)).collect();
        let merged = folder.join("manifest.parquet").is_file();
        Ok(Status { shards, foreign, open, left, bytes, merged })
    }

    /// Numbers of the shards that are to be made (again).
    pub fn missing(&self) -> BTreeSet<u64> {
        self.shards.iter().filter(|(_, state)| *state != State::Done).map(|(shard, _)| shard.number).collect()
    }
}

/// The state of a shard and the bytes of its files that are done.
fn look(shard: &PlannedShard, plan_hash: &str) -> (State, u64) {
    let mut bytes = 0;
    let mut state = State::Done;
    for file in &shard.files {
        match whole(file, shard.rows.end - shard.rows.start, plan_hash) {
            Ok(Some(size)) => bytes += size,
            Ok(None) if state == State::Done => state = State::Missing,
            Ok(None) => (),
            Err(what) => state = State::Broken(what),
        }
    }
    (state, bytes)
}

/// Bytes of a file that is what the plan says; `None` when it is not there.
fn whole(file: &Path, rows: u64, plan_hash: &str) -> Result<Option<u64>, String> {
    if !file.exists() {
        return Ok(None);
    }
    let shard = Shard::open(file).map_err(|e| e.to_string())?;
    let (there, hash) = (shard.rows() as u64, shard.provenance().config_hash);
    let side = side::read(file).map_err(|e| e.to_string())?;
    let fault = if hash != plan_hash {
        format!("made from another plan (config hash {hash:.12}, not {plan_hash:.12})")
    } else if there != rows {
        format!("{there} rows, expected {rows}")
    } else if side.is_some_and(|side| (side.rows, side.bytes) != (there, shard.bytes())) {
        "not the size that was written".into()
    } else {
        return Ok(Some(shard.bytes()));
    };
    Err(format!("{fault}: {file:?}"))
}
