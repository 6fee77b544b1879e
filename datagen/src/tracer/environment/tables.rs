//! Tables to draw a cell by its share.

/// Discrete distributions over `n` cells each, inverted through a guide: where to begin looking for each `n`-th part of
/// `0..1` (Chen, Asau 1974), so that a draw takes about one step whatever `n`. All lie in one block of memory.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    n: usize,
    /// `[tables][n + 1]` cumulative shares.
    cumulative: Vec<f32>,
    /// `[tables][n]`
    guide: Vec<u16>,
}

impl Tables {
    /// None yet, over `n` cells.
    pub fn of(n: usize) -> Self {
        Tables { n, cumulative: Vec::new(), guide: Vec::new() }
    }

    /// Adds one, from shares that sum to one.
    pub fn push(&mut self, shares: &[f64]) {
        let (from, mut sum) = (self.cumulative.len(), 0.0);
        self.cumulative.push(0.0);
        self.cumulative.extend(shares.iter().map(|s| {
            sum += s;
            sum as f32
        }));
        let (n, mut cell) = (self.n, 0);
        let cumulative = &self.cumulative[from..];
        self.guide.extend((0..n).map(|k| {
            while cell + 1 < n && cumulative[cell + 1] <= k as f32 / n as f32 {
                cell += 1;
            }
            cell as u16
        }));
    }

    /// The cell of a table that `u` in `0..1` falls into, and where in it.
    #[inline]
    pub fn invert(&self, table: usize, u: f32) -> (usize, f32) {
        let n = self.n;
        let cumulative = &self.cumulative[table * (n + 1)..(table + 1) * (n + 1)];
        let mut i = self.guide[table * n + ((u * n as f32) as usize).min(n - 1)] as usize;
        while i + 1 < n && cumulative[i + 1] <= u {
            i += 1;
        }
        while i > 0 && cumulative[i + 1] <= cumulative[i] {
            i -= 1; // u beyond the last share: rounding, and a table that closes with empty cells
        }
        let (a, b) = (cumulative[i], cumulative[i + 1]);
        (i, ((u - a) / (b - a).max(1e-20)).clamp(0.0, 1.0 - f32::EPSILON))
    }
}
