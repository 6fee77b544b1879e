//! Names of shards, `train-00017-of-00020.parquet`: the pattern dataset viewers split by.
use std::path::Path;

/// What the name of a shard says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardName {
    /// `train`, `val`, `test`; `part` for identities.
    pub split: String,
    /// From 0.
    pub index: u32,
    /// Shards of this split.
    pub total: u32,
}

impl ShardName {
    /// Shard `index` of `total` of a split.
    pub fn new(split: &str, index: u32, total: u32) -> Self {
        ShardName { split: split.into(), index, total }
    }

    /// `train-00017-of-00020.parquet`
    pub fn file_name(&self) -> String {
        format!("{}-{:05}-of-{:05}.parquet", self.split, self.index, self.total)
    }

    /// From a path; `None` when its name does not follow the pattern.
    pub fn parse(path: &Path) -> Option<Self> {
        let stem = path.file_name()?.to_str()?.strip_suffix(".parquet")?;
        let (head, total) = stem.rsplit_once("-of-")?;
        let (split, index) = head.rsplit_once('-')?;
        let number = |text: &str| text.parse().ok().filter(|_| text.len() == 5);
        let name = ShardName { split: split.into(), index: number(index)?, total: number(total)? };
        (name.index < name.total && !split.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let name = ShardName::new("train", 17, 20);
        assert_eq!(ShardName::parse(Path::new("x/train-00017-of-00020.parquet")), Some(name));
        for other in
            ["train-00020-of-00020.parquet", "train-17-of-20.parquet", "manifest.parquet", "train-00017-of-00020.json"]
        {
            assert_eq!(ShardName::parse(Path::new(other)), None, "{other}");
        }
    }
}
