//! Features at places that depend on the landmarks: single points, and grids over the eyes and the mouth.
use super::{IBUG, SIDE};
use tch::{Kind, Tensor};

/// A grid of samples between two landmarks, in units of their distance.
pub struct Patch {
    /// Landmarks that span the x axis: of the left and of the right half of the picture's person.
    ends: [[i64; 2]; 2],
    columns: i64,
    rows: i64,
    /// Half width and half height over the distance of the ends.
    reach: [f64; 2],
}

/// Which of two mirrored patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The person's left.
    Left,
    /// The person's right; cut out mirrored, so that both sides look alike.
    Right,
}

/// Corners of an eye, from the inner to the outer one.
pub const EYE: Patch = Patch { ends: [[42, 45], [39, 36]], columns: 12, rows: 8, reach: [0.8, 0.55] };
/// Corners of the mouth, from the person's right to the left.
pub const MOUTH: Patch = Patch { ends: [[48, 54], [48, 54]], columns: 12, rows: 10, reach: [0.75, 0.65] };

impl Patch {
    /// Samples of one patch.
    pub const fn cells(&self) -> i64 {
        self.columns * self.rows
    }

    /// `[B, C, rows, columns]` of `features` `[B, C, h, h]` at `ibug` `[B, 68, 2]` (pixels of the crop). The x axis runs
    /// from the first end to the second, y to its right hand; for the right side y is reversed, so that the patch is the
    /// mirror image of the left one.
    pub fn cut(&self, features: &Tensor, ibug: &Tensor, side: Side) -> Tensor {
        let [first, second] = self.ends[(side == Side::Right) as usize];
        let (a, b) = (ibug.select(1, first), ibug.select(1, second));
        let middle = (&a + &b) * 0.5;
        // At least a few pixels, where an eye is seen from the side.
        let axis = &b - &a;
        let length =
            axis.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sqrt().clamp_min(0.03 * SIDE as f64);
        let x_axis = &axis / axis.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sqrt().clamp_min(1e-3);
        let sign = if side == Side::Right { -1.0 } else { 1.0 };
        let y_axis = Tensor::stack(&[-x_axis.select(1, 1), x_axis.select(1, 0)], 1) * sign;
        let options = (Kind::Float, ibug.device());
        let steps = |n: i64, reach: f64| (Tensor::arange(n, options) + 0.5) * (2.0 * reach / n as f64) - reach;
        let (u, v) = (steps(self.columns, self.reach[0]), steps(self.rows, self.reach[1]));
        let along = |axis: &Tensor, steps: &Tensor| {
            let n = steps.size()[0];
            (axis * &length).unsqueeze(1) * steps.view([1, n, 1])
        };
        let points = middle.view([-1, 1, 1, 2]) + along(&y_axis, &v).unsqueeze(2) + along(&x_axis, &u).unsqueeze(1);
        sampled(features, &points)
    }
}

/// `[B, C, 1, 68]` of `features` `[B, C, h, h]` at the landmarks themselves.
pub fn at(features: &Tensor, ibug: &Tensor) -> Tensor {
    sampled(features, &ibug.view([-1, 1, IBUG as i64, 2]))
}

/// Bilinear samples at `points` `[B, r, c, 2]` (pixels of the crop); the edge is repeated.
fn sampled(features: &Tensor, points: &Tensor) -> Tensor {
    let grid = points * (2.0 / SIDE as f64) - 1.0;
    // Modes of torch's grid_sampler: 0 is bilinear, 1 repeats the border.
    features.contiguous().grid_sampler(&grid, 0, 1, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// A feature map that holds each cell's own x and y in pixels of the crop.
    fn places(side: i64) -> Tensor {
        let axis = (Tensor::arange(side, (Kind::Float, Device::Cpu)) + 0.5) * (SIDE as f64 / side as f64);
        let x = axis.view([1, 1, 1, side]).expand([1, 1, side, side], false);
        let y = axis.view([1, 1, side, 1]).expand([1, 1, side, side], false);
        Tensor::cat(&[x, y], 1)
    }

    #[test]
    fn patches_lie_between_their_ends_and_mirror() {
        let ibug = Tensor::full([1, 68, 2], 96.0, (Kind::Float, Device::Cpu));
        for (landmark, x, y) in [(42, 110.0, 80.0), (45, 140.0, 80.0), (39, 82.0, 80.0), (36, 52.0, 80.0)] {
            ibug.get(0).get(landmark).copy_(&Tensor::from_slice(&[x, y]));
        }
        let left = EYE.cut(&places(96), &ibug, Side::Left);
        let right = EYE.cut(&places(96), &ibug, Side::Right);
        let value = |t: &Tensor, c: i64, row: i64, column: i64| t.double_value(&[0, c, row, column]);
        // Half width 0.8 × 30 px about x = 125; the first column lies half a step within.
        assert!((value(&left, 0, 0, 0) - (125.0 - 24.0 + 24.0 / 12.0)).abs() < 0.01);
        assert!(value(&left, 1, 0, 0) < 80.0 && value(&left, 1, 7, 0) > 80.0, "rows run downward");
        for (row, column) in [(0, 0), (3, 7), (7, 11)] {
            assert!((value(&left, 0, row, column) + value(&right, 0, row, column) - 192.0).abs() < 0.01);
            assert!((value(&left, 1, row, column) - value(&right, 1, row, column)).abs() < 0.01);
        }
    }
}
