//! `kill -9` at any moment.
use crate::set::{clean, commits, latest, temporary};
use effigy_tests::fault::{Rng, passed, times};
use effigy_tests::folder::{Folder, shards};
use effigy_tests::interrupt::{Ended, after, interrupt};
use effigy_tests::tool::Tool;
use effigy_tests::toy::config;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Renders a small dataset into `data` in the folder `at`.
pub fn render(at: &Path) -> Tool {
    Tool::new("datagen", at)
        .words("render --quiet --threads 1 --out data --set head=analytic --set image.size=24 --set image.samples=1")
        .words("--set dataset.identities=4 --set shards.frames=4 --set maps.uv_size=8 --config")
        .path(config("datagen"))
}

/// What is published is whole; only what is not there yet may be missing.
pub fn published_shards_are_whole(at: &Path) {
    let run = Tool::new("shards", at).words("verify --deep --json data").run();
    let recoverable = |what: &str| what.starts_with("missing") || what.starts_with("no side file");
    let torn: Vec<_> = match run.code {
        66 => Vec::new(),
        _ => run.events().into_iter().filter(|e| e["event"] == "finding").collect(),
    };
    let torn: Vec<_> = torn.iter().filter(|e| !recoverable(e["what"].as_str().unwrap_or_default())).collect();
    assert!([0, 1, 66].contains(&run.code) && torn.is_empty(), "{torn:?}\n{}", run.stderr);
}

#[test]
fn r01_a_killed_rendering_goes_on_as_if_nothing_had_been() {
    let folder = Folder::new("r01");
    let whole = folder.path().join("whole");
    std::fs::create_dir_all(&whole).expect("a folder");
    let clock = Instant::now();
    render(&whole).done();
    let length = clock.elapsed().as_micros() as u64;
    let expected = shards(&whole);

    let at = folder.path().join("killed");
    std::fs::create_dir_all(&at).expect("a folder");
    let kills = times(300, 6);
    let (mut rng, mut killed, mut finished) = (Rng(1), 0, 0);
    while killed < kills {
        let moment = Duration::from_micros(rng.below(length / 2));
        if interrupt(render(&at), "KILL", after(moment)) == Ended::Finished {
            // It is compared, and the next one starts from nothing.
            finished += 1;
            assert_eq!(shards(&at), expected);
            std::fs::remove_dir_all(at.join("data")).expect("a dataset");
            continue;
        }
        killed += 1;
        if killed % 10 == 0 || kills < 10 {
            published_shards_are_whole(&at);
        }
    }
    render(&at).done();
    assert_eq!(shards(&at), expected, "the same bytes as without any kill");
    assert_eq!(temporary(&at), 0, "what the dead left was removed");
    passed("R1", &format!("{killed} kills over {finished} whole renderings: 0 unreadable shards, the same bytes"));
}

#[test]
fn r04_a_killed_writer_loses_no_acknowledged_version() {
    let folder = Folder::new("r04");
    let set = folder.path().join("set");
    commits(&set, 1, 0).done();
    let kills = times(300, 10);
    let (mut rng, mut acknowledged) = (Rng(4), 1);
    for kill in 0..kills {
        let mut child = commits(&set, 1_000_000, kill).command().stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // Now and then it dies while it opens the set, else while it commits.
        let first = if kill % 4 == 0 { None } else { lines.next() };
        std::thread::sleep(Duration::from_micros(rng.below(60_000)));
        child.kill().expect("it can be killed");
        let lines = first.into_iter().chain(lines);
        let said: Vec<u64> = lines.map_while(Result::ok).filter_map(|l| l.parse().ok()).collect();
        child.wait().expect("it has ended");
        acknowledged = said.last().copied().unwrap_or(acknowledged);
        assert!(latest(&set) >= acknowledged, "version {acknowledged} was acknowledged");
        if kill % 25 == 0 {
            clean(&set, false);
        }
    }
    commits(&set, 1, 0).done();
    clean(&set, true);
    let versions = latest(&set);
    passed("R4", &format!("{kills} kills, {versions} versions: all verify, 0 acknowledged ones lost"));
}
