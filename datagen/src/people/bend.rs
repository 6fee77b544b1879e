//! Where skin bends sharply outwards: the rims of lids, lips and nostrils.
use crate::people::surface::Surface;

/// Bends are averaged this often over the neighbors: light does not see what is smaller than its way.
const ROUNDS: usize = 2;
/// Sharpest bend that counts (1/meter).
const SHARPEST: f32 = 900.0;

/// `[V]` mean curvature (1/meter) of a surface where it bends outwards, 0 where it is flat or hollow.
pub fn bends(surface: &Surface) -> Vec<f32> {
    let (positions, normals) = (&surface.positions, &surface.normals);
    let mut bends = around(surface, |a, b| {
        let along = positions[b] - positions[a];
        let square = along.length_squared();
        if square > 1e-12 { (normals[b] - normals[a]).dot(along) / square } else { 0.0 }
    });
    for _ in 0..ROUNDS {
        bends = around(surface, |a, b| 0.5 * (bends[a] + bends[b]));
    }
    bends.iter().map(|b| b.clamp(0.0, SHARPEST)).collect()
}

/// `[V]` mean of a value over the edges that meet in each vertex.
fn around(surface: &Surface, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut sums = vec![(0.0f32, 0.0f32); surface.positions.len()];
    for [a, b, c] in surface.triangles.iter().map(|t| t.map(|v| v as usize)) {
        for [a, b] in [[a, b], [b, c], [c, a]] {
            let value = value(a, b);
            for v in [a, b] {
                sums[v] = (sums[v].0 + value, sums[v].1 + 1.0);
            }
        }
    }
    sums.into_iter().map(|(sum, n)| if n > 0.0 { sum / n } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;

    #[test]
    fn tubes_bend_by_half_their_inverse_radius_plates_do_not() {
        let (radius, n, rows) = (2e-3, 24u32, 30u32);
        let point = |i: u32, j: u32| {
            let angle = std::f32::consts::TAU * i as f32 / n as f32;
            Vec3::new(radius * angle.cos(), 5e-4 * j as f32, -radius * angle.sin())
        };
        let at = |i: u32, j: u32| j * n + i % n;
        let cell = |i, j| [[at(i, j), at(i + 1, j), at(i + 1, j + 1)], [at(i, j), at(i + 1, j + 1), at(i, j + 1)]];
        let tube: Vec<Vec3> = (0..rows).flat_map(|j| (0..n).map(move |i| point(i, j))).collect();
        let triangles: Vec<[u32; 3]> = (0..rows - 1).flat_map(|j| (0..n).flat_map(move |i| cell(i, j))).collect();
        let flat: Vec<Vec3> =
            (0..rows * n).map(|k| Vec3::new(5e-4 * (k % n) as f32, 5e-4 * (k / n) as f32, 0.0)).collect();
        let bent = bends(&Surface::new(tube, triangles.clone()))[(15 * n) as usize];
        assert!((bent - 0.5 / radius).abs() < 0.15 / radius, "{bent}");
        let open = |t: &[u32; 3]| t.iter().map(|v| v % n).max() < Some(n - 1);
        let plate: Vec<[u32; 3]> = triangles.into_iter().filter(open).collect();
        assert!(bends(&Surface::new(flat, plate)).iter().all(|b| *b < 1e-3));
    }
}
