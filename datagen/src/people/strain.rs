//! How a moving face stretches and folds its skin: strain of each vertex along the head's vertical and horizontal.
//!
//! For each triangle the linear map from its rest plane to its posed plane is known by two edges; the stretch along a
//! tangent direction is the length of what it becomes. Turning and shifting stretch nothing, so a pose of head or neck
//! leaves the strain alone.
use glam::{Mat2, Vec2, Vec3};

/// Compression below this leaves no mark, and at this the grooves stand at full depth.
const MARK: [f32; 2] = [0.025, 0.26];

/// `[V]` strain along the vertical and the horizontal (0 as at rest, -0.2 a fifth shorter): the mean of the triangles
/// around each vertex, weighted by their area at rest. `rest` and `posed` are `[V]`.
pub fn strain(rest: &[Vec3], posed: &[Vec3], triangles: &[[u32; 3]]) -> Vec<Vec2> {
    let mut sums = vec![Vec3::ZERO; rest.len()];
    for t in triangles {
        let Some((strain, area)) = of_triangle(t.map(|i| rest[i as usize]), t.map(|i| posed[i as usize])) else {
            continue;
        };
        t.iter().for_each(|&v| sums[v as usize] += (strain * area).extend(area));
    }
    sums.into_iter().map(|s| if s.z > 0.0 { s.truncate() / s.z } else { Vec2::ZERO }).collect()
}

/// How much of its grooves each vertex shows, 0..=1: compression along the vertical and the horizontal.
pub fn folds(rest: &[Vec3], posed: &[Vec3], triangles: &[[u32; 3]]) -> Vec<Vec2> {
    let shown = |s: f32| crate::tracer::elementary::smoothstep(MARK[0], MARK[1], -s);
    strain(rest, posed, triangles).into_iter().map(|s| Vec2::new(shown(s.x), shown(s.y))).collect()
}

/// Strain and area at rest; none for a sliver.
fn of_triangle([a, b, c]: [Vec3; 3], [pa, pb, pc]: [Vec3; 3]) -> Option<(Vec2, f32)> {
    let (e1, e2) = (b - a, c - a);
    let normal = e1.cross(e2);
    let area = 0.5 * normal.length();
    let n = normal.try_normalize()?;
    // Up along the surface; where it lies flat, along the depth.
    let lean = if n.y.abs() < 0.95 { Vec3::Y } else { Vec3::Z };
    let up = (lean - n * lean.dot(n)).try_normalize()?;
    let side = up.cross(n);
    // Coefficients of the two tangents over the two edges.
    let edges = Mat2::from_cols(Vec2::new(e1.dot(up), e1.dot(side)), Vec2::new(e2.dot(up), e2.dot(side)));
    if edges.determinant().abs() < 1e-14 {
        return None;
    }
    let coefficients = edges.inverse();
    let (f1, f2) = (pb - pa, pc - pa);
    let stretch = |w: Vec2| (f1 * w.x + f2 * w.y).length();
    Some((Vec2::new(stretch(coefficients.x_axis) - 1.0, stretch(coefficients.y_axis) - 1.0), area))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{Mat3, Quat};
    use head::ibug;

    /// A bent sheet of 2 × 9 × 9 triangles.
    fn sheet() -> (Vec<Vec3>, Vec<[u32; 3]>) {
        let at = |i: usize| Vec3::new((i % 10) as f32, (i / 10) as f32, 0.0) * 0.01;
        let points: Vec<Vec3> = (0..100).map(at).collect();
        let cells = (0..81u32).map(|i| i / 9 * 10 + i % 9);
        (points, cells.flat_map(|i| [[i, i + 1, i + 11], [i, i + 11, i + 10]]).collect())
    }

    #[test]
    fn a_known_stretch_is_measured_and_turning_is_none() {
        let (rest, triangles) = sheet();
        let turn = Mat3::from_quat(Quat::from_rotation_y(0.4) * Quat::from_rotation_x(-0.7));
        let squeezed: Vec<Vec3> = rest.iter().map(|p| turn * (*p * Vec3::new(1.3, 0.8, 1.0)) + Vec3::X).collect();
        for s in strain(&rest, &squeezed, &triangles) {
            assert!((s - Vec2::new(-0.2, 0.3)).length() < 1e-4, "{s}");
        }
        let turned: Vec<Vec3> = rest.iter().map(|p| turn * *p).collect();
        assert!(folds(&rest, &turned, &triangles).iter().all(|f| f.length() < 1e-6));
        assert!(folds(&rest, &squeezed, &triangles).iter().all(|f| f.x > 0.5 && f.y == 0.0));
    }

    #[test]
    fn raised_brows_fold_the_forehead_and_not_the_chin() {
        let model = head::analytic::head();
        let mut params = model.params();
        params.expression[head::params::unit("browInnerUp").unwrap()] = 1.0;
        let posed = model.evaluate(&params).positions;
        let cut = head::normals::triangles(&model.faces);
        let strain = strain(&model.template, &posed, &cut.indices);
        let landmarks = model.landmarks_at(&model.template);
        let near = |p: Vec3| {
            let within = (0..strain.len()).filter(|&v| model.template[v].distance(p) < 0.012);
            within.map(|v| strain[v].x).fold(0.0f32, f32::min)
        };
        let (brow, chin) = (
            near(0.5 * (landmarks[ibug::RIGHT_BROW_INNER] + landmarks[ibug::LEFT_BROW_INNER]) + 0.015 * Vec3::Y),
            near(landmarks[ibug::CHIN]),
        );
        assert!(brow < -0.02 && chin > -1e-3, "{brow} over the brows, {chin} at the chin");
    }
}
