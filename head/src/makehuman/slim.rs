//! Flattening with little distortion: symmetric Dirichlet energy by reweighted local/global steps.
//!
//! Rabinovich, Poranne, Panozzo, Sorkine-Hornung 2017, "Scalable Locally Injective Mappings". No triangle ever
//! flips: the start has none, and each step is cut short of the first flip. `N` points, `T` triangles.
use glam::{DMat2, DVec2};

/// Outer steps; the energy has settled by then.
const STEPS: usize = 60;
/// Conjugate gradient iterations of one step.
const CG_ITERATIONS: usize = 120;
/// A step that lowers the energy by less than this share is the last.
const SETTLED: f64 = 2e-4;

/// A triangle and its shape at rest.
pub struct Triangle {
    /// Indices of its points, counter-clockwise.
    pub corners: [usize; 3],
    /// `[p1 − p0, p2 − p0]` at rest, in its own plane, at the size it should have.
    pub rest: DMat2,
    /// How much its distortion counts, beside its area.
    pub weight: f64,
}

/// Moves `points` (a layout without flips) towards the rest shapes.
pub fn flatten(points: &mut [DVec2], triangles: &[Triangle]) {
    let elements: Vec<Element> = triangles.iter().map(Element::new).collect();
    let mut system = System::new(points.len(), &elements);
    let mut energy = total_energy(points, &elements);
    for _ in 0..STEPS {
        system.assemble(points, &elements);
        let target = system.solve(points);
        let direction: Vec<DVec2> = target.iter().zip(points.iter()).map(|(t, p)| *t - *p).collect();
        let mut step = (0.8 * first_flip(points, &direction, &elements)).min(1.0);
        let moved = |step: f64| -> Vec<DVec2> { points.iter().zip(&direction).map(|(p, d)| *p + *d * step).collect() };
        let mut next = moved(step);
        let mut next_energy = total_energy(&next, &elements);
        let no_better = |e: f64| e.is_nan() || e >= energy;
        while no_better(next_energy) && step > 1e-9 {
            step /= 2.0;
            next = moved(step);
            next_energy = total_energy(&next, &elements);
        }
        if no_better(next_energy) {
            return;
        }
        points.copy_from_slice(&next);
        let gain = (energy - next_energy) / energy;
        energy = next_energy;
        if gain < SETTLED {
            return;
        }
    }
}

struct Element {
    corners: [usize; 3],
    /// Inverse of the rest shape: the Jacobian is `[x1 − x0, x2 − x0] · inverse`.
    inverse: DMat2,
    /// Weighted.
    area: f64,
}

impl Element {
    fn new(triangle: &Triangle) -> Element {
        let area = triangle.weight * triangle.rest.determinant() / 2.0;
        Element { corners: triangle.corners, inverse: triangle.rest.inverse(), area }
    }

    fn jacobian(&self, points: &[DVec2]) -> DMat2 {
        let [a, b, c] = self.corners.map(|i| points[i]);
        DMat2::from_cols(b - a, c - a) * self.inverse
    }

    /// Derivatives of the Jacobian's columns by the corners: `J = Σ_i x_i gᵢᵀ`.
    fn gradients(&self) -> [DVec2; 3] {
        let (r0, r1) = (self.inverse.row(0), self.inverse.row(1));
        [-r0 - r1, r0, r1]
    }
}

/// `Σ A (‖J‖² + ‖J⁻¹‖²)`, infinite when a triangle is flat or flipped.
fn total_energy(points: &[DVec2], elements: &[Element]) -> f64 {
    let energy = |element: &Element| {
        let j = element.jacobian(points);
        let det = j.determinant();
        let norm = j.x_axis.length_squared() + j.y_axis.length_squared();
        if det > 0.0 { element.area * norm * (1.0 + 1.0 / (det * det)) } else { f64::INFINITY }
    };
    elements.iter().map(energy).sum()
}

/// The smallest positive step at which a triangle loses its area (Smith & Schaefer 2015).
fn first_flip(points: &[DVec2], direction: &[DVec2], elements: &[Element]) -> f64 {
    let mut smallest = f64::INFINITY;
    for element in elements {
        let [p0, p1, p2] = element.corners.map(|i| points[i]);
        let [d0, d1, d2] = element.corners.map(|i| direction[i]);
        let (e, f, u, w) = (p1 - p0, p2 - p0, d1 - d0, d2 - d0);
        let (a, b, c) = (u.perp_dot(w), e.perp_dot(w) + u.perp_dot(f), e.perp_dot(f));
        for root in roots(a, b, c) {
            if root > 0.0 {
                smallest = smallest.min(root);
            }
        }
    }
    smallest
}

fn roots(a: f64, b: f64, c: f64) -> [f64; 2] {
    if a.abs() < 1e-18 {
        return [-c / b, f64::INFINITY].map(|r| if r.is_finite() { r } else { f64::INFINITY });
    }
    let discriminant = b * b - 4.0 * a * c;
    if discriminant < 0.0 {
        return [f64::INFINITY; 2];
    }
    let q = -0.5 * (b + b.signum() * discriminant.sqrt());
    [q / a, if q == 0.0 { f64::INFINITY } else { c / q }]
}

/// The quadratic proxy `Σ A ‖W (J − R)‖²` as a sparse matrix of 2×2 blocks.
struct System {
    row_starts: Vec<usize>,
    columns: Vec<usize>,
    blocks: Vec<DMat2>,
    /// `[T][9]` where the blocks of corner pairs lie.
    slots: Vec<[usize; 9]>,
    right: Vec<DVec2>,
}

impl System {
    fn new(n: usize, elements: &[Element]) -> System {
        let mut neighbors: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
        for element in elements {
            for (a, b) in pairs(element.corners) {
                neighbors[a].push(b);
            }
        }
        let (mut row_starts, mut columns) = (vec![0], Vec::new());
        for row in &mut neighbors {
            row.sort_unstable();
            row.dedup();
            columns.extend_from_slice(row);
            row_starts.push(columns.len());
        }
        let slot = |(a, b): (usize, usize)| {
            row_starts[a] + columns[row_starts[a]..row_starts[a + 1]].partition_point(|&column| column < b)
        };
        let slots = elements.iter().map(|element| pairs(element.corners).map(slot)).collect();
        System { blocks: vec![DMat2::ZERO; columns.len()], right: vec![DVec2::ZERO; n], row_starts, columns, slots }
    }

    fn assemble(&mut self, points: &[DVec2], elements: &[Element]) {
        self.blocks.fill(DMat2::ZERO);
        self.right.fill(DVec2::ZERO);
        for (element, slots) in elements.iter().zip(&self.slots) {
            let (rotation, weight) = rotation_and_weight(element.jacobian(points));
            let gradients = element.gradients();
            let pull = weight * rotation * element.area;
            for i in 0..3 {
                self.right[element.corners[i]] += pull * gradients[i];
                for j in 0..3 {
                    let factor = element.area * gradients[i].dot(gradients[j]);
                    self.blocks[slots[3 * i + j]] += weight * factor;
                }
            }
        }
        // A little pull back to where the points are pins the translation.
        for i in 0..points.len() {
            let diagonal = self.diagonal(i);
            let hold = 1e-6 * (self.blocks[diagonal].x_axis.x + self.blocks[diagonal].y_axis.y);
            self.blocks[diagonal] += DMat2::from_diagonal(DVec2::splat(hold));
            self.right[i] += points[i] * hold;
        }
    }

    fn diagonal(&self, row: usize) -> usize {
        let columns = &self.columns[self.row_starts[row]..self.row_starts[row + 1]];
        self.row_starts[row] + columns.partition_point(|&column| column < row)
    }

    /// Conjugate gradients with the blocks of the diagonal as preconditioner, from the present points.
    fn solve(&self, start: &[DVec2]) -> Vec<DVec2> {
        let inverses: Vec<DMat2> = (0..start.len()).map(|i| self.blocks[self.diagonal(i)].inverse()).collect();
        let mut x = start.to_vec();
        let mut residual: Vec<DVec2> = self.apply(&x).iter().zip(&self.right).map(|(ax, b)| *b - *ax).collect();
        let scaled = |r: &[DVec2]| -> Vec<DVec2> { r.iter().zip(&inverses).map(|(r, m)| *m * *r).collect() };
        let mut z = scaled(&residual);
        let mut p = z.clone();
        let mut rz = dot(&residual, &z);
        let first = rz;
        for _ in 0..CG_ITERATIONS {
            if rz <= 1e-10 * first {
                break;
            }
            let ap = self.apply(&p);
            let alpha = rz / dot(&p, &ap);
            for i in 0..x.len() {
                x[i] += p[i] * alpha;
                residual[i] -= ap[i] * alpha;
            }
            z = scaled(&residual);
            let next = dot(&residual, &z);
            let beta = next / rz;
            rz = next;
            for i in 0..p.len() {
                p[i] = z[i] + p[i] * beta;
            }
        }
        x
    }

    fn apply(&self, x: &[DVec2]) -> Vec<DVec2> {
        let row = |i: usize| {
            let range = self.row_starts[i]..self.row_starts[i + 1];
            range.map(|at| self.blocks[at] * x[self.columns[at]]).sum()
        };
        (0..x.len()).map(row).collect()
    }
}

fn pairs(corners: [usize; 3]) -> [(usize, usize); 9] {
    std::array::from_fn(|at| (corners[at / 3], corners[at % 3]))
}

fn dot(a: &[DVec2], b: &[DVec2]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.dot(*b)).sum()
}

/// The rotation nearest to `J` and `WᵀW` of the proxy (eq. 28 of the paper, symmetric Dirichlet).
fn rotation_and_weight(j: DMat2) -> (DMat2, DMat2) {
    let (a, b, c, d) = (j.x_axis.x, j.y_axis.x, j.x_axis.y, j.y_axis.y);
    // The polar rotation of a 2×2 matrix of positive determinant has this angle; symmetric part on its left.
    let rotation = DMat2::from_angle((c - b).atan2(a + d));
    let stretch = j * rotation.transpose();
    let angle = 0.5 * (2.0 * stretch.y_axis.x).atan2(stretch.x_axis.x - stretch.y_axis.y);
    let axes = DMat2::from_angle(angle);
    let sigma = axes.transpose() * stretch * axes;
    let weight = |s: f64| if (s - 1.0).abs() < 1e-6 { 4.0 } else { (s - s.powi(-3)) / (s - 1.0) };
    let diagonal = DMat2::from_diagonal(DVec2::new(weight(sigma.x_axis.x), weight(sigma.y_axis.y)));
    (rotation, axes * diagonal * axes.transpose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_squashed_grid_returns_to_its_shape() {
        let n = 5;
        let at = |x: usize, y: usize| y * n + x;
        let mut points: Vec<DVec2> =
            (0..n * n).map(|i| DVec2::new((i % n) as f64 * 0.2 + (i / n) as f64 * 0.3, (i / n) as f64 * 3.0)).collect();
        let rest = DMat2::from_cols(DVec2::X, DVec2::Y);
        let triangles: Vec<Triangle> = (0..(n - 1) * (n - 1))
            .map(|i| (i % (n - 1), i / (n - 1)))
            .flat_map(|(x, y)| [[at(x, y), at(x + 1, y), at(x, y + 1)], [at(x + 1, y + 1), at(x, y + 1), at(x + 1, y)]])
            .map(|corners| Triangle { corners, rest, weight: 1.0 })
            .collect();
        flatten(&mut points, &triangles);
        for triangle in &triangles {
            let j = Element::new(triangle).jacobian(&points);
            assert!((j.determinant() - 1.0).abs() < 0.05 && (j.x_axis.length() - 1.0).abs() < 0.05, "{j}");
        }
    }
}
