//! A sparse symmetric positive definite matrix as a banded Cholesky factor.
//!
//! Rows are renumbered breadth first from a row at the rim (Cuthill and McKee 1969), which keeps the band of a mesh
//! narrow: one ring of it.
use std::collections::{BTreeMap, VecDeque};

/// `A = L Lᵀ`.
pub struct Banded {
    /// `[N]` new row from old row.
    new_from_old: Vec<usize>,
    /// Entries left of the diagonal that are kept.
    width: usize,
    /// `[N, width + 1]`, the diagonal last.
    rows: Vec<f64>,
}

impl Banded {
    /// Of `entries` `(row, column) → value` of a symmetric matrix with `n` rows, both halves given.
    pub fn factor(n: usize, entries: &BTreeMap<(usize, usize), f64>) -> Banded {
        let new_from_old = numbering(n, entries);
        let distance = |&(i, j): &(usize, usize)| new_from_old[i].abs_diff(new_from_old[j]);
        let width = entries.keys().map(distance).max().unwrap_or(0);
        let mut rows = vec![0.0; n * (width + 1)];
        for (&(i, j), &value) in entries {
            let (i, j) = (new_from_old[i], new_from_old[j]);
            if j <= i {
                rows[i * (width + 1) + width - (i - j)] = value;
            }
        }
        let mut banded = Banded { new_from_old, width, rows };
        banded.eliminate(n);
        banded
    }

    fn eliminate(&mut self, n: usize) {
        let (width, stride) = (self.width, self.width + 1);
        for i in 0..n {
            for j in i.saturating_sub(width)..=i {
                // Both rows from the first column that they share.
                let first = i.saturating_sub(width).max(j.saturating_sub(width));
                let in_i = i * stride + width - (i - first);
                let in_j = j * stride + width - (j - first);
                let length = j - first;
                let sum: f64 = (0..length).map(|k| self.rows[in_i + k] * self.rows[in_j + k]).sum();
                let at = i * stride + width - (i - j);
                let rest = self.rows[at] - sum;
                self.rows[at] = if i == j { rest.max(1e-300).sqrt() } else { rest / self.rows[j * stride + width] };
            }
        }
    }

    /// `A⁻¹ b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let (n, width, stride) = (b.len(), self.width, self.width + 1);
        let mut x = vec![0.0; n];
        self.new_from_old.iter().zip(b).for_each(|(&new, &value)| x[new] = value);
        for i in 0..n {
            let first = i.saturating_sub(width);
            let row = &self.rows[i * stride + width - (i - first)..(i + 1) * stride];
            let sum: f64 = row[..i - first].iter().zip(&x[first..i]).map(|(l, x)| l * x).sum();
            x[i] = (x[i] - sum) / row[i - first];
        }
        for i in (0..n).rev() {
            let first = i.saturating_sub(width);
            let row = &self.rows[i * stride + width - (i - first)..(i + 1) * stride];
            x[i] /= row[i - first];
            let value = x[i];
            x[first..i].iter_mut().zip(row).for_each(|(x, l)| *x -= l * value);
        }
        self.new_from_old.iter().map(|&new| x[new]).collect()
    }
}

/// `[N]` new row from old row: breadth first, few neighbors first.
fn numbering(n: usize, entries: &BTreeMap<(usize, usize), f64>) -> Vec<usize> {
    let mut around = vec![Vec::new(); n];
    entries.keys().filter(|(i, j)| i != j).for_each(|&(i, j)| around[i].push(j));
    let degree = |i: usize| around[i].len();
    let sweep = |first: usize| {
        let (mut order, mut seen) = (Vec::with_capacity(n), vec![false; n]);
        let mut by_degree: Vec<usize> = (0..n).collect();
        by_degree.sort_by_key(|&i| (i != first, degree(i)));
        for root in by_degree {
            let mut queue = VecDeque::from([root]);
            while let Some(i) = queue.pop_front() {
                if std::mem::replace(&mut seen[i], true) {
                    continue;
                }
                order.push(i);
                let mut next: Vec<usize> = around[i].iter().copied().filter(|&j| !seen[j]).collect();
                next.sort_by_key(|&j| degree(j));
                queue.extend(next);
            }
        }
        order
    };
    // The first sweep ends at a far rim; the second starts there.
    let order = sweep(sweep(0)[n - 1]);
    let mut new_from_old = vec![0; n];
    order.iter().enumerate().for_each(|(new, &old)| new_from_old[old] = new);
    new_from_old
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_solves_a_grid() {
        let side = 7;
        let mut entries: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        let at = |x: usize, y: usize| (x * 5 % side) + side * y;
        for (x, y) in (0..side).flat_map(|x| (0..side).map(move |y| (x, y))) {
            *entries.entry((at(x, y), at(x, y))).or_default() += 4.5 + 0.1 * x as f64;
            for (i, j) in [(x + 1, y), (x, y + 1)].into_iter().filter(|&(i, j)| i < side && j < side) {
                entries.insert((at(x, y), at(i, j)), -1.0);
                entries.insert((at(i, j), at(x, y)), -1.0);
            }
        }
        let wanted: Vec<f64> = (0..side * side).map(|i| (i as f64).sin()).collect();
        let mut b = vec![0.0; side * side];
        entries.iter().for_each(|(&(i, j), value)| b[i] += value * wanted[j]);
        let banded = Banded::factor(side * side, &entries);
        assert!(banded.width < 2 * side, "{}", banded.width);
        let worst = banded.solve(&b).iter().zip(&wanted).map(|(x, w)| (x - w).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-12, "{worst}");
    }
}
