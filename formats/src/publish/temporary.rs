//! Temporary files and folders: their names, and what becomes of those whose writers have died.
use super::host_name;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A temporary path in the folder of `target`, unlike any other writer's.
pub fn temp_beside(target: &Path) -> PathBuf {
    static NONCE: AtomicU64 = AtomicU64::new(0);
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed);
    let name = format!(".{}.{}.{nonce}.tmp", host_label(), std::process::id());
    target.parent().unwrap_or(Path::new("")).join(name)
}

/// As [`sweep`], for each folder once in the life of this process: whoever writes somewhere tidies up there.
pub fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    // A relative folder may be another one tomorrow; the worst is that it is not swept again.
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.into()) {
        sweep(folder);
    }
}

/// Removes what dead writers left in `folder`, files and unfinished folders: those of this machine whose process is gone,
/// and those of other machines older than a day.
pub fn sweep(folder: &Path) {
    for temporary in temporary_files(folder).into_iter().filter(|t| t.dead) {
        match temporary.path.is_dir() {
            true => remove_folder(&temporary.path),
            false => remove(&temporary.path),
        }
    }
}

/// What a writer has not published yet.
pub(crate) struct Temporary {
    pub(crate) path: PathBuf,
    /// Its writer is gone, as far as can be known.
    pub(crate) dead: bool,
}

/// The temporary files and folders in `folder`; none where it cannot be read.
pub(crate) fn temporary_files(folder: &Path) -> Vec<Temporary> {
    // The folder of a name alone.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let temporary = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        let owner = name.strip_prefix('.')?.strip_suffix(".tmp")?;
        let mut parts = owner.rsplitn(3, '.');
        let (_, pid, host) = (parts.next(), parts.next()?.parse::<u32>().ok()?, parts.next()?);
        let dead = match host == host_label() {
            true => !is_locked(&path) && (!process_exists(pid) || is_older_than(&path, DAY_SECS)),
            false => is_older_than(&path, DAY_SECS),
        };
        Some(Temporary { path, dead })
    };
    entries.filter_map(|e| temporary(e.ok()?.path())).collect()
}

const DAY_SECS: u64 = 86_400;

pub(crate) fn is_older_than(path: &Path, secs: u64) -> bool {
    let age = std::fs::metadata(path).and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
    age.is_some_and(|age| age.as_secs() > secs)
}

/// Does a living writer hold the lock of its temporary file?
fn is_locked(path: &Path) -> bool {
    let held = File::open(path).map(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
    held.unwrap_or(false)
}

/// Asks the kernel, not `/proc`, which may hide the processes of others.
fn process_exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else { return false };
    // SAFETY: signal 0 is sent to nobody; only whether it could be is told.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Host name and process namespace as they stand in temporary names: where a process number means something. Two
/// containers may share a host name and a disk.
fn host_label() -> &'static str {
    static LABEL: OnceLock<String> = OnceLock::new();
    LABEL.get_or_init(|| {
        let host: String = host_name().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(64).collect();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let namespace: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        format!("{host}-{namespace}")
    })
}

/// Removes a temporary file; that it is gone already is no error.
pub(crate) fn remove(path: &Path) {
    tell_unless_gone(std::fs::remove_file(path), "file", path);
}

/// Removes many files that are no longer needed: sixteen at a time, since each waits for the disk and not for a processor.
pub(crate) fn remove_all(paths: &[PathBuf]) {
    std::thread::scope(|scope| {
        for some in paths.chunks(paths.len().div_ceil(16).max(1)) {
            scope.spawn(|| some.iter().for_each(|path| remove(path)));
        }
    });
}

/// Removes an unfinished folder; that it is gone already is no error.
pub fn remove_folder(path: &Path) {
    tell_unless_gone(std::fs::remove_dir_all(path), "folder", path);
}

fn tell_unless_gone(removed: std::io::Result<()>, what: &str, path: &Path) {
    if let Err(e) = removed
        && e.kind() != std::io::ErrorKind::NotFound
    {
        eprintln!("cannot remove a temporary {what}: {e}: {path:?}");
    }
}
