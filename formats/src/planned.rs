//! Which shards a dataset is to have: the list in its `plan.toml`, which every tool that makes shards may write.
//!
//! ```toml
//! [[shards]]
//! tables = ["frames", "exr"]     # folders that each get a file of this name
//! split = "train"
//! rows = 14000000
//! rows_per_shard = 1024
//! ```
//!
//! Shards are numbered through the list. Array jobs share them by that number: task i of n makes the shards whose number
//! is i modulo n.
use crate::{Error, ShardName};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A name has five digits for the number of a shard.
const MOST: u64 = 99_999;

/// The shards of one split: `frames/train-00000-of-13672.parquet` and so on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedShards {
    /// Folders that each get a file of this name.
    pub tables: Vec<String>,
    /// `train`, `val`, `test`; `part` for identities.
    pub split: String,
    /// Rows of all of them.
    pub rows: u64,
    /// Rows of each but the last, which may have fewer.
    pub rows_per_shard: u64,
}

/// One shard of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedShard {
    /// In the whole plan, from 0.
    pub number: u64,
    /// Its name.
    pub name: ShardName,
    /// The files it consists of; the first is what readers look for.
    pub files: Vec<PathBuf>,
    /// Its rows, counted within the split.
    pub rows: Range<u64>,
}

impl PlannedShards {
    /// How many shards.
    pub fn len(&self) -> u64 {
        self.rows.div_ceil(self.rows_per_shard.max(1))
    }

    /// No row at all?
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Their names and rows, in order.
    pub fn shards(&self) -> impl Iterator<Item = (ShardName, Range<u64>)> + '_ {
        let (total, size) = (self.len(), self.rows_per_shard.max(1));
        (0..total).map(move |k| {
            let name = ShardName::new(&self.split, k as u32, total as u32);
            (name, k * size..((k + 1) * size).min(self.rows))
        })
    }
}

/// The list in `folder/plan.toml`; empty when there is no plan, or one that does not list its shards.
///
/// # Errors
/// [`Error::Data`] for a plan that cannot be read, or a list no dataset can have.
pub fn read(folder: &Path) -> Result<Vec<PlannedShards>, Error> {
    let path = folder.join("plan.toml");
    let text = match std::fs::read_to_string(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|e| Error::reading("plan", &path, e))?,
    };
    let no_plan = |e: toml::de::Error| Error::data(&path, format!("no plan: {}", e.message()));
    let mut plan: toml::Table = toml::from_str(&text).map_err(no_plan)?;
    // The other keys are the affair of the tool that planned, and so is one of this name that is no list.
    let Some(list @ toml::Value::Array(_)) = plan.remove("shards") else { return Ok(Vec::new()) };
    let list: Vec<PlannedShards> = list.try_into().map_err(no_plan)?;
    let mut all = 0;
    for run in &list {
        all += run.len();
        let safe = |word: &String| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let sound = run.tables.iter().all(safe) && safe(&run.split) && !run.tables.is_empty();
        if !sound || run.rows_per_shard == 0 || run.len() > MOST || all > 4 * MOST {
            return Err(Error::data(&path, format!("shards of {:?}: no list a dataset can have", run.split)));
        }
    }
    Ok(list)
}

/// All shards of a list, numbered, with their files in `folder`.
pub fn number(list: &[PlannedShards], folder: &Path) -> Vec<PlannedShard> {
    let each = list.iter().flat_map(|run| run.shards().map(move |(name, rows)| (run, name, rows)));
    let one = |(number, (run, name, rows)): (usize, (&PlannedShards, ShardName, Range<u64>))| PlannedShard {
        number: number as u64,
        files: run.tables.iter().map(|table| folder.join(table).join(name.file_name())).collect(),
        name,
        rows,
    };
    each.enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_numbered_through_and_cover_every_row_once() {
        let run = |split: &str, rows| PlannedShards {
            tables: vec!["frames".into(), "exr".into()],
            split: split.into(),
            rows,
            rows_per_shard: 4,
        };
        let all = number(&[run("train", 9), run("val", 0), run("test", 4)], Path::new("d"));
        let rows: Vec<_> = all.iter().map(|s| (s.number, s.name.file_name(), s.rows.clone())).collect();
        let name = |split: &str, k, n| ShardName::new(split, k, n).file_name();
        assert_eq!(
            rows,
            [
                (0, name("train", 0, 3), 0..4),
                (1, name("train", 1, 3), 4..8),
                (2, name("train", 2, 3), 8..9),
                (3, name("test", 0, 1), 0..4)
            ]
        );
        assert_eq!(
            all[3].files,
            ["d/frames/test-00000-of-00001.parquet", "d/exr/test-00000-of-00001.parquet"].map(PathBuf::from)
        );
    }

    #[test]
    fn a_list_that_leaves_the_folder_or_has_no_end_is_refused() {
        let folder = std::env::temp_dir().join(format!("formats-planned-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(read(&folder).unwrap(), [], "no plan");
        let list = |table: &str, rows: u64, size: u64| {
            let line = format!(
                "shards = [{{tables = [{table:?}], split = \"train\", rows = {rows}, rows_per_shard = {size}}}]"
            );
            std::fs::write(folder.join("plan.toml"), line).unwrap();
            read(&folder)
        };
        assert_eq!(list("frames", 9, 4).unwrap()[0].len(), 3);
        for (table, rows, size) in [("../frames", 9, 4), ("", 9, 4), ("frames", 9, 0), ("frames", i64::MAX as u64, 1)] {
            assert!(list(table, rows, size).is_err(), "{table} {rows} {size}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
