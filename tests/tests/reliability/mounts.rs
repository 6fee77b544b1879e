//! File systems that refuse or run full, and names that are hard to write.
use crate::kill::render;
use crate::set::{acknowledged, clean, commits, example, latest, temporary};
use effigy_tests::fault::{has, is_full, is_root, passed, skipped};
use effigy_tests::folder::{Folder, shards};
use effigy_tests::tool::{Tool, executable};
use std::path::Path;
use std::process::Command;

#[test]
fn r15_odd_mounts_and_names_work_or_are_refused() {
    let folder = Folder::new("r15");
    let mut tried = vec!["names"];
    names(folder.path());
    if has("strace") {
        tried.push("no hard links");
        without_links(folder.path());
    }
    if is_full() && is_root() {
        tried.extend(["read-only", "full"]);
        read_only_and_full(folder.path());
    }
    passed("R15", &format!("{}: worked or refused, never half a result", tried.join(", ")));
    if tried.len() < 4 {
        skipped("R15", "read-only and full mounts need root and `make faults`, mounts without links strace");
    }
}

fn names(at: &Path) {
    let odd = at.join("mit Leerzeichen, ümläüts & 'quotes' 头");
    std::fs::create_dir_all(&odd).expect("a folder");
    let long = odd.join("a".repeat(255));
    commits(&long, 2, 0).done();
    clean(&long, true);
    render(&odd).done();
    Tool::new("shards", &odd).words("merge --quiet data").done();
    let out = |n: usize| odd.join(format!("{}.parquet", "b".repeat(n - 8)));
    let checkout = |n: usize| Tool::new("shards", at).words("checkout --quiet").path(&long).words("--out").path(out(n));
    checkout(255).done();
    let refused = checkout(256).run();
    assert!([73, 74].contains(&refused.code), "{}", refused.stderr);
    assert_eq!(temporary(&odd), 0);
}

/// Every `link` fails as on a mount that has none.
fn without_links(at: &Path) {
    let set = at.join("linkless");
    let traced = |program: &Path, calls: &str| {
        let mut command = Command::new("strace");
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:error=EPERM"));
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]).arg(program);
        Tool::of(command, at)
    };
    let run = traced(&example("commits"), "link,linkat").path(&set).words("--count 3 --bytes 2000").done();
    assert_eq!(acknowledged(&run), [1, 2, 3]);
    clean(&set, true);
    render(at).done();
    let whole = shards(&at.join("data"));
    std::fs::remove_dir_all(at.join("data")).expect("a dataset");
    let mut render_again = traced(&executable("datagen"), "link,linkat");
    render_again.command().args(render(at).command().get_args());
    render_again.done();
    assert_eq!(shards(&at.join("data")), whole);
    // Neither links nor renames: refused, and nothing is left.
    let nowhere = at.join("nowhere");
    let all = "link,linkat,rename,renameat,renameat2";
    let refused = traced(&example("commits"), all).path(&nowhere).words("--count 1 --bytes 2000").run();
    assert!([73, 74].contains(&refused.code) && !nowhere.join("set.toml").exists(), "{}", refused.stderr);
    assert_eq!(temporary(at), 0);
}

fn read_only_and_full(at: &Path) {
    let disk = at.join("disk");
    std::fs::create_dir_all(&disk).expect("a folder");
    let mount = |args: &[&str]| {
        let done = Command::new("mount").args(args).arg(&disk).status();
        assert!(done.is_ok_and(|s| s.success()), "mount {args:?}");
    };
    mount(&["-t", "tmpfs", "-o", "size=2M", "tmpfs"]);
    let set = disk.join("set");
    let run = commits(&set, 10_000, 0).run();
    assert!([73, 74].contains(&run.code) && run.stderr.contains("set/"), "{}", run.stderr);
    let said = acknowledged(&run);
    assert!(said.len() > 5 && latest(&set) >= said[said.len() - 1]);
    clean(&set, true);
    mount(&["-o", "remount,size=4M"]);
    commits(&set, 5, 0).done();
    clean(&set, true);
    mount(&["-o", "remount,ro"]);
    let run = commits(&set, 1, 0).run();
    assert!([73, 74].contains(&run.code), "{}", run.stderr);
    clean(&set, true);
    let unmounted = Command::new("umount").arg(&disk).status();
    assert!(unmounted.is_ok_and(|s| s.success()), "umount");
}
