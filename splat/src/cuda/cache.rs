//! Compiled kernels on disk, by the hash of everything that they depend on.
use super::Error;
use super::nvrtc::{self, Target};
use super::program::Program;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A folder of binaries. Whoever writes one does so under a name of its own and renames it, so that any number of
/// processes may use the folder at once: a file is whole or is not there.
pub struct Cache {
    /// None where nothing can be kept.
    folder: Option<PathBuf>,
}

impl Cache {
    /// The folder SPLAT_CACHE names, or `splat/kernels` in the user's cache folder.
    pub fn of_user() -> Self {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let named = std::env::var_os("SPLAT_CACHE").map(PathBuf::from);
        Cache { folder: named.or_else(|| user.or_else(home).map(|folder| folder.join("splat/kernels"))) }
    }

    /// The binary of `program`; compiled now if it was not before. That a folder cannot be written is no error.
    pub fn binary(&self, program: &Program, arch: u32) -> Result<Vec<u8>, Error> {
        let compiler = nvrtc::compiler()?;
        let target = compiler.target_for(arch)?;
        let path = self.path(program, target, compiler.version());
        if let Some(found) = path.as_deref().and_then(|path| std::fs::read(path).ok()) {
            return Ok(found);
        }
        let binary = compiler.compile(program, target, &[])?.binary;
        if let Some(path) = path {
            keep(&path, &binary);
        }
        Ok(binary)
    }

    /// Forgets a binary that the driver would not load.
    pub fn forget(&self, program: &Program, arch: u32) -> Result<(), Error> {
        let compiler = nvrtc::compiler()?;
        if let Some(path) = self.path(program, compiler.target_for(arch)?, compiler.version()) {
            // Gone already is as good.
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }

    fn path(&self, program: &Program, target: Target, version: [i32; 2]) -> Option<PathBuf> {
        let target = target.to_string();
        let version = version.map(i32::to_le_bytes);
        let mut parts: Vec<&[u8]> = vec![program.source.as_bytes(), target.as_bytes(), version.as_flattened()];
        parts.extend(nvrtc::OPTIONS.iter().map(|option| option.as_bytes()));
        Some(self.folder.as_ref()?.join(format!("{:032x}.{target}", hash(&parts))))
    }
}

fn keep(path: &Path, binary: &[u8]) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let own = path.with_extension(format!("{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Relaxed)));
    let folder = path.parent().unwrap_or(path);
    let kept = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&own, binary))
        .and_then(|()| std::fs::rename(&own, path));
    if kept.is_err() {
        // The next start compiles again; there is nothing to tell.
        let _ = std::fs::remove_file(&own);
    }
}

/// FNV-1a of 128 bits over the parts and their lengths (Fowler, Noll, Vo; RFC 9923).
fn hash(parts: &[&[u8]]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let lengths: Vec<[u8; 8]> = parts.iter().map(|part| (part.len() as u64).to_le_bytes()).collect();
    let bytes = parts.iter().zip(&lengths).flat_map(|(part, length)| length.iter().chain(*part));
    bytes.fold(OFFSET, |h, &byte| (h ^ byte as u128).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tells_parts_apart() {
        assert_ne!(hash(&[b"ab", b"c"]), hash(&[b"a", b"bc"]));
        assert_eq!(hash(&[b"ab", b"c"]), hash(&[b"ab", b"c"]));
    }

    #[test]
    fn many_writers_leave_one_whole_file() {
        let folder = std::env::temp_dir().join(format!("splat-cache-{}", std::process::id()));
        let path = folder.join("kernel.sm_90");
        let binary = vec![7u8; 1 << 16];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| keep(&path, &binary));
            }
        });
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!((files.len(), std::fs::read(&path).unwrap()), (1, binary), "{files:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
