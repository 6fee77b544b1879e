//! Which items a training step takes: a function of (seed, step).

/// Which items step `step` takes, `batch` at a time, walking through one shuffled epoch after another.
pub fn batch_at(n: usize, batch: usize, seed: u64, step: u64) -> Vec<usize> {
    let all: Vec<usize> = (0..n).collect();
    batch_of_epochs(n, batch, step, |epoch| formats::order::shuffled(&all, seed, epoch))
}

/// As [`batch_at`] with epochs of `n` items in the order that `order` gives.
pub fn batch_of_epochs(n: usize, batch: usize, step: u64, order: impl Fn(u64) -> Vec<usize>) -> Vec<usize> {
    assert!(n > 0, "a batch from no items");
    let first = step * batch as u64;
    let mut epoch = u64::MAX;
    let mut items = Vec::new();
    (first..first + batch as u64)
        .map(|i| {
            if i / n as u64 != epoch {
                epoch = i / n as u64;
                items = order(epoch);
            }
            items[(i % n as u64) as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_takes_every_item_once() {
        let mut seen: Vec<usize> = (0..7).flat_map(|step| batch_at(21, 3, 5, step)).collect();
        assert_ne!(seen, (0..21).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..21).collect::<Vec<_>>());
        assert_ne!(batch_at(21, 3, 5, 0), batch_at(21, 3, 5, 7), "the next epoch has another order");
    }
}
