//! Batches made ahead of time by background threads, in an order that does not depend on them.
use crate::Error;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Makes batch `step`: a pure function, so that any worker may make any batch.
pub type Make<T> = Arc<dyn Fn(u64) -> Result<T, Error> + Send + Sync>;

/// Batches `first`, `first + 1`, … for ever. Workers stop when it is dropped.
pub struct Prefetch<T> {
    workers: Vec<Receiver<Result<T, Error>>>,
    next: usize,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Worker `w` of `workers` makes every `workers`-th batch and keeps two ready.
    pub fn start(workers: usize, first: u64, make: Make<T>) -> Self {
        let workers = workers.max(1);
        let start = |w: usize| {
            let (send, receive) = sync_channel(2);
            let make = make.clone();
            std::thread::spawn(move || {
                let mut step = first + w as u64;
                // The consumer is gone when sending fails.
                while send.send(make(step)).is_ok() {
                    step += workers as u64;
                }
            });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_depend_on_the_workers() {
        for workers in [1, 2, 5] {
            let mut batches = Prefetch::start(workers, 10, Arc::new(|step| Ok(step * step)));
            let got: Vec<u64> = (0..12).map(|_| batches.next_batch().unwrap()).collect();
            assert_eq!(got, (10..22).map(|s| s * s).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn an_error_arrives_at_its_place() {
        let make: Make<u64> = Arc::new(|s| if s == 2 { Err(Error::Data("torn".into())) } else { Ok(s) });
        let mut batches = Prefetch::start(2, 0, make);
        assert!(batches.next_batch().is_ok() && batches.next_batch().is_ok());
        assert_eq!(batches.next_batch().unwrap_err().to_string(), "torn");
    }
}
