//! How far a point is from skin and cloth, signed: what keeps strands out of skull, ears, neck and shoulders.
use glam::Vec3;

/// Side of a cell (meters).
const CELL_M: f32 = 0.003;
/// Up to here distances are exact at the cells' corners (meters); beyond they are counted in cells.
const EXACT_M: f32 = 0.006;
/// Room around the meshes (meters).
const MARGIN_M: f32 = 0.012;

/// Triangles that strands must stay outside of.
pub struct Obstacle<'a> {
    /// `[V]` meters.
    pub positions: &'a [Vec3],
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: &'a [[u32; 3]],
}

/// A signed distance sampled on a grid: positive outside (meters).
pub struct Clearance {
    low: Vec3,
    size: [usize; 3],
    /// `[Z][Y][X]`
    distance: Vec<f32>,
}

impl Clearance {
    /// Of all obstacles together.
    pub fn new(obstacles: &[Obstacle]) -> Self {
        let all = || obstacles.iter().flat_map(|o| o.positions.iter().copied());
        let (low, high) = all().fold((Vec3::splat(f32::MAX), Vec3::splat(f32::MIN)), |(l, h), p| (l.min(p), h.max(p)));
        let (low, high) = if low.x > high.x { (Vec3::ZERO, Vec3::ZERO) } else { (low, high) };
        let low = low - MARGIN_M;
        let size = ((high + MARGIN_M - low) / CELL_M).to_array().map(|cells| cells.ceil() as usize + 1);
        let mut field = Clearance { low, size, distance: vec![f32::INFINITY; size.iter().product()] };
        // How squarely the nearest triangle is faced: of two as near as each other, that one knows the side.
        let mut facing = vec![0.0; field.distance.len()];
        for o in obstacles {
            for t in o.triangles {
                field.add_triangle(t.map(|i| o.positions[i as usize]), &mut facing);
            }
        }
        field.spread();
        field
    }

    /// Signed distance (meters); a meter outside the grid.
    pub fn at(&self, p: Vec3) -> f32 {
        let g = (p - self.low) / CELL_M;
        let cell = g.floor();
        let inside = cell.min_element() >= 0.0 && (0..3).all(|a| (cell[a] as usize) + 1 < self.size[a]);
        if !inside {
            return 1.0;
        }
        let (f, [x, y, z]) = (g - cell, cell.to_array().map(|c| c as usize));
        let at = |dx: usize, dy: usize, dz: usize| self.distance[self.index([x + dx, y + dy, z + dz])];
        let lerp = |a: f32, b: f32, k: f32| a + (b - a) * k;
        let row = |dy: usize, dz: usize| lerp(at(0, dy, dz), at(1, dy, dz), f.x);
        lerp(lerp(row(0, 0), row(1, 0), f.y), lerp(row(0, 1), row(1, 1), f.y), f.z)
    }

    /// `p`, moved outwards until it is `gap_m` over the surface.
    pub fn pushed_out(&self, mut p: Vec3, gap_m: f32) -> Vec3 {
        for _ in 0..6 {
            let d = self.at(p);
            if d >= gap_m {
                break;
            }
            const H: f32 = 0.5 * CELL_M;
            let slope = |axis: Vec3| self.at(p + axis * H) - self.at(p - axis * H);
            let Some(out) = Vec3::new(slope(Vec3::X), slope(Vec3::Y), slope(Vec3::Z)).try_normalize() else { break };
            p += out * (gap_m - d).min(3.0 * CELL_M);
        }
        p
    }

    fn index(&self, [x, y, z]: [usize; 3]) -> usize {
        (z * self.size[1] + y) * self.size[0] + x
    }

    fn add_triangle(&mut self, [a, b, c]: [Vec3; 3], facing: &mut [f32]) {
        let Some(normal) = (b - a).cross(c - a).try_normalize() else { return };
        let cells = |p: Vec3| (p - self.low) / CELL_M;
        let first = cells(a.min(b).min(c) - EXACT_M).ceil().max(Vec3::ZERO).to_array().map(|v| v as usize);
        let last = cells(a.max(b).max(c) + EXACT_M).floor().to_array().map(|v| v.max(0.0) as usize);
        for z in first[2]..=last[2].min(self.size[2] - 1) {
            for y in first[1]..=last[1].min(self.size[1] - 1) {
                for x in first[0]..=last[0].min(self.size[0] - 1) {
                    let p = self.low + Vec3::new(x as f32, y as f32, z as f32) * CELL_M;
                    let height = normal.dot(p - a);
                    let i = self.index([x, y, z]);
                    if height.abs() > EXACT_M.min(self.distance[i].abs() + 1e-6) {
                        continue;
                    }
                    let away = p - crate::people::surface::nearest_on_triangle(p, [a, b, c]);
                    let d = away.length();
                    let square = height.abs() / d.max(1e-9);
                    let nearer = d < self.distance[i].abs() - 1e-6;
                    let same = d < self.distance[i].abs() + 1e-6;
                    if d <= EXACT_M && (nearer || (same && square > facing[i])) {
                        self.distance[i] = d.copysign(height);
                        facing[i] = square;
                    }
                }
            }
        }
    }

    /// Carries distances on from cell to cell, with the sign of the nearest that is known.
    fn spread(&mut self) {
        let mut front: Vec<usize> = (0..self.distance.len()).filter(|&i| self.distance[i].is_finite()).collect();
        let steps = [1, self.size[0], self.size[0] * self.size[1]];
        while !front.is_empty() {
            let mut next = Vec::new();
            for &i in &front {
                let place = [i % steps[1], i / steps[1] % self.size[1], i / steps[2]];
                let farther = self.distance[i] + CELL_M.copysign(self.distance[i]);
                for axis in 0..3 {
                    let neighbors = [
                        (place[axis] > 0).then(|| i - steps[axis]),
                        (place[axis] + 1 < self.size[axis]).then(|| i + steps[axis]),
                    ];
                    for n in neighbors.into_iter().flatten() {
                        if !self.distance[n].is_finite() {
                            self.distance[n] = farther;
                            next.push(n);
                        }
                    }
                }
            }
            front = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An octahedron cut fine, blown up to a ball of 40 mm.
    fn ball() -> (Vec<Vec3>, Vec<[u32; 3]>) {
        let mut positions = vec![Vec3::X, Vec3::Y, Vec3::Z, Vec3::NEG_X, Vec3::NEG_Y, Vec3::NEG_Z];
        let mut triangles: Vec<[u32; 3]> =
            vec![[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]];
        for _ in 0..4 {
            triangles = triangles
                .iter()
                .flat_map(|&[a, b, c]| {
                    let mut middle = |i: u32, j: u32| {
                        positions.push((positions[i as usize] + positions[j as usize]).normalize_or(Vec3::X));
                        positions.len() as u32 - 1
                    };
                    let (d, e, f) = (middle(a, b), middle(b, c), middle(c, a));
                    [[a, d, f], [d, b, e], [f, e, c], [d, e, f]]
                })
                .collect();
        }
        positions.iter_mut().for_each(|p| *p *= 0.04);
        (positions, triangles)
    }

    #[test]
    fn a_ball_has_its_distance_inside_and_outside() {
        let (positions, triangles) = ball();
        let field = Clearance::new(&[Obstacle { positions: &positions, triangles: &triangles }]);
        for (radius, tolerance) in [(0.037, 4e-4), (0.040, 4e-4), (0.043, 4e-4), (0.02, 0.012), (0.048, 0.006)] {
            for d in [Vec3::X, Vec3::new(0.6, -0.48, 0.64), Vec3::new(-0.36, 0.8, 0.48)] {
                let got = field.at(d * radius);
                assert!((got - (radius - 0.04)).abs() < tolerance, "{got} at {radius}");
            }
        }
        let out = field.pushed_out(Vec3::new(0.01, 0.02, 0.005), 0.002);
        assert!((out.length() - 0.042).abs() < 5e-4, "{}", out.length());
        assert_eq!(field.at(Vec3::splat(3.0)), 1.0);
    }
}
