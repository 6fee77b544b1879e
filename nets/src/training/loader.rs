//! Batches made ahead of time by background threads, in an order that does not depend on them.
use crate::Error;
use crate::training::batches::batch_of_epochs;
use formats::Part;
use formats::table::Row;
use formats::versions::Version;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// Makes batch `step`: a pure function, so that any worker may make any batch.
pub type BatchFn<T> = Arc<dyn Fn(u64) -> Result<T, Error> + Send + Sync>;

/// Makes the batches of a version of a set: epoch after epoch in [`Version::order`], so that batch `step` is a function of
/// (version, seed, step) alone and a run resumed at any step continues exactly, whatever was committed meanwhile. Every image
/// read is compared with its digest.
///
/// # Errors
/// [`Error::Data`] for a version without rows.
pub fn of_version<R: Row + 'static>(
    version: Version,
    part: Part<'static>,
    batch: usize,
    seed: u64,
) -> Result<BatchFn<Vec<R>>, Error> {
    if version.is_empty() {
        return Err(Error::Data(format!("version {} has no rows to train on", version.number())));
    }
    Ok(Arc::new(move |step| {
        let rows = batch_of_epochs(version.len(), batch, step, |epoch| version.order(seed, epoch));
        rows.into_iter().map(|row| Ok(version.row(row, part)?)).collect()
    }))
}

/// Batches `first`, `first + 1`, … forever. Workers stop when it is dropped.
pub struct Prefetch<T> {
    workers: Vec<Receiver<Result<T, Error>>>,
    next: usize,
}

impl<T: Send> Prefetch<T> {
    /// Worker `w` of `workers` makes every `workers`-th batch and keeps two ready.
    pub fn start(workers: usize, first: u64, make: BatchFn<T>) -> Self
    where
        T: 'static,
    {
        Self::spawn(workers, |w, workers, send| {
            let make = make.clone();
            std::thread::spawn(move || supply(first + w, workers, &*make, send));
        })
    }

    /// As [`Prefetch::start`] on threads of `scope`, where `make` may borrow. Drop it before the scope ends, which waits for
    /// the workers.
    pub fn start_in<'scope, F>(scope: &'scope Scope<'scope, '_>, workers: usize, first: u64, make: &'scope F) -> Self
    where
        T: 'scope,
        F: Fn(u64) -> Result<T, Error> + Sync,
    {
        Self::spawn(workers, |w, workers, send| {
            scope.spawn(move || supply(first + w, workers, make, send));
        })
    }

    fn spawn(workers: usize, spawn: impl Fn(u64, u64, SyncSender<Result<T, Error>>)) -> Self {
        let workers = workers.max(1) as u64;
        let start = |w: u64| {
            let (send, receive) = sync_channel(2);
            spawn(w, workers, send);
            receive
        };
        Prefetch { workers: (0..workers).map(start).collect(), next: 0 }
    }

    /// The next batch, in order.
    ///
    /// # Errors
    /// What making it said.
    ///
    /// # Panics
    /// If the worker panicked.
    pub fn next_batch(&mut self) -> Result<T, Error> {
        let batch = self.workers[self.next].recv().expect("a worker panicked while making a batch");
        self.next = (self.next + 1) % self.workers.len();
        batch
    }
}

/// Sends every `by`-th batch until the consumer is gone.
fn supply<T>(
    first: u64,
    by: u64,
    make: &(impl Fn(u64) -> Result<T, Error> + ?Sized),
    send: SyncSender<Result<T, Error>>,
) {
    let mut step = first;
    while send.send(make(step)).is_ok() {
        step += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_depend_on_the_workers() {
        for workers in [1, 2, 5] {
            let mut batches = Prefetch::start(workers, 10, Arc::new(|step| Ok(step * step)));
            let got: Vec<u64> = (0..12).map(|_| batches.next_batch().unwrap()).collect();
            assert_eq!(got, (10..22).map(|s| s * s).collect::<Vec<u64>>());
            let factors = [1, 10, 100];
            let make = |step: u64| Ok(step * factors[(step % 3) as usize]);
            let borrowing = std::thread::scope(|scope| {
                let mut batches = Prefetch::start_in(scope, workers, 4, &make);
                (0..5).map(|_| batches.next_batch().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(borrowing, [40, 500, 6, 70, 800]);
        }
    }

    #[test]
    fn an_error_arrives_at_its_place() {
        let make: BatchFn<u64> = Arc::new(|s| if s == 2 { Err(Error::Data("torn".into())) } else { Ok(s) });
        let mut batches = Prefetch::start(2, 0, make);
        assert!(batches.next_batch().is_ok() && batches.next_batch().is_ok());
        assert_eq!(batches.next_batch().unwrap_err().to_string(), "torn");
    }

    #[test]
    fn batches_of_a_version_go_on_exactly_whoever_commits() {
        use formats::versions::{Commit, Spec};
        use formats::{ClipRow, FrameRow, Provenance, VersionedSet};
        let folder = std::env::temp_dir().join(format!("nets-loader-{}", std::process::id()));
        let clip = |clip_id: u32, gray: u8| -> Vec<ClipRow> {
            let image = formats::image::png_from_rgb8(1, 1, &[gray; 3]).unwrap();
            let frame = FrameRow { image, width: 1, height: 1, ..FrameRow::default() };
            (0..3).map(|i| ClipRow { clip_id, frame_in_clip: i, frame: frame.clone(), ..ClipRow::default() }).collect()
        };
        let spec = Spec::of(&clip(0, 0)[0], ClipRow::GROUP, ClipRow::POSITION, Provenance::new("nets", "1", "", 0));
        let set = VersionedSet::create(&folder, &spec).unwrap();
        let put = |clip_id: u32, gray| {
            let mut commit = Commit::on(&set.latest().unwrap());
            commit.put_rows(clip_id.into(), &clip(clip_id, gray)).unwrap();
            set.commit(&commit).unwrap()
        };
        put(0, 10);
        let version = put(1, 20);
        let keys = |batch: Vec<ClipRow>| batch.into_iter().map(|r| (r.clip_id, r.frame_in_clip)).collect::<Vec<_>>();
        let run = |workers, first, n| -> Vec<(u32, u32)> {
            let make = of_version::<ClipRow>(set.version(version.number()).unwrap(), Part::All, 4, 7).unwrap();
            let mut batches = Prefetch::start(workers, first, make);
            (0..n).flat_map(|_| keys(batches.next_batch().unwrap())).collect()
        };
        let whole = run(1, 0, 9);
        put(1, 30);
        assert_eq!([run(2, 0, 4), run(3, 4, 5)].concat(), whole, "stopped after 4 steps, gone on by other workers");
        for epoch in whole.chunks(6) {
            let mut seen = epoch.to_vec();
            seen.sort_unstable();
            assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)], "every row once an epoch");
        }
        assert_ne!(whole[..6], whole[6..12], "each in another order");
        assert!(of_version::<ClipRow>(set.version(0).unwrap(), Part::All, 4, 7).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
