//! Many writers and readers at once.
use super::*;

#[test]
fn writers_who_race_both_arrive_unless_they_touch_the_same_clip() {
    let folder = Folder::new("race");
    let set = folder.set();
    let base = put(&set, 0, 1, 0);
    let change = |clip_id: u32, gray: u8| {
        let mut commit = Commit::on(&base);
        commit.put_rows(u64::from(clip_id), &clip(clip_id, 1, gray)).unwrap();
        commit
    };
    let other = VersionedSet::open(&folder.root()).unwrap();
    other.commit(&change(1, 1)).unwrap();
    set.commit(&change(2, 2)).unwrap();
    let lost = set.commit(&change(1, 3));
    assert!(matches!(lost, Err(Error::Conflict { version: 2, group: 1, .. })));
    assert_eq!(grays(&set.latest().unwrap()), BTreeMap::from([(0, vec![0]), (1, vec![1]), (2, vec![2])]));
}

#[test]
fn many_writers_at_once_lose_nothing_and_double_nothing() {
    let folder = Folder::new("crowd");
    folder.set();
    let (writers, each) = (4, 8);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let root = folder.root();
            scope.spawn(move || {
                let set = VersionedSet::open(&root).unwrap();
                for step in 0..each {
                    put(&set, writer, 1, (writer * each + step) as u8);
                }
            });
        }
    });
    let set = VersionedSet::open(&folder.root()).unwrap();
    assert_eq!(set.latest_number().unwrap(), u64::from(writers * each));
    let mut seen: Vec<u64> = (1..=32).map(|v| set.log(v).unwrap().note["grey"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..32).collect::<Vec<u64>>(), "every commit once");
    let last: BTreeMap<u32, Vec<u64>> = (0..writers).map(|w| (w, vec![u64::from(w * each + each - 1)])).collect();
    assert_eq!(grays(&set.latest().unwrap()), last);
    assert_eq!(findings(&set, Depth::Deep), [""; 0]);
    assert!(set.gc_preview(Keep { newest: 99 }).unwrap().files.is_empty(), "the losers left nothing");
}

/// As long as `make faults` wants it, or short.
fn commits_to_make(full: u64, short: u64) -> u64 {
    if std::env::var("EFFIGY_FAULTS").is_ok_and(|v| v == "full") { full } else { short }
}

#[test]
fn r09_readers_see_whole_versions_while_a_writer_commits() {
    let folder = Folder::new("r09");
    let set = folder.set();
    let (clips, last) = (5u64, commits_to_make(1000, 60));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let read = |root: &Path| {
        let set = VersionedSet::open(root).unwrap();
        let (mut seen, mut versions) = (0, 0u64);
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let version = set.latest().unwrap();
            assert!(version.number() >= seen, "a reader never goes back");
            versions += u64::from(version.number() > seen);
            seen = version.number();
            for (clip_id, rows) in version.groups() {
                let put = version.entries()[rows.start].version;
                for row in version.rows::<ClipRow>(rows, Part::All).unwrap() {
                    // Version v puts clip v mod 5; the row says which version that was.
                    assert_eq!((u64::from(row.clip_id), row.iteration), (clip_id, put), "rows of different versions");
                    assert!(seen - put < clips, "version {seen} has an old clip {clip_id} of {put}");
                }
            }
        }
        versions
    };
    let seen: Vec<u64> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(|| read(&folder.root()))).collect();
        for number in 1..=last {
            let clip_id = (number % clips) as u32;
            let rows: Vec<ClipRow> =
                clip(clip_id, 2, 0).into_iter().map(|row| ClipRow { iteration: number, ..row }).collect();
            let mut commit = Commit::on(&set.latest().unwrap());
            commit.put_rows(u64::from(clip_id), &rows).unwrap();
            set.commit(&commit).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    passed("R9", &format!("4 readers saw {seen:?} of {last} versions as they came: 0 mixed, 0 errors"));
}

#[test]
fn r14_gc_beside_a_reader_of_an_old_version_and_a_writer() {
    let folder = Folder::new("r14");
    let set = folder.set();
    for gray in 0..5 {
        put(&set, gray.into(), 1, gray);
    }
    let rounds = commits_to_make(200, 15);
    let (mut whole, mut told, mut gone) = (0, 0, 0);
    for round in 0..rounds {
        let held = VersionedSet::open(&folder.root()).unwrap().latest().unwrap();
        let expected = grays(&held);
        let (read, collected) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| (0..5).for_each(|i| drop(put(&set, i, 1, (round % 200) as u8))));
            let sweeper = scope.spawn(|| {
                let set = VersionedSet::open(&folder.root()).unwrap();
                (0..3).map(|_| set.gc(Keep { newest: 2 }).unwrap().versions.len()).max().unwrap()
            });
            let reader = scope.spawn(|| held.rows::<ClipRow>(0..held.len(), Part::All));
            writer.join().unwrap();
            (reader.join().unwrap(), sweeper.join().unwrap())
        });
        gone = gone.max(collected);
        match read {
            Ok(rows) => {
                let now = rows.iter().map(|r| (r.clip_id, vec![r.iteration])).collect::<BTreeMap<_, _>>();
                assert_eq!(now, expected);
                whole += 1;
            }
            Err(Error::Collected { .. }) => told += 1,
            Err(other) => panic!("{other}"),
        }
        assert_eq!(grays(&set.latest().unwrap()).len(), 5);
    }
    assert_eq!(findings(&VersionedSet::open(&folder.root()).unwrap(), Depth::Deep), [""; 0]);
    passed(
        "R14",
        &format!(
            "{rounds} rounds, {gone} versions collected: {whole} readers finished, {told} were told, 0 live rows lost"
        ),
    );
}
