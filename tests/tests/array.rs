//! Array jobs as a scheduler runs them: shares by its variables, stopped by its signals. `tests/slurm/array.sh` does the
//! same on a real Slurm.
use effigy_tests::fault::{Rng, is_full, passed, skipped};
use effigy_tests::folder::{Folder, contents, files, read};
use effigy_tests::tool::{Run, Tool, root, signal};
use effigy_tests::toy::{self, toy};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// `datagen render` of the toy in `at`, as task `index` of an array that its scheduler's variable tells.
fn task(at: &Path, variable: &str, index: u32) -> Run {
    toy::render(at, 1).words("--shard auto/3").env(variable, &index.to_string()).run()
}

#[test]
fn r10_any_scheduler_order_and_repetition_give_the_same_bytes() {
    let folder = Folder::new("r10");
    toy::import_head(folder.path());
    // Task 1 is run by two of them; Grid Engine counts from 1.
    for (variable, index) in
        [("PBS_ARRAY_INDEX", 1), ("SGE_TASK_ID", 3), ("SLURM_ARRAY_TASK_ID", 1), ("JOB_COMPLETION_INDEX", 0)]
    {
        let run = task(folder.path(), variable, index);
        assert_eq!(run.code, 0, "{variable}: {}", run.stderr);
    }
    same_as_toy(folder.path());
    // One task, more tasks than shards, a part first, backwards, and everything twice at once.
    let layouts: [&[&[&str]]; 5] = [
        &[&["0/1"]],
        &[&["1/8"], &["5/8"], &["0/8"], &["2/8"], &["3/8"], &["4/8"], &["6/8"], &["7/8"]],
        &[&["6/7"], &["5/7"], &["4/7"], &["3/7"], &["2/7"], &["1/7"], &["0/7"]],
        &[&["1/3", "2/3"], &["0/3"]],
        &[&["0/2", "1/2", "1/2", "0/2"]],
    ];
    for tasks in layouts {
        std::fs::remove_dir_all(folder.path().join("data")).unwrap();
        for at_once in tasks {
            std::thread::scope(|scope| {
                for share in *at_once {
                    let render = toy::render(folder.path(), 1).words("--shard").words(share);
                    scope.spawn(move || render.done());
                }
            });
        }
        same_as_toy(folder.path());
    }
    passed(
        "R10",
        "6 layouts (1, 3, 7, 8 tasks, sparse, backwards, everything twice at once): one digest, 0 files more",
    );
}

/// The data are the toy's, byte for byte, and nothing besides.
fn same_as_toy(at: &Path) {
    for table in ["frames", "identities"] {
        let path = Path::new("data").join(table);
        assert!(contents(&at.join(&path)) == contents(&toy().join(&path)), "{table} differ");
    }
}

/// What a command prints on `data`, and how it ended.
fn output_of(at: &Path, line: &str) -> (i32, String) {
    let run = Tool::new("shards", at).words(line).words("data").run();
    (run.code, run.stdout)
}

#[test]
fn missing_shards_are_printed_as_array_tasks() {
    let folder = Folder::new("missing");
    let at = folder.path();
    toy::import_head(at);
    assert_eq!(output_of(at, "missing").0, 66, "no plan");
    toy::render(at, 1).words("--shard 1/3").done();
    // Identities are shard 0, two of train 1 and 2, then val and test.
    assert_eq!(output_of(at, "missing"), (1, "0,2-3\n".into()));
    assert_eq!(output_of(at, "missing --tasks 3 --format slurm"), (1, "--array=0,2\n".into()));
    assert_eq!(output_of(at, "missing --tasks 1000"), (1, "0,2-3\n".into()), "tasks without work are not named");
    let (code, lines) = output_of(at, "status");
    assert_eq!(code, 1);
    assert!(lines.starts_with("identities      0 of 1 shards done, 0 broken, 1 missing; 0 of 6 rows"), "{lines}");
    // Half a file is broken, which datagen refuses until it is put aside.
    let shard = at.join("data/frames/train-00000-of-00002.parquet");
    let whole = read(&shard);
    std::fs::write(&shard, &whole[..whole.len() / 2]).unwrap();
    let run = Tool::new("shards", at).words("missing --tasks 3 --format slurm data").run();
    assert_eq!((run.code, run.stdout.as_str()), (1, "--array=0-2\n"));
    assert!(run.stderr.contains("train-00000-of-00002.parquet: broken:"), "{}", run.stderr);
    assert_eq!(toy::render(at, 1).words("--shard 1/3").run().code, 65);
    assert_eq!(Tool::new("shards", at).words("repair --quiet data").run().code, 1);
    for share in ["0/3", "1/3", "2/3"] {
        toy::render(at, 1).words("--shard").words(share).done();
    }
    assert_eq!(output_of(at, "missing --tasks 3 --format slurm"), (0, String::new()));
    assert_eq!(output_of(at, "status").0, 0);
    same_as_toy(at);
    // What no reader of names alone would miss: a split that is not there at all.
    std::fs::remove_file(at.join("data/frames/test-00000-of-00001.parquet")).unwrap();
    let refused = Tool::new("shards", at).words("merge data").run();
    assert!(refused.code == 65 && refused.stdout.contains("missing: all 1 shards of test"), "{}", refused.stdout);
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
    assert!(run.stdout.lines().last().is_some_and(|l| l.contains("shards to render")), "{}", run.stdout);
    assert_eq!(files(folder.path()), [Path::new("head.safetensors")]);
}

/// A rendering that would take minutes.
fn long_rendering(at: &Path, line: &str, config: &Path) -> Child {
    let tool = Tool::new("datagen", at).words("render --quiet --threads 2 --out data --set head=analytic").words(line);
    tool.words("--config").path(config).start()
}

/// Waits until a shard is open.
fn until_open(at: &Path, child: &mut Child) {
    let begun = Instant::now();
    let open = |f: &PathBuf| f.extension().is_some_and(|e| e == "tmp");
    while !files(&at.join("data/frames")).iter().any(open) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it opened a shard");
        assert!(begun.elapsed() < Duration::from_secs(120), "no shard was opened: {:?}", files(at));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until it listens to signals.
fn until_listening(child: &Child) {
    let caught = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let mask =
            status.lines().find_map(|l| l.strip_prefix("SigCgt:")).and_then(|l| u64::from_str_radix(l.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (libc::SIGTERM - 1) & 1 == 1)
    };
    let begun = Instant::now();
    while !caught() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not listen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How long a signal takes to end it, which must be with 75: on the clock, and in processor time, which tells more where
/// others work too.
fn stopped_after(mut child: Child, name: &str) -> (Duration, Duration) {
    let begun = processor_time(&child).unwrap_or_default();
    signal(&child, name);
    let (clock, mut last) = (Instant::now(), begun);
    let status = loop {
        last = processor_time(&child).unwrap_or(last);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(75), "SIG{name}: {status}");
    (clock.elapsed(), last - begun)
}

/// What all threads of a child have taken so far, in hundredths of a second.
fn processor_time(child: &Child) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(10 * ticks))
}

fn no_shard_is_half_written(at: &Path) {
    let left: Vec<_> = files(&at.join("data/frames"));
    assert!(left.iter().all(|f| f.extension().is_some_and(|e| e == "parquet")), "the open shard is dropped: {left:?}");
}

#[test]
fn a_signal_drops_the_open_shard_and_ends_with_75() {
    for name in ["TERM", "USR1", "INT"] {
        let folder = Folder::new(&format!("signal-{name}"));
        let toy = toy::config("datagen");
        let line = "--set image.size=96 --set image.samples=4096 --set image.denoise=off";
        let mut child = long_rendering(folder.path(), line, &toy);
        until_open(folder.path(), &mut child);
        stopped_after(child, name);
        no_shard_is_half_written(folder.path());
        assert!(files(&folder.path().join("data/frames")).is_empty());
    }
}

/// Frames as `configs/paper.toml` has them, every map and the linear layers, at any moment from the start on.
#[test]
fn r11_a_signal_at_any_moment_ends_frames_of_paper_size_in_time() {
    if !is_full() {
        return skipped("R11", "renders at full size: only in `make faults`");
    }
    let paper = root().join("configs/paper.toml");
    let line = "--set maps.exr=true --set shards.identities=2 --set shards.frames=8";
    let (mut rng, mut slowest, mut most) = (Rng(11), Duration::ZERO, Duration::ZERO);
    let rounds = 12;
    for round in 0..rounds {
        let folder = Folder::new("r11");
        let child = long_rendering(folder.path(), line, &paper);
        until_listening(&child);
        std::thread::sleep(Duration::from_millis(rng.below(25_000)));
        let (took, worked) = stopped_after(child, ["TERM", "USR1"][round % 2]);
        (slowest, most) = (slowest.max(took), most.max(worked));
        no_shard_is_half_written(folder.path());
    }
    let folder = Folder::new("r11-twice");
    let mut child = long_rendering(folder.path(), line, &paper);
    until_listening(&child);
    std::thread::sleep(Duration::from_secs(5)); // paper size opens its first shard minutes later
    signal(&child, "TERM");
    let clock = Instant::now();
    signal(&child, "TERM");
    child.wait().unwrap();
    let second = clock.elapsed();
    let figures = format!(
        "{rounds} signals at frames of 512², every map: each ended with 75, the slowest after {:.1} s (limit 30, what Slurm \
         waits), at most {:.1} s of processor time on 2 threads; a second signal after {:.2} s",
        slowest.as_secs_f64(),
        most.as_secs_f64(),
        second.as_secs_f64()
    );
    // KillWait of Slurm: what has not ended by then is killed.
    assert!(slowest < Duration::from_secs(30), "{figures}");
    assert!(most < Duration::from_secs(2 * 10), "ten seconds of work on each thread: {figures}");
    assert!(second < Duration::from_secs(5), "{figures}");
    passed("R11", &figures);
}

#[test]
fn an_export_that_is_stopped_or_killed_leaves_nothing() {
    let folder = Folder::new("signal-export");
    let data = toy().join("data");
    let export = || Tool::new("shards", folder.path()).words("export --quiet --to coco --out out").path(&data);
    let mut child = export().start();
    signal(&child, "TERM");
    let status = child.wait().unwrap();
    // It may have been quicker than the signal, or not yet listening to it.
    use std::os::unix::process::ExitStatusExt;
    assert!(matches!(status.code(), Some(0 | 75)) || status.signal() == Some(libc::SIGTERM), "{status}");
    let whole = folder.path().join("out/annotations/train.json").exists();
    assert!(whole || !folder.path().join("out").exists(), "whole or not at all");
    std::fs::remove_dir_all(folder.path().join("out")).ok();
    // One that was killed leaves a hidden folder, which the next one takes away.
    let hidden = |folder: &Folder| {
        let entries = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with('.')).count()
    };
    let mut killed = 0;
    for _ in 0..50 {
        let mut child = export().start();
        while hidden(&folder) == 0 && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        child.wait().unwrap();
        killed += hidden(&folder);
        if killed > 0 {
            break;
        }
        std::fs::remove_dir_all(folder.path().join("out")).ok();
    }
    assert!(killed == 1, "an export was killed half-way");
    export().done();
    assert_eq!(hidden(&folder), 0, "what the dead left was removed");
}
