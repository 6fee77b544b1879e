//! The order of training samples: the same on every machine, so that a resumed run goes on exactly.
use crate::digest;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A copy of `items` shuffled by (seed, epoch): Fisher–Yates with ChaCha8 keyed by their digest.
pub fn shuffled<T: Copy>(items: &[T], seed: u64, epoch: u64) -> Vec<T> {
    let mut rng = ChaCha8Rng::from_seed(digest::sha256(format!("order/{seed}/{epoch}").as_bytes()));
    let mut items = items.to_vec();
    for last in (1..items.len()).rev() {
        // The bias of scaling 64 random bits to a range is below 2^-30 for any dataset.
        let other = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, other as usize);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_fixed_for_ever() {
        let items: Vec<u32> = (0..10).collect();
        let order = shuffled(&items, 7, 0);
        assert_ne!(order, shuffled(&items, 7, 1));
        assert_ne!(order, shuffled(&items, 8, 0));
        let mut sorted = order.clone();
        sorted.sort();
        assert_eq!(sorted, items);
    }
}
