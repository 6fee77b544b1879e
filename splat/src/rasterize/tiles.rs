//! Which splats touch which 16×16 tile, front to back.
//!
//! A counting sort by tile of splats in depth order keeps that order within each tile. Each splat also keeps a list
//! of where its instances went, in a fixed order, so that its gradients can be summed in that order.
use super::lanes::TILE;
use super::project::Footprint;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Splats a task: part of the layout, never taken from the thread count.
const CHUNK: usize = 4096;

/// Tiles one splat touches: for each tile row from `first_row`, a range of columns.
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

/// For each tile row that the splat touches: (row, columns). The ellipse is convex, so each row's tiles are one range.
pub fn spans(f: &Footprint, size: [usize; 2], mut each: impl FnMut(usize, Range<usize>)) {
    const MARGIN_PX: f32 = 1e-3;
    let [xx, xy, yy] = f.covariance;
    let reach = 2.0 * f.reach;
    let (far_x, far_y) = ((reach * xx).sqrt(), (reach * yy).sqrt());
    let (slope, span, shrink) = (xy / yy, reach * f.determinant / yy, f.determinant / (yy * yy));
    let rows = tile_range(f.mean[1] - far_y - MARGIN_PX, f.mean[1] + far_y + MARGIN_PX, size[1]);
    // dy of the rightmost point; the leftmost is opposite.
    let dy_right = xy / xx * far_x;
    for row in rows {
        let low = (row * TILE) as f32 + 0.5 - f.mean[1];
        let (low, high) = (low.max(-far_y), (low + 15.0).min(far_y));
        let (low, high) = (low.min(high), high.max(low));
        let half = |dy: f32| (span - shrink * dy * dy).max(0.0).sqrt();
        let (right, left) = (dy_right.clamp(low, high), (-dy_right).clamp(low, high));
        let columns = tile_range(
            f.mean[0] + slope * left - half(left) - MARGIN_PX,
            f.mean[0] + slope * right + half(right) + MARGIN_PX,
            size[0],
        );
        if !columns.is_empty() {
            each(row, columns);
        }
    }
}

/// Tiles that hold a pixel centre within `low..=high`.
fn tile_range(low: f32, high: f32, count: usize) -> Range<usize> {
    let first = (low - 0.5).ceil().clamp(0.0, (count * TILE) as f32) as usize / TILE;
    let end = ((high - 0.5).floor() + 1.0).clamp(0.0, (count * TILE) as f32) as usize;
    first..end.div_ceil(TILE).max(first)
}

impl Tiles {
    /// Bins footprints that are sorted by depth; `size` in tiles.
    pub fn new(footprints: &[Footprint], size: [usize; 2]) -> Self {
        let n_tiles = size[0] * size[1];
        // Tiles of each splat, in order; counts per splat and per tile.
        let emitted: Vec<(Vec<u32>, Vec<u32>, Vec<u32>)> = footprints
            .par_chunks(CHUNK)
            .map(|chunk| {
                let (mut tiles, mut ends) = (Vec::with_capacity(4 * CHUNK), Vec::with_capacity(CHUNK));
                let mut counts = vec![0u32; n_tiles];
                for f in chunk {
                    spans(f, size, |row, columns| {
                        for tile in columns.map(|column| row * size[0] + column) {
                            tiles.push(tile as u32);
                            counts[tile] += 1;
                        }
                    });
                    ends.push(tiles.len() as u32);
                }
                (tiles, ends, counts)
            })
            .collect();
        let mut starts = vec![0u32; n_tiles + 1];
        let mut cursors: Vec<Vec<u32>> = emitted.iter().map(|_| vec![0u32; n_tiles]).collect();
        let mut total = 0;
        for tile in 0..n_tiles {
            starts[tile] = total;
            for (cursor, (_, _, counts)) in cursors.iter_mut().zip(&emitted) {
                cursor[tile] = total;
                total += counts[tile];
            }
        }
        starts[n_tiles] = total;
        let mut splat_starts = Vec::with_capacity(footprints.len() + 1);
        splat_starts.push(0);
        let mut positions = vec![0u32; total as usize];
        let mut jobs = Vec::with_capacity(emitted.len());
        let (mut rest, mut first_slot) = (&mut positions[..], 0);
        for (index, ((tiles, ends, _), cursor)) in emitted.iter().zip(&mut cursors).enumerate() {
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
