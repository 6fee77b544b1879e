//! Which splats touch which 16×16 tile, front to back.
//!
//! Every (Gaussian, tile) pair has a slot; slots run Gaussian by Gaussian. Each tile lists its pairs in order of depth:
//! a counting sort by tile of Gaussians in depth order. Nothing here depends on the number of threads.
use crate::Error;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

/// Gaussians a task when sorting: part of the layout, never taken from the thread count.
const CHUNK: usize = 4096;
/// Depth of a Gaussian that is not drawn.
pub const NOT_DRAWN: f32 = f32::INFINITY;

/// A (Gaussian, tile) pair: index of the splat, and its slot.
#[derive(Debug, Default)]
pub struct Instance(AtomicU64);

impl Instance {
    #[inline(always)]
    pub fn splat(&self) -> usize {
        (self.0.load(Relaxed) >> 32) as usize
    }

    #[inline(always)]
    pub fn slot(&self) -> usize {
        self.0.load(Relaxed) as u32 as usize
    }

    /// A plain store, made atomic so that chunks may write disjoint places of one list.
    fn set(&self, splat: u32, slot: u32) {
        self.0.store((splat as u64) << 32 | slot as u64, Relaxed);
    }
}

/// The lists.
#[derive(Debug, Default)]
pub struct Tiles {
    /// Tiles across and down.
    pub size: [usize; 2],
    /// `[tiles + 1]` where each tile's instances start.
    starts: Vec<u32>,
    /// Tile by tile, front to back.
    instances: Vec<Instance>,
    /// `[N + 1]` where each Gaussian's slots start.
    first_slots: Vec<u32>,
    /// `[slots]` bits of the blocks where the pair counted; the forward pass writes them.
    pub touched: Vec<AtomicU16>,
    /// Depths and indices of what is drawn, front to back in the end; and room to sort them.
    keys: [Vec<u64>; 2],
}

impl Tiles {
    /// Lists Gaussians by their `[N]` `depths` (positive, or [`NOT_DRAWN`]), ties by index. Each of `tiles` holds those of
    /// `PART` Gaussians, one after the other; `counts[n]` of them are of Gaussian n. `size` in tiles.
    ///
    /// # Errors
    /// [`Error::TooManyPairs`]
    pub fn list<const PART: usize>(
        &mut self,
        depths: &[f32],
        counts: &[u32],
        tiles: &[Vec<u32>],
        size: [usize; 2],
    ) -> Result<(), Error> {
        self.size = size;
        let total = self.number_slots(counts)?;
        self.touched.clear();
        self.touched.resize_with(total, AtomicU16::default);
        self.instances.resize_with(total, Instance::default);
        self.keys[0].clear();
        let keys = depths.iter().enumerate().filter(|(_, depth)| **depth < NOT_DRAWN);
        self.keys[0].extend(keys.map(|(n, depth)| (depth.to_bits() as u64) << 32 | n as u64));
        sort(&mut self.keys);
        let first_slots = &self.first_slots;
        let of = |key: u64| {
            let n = key as u32 as usize;
            let (first, before) = (first_slots[n], first_slots[n / PART * PART]);
            let range = (first - before) as usize..(first_slots[n + 1] - before) as usize;
            (n as u32, first, &tiles[n / PART][range])
        };
        let count = |keys: &[u64]| {
            let mut counts = vec![0u32; size[0] * size[1]];
            for &key in keys {
                of(key).2.iter().for_each(|&tile| counts[tile as usize] += 1);
            }
            counts
        };
        let mut cursors: Vec<Vec<u32>> = self.keys[0].par_chunks(CHUNK).map(count).collect();
        start_cursors(&mut self.starts, &mut cursors, size[0] * size[1]);
        let instances = &self.instances;
        self.keys[0].par_chunks(CHUNK).zip(&mut cursors).for_each(|(keys, cursor)| {
            for &key in keys {
                let (n, first, tiles) = of(key);
                for (slot, &tile) in (first..).zip(tiles) {
                    let next = &mut cursor[tile as usize];
                    instances[*next as usize].set(n, slot);
                    *next += 1;
                }
            }
        });
        Ok(())
    }

    /// Running sums of `counts`; returns the last.
    fn number_slots(&mut self, counts: &[u32]) -> Result<usize, Error> {
        let mut total = 0u64;
        self.first_slots.clear();
        self.first_slots.push(0);
        self.first_slots.extend(counts.iter().map(|&count| {
            total += count as u64;
            total as u32
        }));
        if total > u32::MAX as u64 { Err(Error::TooManyPairs { got: total }) } else { Ok(total as usize) }
    }

    /// Number of (Gaussian, tile) pairs.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Of a tile, front to back.
    pub fn instances(&self, tile: usize) -> &[Instance] {
        &self.instances[self.starts[tile] as usize..self.starts[tile + 1] as usize]
    }

    /// Slots of a Gaussian; none if it is not drawn.
    #[inline(always)]
    pub fn slots(&self, gaussian: usize) -> std::ops::Range<usize> {
        self.first_slots[gaussian] as usize..self.first_slots[gaussian + 1] as usize
    }

    /// Indices of all tiles, the longest list first, so that no thread is left with a long one at the end.
    pub fn longest_first(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..(self.size[0] * self.size[1]) as u32).collect();
        order.sort_by_key(|&tile| std::cmp::Reverse(self.starts[tile as usize + 1] - self.starts[tile as usize]));
        order
    }
}

/// Makes counts into places: `starts` of each tile, and within it each chunk's cursor.
fn start_cursors(starts: &mut Vec<u32>, cursors: &mut [Vec<u32>], n_tiles: usize) {
    let mut total = 0u32;
    starts.clear();
    for tile in 0..n_tiles {
        starts.push(total);
        for cursor in cursors.iter_mut() {
            (cursor[tile], total) = (total, total + cursor[tile]);
        }
    }
    starts.push(total);
}

/// Ascending by the high 32 bits, ties in their order: radix sort. The result is in the first.
fn sort([from, to]: &mut [Vec<u64>; 2]) {
    to.resize(from.len(), 0);
    for shift in [32, 43, 54] {
        let digit = |key: u64| (key >> shift) as usize & 2047;
        let mut starts = [0u32; 2048];
        from.iter().for_each(|&key| starts[digit(key)] += 1);
        let mut total = 0;
        for start in &mut starts {
            (*start, total) = (total, total + *start);
        }
        for &key in from.iter() {
            let start = &mut starts[digit(key)];
            to[*start as usize] = key;
            *start += 1;
        }
        std::mem::swap(from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_order_is_stable() {
        let depths = [2.0, 0.5, NOT_DRAWN, 2.0, 1e-3, 0.5, 1e4];
        let mut tiles = Tiles::default();
        let all = vec![vec![0, 0, 0], vec![0, 0, 0]];
        tiles.list::<4>(&depths, &[1, 1, 0, 1, 1, 1, 1], &all, [1, 1]).unwrap();
        let order: Vec<usize> = tiles.instances(0).iter().map(Instance::splat).collect();
        assert_eq!(order, [4, 1, 5, 0, 3, 6]);
        let slots: Vec<usize> = tiles.instances(0).iter().map(Instance::slot).collect();
        assert_eq!(slots, [3, 1, 4, 0, 2, 5]);
    }

    #[test]
    fn too_many_pairs_are_an_error() {
        let counts = [u32::MAX, 2];
        let error = Tiles::default().list::<2>(&[1.0, 1.0], &counts, &[], [1, 1]);
        assert!(matches!(error, Err(Error::TooManyPairs { got }) if got == (1 << 32) + 1));
    }
}
