//! Array jobs as a scheduler runs them: shares by its variables, stopped by its signals. `tests/slurm/array.sh` does the
//! same on a real Slurm.
use effigy_tests::folder::{Folder, contents, files, read};
use effigy_tests::tool::{Run, Tool};
use effigy_tests::toy::{self, toy};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

/// `datagen render` of the toy in `at`, as task `index` of an array that its scheduler's variable tells.
fn task(at: &Path, variable: &str, index: u32) -> Run {
    toy::render(at, 1).words("--shard auto/3").env(variable, &index.to_string()).run()
}

#[test]
fn any_scheduler_any_order_any_repetition_gives_the_same_bytes() {
    let folder = Folder::new("array");
    toy::import_head(folder.path());
    // Task 1 is run by two of them; Grid Engine counts from 1.
    for (variable, index) in
        [("PBS_ARRAY_INDEX", 1), ("SGE_TASK_ID", 3), ("SLURM_ARRAY_TASK_ID", 1), ("JOB_COMPLETION_INDEX", 0)]
    {
        let run = task(folder.path(), variable, index);
        assert_eq!(run.code, 0, "{variable}: {}", run.stderr);
    }
    for table in ["frames", "identities"] {
        let path = Path::new("data").join(table);
        assert!(contents(&folder.path().join(&path)) == contents(&toy().join(&path)), "{table} differ");
    }
}

#[test]
fn a_share_that_cannot_be_known_is_refused() {
    let folder = Folder::new("array-refused");
    toy::import_head(folder.path());
    let render = |shard: &str| toy::render(folder.path(), 1).words("--shard").words(shard);
    for (run, words) in [
        (render("auto").env("SLURM_ARRAY_TASK_ID", "2").run(), "expected --shard auto/N"),
        (render("auto/3").env("SLURM_ARRAY_TASK_ID", "3").run(), "expected 0 to 2 for 3 tasks"),
        (render("auto/3").env("LSB_JOBINDEX", "0").run(), "no array job here"),
        (render("3/3").run(), "expected I/N"),
    ] {
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    assert_eq!(files(folder.path()), [Path::new("head.safetensors")], "nothing was begun");
}

#[test]
fn a_dry_run_tells_the_shards_and_writes_nothing() {
    let folder = Folder::new("array-dry");
    toy::import_head(folder.path());
    let run = toy::render(folder.path(), 1).words("--shard 0/2 --dry-run").done();
    assert!(run.stdout.lines().last().is_some_and(|l| l.contains("shards to be made")), "{}", run.stdout);
    assert_eq!(files(folder.path()), [Path::new("head.safetensors")]);
}

/// A rendering that would take minutes, of which a shard is open.
fn long_rendering(at: &Path) -> Child {
    let child = Tool::new("datagen", at)
        .words("render --quiet --threads 2 --out data --set head=analytic --set image.size=96 --set image.samples=4096")
        .words("--set image.denoise=off --config")
        .path(toy::config("datagen"))
        .start();
    let begun = Instant::now();
    let open = |f: &std::path::PathBuf| f.extension().is_some_and(|e| e == "tmp");
    while !files(&at.join("data/frames")).iter().any(open) {
        assert!(begun.elapsed() < Duration::from_secs(120), "no shard was opened: {:?}", files(at));
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn signal(child: &Child, signal: libc::c_int) {
    // SAFETY: a signal to a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

#[test]
fn a_signal_drops_the_open_shard_and_ends_with_75() {
    for which in [libc::SIGTERM, libc::SIGUSR1, libc::SIGINT] {
        let folder = Folder::new(&format!("signal-{which}"));
        let mut child = long_rendering(folder.path());
        signal(&child, which);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(75), "signal {which}: {status}");
        let left: Vec<_> = files(&folder.path().join("data/frames"));
        assert!(left.is_empty(), "the open shard is dropped: {left:?}");
    }
}

#[test]
fn an_export_that_is_stopped_leaves_nothing() {
    let folder = Folder::new("signal-export");
    let data = toy().join("data");
    let before = read(&data.join("plan.toml"));
    let mut child = Tool::new("shards", folder.path()).words("export --quiet --to coco --out out").path(&data).start();
    signal(&child, libc::SIGTERM);
    let status = child.wait().unwrap();
    // It may have been quicker than the signal, or not yet listening to it.
    use std::os::unix::process::ExitStatusExt;
    assert!(matches!(status.code(), Some(0 | 75)) || status.signal() == Some(libc::SIGTERM), "{status}");
    let whole = folder.path().join("out/annotations/train.json").exists();
    assert!(whole || !folder.path().join("out").exists(), "whole or not at all");
    assert_eq!(read(&data.join("plan.toml")), before);
}
