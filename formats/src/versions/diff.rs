//! What two versions do not have in common, by their indices alone.
use super::Version;
use std::collections::BTreeMap;

/// Groups by what happened to them from one version to another, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Only in the second.
    pub added: Vec<u64>,
    /// Only in the first.
    pub removed: Vec<u64>,
    /// In both, with other rows.
    pub changed: Vec<u64>,
}

impl Diff {
    /// From one version of a set to another of the same set.
    pub fn between(from: &Version, to: &Version) -> Self {
        let (from, to) = (stamps(from), stamps(to));
        let added = to.keys().filter(|g| !from.contains_key(g)).copied().collect();
        let removed = from.keys().filter(|g| !to.contains_key(g)).copied().collect();
        let changed = to.iter().filter(|(group, stamp)| from.get(group).is_some_and(|s| s != *stamp));
        Diff { added, removed, changed: changed.map(|(&group, _)| group).collect() }
    }

    /// Nothing differs?
    pub fn is_empty(&self) -> bool {
        self == &Diff::default()
    }
}

/// A group is put whole: the version that did so tells its rows, in whichever file they lie.
fn stamps(version: &Version) -> BTreeMap<u64, u64> {
    version.entries().iter().map(|e| (e.group, e.version)).collect()
}
