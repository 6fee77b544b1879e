//! The reference moved so that its landmarks lie where a frame's are: a first guess of the frame, in the plane.
//!
//! A pixel `p` of the frame is looked up at `f(p) = A p + Σ cᵢ exp(−|p − qᵢ|² / 2σ²)`: the affine map that takes the
//! frame's landmarks `q` to the reference's, and a ridge regression of what it leaves (as Arad et al. 1994, "Image warping
//! by radial basis functions"). Far from the face only the affine part is left.
use tch::Tensor;

/// σ, share of the landmarks' spread.
const REACH: f64 = 0.6;
/// Ridge: what many landmarks have in common is followed, what one has alone is not. A turned head folds.
const RIDGE: f64 = 1.0;
/// How far a point of the jaw may lie behind the face's outline, share of the spread, until it counts e times less.
const BEHIND: f64 = 0.05;
/// The map is worked out on a grid this many times coarser than the picture.
const COARSE: usize = 4;

/// `picture` `[3, S, S]` with landmarks `from` (pixels), as it would look with each of `to`: `[F, 3, S, S]`, on the
/// picture's device. Beyond the picture its border is repeated.
///
/// # Panics
/// If a face has not as many landmarks as the reference.
pub fn moved(picture: &Tensor, from: &[[f32; 2]], to: &[Vec<[f32; 2]>]) -> Tensor {
    let size = picture.size()[2];
    let coarse = (size as usize / COARSE).max(1);
    let values: Vec<f32> = to.iter().flat_map(|q| lookups(from, q, size as usize, coarse)).collect();
    let frames = to.len() as i64;
    let grid = Tensor::from_slice(&values).view([frames, 2, coarse as i64, coarse as i64]);
    let grid = grid.upsample_bilinear2d([size, size], false, None, None).permute([0, 2, 3, 1]).contiguous();
    let pictures = picture.unsqueeze(0).expand([frames, 3, size, size], false);
    const BILINEAR: i64 = 0;
    const BORDER: i64 = 1;
    pictures.grid_sampler(&grid.to_device(picture.device()), BILINEAR, BORDER, false)
}

/// Where the cells of a grid of `coarse`² are looked up: x of all, then y of all, −1..=1 from border to border.
fn lookups(from: &[[f32; 2]], to: &[[f32; 2]], size: usize, coarse: usize) -> Vec<f32> {
    assert_eq!(from.len(), to.len(), "landmarks of the reference and of a frame");
    let map = Map::new(to, from);
    let cell = size as f64 / coarse as f64;
    let at = |i: usize| map.at([(0.5 + (i % coarse) as f64) * cell, (0.5 + (i / coarse) as f64) * cell]);
    let found: Vec<[f64; 2]> = (0..coarse * coarse).map(at).collect();
    let unit = |v: f64| (2.0 * v / size as f64 - 1.0) as f32;
    found.iter().map(|p| unit(p[0])).chain(found.iter().map(|p| unit(p[1]))).collect()
}

/// From a frame to the reference, pixels.
struct Map {
    /// Rows: x, y; columns: x, y, 1.
    affine: [[f64; 3]; 2],
    points: Vec<[f64; 2]>,
    bumps: Vec<[f64; 2]>,
    sharpness: f64,
}

impl Map {
    /// Takes `q` to `r`; points that are not finite count for nothing.
    fn new(q: &[[f32; 2]], r: &[[f32; 2]]) -> Self {
        let seen = in_front(q).into_iter().zip(in_front(r)).map(|(a, b)| a * b);
        let whole = |p: &[f32; 2]| p.iter().all(|v| v.is_finite());
        let kept: Vec<([f64; 2], [f64; 2], f64)> = (q.iter().zip(r).zip(seen))
            .filter(|((q, r), _)| whole(q) && whole(r))
            .map(|((q, r), seen)| (q.map(f64::from), r.map(f64::from), seen))
            .collect();
        let affine = [0, 1].map(|axis| plane(kept.iter().map(|(q, r, w)| (*q, r[axis], *w))));
        let points: Vec<[f64; 2]> = kept.iter().map(|(q, ..)| *q).collect();
        let sharpness = 0.5 / (REACH * spread(&points)).powi(2);
        let mut map = Map { affine, bumps: vec![[0.0; 2]; points.len()], points, sharpness };
        let mut system: Vec<Vec<f64>> = (map.points.iter().zip(&kept))
            .map(|(p, (q, r, seen))| {
                let by = map.straight(*q);
                let mut row: Vec<f64> = map.points.iter().map(|o| map.bump(*p, *o)).collect();
                row.extend([r[0] - by[0], r[1] - by[1], RIDGE / seen]);
                row
            })
            .collect();
        let n = map.points.len();
        for (i, row) in system.iter_mut().enumerate() {
            row[i] += row.pop().expect("the ridge");
        }
        solve(&mut system);
        map.bumps = system.iter().map(|row| [row[n], row[n + 1]]).collect();
        map
    }

    fn at(&self, p: [f64; 2]) -> [f64; 2] {
        let mut sum = self.straight(p);
        for (point, bump) in self.points.iter().zip(&self.bumps) {
            let near = self.bump(p, *point);
            sum = [sum[0] + near * bump[0], sum[1] + near * bump[1]];
        }
        sum
    }

    fn straight(&self, p: [f64; 2]) -> [f64; 2] {
        self.affine.map(|a| a[0] * p[0] + a[1] * p[1] + a[2])
    }

    fn bump(&self, a: [f64; 2], b: [f64; 2]) -> f64 {
        (-self.sharpness * ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2))).exp()
    }
}

/// Weights 0..=1 of landmarks: the jaw's on the far side of a turned head lie behind the outline, where the picture shows
/// something else. iBUG's 68: 0..=16 is the jaw from the person's right ear to the left, 36..48 the eyes.
fn in_front(points: &[[f32; 2]]) -> Vec<f64> {
    let mut weights = vec![1.0; points.len()];
    if points.len() < crate::landmark_map::LANDMARKS {
        return weights;
    }
    let middle = |range: std::ops::Range<usize>| {
        let n = range.len() as f64;
        let sum = points[range].iter().fold([0.0; 2], |s, p| [s[0] + f64::from(p[0]), s[1] + f64::from(p[1])]);
        sum.map(|v| v / n)
    };
    let (right, left) = (middle(36..42), middle(42..48));
    let (dx, dy) = (left[0] - right[0], left[1] - right[1]);
    let length = dx.hypot(dy).max(1e-9);
    let across: Vec<f64> = points.iter().map(|p| (f64::from(p[0]) * dx + f64::from(p[1]) * dy) / length).collect();
    let unit = BEHIND * spread(&points.iter().map(|p| p.map(f64::from)).collect::<Vec<_>>());
    for i in 0..8 {
        let nearest = across[i + 1..=8].iter().copied().fold(f64::INFINITY, f64::min);
        weights[i] = (-(across[i] - nearest).max(0.0) / unit).exp().max(1e-6);
        let (k, nearest) = (16 - i, across[8..16 - i].iter().copied().fold(f64::NEG_INFINITY, f64::max));
        weights[k] = (-(nearest - across[k]).max(0.0) / unit).exp().max(1e-6);
    }
    weights
}

/// Root mean square distance from the middle.
fn spread(points: &[[f64; 2]]) -> f64 {
    let n = points.len().max(1) as f64;
    let middle = [0, 1].map(|k| points.iter().map(|p| p[k]).sum::<f64>() / n);
    let squares = points.iter().map(|p| (p[0] - middle[0]).powi(2) + (p[1] - middle[1]).powi(2)).sum::<f64>();
    (squares / n).sqrt().max(1e-6)
}

/// Weighted least squares of `value ≈ a x + b y + c` over (point, value, weight).
fn plane(samples: impl Iterator<Item = ([f64; 2], f64, f64)>) -> [f64; 3] {
    let mut system = vec![vec![0.0; 4]; 3];
    for ([x, y], value, weight) in samples {
        let row = [x, y, 1.0, value];
        for (i, out) in system.iter_mut().enumerate() {
            out.iter_mut().zip(row).for_each(|(sum, v)| *sum += weight * row[i] * v);
        }
    }
    (0..3).for_each(|i| system[i][i] += 1e-9);
    solve(&mut system);
    [system[0][3], system[1][3], system[2][3]]
}

/// Solves `[n, n | m]` in place by elimination without pivots, which positive definite systems can do without; the
/// solutions stand where the right-hand sides did.
fn solve(system: &mut [Vec<f64>]) {
    for i in 0..system.len() {
        let (above, rest) = system.split_at_mut(i);
        let (row, below) = rest.split_first_mut().expect("row i");
        let pivot = row[i];
        row[i..].iter_mut().for_each(|v| *v /= pivot);
        for other in above.iter_mut().chain(below) {
            let by = other[i];
            other[i..].iter_mut().zip(&row[i..]).for_each(|(o, v)| *o -= by * v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// Landmarks of a face seen from the front: jaw, eyes and the rest, well spread.
    fn face() -> Vec<[f32; 2]> {
        let around = |a: f32, r: f32| [32.0 + r * a.cos(), 32.0 + r * a.sin()];
        let jaw = (0..17).map(|i| around(std::f32::consts::PI * (1.0 - i as f32 / 16.0), 20.0));
        let inner = (17..68).map(|i| match i {
            36..42 => [24.0 + (i % 3) as f32, 26.0 + (i % 2) as f32],
            42..48 => [38.0 + (i % 3) as f32, 26.0 + (i % 2) as f32],
            _ => around(i as f32 * 2.4, 3.0 + 0.2 * i as f32),
        });
        jaw.chain(inner).collect()
    }

    fn ramp() -> Tensor {
        let x = Tensor::arange(64, (Kind::Float, Device::Cpu)).view([1, 1, 64]) / 63.0;
        let y = Tensor::arange(64, (Kind::Float, Device::Cpu)).view([1, 64, 1]) / 63.0;
        Tensor::cat(&[&x.expand([1, 64, 64], false), &y.expand([1, 64, 64], false), &(x * y)], 0)
    }

    #[test]
    fn unmoved_landmarks_change_nothing() {
        let same = moved(&ramp(), &face(), &[face(), face()]);
        assert_eq!(same.size(), [2, 3, 64, 64]);
        let inside = |t: &Tensor| t.narrow(1, 4, 56).narrow(2, 4, 56);
        assert!(inside(&same.get(1)).allclose(&inside(&ramp()), 1e-3, 1e-3, false));
    }

    /// Mean distance from where landmarks are looked up to where the reference has them, pixels.
    fn missed(to: &[[f32; 2]]) -> f64 {
        let map = Map::new(to, &face());
        let off = to.iter().zip(face()).map(|(q, r)| {
            let at = map.at(q.map(f64::from));
            (at[0] - f64::from(r[0])).hypot(at[1] - f64::from(r[1]))
        });
        off.sum::<f64>() / to.len() as f64
    }

    #[test]
    fn landmarks_come_to_lie_where_they_are_asked_for() {
        let shifted: Vec<[f32; 2]> = face().iter().map(|p| [0.8 * p[0] + 9.0, p[1] + 0.2 * p[0] - 4.0]).collect();
        assert!(missed(&shifted) < 1e-3, "what is affine is followed: {}", missed(&shifted));
        let bent: Vec<[f32; 2]> = face().iter().map(|p| [p[0] + 3.0 * (p[1] / 12.0).sin(), p[1]]).collect();
        assert!(missed(&bent) < 0.4, "what many have in common too: {}", missed(&bent));
    }

    #[test]
    fn the_far_jaw_counts_little() {
        let front = in_front(&face());
        assert!(front.iter().all(|w| *w > 0.9), "{front:?}");
        // Turned: the right ear's end of the jaw folds back behind the cheek.
        let mut turned = face();
        (0..5).for_each(|i| turned[i][0] = 20.0 + 2.0 * (5 - i) as f32);
        let weights = in_front(&turned);
        assert!(weights[0] < 0.05 && weights[8..].iter().all(|w| *w > 0.9), "{weights:?}");
        assert!(moved(&ramp(), &face(), &[turned]).isfinite().all().int64_value(&[]) == 1);
    }
}
