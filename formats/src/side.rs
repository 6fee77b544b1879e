//! The side file of a shard: what is true of this run only (time, host), and the digest `verify` compares with.
use crate::shard::Written;
use crate::{Error, Provenance, publish};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// `meta/train-00017.json`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SideFile {
    /// Path of the shard within the dataset, `frames/train-00017-of-00020.parquet`.
    pub file: String,
    /// Hexadecimal digest of the shard.
    pub sha256: String,
    /// Rows of the shard.
    pub rows: u64,
    /// Bytes of the shard.
    pub bytes: u64,
    /// Digest of the plan it was made from.
    pub config_hash: String,
    /// Tool and version that made it.
    pub tool: String,
    /// Machine it was made on.
    pub host: String,
    /// When it was finished: seconds since 1970.
    pub unix_secs: u64,
    /// From the first row to the published file.
    pub elapsed_secs: f64,
}

/// Where the side file of a shard lies: `meta/` beside `frames/`, `identities/` or `exr/`; none for a lone file.
pub fn path_of(shard: &Path) -> Option<PathBuf> {
    let folder = shard.parent()?;
    let table = folder.file_name()?.to_str()?;
    let stem = shard.file_stem()?.to_str()?;
    let stem = stem.split("-of-").next()?;
    let name = match table {
        "frames" | "identities" => format!("{stem}.json"),
        "exr" => format!("exr-{stem}.json"),
        _ => return None,
    };
    Some(folder.parent()?.join("meta").join(name))
}

/// Reads the side file of a shard; `None` when there is none.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`].
pub fn read(shard: &Path) -> Result<Option<SideFile>, Error> {
    let Some(path) = path_of(shard).filter(|p| p.exists()) else { return Ok(None) };
    let text = std::fs::read(&path).map_err(|e| Error::reading("side file", &path, e))?;
    serde_json::from_slice(&text).map(Some).map_err(|e| Error::data(&path, format!("not a side file: {e}")))
}

/// Writes the side file of a shard that lies in a dataset; one with the same digest stays as it is.
pub(crate) fn write(written: &Written, provenance: &Provenance, elapsed: Duration) -> Result<(), Error> {
    let Some(path) = path_of(&written.path) else { return Ok(()) };
    if let Ok(Some(there)) = read(&written.path)
        && there.sha256 == written.sha256
    {
        return Ok(());
    }
    let name = |p: &Path| p.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = written.path.parent().map(name).unwrap_or_default();
    let side = SideFile {
        file: format!("{folder}/{}", name(&written.path)),
        sha256: written.sha256.clone(),
        rows: written.rows,
        bytes: written.bytes,
        config_hash: provenance.config_hash.clone(),
        tool: format!("{} {}", provenance.tool, provenance.tool_version),
        host: publish::host_name(),
        unix_secs: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()),
        elapsed_secs: elapsed.as_secs_f64(),
    };
    let text = serde_json::to_string_pretty(&side).map_err(|e| Error::data(&path, e.to_string()))?;
    publish::write_atomically(&path, format!("{text}\n").as_bytes())
}
