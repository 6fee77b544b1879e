//! The power goes: what the block device holds at that moment is all there is.
use crate::set::{clean, commits, latest};
use effigy_tests::fault::{Rng, has, is_full, is_root, passed, skipped, times};
use effigy_tests::folder::Folder;
use effigy_tests::tool::signal;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn run(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|o| o.status.success())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// A loop mount, taken down when dropped.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn of(image: &Path, at: &'a Path) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        run("mount", &["-o", "loop", text(image), text(at)]).then_some(Mount(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        if !run("umount", &[text(self.0)]) {
            run("umount", &["-l", text(self.0)]);
        }
    }
}

#[test]
fn r05_a_power_cut_loses_no_acknowledged_version() {
    if !is_full() {
        return skipped("R5", "mounts file systems: only in `make faults`");
    }
    if !is_root() || !has("mkfs.ext4") {
        return skipped("R5", "needs root and mkfs.ext4 for a loop mount");
    }
    let folder = Folder::new("r05");
    let [image, cut, a, b] = ["image", "cut", "a", "b"].map(|name| folder.path().join(name));
    let file = std::fs::File::create(&image).expect("a file");
    file.set_len(96 << 20).expect("a size");
    let (mut rng, mut versions) = (Rng(5), 0);
    let cuts = times(50, 0);
    for n in 0..cuts {
        assert!(run("mkfs.ext4", &["-q", "-F", text(&image)]), "a file system");
        let Some(mount) = Mount::of(&image, &a) else { return skipped("R5", "no loop device can be mounted") };
        let mut child =
            commits(&a.join("set"), 100_000, n).command().stdout(Stdio::piped()).spawn().expect("it starts");
        let said = Arc::new(Mutex::new(0));
        let (lines, shared) = (BufReader::new(child.stdout.take().expect("a pipe")).lines(), said.clone());
        let listener = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *shared.lock().expect("a lock") = line.parse().unwrap_or(0);
            }
        });
        std::thread::sleep(Duration::from_millis(200 + rng.below(1500)));
        signal(&child, "STOP");
        // What was said by now was acknowledged before the copy begins.
        std::thread::sleep(Duration::from_millis(20));
        let acknowledged: u64 = *said.lock().expect("a lock");
        assert!(run("cp", &["--sparse=always", text(&image), text(&cut)]), "a copy");
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
        listener.join().expect("a listener");
        drop(mount);
        let mount = Mount::of(&cut, &b).expect("the copy is a file system");
        let set = b.join("set");
        if acknowledged > 0 {
            clean(&set, true);
            assert!(latest(&set) >= acknowledged, "cut {n}: version {acknowledged} was acknowledged");
            commits(&set, 2, 1000 + n).done();
            clean(&set, true);
        }
        versions += acknowledged;
        drop(mount);
    }
    passed("R5", &format!("{cuts} power cuts, {versions} versions acknowledged: 0 sets broken, 0 versions lost"));
}
