//! Which splats touch which 16×16 tile, front to back.
//!
//! A counting sort by tile of splats in depth order keeps that order within each tile. Each Gaussian also keeps a
//! list of where its instances went, in a fixed order, so that its gradients can be summed in that order.
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
    /// `[N + 1]` where each Gaussian's positions start.
    gaussian_starts: Vec<u32>,
    /// Positions in `instances`, Gaussian by Gaussian.
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
        let mut out = Emitted { tiles: Vec::with_capacity(4 * CHUNK), ends: Vec::with_capacity(CHUNK) };
        for splat in self.splats {
            for row in splat.tile_rows(down) {
                for column in splat.tile_columns(row, across) {
                    out.tiles.push((row * across + column) as u32);
                }
            }
            out.ends.push(out.tiles.len() as u32);
        }
        out
    }
}

impl Tiles {
    /// Bins splats of `n_gaussians` Gaussians that are sorted by depth; `size` in tiles.
    pub fn new(splats: &[Splat], n_gaussians: usize, size: [usize; 2], instructions: Instructions) -> Self {
        let emitted: Vec<Emitted> =
            splats.par_chunks(CHUNK).map(|splats| instructions.run(Emit { splats, size })).collect();
        let (starts, mut cursors) = tile_starts(&emitted, size[0] * size[1]);
        let gaussian_starts = gaussian_starts(splats, &emitted, n_gaussians);
        // Chunks write disjoint places of both; relaxed atomics are plain stores that the compiler accepts.
        let zeros = || -> Vec<AtomicU32> { (0..starts[starts.len() - 1]).map(|_| AtomicU32::new(0)).collect() };
        let (instances, positions) = (zeros(), zeros());
        emitted.par_iter().zip(&mut cursors).enumerate().for_each(|(chunk, (Emitted { tiles, ends }, cursor))| {
            let mut tiles = tiles.iter();
            let mut begin = 0;
            for (index, &end) in ends.iter().enumerate() {
                let splat = chunk * CHUNK + index;
                let first_slot = gaussian_starts[splats[splat].gaussian as usize] as usize;
                for (slot, &tile) in tiles.by_ref().take((end - begin) as usize).enumerate() {
                    let next = &mut cursor[tile as usize];
                    instances[*next as usize].store(splat as u32, Relaxed);
                    positions[first_slot + slot].store(*next, Relaxed);
                    *next += 1;
                }
                begin = end;
            }
        });
        let plain = |v: Vec<AtomicU32>| v.into_iter().map(AtomicU32::into_inner).collect();
        Tiles { size, starts, instances: plain(instances), gaussian_starts, positions: plain(positions) }
    }

    /// Number of (splat, tile) pairs.
    pub fn len(&self) -> usize {
        self.instances.len()
    }

    /// Splats of a tile, front to back.
    pub fn instances(&self, tile: usize) -> &[u32] {
        &self.instances[self.starts[tile] as usize..self.starts[tile + 1] as usize]
    }

    /// Where among all instances those of a Gaussian are, in a fixed order; none if it is not drawn.
    #[inline(always)]
    pub fn positions(&self, gaussian: usize) -> &[u32] {
        &self.positions[self.gaussian_starts[gaussian] as usize..self.gaussian_starts[gaussian + 1] as usize]
    }
}

/// Where each tile's instances start, and within them each chunk's: `[tiles + 1]` and `[chunks][tiles]`.
fn tile_starts(emitted: &[Emitted], n_tiles: usize) -> (Vec<u32>, Vec<Vec<u32>>) {
    let mut starts = vec![0u32; n_tiles + 1];
    let mut cursors: Vec<Vec<u32>> = emitted.iter().map(|_| vec![0u32; n_tiles]).collect();
    for (cursor, chunk) in cursors.iter_mut().zip(emitted) {
        for &tile in &chunk.tiles {
            cursor[tile as usize] += 1;
        }
    }
    let mut total = 0u32;
    for tile in 0..n_tiles {
        starts[tile] = total;
        for cursor in &mut cursors {
            let count = cursor[tile];
            cursor[tile] = total;
            total = total.checked_add(count).expect("at most 4 billion (Gaussian, tile) pairs");
        }
    }
    starts[n_tiles] = total;
    (starts, cursors)
}

/// `[N + 1]` running sum of how many tiles each Gaussian touches.
fn gaussian_starts(splats: &[Splat], emitted: &[Emitted], n_gaussians: usize) -> Vec<u32> {
    let mut starts = vec![0u32; n_gaussians + 1];
    for (splats, chunk) in splats.chunks(CHUNK).zip(emitted) {
        let mut begin = 0;
        for (splat, &end) in splats.iter().zip(&chunk.ends) {
            starts[splat.gaussian as usize + 1] = end - begin;
            begin = end;
        }
    }
    for n in 0..n_gaussians {
        starts[n + 1] += starts[n];
    }
    starts
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
