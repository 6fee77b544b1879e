//! Two writers on one set.
use crate::set::{acknowledged, clean, commits, log};
use effigy_tests::fault::{passed, times};
use effigy_tests::folder::Folder;
use std::collections::BTreeMap;

#[test]
fn r08_one_writer_wins_each_version() {
    let folder = Folder::new("r08");
    let set = folder.path().join("set");
    let each = times(100, 10);
    let writers: Vec<u64> = (1..=2).collect();
    let runs: Vec<_> = std::thread::scope(|scope| {
        let start = |salt: u64| {
            let set = &set;
            scope.spawn(move || (salt, commits(set, each, salt).done()))
        };
        let running: Vec<_> = writers.iter().map(|&salt| start(salt)).collect();
        running.into_iter().map(|r| r.join().expect("a writer")).collect()
    });
    let mut owner = BTreeMap::new();
    for (salt, run) in &runs {
        for version in acknowledged(run) {
            assert_eq!(owner.insert(version, *salt), None, "version {version} was acknowledged twice");
        }
    }
    let log = log(&set);
    let versions = log.len();
    assert_eq!(owner.len(), versions, "each version in the log was acknowledged by its writer");
    for event in &log {
        let version = event["version"].as_u64().expect("a number");
        assert_eq!(event["note"]["salt"].as_u64(), owner.get(&version).copied(), "version {version}");
    }
    clean(&set, true);
    passed("R8", &format!("2 writers, {versions} versions: each has one writer, 0 lost, 0 doubled"));
}
