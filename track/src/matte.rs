//! Sharpens a coarse matte along the edges of the picture: guided filter (He, Sun, Tang 2013) on brightness.

/// A square plane, row-major `[side, side]`.
#[derive(Clone, Copy, Debug)]
pub struct Square<'a> {
    /// `[side, side]`
    pub values: &'a [f32],
    /// Pixels.
    pub side: usize,
}

/// The windows of the filter.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Pixels of the guide.
    pub radius: usize,
    /// Variance of brightness below which a window counts as flat.
    pub epsilon: f32,
}

/// `coarse` coverage, upsampled bilinearly to the size of `guide` (brightness 0..=1) and filtered under it.
pub fn refine(coarse: Square, guide: Square, Window { radius, epsilon }: Window) -> Vec<f32> {
    let p = enlarged(coarse.values, coarse.side, guide.side);
    let (guide, size) = (guide.values, guide.side);
    let mean = |v: &[f32]| box_mean(v, size, radius);
    let product = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(x, y)| x * y).collect() };
    let (mean_i, mean_p) = (mean(guide), mean(&p));
    let (mean_ii, mean_ip) = (mean(&product(guide, guide)), mean(&product(guide, &p)));
    let mut a = vec![0.0; p.len()];
    let mut b = vec![0.0; p.len()];
    for i in 0..p.len() {
        let variance = mean_ii[i] - mean_i[i] * mean_i[i];
        a[i] = (mean_ip[i] - mean_i[i] * mean_p[i]) / (variance + epsilon);
        b[i] = mean_p[i] - a[i] * mean_i[i];
    }
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    (0..p.len())
        .map(|i| {
            let q = mean_a[i] * guide[i] + mean_b[i];
            // Sure places stay sure; the filter only moves the edge.
            let sure = ((p[i] - 0.5).abs() * 2.0).powi(6);
            contrast(q + sure * (p[i] - q))
        })
        .collect()
}

/// Near 0 becomes 0, near 1 becomes 1.
fn contrast(v: f32) -> f32 {
    ((v - 0.2) / 0.6).clamp(0.0, 1.0)
}

/// Bilinear enlargement of a square plane, pixel centres at +0.5.
pub fn enlarged(coarse: &[f32], side: usize, size: usize) -> Vec<f32> {
    let scale = side as f32 / size as f32;
    let at = |x: isize, y: isize| {
        let clamp = |v: isize| v.clamp(0, side as isize - 1) as usize;
        coarse[clamp(y) * side + clamp(x)]
    };
    let mut out = Vec::with_capacity(size * size);
    for y in 0..size {
        let v = (y as f32 + 0.5) * scale - 0.5;
        let (y0, fy) = (v.floor() as isize, v - v.floor());
        for x in 0..size {
            let u = (x as f32 + 0.5) * scale - 0.5;
            let (x0, fx) = (u.floor() as isize, u - u.floor());
            let top = at(x0, y0) * (1.0 - fx) + at(x0 + 1, y0) * fx;
            let low = at(x0, y0 + 1) * (1.0 - fx) + at(x0 + 1, y0 + 1) * fx;
            out.push(top * (1.0 - fy) + low * fy);
        }
    }
    out
}

/// Mean over a square window, cut at the border; by running sums.
fn box_mean(v: &[f32], size: usize, radius: usize) -> Vec<f32> {
    let line = |values: &mut dyn FnMut(usize) -> f32| -> Vec<f32> {
        let mut sums = vec![0.0f64; size + 1];
        for i in 0..size {
            sums[i + 1] = sums[i] + values(i) as f64;
        }
        (0..size)
            .map(|i| {
                let (low, high) = (i.saturating_sub(radius), (i + radius + 1).min(size));
                ((sums[high] - sums[low]) / (high - low) as f64) as f32
            })
            .collect()
    };
    let mut rows = Vec::with_capacity(size * size);
    for y in 0..size {
        rows.extend(line(&mut |x| v[y * size + x]));
    }
    let mut out = vec![0.0; size * size];
    for x in 0..size {
        for (y, value) in line(&mut |y| rows[y * size + x]).into_iter().enumerate() {
            out[y * size + x] = value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_moves_to_where_the_picture_has_it() {
        // The guide changes at column 34 of 64; the coarse matte is blurred around column 32.
        let guide: Vec<f32> = (0..64 * 64).map(|i| if i % 64 >= 34 { 0.9 } else { 0.1 }).collect();
        let coarse: Vec<f32> = (0..16 * 16).map(|i| ((i % 16) as f32 / 2.0 - 3.5).clamp(0.0, 1.0)).collect();
        let matte = refine(
            Square { values: &coarse, side: 16 },
            Square { values: &guide, side: 64 },
            Window { radius: 6, epsilon: 1e-3 },
        );
        let row = &matte[32 * 64..33 * 64];
        assert!(row[20] < 0.02 && row[45] > 0.98);
        let jump = row[34] - row[33];
        assert!(jump > 0.4, "most of the edge lies between columns 33 and 34: {jump}");
    }
}
