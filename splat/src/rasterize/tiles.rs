//! Which splats touch which 16×16 tile, front to back.
//!
//! A counting sort by tile of splats in depth order keeps that order within each tile. Each splat also keeps a list
//! of where its instances went, in a fixed order, so that its gradients can be summed in that order.
use super::instructions::{Instructions, Kernel};
use super::splat::Splat;
use rayon::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Splats a task: part of the layout, never taken from the thread count.
const CHUNK: usize = 4096;

/// The lists.
#[derive(Debug)]
pub struct Tiles {
    /// Tiles across and down.
    pub size: [usize; 2],
    /// `[tiles + 1]` where each tile's instances start.
    starts: Vec<u32>,
    /// Indices of splats, tile by tile, front to back.
    instances: Vec<u32>,
    /// `[splats + 1]` where each splat's list of instances starts.
    splat_starts: Vec<u32>,
    /// Positions in `instances`, splat by splat.
    positions: Vec<u32>,
}

/// Indices of `depths` in ascending order, ties by index: radix sort of the bits (depths are positive).
pub fn depth_order(keys: Vec<(f32, u32)>) -> Vec<u32> {
    let mut from: Vec<u64> = keys.iter().map(|&(depth, id)| (depth.to_bits() as u64) << 32 | id as u64).collect();
    let mut to = vec![0u64; from.len()];
    for shift in [32, 43, 54] {
        let digit = |key: u64| (key >> shift) as usize & 2047;
        let mut starts = [0u32; 2048];
        from.iter().for_each(|&key| starts[digit(key)] += 1);
        let mut total = 0;
        for start in &mut starts {
            (*start, total) = (total, total + *start);
        }
        for &key in &from {
            let start = &mut starts[digit(key)];
            to[*start as usize] = key;
            *start += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    from.into_iter().map(|key| key as u32).collect()
}

/// The tiles of one chunk of splats.
struct Emitted {
    /// Splat by splat.
    tiles: Vec<u32>,
    /// `[splats]` where each one's tiles end.
    ends: Vec<u32>,
    /// `[tiles]` how often each occurs.
    counts: Vec<u32>,
}

struct Emit<'a> {
    splats: &'a [Splat],
    size: [usize; 2],
}

impl Kernel for Emit<'_> {
    type Output = Emitted;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> Emitted {
        let [across, down] = self.size;
        let mut out = Emitted {
            tiles: Vec::with_capacity(4 * CHUNK),
            ends: Vec::with_capacity(CHUNK),
            counts: vec![0; across * down],
        };
        for splat in self.splats {
            for row in splat.tile_rows(down) {
                for column in splat.tile_columns(row, across) {
                    out.tiles.push((row * across + column) as u32);
                    out.counts[row * across + column] += 1;
                }
            }
            out.ends.push(out.tiles.len() as u32);
        }
        out
    }
}

impl Tiles {
    /// Bins splats that are sorted by depth; `size` in tiles.
    pub fn new(splats: &[Splat], size: [usize; 2], instructions: Instructions) -> Self {
        let n_tiles = size[0] * size[1];
        let emitted: Vec<Emitted> =
            splats.par_chunks(CHUNK).map(|splats| instructions.run(Emit { splats, size })).collect();
        let mut starts = vec![0u32; n_tiles + 1];
        let mut cursors: Vec<Vec<u32>> = emitted.iter().map(|_| vec![0u32; n_tiles]).collect();
        let mut total = 0;
        for tile in 0..n_tiles {
            starts[tile] = total;
            for (cursor, chunk) in cursors.iter_mut().zip(&emitted) {
                cursor[tile] = total;
                total += chunk.counts[tile];
            }
        }
        starts[n_tiles] = total;
        let mut splat_starts = Vec::with_capacity(splats.len() + 1);
        splat_starts.push(0);
        let mut positions = vec![0u32; total as usize];
        let mut jobs = Vec::with_capacity(emitted.len());
        let (mut rest, mut first_slot) = (&mut positions[..], 0);
        for (index, (Emitted { tiles, ends, .. }, cursor)) in emitted.iter().zip(&mut cursors).enumerate() {
            splat_starts.extend(ends.iter().map(|end| first_slot + end));
            first_slot += tiles.len() as u32;
            let (mine, others) = rest.split_at_mut(tiles.len());
            rest = others;
            jobs.push((index * CHUNK, tiles, ends, cursor, mine));
        }
        // Chunks write disjoint places of `instances`; relaxed atomics are plain stores that the compiler accepts.
        let instances: Vec<AtomicU32> = (0..total).map(|_| AtomicU32::new(0)).collect();
        jobs.into_par_iter().for_each(|(first_splat, tiles, ends, cursor, positions)| {
            let mut slot = 0;
            for (offset, &end) in ends.iter().enumerate() {
                while slot < end as usize {
                    let next = &mut cursor[tiles[slot] as usize];
                    instances[*next as usize].store((first_splat + offset) as u32, Relaxed);
                    positions[slot] = *next;
                    *next += 1;
                    slot += 1;
                }
            }
        });
        let instances = instances.into_iter().map(AtomicU32::into_inner).collect();
        Tiles { size, starts, instances, splat_starts, positions }
    }

    /// Number of (splat, tile) pairs.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Splats of a tile, front to back.
    pub fn instances(&self, tile: usize) -> &[u32] {
        &self.instances[self.starts[tile] as usize..self.starts[tile + 1] as usize]
    }

    /// Where among all instances those of a splat are, in a fixed order.
    pub fn positions(&self, splat: usize) -> &[u32] {
        &self.positions[self.splat_starts[splat] as usize..self.splat_starts[splat + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_order_is_stable() {
        let keys = vec![(2.0, 0), (0.5, 1), (2.0, 2), (1e-3, 3), (0.5, 4), (1e4, 5)];
        assert_eq!(depth_order(keys), [3, 1, 4, 0, 2, 5]);
    }
}
