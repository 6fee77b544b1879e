//! How a shard gets its name, and what a writer leaves that does not finish.
use super::*;

#[test]
fn the_first_of_two_writers_wins() {
    let folder = Folder::new("race");
    let rows: Vec<_> = (0..3).map(full_row).collect();
    for round in 0..20 {
        let path = folder.join(&format!("r{round}.parquet"));
        let outcomes: Vec<_> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..3).map(|_| s.spawn(|| write(&path, &rows).unwrap().published)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|&&o| o == Published::New).count(), 1, "round {round}: {outcomes:?}");
    }
    let path = folder.join("r0.parquet");
    let before = std::fs::read(&path).unwrap();
    let err = write(&path, &[full_row(5)]).unwrap_err();
    let Error::Differs { kept, .. } = &err else { panic!("{err}") };
    assert_eq!(formats::read_frames(kept).unwrap(), [full_row(5)]);
    assert_eq!(std::fs::read(&path).unwrap(), before, "the first file stays");
    assert_eq!(formats::exit::code_of(&err.into()), 70);
    assert!(folder.names().iter().all(|n| !n.ends_with(".tmp")), "{:?}", folder.names());
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let folder = Folder::new("drop");
    let mut writer = FrameWriter::create(&folder.join("a.parquet"), &provenance(), Existing::Keep).unwrap();
    for i in 0..3 {
        writer.push(full_row(i)).unwrap();
    }
    assert_eq!(folder.names().len(), 1);
    drop(writer);
    assert!(folder.names().is_empty());
}

#[test]
fn the_side_file_tells_digest_and_host() {
    let folder = Folder::new("side");
    let path = folder.join("frames/val-00002-of-00010.parquet");
    let written = write(&path, &[full_row(0)]).unwrap();
    let side = formats::side::read(&path).unwrap().unwrap();
    assert_eq!((side.sha256, side.rows, side.bytes), (written.sha256, 1, written.bytes));
    assert_eq!(side.file, "frames/val-00002-of-00010.parquet");
    assert!(folder.join("meta/val-00002.json").exists());
}

/// Not a test of its own: what the child process of `a_full_disk_leaves_nothing` does, told where by a variable.
#[test]
fn child_writes_until_the_disk_is_full() {
    let Some(folder) = std::env::var_os("FORMATS_TEST_FULL_DISK") else { return };
    // SAFETY: plain system calls with valid arguments; they change this process only, which ends with the test.
    let limit_bytes = unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: 100_000, rlim_max: 100_000 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        limit.rlim_cur
    };
    let rows: Vec<_> = (0..8).map(full_row).collect();
    assert!(rows.iter().map(|r| r.image.len() as u64).sum::<u64>() > limit_bytes / 2, "the rows do not fit");
    let err = write(&PathBuf::from(folder).join("frames/train-00000-of-00001.parquet"), &rows).unwrap_err();
    println!("{err}");
    std::process::exit(formats::exit::code_of(&err.into()).into());
}

#[test]
fn a_full_disk_leaves_nothing() {
    let folder = Folder::new("full");
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "publish::child_writes_until_the_disk_is_full", "--nocapture"])
        .env("FORMATS_TEST_FULL_DISK", &folder.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert_eq!(child.status.code(), Some(74), "{said}");
    assert!(said.contains("cannot write") && said.contains("train-00000-of-00001.parquet"), "{said}");
    assert_eq!(folder.names(), ["frames"]);
    assert_eq!(std::fs::read_dir(folder.join("frames")).unwrap().count(), 0, "nothing half-written remains");
}

#[test]
fn a_rerun_skips_what_is_finished_and_mends_the_rest() {
    let folder = Folder::new("rerun");
    let path = folder.join("frames/train-00000-of-00001.parquet");
    // As if a writer had been killed while writing; a process tidies up a folder when it first comes there.
    std::fs::create_dir_all(folder.join("frames")).unwrap();
    let temp = formats::publish::temp_beside(&path);
    let dead = temp.with_file_name(
        temp.file_name().unwrap().to_str().unwrap().replace(&std::process::id().to_string(), "4194304"),
    );
    std::fs::write(&dead, "half").unwrap();
    std::fs::write(&temp, "ours, at work").unwrap();
    assert_eq!(formats::shard::finished(&path, &provenance()).unwrap(), None);
    assert!(!dead.exists() && temp.exists(), "only the dead writer's file is swept");
    let written = write(&path, &[full_row(0)]).unwrap();
    // As if the writer had been killed between publishing and the side file.
    std::fs::remove_file(folder.join("meta/train-00000.json")).unwrap();
    let found = formats::shard::finished(&path, &provenance()).unwrap().unwrap();
    assert_eq!((found.sha256, found.rows), (written.sha256, 1));
    assert!(folder.join("meta/train-00000.json").exists());
    let other = Provenance::new("datagen", "0.1.0", "resolution = 32\n", 7);
    assert!(formats::shard::finished(&path, &other).unwrap_err().to_string().starts_with("made from another plan"));
    std::fs::write(&path, "half").unwrap();
    assert!(matches!(formats::shard::finished(&path, &provenance()), Err(Error::Data { .. })));
}
