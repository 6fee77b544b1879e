//! HEIC and AVIF through programs, for no permissive decoder of them compiles without C libraries.
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tried in order. `heif-convert` and `heif-dec` are the same program of libheif under its old and its new name.
const PROGRAMS: [&str; 3] = ["heif-convert", "heif-dec", "ffmpeg"];

/// `HEIC` or `AVIF` if the bytes are such a file, by its major and compatible brands (ISO 14496-12).
pub fn container(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let size = u32::from_be_bytes(bytes[..4].try_into().ok()?) as usize;
    let brands = bytes.get(8..size.min(bytes.len()))?;
    let is_one_of = |names: &[&[u8; 4]]| brands.chunks_exact(4).any(|b| names.iter().any(|name| b == *name));
    if is_one_of(&[b"avif", b"avis"]) {
        return Some("AVIF");
    }
    is_one_of(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]).then_some("HEIC")
}

/// The picture as PNG, upright.
///
/// # Errors
/// In words: no program, or what it says.
pub fn decode(path: &Path, name: &str) -> Result<Vec<u8>, String> {
    let folder = Folder::new().map_err(|e| format!("no temporary folder for {name}: {e}"))?;
    let input = std::fs::canonicalize(path).map_err(|e| e.to_string())?;
    let out = folder.0.join("picture.png");
    let mut complaint = None;
    for program in PROGRAMS {
        let mut command = Command::new(program);
        match program {
            "ffmpeg" => command.args(["-v", "error", "-y", "-i"]).arg(&input).args(["-frames:v", "1"]).arg(&out),
            _ => command.arg(&input).arg(&out),
        };
        match command.output() {
            Err(err) if err.kind() == ErrorKind::NotFound => continue,
            Err(err) => complaint = Some(format!("{program}: {err}")),
            Ok(output) => match folder.first_file() {
                Some(file) if output.status.success() => return std::fs::read(file).map_err(|e| e.to_string()),
                _ => {
                    let words = String::from_utf8_lossy(&output.stderr);
                    let words = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no image was written");
                    complaint = Some(format!("{program}: {words}"));
                }
            },
        }
    }
    let missing =
        format!("{name} is read by the program heif-convert (of libheif) or ffmpeg, and neither is installed");
    Err(complaint.map_or(missing, |words| format!("{name}: {words}")))
}

/// A temporary folder, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("effigy-photo-{}-{n}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Folder(path))
    }

    /// Of several pictures in one file, programs write several files.
    fn first_file(&self) -> Option<PathBuf> {
        std::fs::read_dir(&self.0).ok()?.filter_map(|entry| Some(entry.ok()?.path())).min()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // it lies among other temporary files
    }
}

#[cfg(test)]
mod tests {
    use super::container;

    #[test]
    fn containers_are_known_by_their_brands() {
        assert_eq!(container(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), Some("HEIC"));
        assert_eq!(container(b"\0\0\0\x18ftypmif1\0\0\0\0avifmif1"), Some("AVIF"));
        assert_eq!(container(b"\0\0\0\x14ftypisom\0\0\0\0mp42"), None);
        assert_eq!(container(b"\xff\xd8\xff"), None);
    }
}
