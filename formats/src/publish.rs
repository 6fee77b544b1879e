//! Makes a finished file visible: whole or not at all, and durable.
//!
//! A file is written beside its target under a temporary name, synced, then linked to its final name, so that the
//! first of several writers wins and a power cut leaves either nothing or the whole file. Followed by a sync of the
//! folder, without which the name itself may be lost.
mod temporary;

pub(crate) use temporary::{is_older_than, remove, remove_all, temporary_files};
pub use temporary::{remove_folder, sweep, sweep_once, temp_beside};

use crate::{Error, digest};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What to do when the target exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays. The same bytes are fine, other bytes are [`Error::Differs`]: for work that must be reproducible.
    Keep,
    /// It is replaced in one step: for an output the user names.
    Replace,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The target is ours.
    New,
    /// The same bytes had been there.
    Same,
}

/// Publishes the finished file `temp` as `target` in the same folder; `temp` is gone afterwards.
///
/// # Errors
/// [`Error::Differs`] when `target` exists with other bytes ([`Existing::Keep`]); the new file is then kept beside it.
pub fn publish(temp: &Path, target: &Path, existing: Existing) -> Result<Published, Error> {
    let write_error = |source| Error::Io { what: "cannot publish", source, path: target.into() };
    File::open(temp).and_then(|f| f.sync_all()).map_err(write_error)?;
    let published = match existing {
        Existing::Replace => {
            std::fs::rename(temp, target).map_err(write_error)?;
            Published::New
        }
        Existing::Keep => match std::fs::hard_link(temp, target) {
            Ok(()) => {
                remove(temp);
                Published::New
            }
            Err(e) if is_taken(&e) && is_same_file(temp, target) => {
                remove(temp);
                Published::New
            }
            Err(e) if is_taken(&e) => same_or_differs(temp, target)?,
            Err(e) if links_unsupported(&e) => claim_and_rename(temp, target)?,
            Err(e) => return Err(write_error(e)),
        },
    };
    sync_folder(target)?;
    Ok(published)
}

/// Writes a small file whose name can be taken once; `false` when another writer took it before, whose file stays.
///
/// # Errors
/// [`Error::Create`] or [`Error::Io`]; the name may be taken then, but is not known to be durable.
pub(crate) fn write_first(target: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let temp = TempFile::with_bytes(target, bytes)?;
    sync_together(&[temp.open_file()], &[])?;
    temp.take_name(target)
}

/// Syncs files and folders at the same time: a journal takes them in one go.
///
/// # Errors
/// The first [`Error::Io`] in their order.
pub(crate) fn sync_together(files: &[(&Path, &File)], folders: &[&Path]) -> Result<(), Error> {
    let sync_file = |(path, file): &(&Path, &File)| {
        file.sync_all().map_err(|source| Error::Io { what: "cannot sync", source, path: path.to_path_buf() })
    };
    std::thread::scope(|scope| {
        let mut running: Vec<_> = files.iter().map(|file| scope.spawn(move || sync_file(file))).collect();
        running.extend(folders.iter().map(|folder| scope.spawn(|| sync_this_folder(folder))));
        let results: Vec<_> = running.into_iter().map(|thread| thread.join()).collect();
        results.into_iter().try_for_each(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Writes a small file in one step: whole or not at all, replacing what was there.
///
/// # Errors
/// [`Error::Create`] or [`Error::Io`]; nothing half-written remains.
pub fn write_atomically(target: &Path, bytes: &[u8]) -> Result<(), Error> {
    create_folder_of(target)?;
    TempFile::with_bytes(target, bytes)?.publish(target, Existing::Replace).map(|_| ())
}

/// Makes the folder `target` lies in, durably: each new folder's name is synced too.
pub(crate) fn create_folder_of(target: &Path) -> Result<(), Error> {
    let Some(parent) = target.parent().filter(|p| !p.as_os_str().is_empty()) else { return Ok(()) };
    let new: Vec<&Path> = parent.ancestors().take_while(|a| !a.as_os_str().is_empty() && !a.exists()).collect();
    std::fs::create_dir_all(parent).map_err(|source| Error::Create { source, path: parent.into() })?;
    new.into_iter().try_for_each(sync_folder)
}

/// A temporary file that is removed unless it was published.
pub(crate) struct TempFile {
    path: PathBuf,
    file: File,
}

impl TempFile {
    pub(crate) fn create(target: &Path) -> Result<Self, Error> {
        sweep_once(target.parent().unwrap_or(Path::new("")));
        let path = temp_beside(target);
        let file = File::options().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|source| Error::Create { source, path: target.into() })?;
        // Tells those who sweep that the writer lives; where there are no locks, its process number does.
        let _ = file.try_lock();
        Ok(TempFile { path, file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Another handle on the open file.
    pub(crate) fn file(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// One that holds `bytes`, not synced yet.
    pub(crate) fn with_bytes(target: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let mut temp = Self::create(target)?;
        let written = temp.file.write_all(bytes);
        written.map_err(|source| Error::Io { what: "cannot write", source, path: target.into() })?;
        Ok(temp)
    }

    /// Path and open file, to be synced.
    pub(crate) fn open_file(&self) -> (&Path, &File) {
        (&self.path, &self.file)
    }

    pub(crate) fn publish(self, target: &Path, existing: Existing) -> Result<Published, Error> {
        publish(&self.path, target, existing)
    }

    /// Takes the name of a file that nothing speaks of yet: replaces what is there and syncs nothing. Gives the open file.
    pub(crate) fn rename(self, target: &Path) -> Result<File, Error> {
        let file = self.file().and_then(|file| std::fs::rename(&self.path, target).map(|()| file));
        file.map_err(|source| Error::Io { what: "cannot write", source, path: target.into() })
    }

    /// Takes a name forever; `false` when another has it. The file must have been synced; the folder is synced here.
    pub(crate) fn take_name(self, target: &Path) -> Result<bool, Error> {
        let publish_error = |source| Error::Io { what: "cannot publish", source, path: target.into() };
        let first = match std::fs::hard_link(&self.path, target) {
            Ok(()) => true,
            Err(e) if is_taken(&e) => is_same_file(&self.path, target),
            Err(e) if links_unsupported(&e) => claimed(target, || match target.exists() {
                true => Ok(false),
                false => std::fs::rename(&self.path, target).map(|()| true).map_err(publish_error),
            })?,
            Err(source) => return Err(publish_error(source)),
        };
        sync_folder(target)?;
        Ok(first)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Name of this machine, for side files and temporary names only.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map(|n| n.trim().to_string()).filter(|n| !n.is_empty()).unwrap_or_else(|| "unknown".into())
}

/// Sync the folder that holds `target`, so that its name survives a power cut.
pub(crate) fn sync_folder(target: &Path) -> Result<(), Error> {
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_this_folder(folder)
}

fn sync_this_folder(folder: &Path) -> Result<(), Error> {
    let synced = File::open(folder).and_then(|f| f.sync_all());
    match synced {
        Ok(()) => Ok(()),
        // Some network file systems cannot sync a folder; the file itself is durable there.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::InvalidInput | std::io::ErrorKind::Unsupported) => Ok(()),
        Err(source) => Err(Error::Io { what: "cannot sync the folder", source, path: folder.into() }),
    }
}

fn same_or_differs(temp: &Path, target: &Path) -> Result<Published, Error> {
    let (there, now) = (digest::sha256_of_file(target)?, digest::sha256_of_file(temp)?);
    if there == now {
        remove(temp);
        return Ok(Published::Same);
    }
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".differs-{}", &now[..8]));
    let kept = target.with_file_name(name);
    std::fs::rename(temp, &kept).map_err(|source| Error::Io { what: "cannot keep", source, path: kept.clone() })?;
    Err(Error::Differs { there, now, kept, path: target.into() })
}

fn is_taken(err: &std::io::Error) -> bool {
    err.kind() == std::io::ErrorKind::AlreadyExists
}

/// Are both names of one file? NFS may lose the answer to a link that was made and report on its second try that the name is
/// taken: by us.
fn is_same_file(temp: &Path, target: &Path) -> bool {
    let inode = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino(), m.nlink()));
    matches!((inode(temp), inode(target)), (Ok(a), Ok(b)) if a == b && a.2 > 1)
}

fn links_unsupported(err: &std::io::Error) -> bool {
    let codes = [libc::EPERM, libc::ENOSYS, libc::EOPNOTSUPP, libc::EMLINK, libc::EXDEV];
    err.raw_os_error().is_some_and(|code| codes.contains(&code))
}

/// Where there are no hard links: who may rename.
fn claim_and_rename(temp: &Path, target: &Path) -> Result<Published, Error> {
    claimed(target, || match target.exists() {
        true => same_or_differs(temp, target),
        false => {
            let renamed = std::fs::rename(temp, target).map(|()| Published::New);
            renamed.map_err(|source| Error::Io { what: "cannot publish", source, path: target.into() })
        }
    })
}

/// Does `step` while holding a file beside `target` exclusively. The system frees the lock of a writer that is killed, so
/// that a claim left behind blocks nobody.
fn claimed<T>(target: &Path, step: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".claim.tmp");
    let claim = target.with_file_name(name);
    let _held = claim_file(&claim).map_err(|source| Error::Create { source, path: claim.clone() })?;
    let outcome = step();
    remove(&claim);
    outcome
}

/// Opens and locks the claim. Where the file system has no locks either, whoever makes the file has it; one that is older than
/// [`CLAIM_SECS`] is left over.
fn claim_file(claim: &Path) -> std::io::Result<File> {
    loop {
        let (file, is_ours) = match File::options().write(true).create_new(true).open(claim) {
            Ok(file) => (file, true),
            Err(e) if is_taken(&e) => match File::options().write(true).open(claim) {
                Ok(file) => (file, false),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        };
        match file.lock() {
            // The holder before us may have removed the file that we waited for.
            Ok(()) if is_still(&file, claim) => return Ok(file),
            Ok(()) => continue,
            Err(_) if is_ours => return Ok(file),
            Err(_) if is_older_than(claim, CLAIM_SECS) => remove(claim),
            Err(_) => return Err(std::io::ErrorKind::AlreadyExists.into()),
        }
    }
}

/// Seconds that nobody needs to publish a finished file.
const CLAIM_SECS: u64 = 3600;

/// Does the path still lead to this open file?
fn is_still(file: &File, path: &Path) -> bool {
    let inode = |found: std::io::Result<std::fs::Metadata>| found.map(|m| (m.dev(), m.ino()));
    matches!((inode(file.metadata()), inode(std::fs::metadata(path))), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder for one test, and a finished temporary file in it.
    fn prepared(name: &str) -> (PathBuf, PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("formats-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let target = folder.join("a.bin");
        let temp = temp_beside(&target);
        std::fs::write(&temp, b"one").unwrap();
        (folder, temp, target)
    }

    #[test]
    fn a_claim_left_by_a_killed_writer_blocks_nobody() {
        let (folder, temp, target) = prepared("stale-claim");
        std::fs::write(folder.join("a.bin.claim.tmp"), b"").unwrap();
        assert_eq!(claim_and_rename(&temp, &target).unwrap(), Published::New);
        assert!(!folder.join("a.bin.claim.tmp").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_held_claim_is_waited_for() {
        let (folder, temp, target) = prepared("held-claim");
        let claim = folder.join("a.bin.claim.tmp");
        let held = claim_file(&claim).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| claim_and_rename(&temp, &target));
            std::thread::sleep(std::time::Duration::from_millis(100));
            assert!(!target.exists() && !second.is_finished(), "the claim is held");
            remove(&claim);
            drop(held);
            assert_eq!(second.join().unwrap().unwrap(), Published::New);
        });
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// NFS: the link was made, its answer was lost, the second try reports that the name is taken.
    #[test]
    fn a_lost_answer_is_no_conflict() {
        let (folder, temp, target) = prepared("lost-answer");
        std::fs::hard_link(&temp, &target).unwrap();
        assert_eq!(publish(&temp, &target, Existing::Keep).unwrap(), Published::New);
        assert!(!temp.exists() && target.exists());
        let (first, name) = (TempFile::with_bytes(&target, b"version").unwrap(), folder.join("version"));
        std::fs::hard_link(first.path(), &name).unwrap();
        assert!(first.take_name(&name).unwrap(), "it was our own link");
        assert!(!TempFile::with_bytes(&target, b"other").unwrap().take_name(&name).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Where `/proc` hides the processes of others (hidepid), a number says nothing; the lock does.
    #[test]
    fn a_locked_temporary_file_is_not_swept() {
        let (folder, _, target) = prepared("locked");
        // Of this machine and namespace, by a process number that no process can have.
        let ours = temp_beside(&target);
        let name = ours.file_name().unwrap().to_string_lossy().into_owned();
        let path = folder.join(name.replace(&format!(".{}.", std::process::id()), ".4194304999."));
        assert_ne!(path, ours);
        let held = File::create(&path).unwrap();
        held.lock().unwrap();
        sweep(&folder);
        assert!(path.exists(), "its writer lives");
        drop(held);
        sweep(&folder);
        assert!(!path.exists(), "its writer is gone");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_hard_links_the_first_still_wins() {
        let folder = std::env::temp_dir().join(format!("formats-claim-{}", std::process::id()));
        let target = folder.join("new/a.bin");
        create_folder_of(&target).unwrap();
        let temp = |bytes: &[u8]| {
            let path = temp_beside(&target);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(claim_and_rename(&temp(b"one"), &target).unwrap(), Published::New);
        assert_eq!(claim_and_rename(&temp(b"one"), &target).unwrap(), Published::Same);
        assert!(matches!(claim_and_rename(&temp(b"two"), &target), Err(Error::Differs { .. })));
        assert_eq!(std::fs::read(&target).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.join("new")).unwrap().count(), 2, "the file and the one that differs");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
