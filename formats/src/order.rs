//! The order of training samples: the same on every machine, so that a resumed run continues exactly.
use crate::digest;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};

/// A copy of `items` shuffled by (seed, epoch): Fisher–Yates with ChaCha8 keyed by their digest.
pub fn shuffled<T: Copy>(items: &[T], seed: u64, epoch: u64) -> Vec<T> {
    shuffled_by(items, &format!("order/{seed}/{epoch}"))
}

/// A copy of `items`, rows of a version of a set, shuffled by (seed, epoch, version).
pub fn shuffled_at<T: Copy>(items: &[T], seed: u64, epoch: u64, version: u64) -> Vec<T> {
    shuffled_by(items, &format!("order/{seed}/{epoch}/{version}"))
}

fn shuffled_by<T: Copy>(items: &[T], name: &str) -> Vec<T> {
    let mut rng = rng(name);
    let mut items = items.to_vec();
    for last in (1..items.len()).rev() {
        items.swap(last, below(&mut rng, last + 1));
    }
    items
}

/// The indices of `groups`, in rounds that hold one row of each group that has one left: every beginning of them has as
/// many rows of each group as of any other, within one. Both the rows of a group and the groups of a round are shuffled
/// by `seed`.
pub fn evenly<K: Ord + Copy>(groups: &[K], seed: u64) -> Vec<usize> {
    let indices: Vec<usize> = (0..groups.len()).collect();
    let mut taken = BTreeMap::new();
    let round_of = |index: usize| {
        let taken = taken.entry(groups[index]).or_insert(0usize);
        *taken += 1;
        (*taken, index)
    };
    let mut rounds: Vec<(usize, usize)> =
        shuffled_by(&indices, &format!("evenly/{seed}")).into_iter().map(round_of).collect();
    rounds.sort_by_key(|&(round, _)| round);
    rounds.into_iter().map(|(_, index)| index).collect()
}

/// `n` different indices below `total` sampled at random by `seed`, ascending; all of them when there are no more.
/// Needs memory for `n` only (Floyd's method).
pub fn drawn(total: usize, n: usize, seed: u64) -> Vec<usize> {
    let mut rng = rng(&format!("lots/{seed}"));
    let mut chosen = BTreeSet::new();
    for last in total - n.min(total)..total {
        let index = below(&mut rng, last + 1);
        if !chosen.insert(index) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

fn rng(name: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest::sha256(name.as_bytes()))
}

/// A number below `end`; the bias of scaling 64 random bits is below 2^-30 for any dataset.
fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    ((u128::from(rng.next_u64()) * end as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_fixed_for_ever() {
        let items: Vec<u32> = (0..10).collect();
        let order = shuffled(&items, 7, 0);
        assert_eq!(order, [2, 6, 0, 5, 7, 1, 3, 4, 9, 8]);
        assert_ne!(order, shuffled(&items, 7, 1));
        assert_ne!(order, shuffled(&items, 8, 0));
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, items);
    }

    #[test]
    fn every_beginning_has_as_many_of_each_group() {
        let groups: Vec<u32> = (0..5).flat_map(|group| vec![group; 2 + 3 * (group as usize % 2)]).collect();
        let order = evenly(&groups, 3);
        assert_ne!(order, evenly(&groups, 4));
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, (0..groups.len()).collect::<Vec<_>>());
        let group_of: Vec<u32> = order.iter().map(|&i| groups[i]).collect();
        for round in [0..5, 5..10] {
            assert_eq!(group_of[round].iter().collect::<BTreeSet<_>>().len(), 5, "{group_of:?}");
        }
        assert!(group_of[10..].iter().all(|group| group % 2 == 1), "the others are used up: {group_of:?}");
    }

    #[test]
    fn lots_are_different_and_fair() {
        assert_eq!(drawn(5, 9, 1), [0, 1, 2, 3, 4]);
        assert!(drawn(0, 9, 1).is_empty());
        let mut seen = [0; 10];
        (0..2000).for_each(|seed| drawn(10, 3, seed).iter().for_each(|&i| seen[i] += 1));
        // 600 each on average, standard deviation 20.
        assert!(seen.iter().all(|n| (500..700).contains(n)), "{seen:?}");
    }
}
