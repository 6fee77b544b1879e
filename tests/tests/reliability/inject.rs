//! Death and errors at a system call, by `strace`.
use crate::kill::{published_shards_are_whole, render};
use crate::set::{clean, commits, example, latest, temporary};
use effigy_tests::fault::{has, is_full, passed, skipped};
use effigy_tests::folder::{Folder, copy, files, shards};
use effigy_tests::tool::{Run, Tool, executable};
use effigy_tests::toy::toy;
use std::path::Path;
use std::process::Command;

/// A job, how it is begun, and what must hold when it was repeated after a fault.
struct Job {
    name: &'static str,
    prepare: fn(&Path),
    program: &'static str,
    line: &'static str,
    /// Holds at any moment.
    always: fn(&Path),
    /// Holds after it ended with 0.
    done: fn(&Path),
}

fn nothing(_: &Path) {}

fn a_set(at: &Path) {
    commits(&at.join("set"), 6, 0).done();
}

fn a_dataset(at: &Path) {
    copy(&toy().join("data"), &at.join("data"));
    for file in ["manifest.parquet", "README.md"] {
        std::fs::remove_file(at.join("data").join(file)).ok();
    }
}

fn the_set_is_clean(at: &Path) {
    if at.join("set/set.toml").exists() {
        clean(&at.join("set"), true);
    }
}

/// A folder of two pictures, each in a folder of its own.
fn pictures(at: &Path) {
    for row in 0..2 {
        let show = format!("show --row {row} --out images/{row}");
        Tool::new("shards", at).words(&show).path(toy().join("data")).done();
        for file in files(&at.join("images").join(row.to_string())) {
            // Its maps lie beside the picture: 12-depth.png.
            if file.to_string_lossy().contains('-') {
                std::fs::remove_file(at.join("images").join(row.to_string()).join(file)).expect("a file");
            }
        }
    }
}

/// Shards that show in a folder that is being imported are whole.
fn the_import_is_whole(at: &Path) {
    if at.join("new/frames").exists() {
        let run = Tool::new("shards", at).words("verify --deep --json new").run();
        let torn = |e: &serde_json::Value| {
            e["what"].as_str().is_some_and(|w| !w.starts_with("missing") && !w.starts_with("no side"))
        };
        let findings: Vec<_> = run.events().into_iter().filter(|e| e["event"] == "finding").collect();
        assert!(!findings.iter().any(torn), "{findings:?}");
    }
}

const JOBS: [Job; 8] = [
    Job {
        name: "commits",
        prepare: nothing,
        program: "commits",
        line: "set --count 3 --bytes 4000",
        always: the_set_is_clean,
        done: |at| assert!(latest(&at.join("set")) >= 3),
    },
    Job {
        name: "shards compact",
        prepare: a_set,
        program: "shards",
        line: "compact --quiet set",
        always: the_set_is_clean,
        done: |at| assert!(latest(&at.join("set")) >= 7),
    },
    Job {
        name: "shards gc",
        prepare: a_set,
        program: "shards",
        line: "gc --quiet set --keep 2",
        always: the_set_is_clean,
        done: |at| assert_eq!(crate::set::log(&at.join("set")).iter().filter(|e| e["collected"] == true).count(), 4),
    },
    Job {
        name: "shards tag",
        prepare: a_set,
        program: "shards",
        line: "tag --quiet set best --version 3",
        always: the_set_is_clean,
        done: |at| assert!(at.join("set/tags/best.json").exists()),
    },
    Job {
        name: "shards merge",
        prepare: a_dataset,
        program: "shards",
        line: "merge --quiet data",
        always: published_shards_are_whole,
        done: |at| assert!(at.join("data/README.md").exists() && at.join("data/manifest.parquet").exists()),
    },
    Job {
        name: "shards checkout",
        prepare: a_set,
        program: "shards",
        line: "checkout --quiet set --version 3 --out three.parquet",
        always: the_set_is_clean,
        done: |at| assert!(at.join("three.parquet").exists()),
    },
    Job {
        name: "shards import",
        prepare: pictures,
        program: "shards",
        line: "import --quiet images --out new",
        always: the_import_is_whole,
        done: |at| assert!(at.join("new/manifest.parquet").exists()),
    },
    Job {
        name: "datagen render",
        prepare: nothing,
        program: "datagen",
        line: "",
        always: published_shards_are_whole,
        done: published_shards_are_whole,
    },
];

impl Job {
    /// Under strace with one call made to fail, or plain.
    fn run(&self, at: &Path, fault: Option<&str>) -> Run {
        let program = if self.program == "commits" { example("commits") } else { executable(self.program) };
        let mut command = Command::new("strace");
        match fault {
            Some(fault) => {
                let calls = fault.split(':').next().unwrap_or_default();
                command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"]);
                command.arg(format!("inject={fault}")).arg(program);
            }
            None => command = Command::new(program),
        }
        if self.line.is_empty() {
            command.args(render(at).command().get_args());
        }
        Tool::of(command, at).words(self.line).run()
    }

    /// Repeats the job with the fault at the first, second, … call until a run has none; how many there were.
    fn with_fault_at_every_call(&self, folder: &Path, fault: &str, expected: &[i32]) -> u64 {
        let ready = folder.join("ready");
        std::fs::create_dir_all(&ready).expect("a folder");
        (self.prepare)(&ready);
        let mut faults = 0;
        for n in 1.. {
            let at = folder.join("at");
            std::fs::create_dir_all(&at).expect("a folder");
            copy(&ready, &at);
            let run = self.run(&at, Some(&format!("{fault}:when={n}")));
            (self.always)(&at);
            let what = format!("{} with {fault} at call {n}: {}", self.name, run.stderr);
            let repeated = self.run(&at, None);
            assert_eq!(repeated.code, 0, "{what}\nthen {}", repeated.stderr);
            assert_eq!(temporary(&at), 0, "{what}: left a temporary file for good");
            (self.always)(&at);
            (self.done)(&at);
            std::fs::remove_dir_all(&at).expect("a folder");
            if run.code == 0 && !fault.contains("error") {
                break;
            }
            // An error where none matters (advice, a file that is gone anyway) is no failure; ten in a row are the end.
            if run.code != 0 {
                assert!(expected.contains(&run.code), "{what}: ended with {}", run.code);
                faults = n;
            } else if n > faults + 10 {
                break;
            }
            if !is_full() && n >= 3 {
                break;
            }
        }
        std::fs::remove_dir_all(ready).expect("a folder");
        faults
    }
}

/// Jobs to try: all of them, or the writer of versions alone.
fn jobs() -> &'static [Job] {
    if is_full() { &JOBS } else { &JOBS[..1] }
}

#[test]
fn r02_death_at_any_call_that_publishes_is_recovered_from() {
    if !has("strace") {
        return skipped("R2", "strace is not installed");
    }
    let folder = Folder::new("r02");
    let killed = [-libc::SIGKILL, 128 + libc::SIGKILL];
    let mut points = 0;
    for job in jobs() {
        for calls in ["fsync", "rename,renameat,renameat2", "link,linkat"] {
            points += job.with_fault_at_every_call(folder.path(), &format!("{calls}:signal=KILL"), &killed);
        }
    }
    passed("R2", &format!("killed at {points} calls of fsync, rename and link: each recovered by the same command"));
}

#[test]
fn r03_errors_of_the_disk_are_told_and_nothing_bad_is_published() {
    if !has("strace") {
        return skipped("R3", "strace is not installed");
    }
    let folder = Folder::new("r03");
    let (cannot_create, io) = (73, 74);
    let mut points = 0;
    for job in jobs() {
        for fault in ["fsync:error=EIO", "write:error=ENOSPC", "rename,linkat:error=EIO"] {
            points += job.with_fault_at_every_call(folder.path(), fault, &[cannot_create, io]);
        }
    }
    passed(
        "R3",
        &format!("EIO and ENOSPC at {points} calls: exit 73 or 74, nothing bad published, then the same command ends"),
    );
}

#[test]
fn a_fault_leaves_no_temporary_file_for_long() {
    if !has("strace") {
        return skipped("R2b", "strace is not installed");
    }
    let folder = Folder::new("r02b");
    let at = folder.path();
    render(at).done();
    let whole = shards(at);
    std::fs::remove_dir_all(at.join("data/frames")).expect("frames");
    let run = JOBS[7].run(at, Some("link,linkat:signal=KILL:when=2"));
    assert!(run.code != 0 && temporary(at) == 1, "one file at most: {}", temporary(at));
    render(at).done();
    assert_eq!((temporary(at), shards(at)), (0, whole));
}
