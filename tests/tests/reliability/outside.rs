//! What comes from outside and must not matter: pipes that close, terminals that are none, clocks that are wrong.
use crate::set::{clean, commits, example};
use effigy_tests::fault::passed;
use effigy_tests::folder::{Folder, contents, copy, files};
use effigy_tests::tool::{Tool, executable};
use effigy_tests::toy::{config, toy};
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Runs a line of bash with the tools' paths in place of their names.
fn bash(line: &str, at: &std::path::Path) -> (i32, String, String) {
    let named =
        |line: String, name: &str| line.replace(&format!("@{name}"), &format!("'{}'", executable(name).display()));
    let line = ["shards", "datagen"].iter().fold(line.to_string(), |line, name| named(line, name));
    let line = line.replace("@commits", &format!("'{}'", example("commits").display()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &line]).current_dir(at).env("LANG", "C").env("TERM", "dumb");
    let output = bash.output().expect("bash runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn r18_closed_pipes_and_no_terminal_are_no_trouble() {
    let folder = Folder::new("r18");
    copy(&toy().join("data"), &folder.path().join("data"));
    std::fs::copy(toy().join("head.safetensors"), folder.path().join("head.safetensors")).expect("a head");
    commits(&folder.path().join("set"), 3, 0).done();
    let lines = [
        "@shards stat data --json | head -1; exit ${PIPESTATUS[0]}",
        "@shards verify data --deep --json | head -0; exit ${PIPESTATUS[0]}",
        "@shards log set | head -1; exit ${PIPESTATUS[0]}",
        "@shards show data/frames/train-00000-of-00002.parquet | head -1; exit ${PIPESTATUS[0]}",
        "@shards stat data 2>&-",
        "@shards verify data --deep 2>&-",
        "@shards verify set 2>&1",
        "@datagen plan --no-sample --out p --set head=analytic --config @config 2>&-",
        "@datagen render --out data </dev/null",
    ];
    for line in lines {
        let line = line.replace("@config", &format!("'{}'", config("datagen").display()));
        let (code, out, err) = bash(&line, folder.path());
        assert!([0, 141].contains(&code), "{line}: {code}\n{out}{err}");
        assert!(!out.contains('\x1b') && !err.contains('\x1b'), "{line}: escape codes\n{out}{err}");
        assert!(!err.contains("panicked") && !err.contains("defect"), "{line}: {err}");
    }
    let (code, _, err) = bash("@shards stat data > /dev/full", folder.path());
    assert_eq!(code, 74, "a full disk beneath stdout: {err}");
    passed("R18", &format!("{} lines with closed ends or no terminal, 0 panics, 0 escape codes", lines.len()));
}

#[test]
fn r19_no_clock_is_believed() {
    let folder = Folder::new("r19");
    let data = folder.path().join("data");
    copy(&toy().join("data"), &data);
    std::fs::copy(toy().join("head.safetensors"), folder.path().join("head.safetensors")).expect("a head");
    let set = folder.path().join("set");
    commits(&set, 4, 0).done();
    let far = Duration::from_secs(3_000_000_000);
    for time in [SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + far] {
        for file in files(folder.path()) {
            let file = std::fs::File::options().append(true).open(folder.path().join(file)).expect("a file");
            file.set_modified(time).expect("a time");
        }
        let before = contents(&data);
        Tool::new("datagen", folder.path())
            .words("render --quiet --out data --set head=head.safetensors --config")
            .path(config("datagen"))
            .done();
        Tool::new("shards", folder.path()).words("merge --quiet data").done();
        let after = contents(&data);
        assert!(before.iter().all(|(file, bytes)| after.get(file) == Some(bytes)), "something was made again");
        commits(&set, 2, 0).done();
        Tool::new("shards", folder.path()).words("gc --quiet set --keep 3").done();
        clean(&set, true);
        Tool::new("shards", folder.path()).words("verify --quiet --deep data").done();
    }
    passed("R19", "all files as of 1970, then of 2065: nothing made again, nothing lost");
}
