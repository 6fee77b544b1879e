//! Where the files of a set lie.
use std::path::{Path, PathBuf};

/// The column that each part has besides those of the rows: the version that put the row.
pub const VERSION_COLUMN: &str = "version";
/// Columns of the index that are not the rows' own.
pub(crate) const FILE_COLUMN: &str = "file";
pub(crate) const ROW_COLUMN: &str = "row";
/// Names that the columns of rows cannot have.
pub(crate) const RESERVED: [&str; 3] = [VERSION_COLUMN, FILE_COLUMN, ROW_COLUMN];

pub(crate) fn set_file(root: &Path) -> PathBuf {
    root.join("set.toml")
}

pub(crate) fn schema_file(root: &Path) -> PathBuf {
    root.join("schema.parquet")
}

/// Advice only: where to begin looking for the latest version.
pub(crate) fn latest_file(root: &Path) -> PathBuf {
    root.join("LATEST")
}

pub(crate) fn log_file(root: &Path, version: u64) -> PathBuf {
    root.join(format!("log/v{version:06}.json"))
}

pub(crate) fn index_file(root: &Path, version: u64) -> PathBuf {
    root.join(format!("index/v{version:06}.parquet"))
}

/// The index until the log names it: several writers may be making the same version.
pub(crate) fn index_draft(root: &Path, version: u64, sha256: &str) -> PathBuf {
    root.join(format!("index/v{version:06}-{:.16}.parquet", sha256))
}

pub(crate) fn part_name(version: u64, sha256: &str) -> String {
    format!("part-{version:06}-{sha256:.16}.parquet")
}

pub(crate) fn part_file(root: &Path, name: &str) -> PathBuf {
    root.join("data").join(name)
}

/// The version in the name of a part, index or log; `None` for a foreign name. Nothing with a separator passes.
pub(crate) fn version_of(name: &str) -> Option<u64> {
    let (stem, _) = name.strip_prefix("part-").or(name.strip_prefix('v'))?.rsplit_once('.')?;
    let (number, draft) = stem.split_once('-').unwrap_or((stem, ""));
    let digits = number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit());
    let hash = draft.is_empty() || (draft.len() == 16 && draft.bytes().all(|b| b.is_ascii_hexdigit()));
    (digits && hash).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_their_version_and_foreign_ones_none() {
        let hash = "0123456789abcdef0123456789abcdef";
        assert_eq!(version_of(&part_name(7, hash)), Some(7));
        assert_eq!(version_of(&part_name(12_345_678, hash)), Some(12_345_678));
        for path in [log_file(Path::new("a"), 7), index_file(Path::new("a"), 7), index_draft(Path::new("a"), 7, hash)] {
            assert_eq!(version_of(path.file_name().unwrap().to_str().unwrap()), Some(7));
        }
        for foreign in ["part-7.parquet", "../part-000007-0123456789abcdef.parquet", "v000007-../../etc.json", "v", ""]
        {
            assert_eq!(version_of(foreign), None, "{foreign}");
        }
    }
}
