//! Registers a head model to a surface: the shape and the rigid pose that bring its skin onto a scan.
//!
//! Iterated closest points, point to plane in both directions (Chen and Medioni 1992), solved by Gauss–Newton under a
//! Gaussian prior on the coefficients. Pairs whose normals disagree or that lie too far apart do not count.
use crate::model::{HeadModel, Part};
use crate::nearest::SurfaceTree;
use crate::normals::{triangles, vertex_normals};
use glam::{Affine3A, DVec3, Mat3A, Quat, Vec3};

/// What a model is registered to.
#[derive(Clone, Debug)]
pub struct Surface {
    /// `[V]` (meters, roughly upright, facing +z).
    pub positions: Vec<Vec3>,
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// `[V]` unit normals.
    pub normals: Vec<Vec3>,
    tree: SurfaceTree,
}

impl Surface {
    /// From faces (a triangle repeats its last index).
    pub fn new(positions: Vec<Vec3>, faces: &[[u32; 4]]) -> Surface {
        let triangles = triangles(faces).indices;
        let normals = vertex_normals(&positions, faces);
        let tree = SurfaceTree::new(&positions, &triangles);
        Surface { positions, triangles, normals, tree }
    }

    /// Nearest point and the normal there.
    fn nearest(&self, query: Vec3, reach: f32) -> Option<(Vec3, Vec3)> {
        let found = self.tree.nearest(query, reach)?;
        let corners = self.triangles[found.triangle];
        let normal: Vec3 = (0..3).map(|i| found.weights[i] * self.normals[corners[i] as usize]).sum();
        Some((found.point, normal.normalize_or(Vec3::Z)))
    }

    /// `[V]` a third of the area of the triangles around (square meters).
    pub fn vertex_areas(&self) -> Vec<f32> {
        let mut areas = vec![0.0; self.positions.len()];
        for t in &self.triangles {
            let [a, b, c] = t.map(|v| self.positions[v as usize]);
            let third = (b - a).cross(c - a).length() / 6.0;
            t.iter().for_each(|&v| areas[v as usize] += third);
        }
        areas
    }
}

/// Linear shapes over a model's vertices, `shape = mean + Σ_k c_k · directions_k`, `c ~ N(0, 1)`.
#[derive(Clone, Debug)]
pub struct ShapeSpace {
    /// `[V]` (meters)
    mean: Vec<Vec3>,
    /// `[K, V]` (meters per deviation)
    fields: Vec<Vec<Vec3>>,
    faces: Vec<[u32; 4]>,
    /// `[V]` how much each vertex counts; 0 for what no scan shows.
    pub weights: Vec<f32>,
}

/// A registered head.
#[derive(Clone, Debug)]
pub struct Registered {
    /// `[K]` in deviations.
    pub coefficients: Vec<f32>,
    /// Surface from head space; scale only where asked for.
    pub surface_from_head: Affine3A,
    /// `[V]` in head space (meters).
    pub neutral: Vec<Vec3>,
    /// `[V]` on the surface (its unit).
    pub positions: Vec<Vec3>,
}

/// Whether the unit of the surface is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Meters.
    Known,
    /// Solved for, a few percent around the first guess.
    Free,
}

/// How to register.
#[derive(Clone, Debug)]
pub struct Options {
    /// Deviation of a point from its plane (meters): the larger, the more the prior counts.
    pub noise_m: f32,
    /// Gauss–Newton steps, each with new pairs.
    pub iterations: usize,
    /// Unit of the surface.
    pub scale: Scale,
    /// Every so many vertices of the surface looks for its nearest point on the head.
    pub stride: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { noise_m: 1.5e-3, iterations: 14, scale: Scale::Known, stride: 3 }
    }
}

/// Pairs farther apart than this do not count: in the first and in the last iteration (meters).
const REACH_M: [f32; 2] = [0.025, 0.006];
/// Least cosine between the normals of a pair.
const SAME_SIDE: f32 = 0.6;
/// Rigid iterations before the shape moves.
const RIGID_FIRST: usize = 4;
/// Deviation of the logarithm of a free scale from the first guess: a large person looks like a small unit.
const SCALE_SPREAD: f64 = 0.015;

impl ShapeSpace {
    /// Shapes `mean + Σ c · directions` in identity coefficients of `model`.
    pub fn new(model: &HeadModel, mean: &[f32], directions: &[Vec<f32>]) -> ShapeSpace {
        let field = |direction: &Vec<f32>| {
            let mut field = vec![Vec3::ZERO; model.n_vertices()];
            model.identity.add_to(direction, &mut field);
            field
        };
        ShapeSpace {
            mean: model.neutral(mean),
            fields: directions.iter().map(field).collect(),
            faces: model.faces.clone(),
            weights: visible(model),
        }
    }

    /// `[V]` of coefficients (meters).
    pub fn neutral(&self, coefficients: &[f32]) -> Vec<Vec3> {
        let mut positions = self.mean.clone();
        for (&c, field) in coefficients.iter().zip(&self.fields) {
            positions.iter_mut().zip(field).for_each(|(p, d)| *p += c * *d);
        }
        positions
    }

    /// Registers to a surface from a first guess of the pose. `marks` are pairs of a vertex mix and its place on the
    /// surface that hold loosely in the first iterations.
    pub fn register(&self, surface: &Surface, start: Affine3A, marks: &[Mark], options: &Options) -> Registered {
        let mut state = Registered {
            coefficients: vec![0.0; self.fields.len()],
            surface_from_head: start,
            neutral: self.mean.clone(),
            positions: Vec::new(),
        };
        let total = RIGID_FIRST + options.iterations;
        let first_scale = start.matrix3.col(0).length();
        for iteration in 0..total {
            let t = iteration as f32 / (total - 1) as f32;
            let reach = REACH_M[0] * (1.0 - t) + REACH_M[1] * t;
            let scale = state.surface_from_head.matrix3.col(0).length();
            state.positions = state.neutral.iter().map(|&p| state.surface_from_head.transform_point3(p)).collect();
            let mut rows = self.pairs(surface, &state, reach * scale, options);
            if iteration < RIGID_FIRST + 4 {
                rows.extend(marks.iter().flat_map(|mark| mark.rows(&state)));
            }
            let k = if iteration < RIGID_FIRST { 0 } else { self.fields.len() };
            self.step(&mut state, &rows, k, first_scale, options);
        }
        state.positions = state.neutral.iter().map(|&p| state.surface_from_head.transform_point3(p)).collect();
        state
    }

    /// Point-to-plane pairs both ways.
    fn pairs(&self, surface: &Surface, state: &Registered, reach: f32, options: &Options) -> Vec<Row> {
        let mut rows = Vec::new();
        let normals = vertex_normals(&state.positions, &self.faces);
        for v in (0..self.weights.len()).filter(|&v| self.weights[v] > 0.0) {
            let here = state.positions[v];
            let Some((there, normal)) = surface.nearest(here, reach) else { continue };
            if normal.dot(normals[v]) > SAME_SIDE {
                let corners = vec![(v as u32, 1.0)];
                rows.push(Row { corners, normal, residual: normal.dot(here - there), weight: self.weights[v] });
            }
        }
        let own = self.visible_triangles();
        let tree = SurfaceTree::new(&state.positions, &own);
        for s in (0..surface.positions.len()).step_by(options.stride) {
            let (there, normal) = (surface.positions[s], surface.normals[s]);
            let Some(found) = tree.nearest(there, reach) else { continue };
            let corners: Vec<(u32, f32)> = (0..3).map(|i| (own[found.triangle][i], found.weights[i])).collect();
            let mixed: Vec3 = corners.iter().map(|&(v, w)| w * normals[v as usize]).sum();
            if normal.dot(mixed) > SAME_SIDE {
                let weight = corners.iter().map(|&(v, w)| w * self.weights[v as usize]).sum::<f32>();
                rows.push(Row { corners, normal, residual: normal.dot(found.point - there), weight });
            }
        }
        rows
    }

    /// Triangles all of whose corners count.
    pub fn visible_triangles(&self) -> Vec<[u32; 3]> {
        let counts = |t: &[u32; 3]| t.iter().all(|&v| self.weights[v as usize] > 0.0);
        triangles(&self.faces).indices.into_iter().filter(counts).collect()
    }

    /// One Gauss–Newton step over pose, scale and the first `k` coefficients.
    fn step(&self, state: &mut Registered, rows: &[Row], k: usize, first_scale: f32, options: &Options) {
        let n_pose = if options.scale == Scale::Free { 7 } else { 6 };
        let scale = state.surface_from_head.matrix3.col(0).length();
        let rotation = state.surface_from_head.matrix3 * (1.0 / scale);
        let center: Vec3 = state.surface_from_head.transform_point3(Vec3::new(0.0, -0.03, -0.05));
        // `[n_pose + k + 1, rows]`, the residual last.
        let width = rows.len().next_multiple_of(8);
        let n = n_pose + k + 1;
        let mut jacobian = vec![0.0f32; n * width];
        for (r, row) in rows.iter().enumerate() {
            let weight = row.weight.sqrt() / (options.noise_m * scale);
            let at: Vec3 = row.corners.iter().map(|&(v, w)| w * state.positions[v as usize]).sum();
            let arm = at - center;
            let about = arm.cross(row.normal);
            let pose = [about.x, about.y, about.z, row.normal.x, row.normal.y, row.normal.z, row.normal.dot(arm)];
            for (i, value) in pose.into_iter().take(n_pose).enumerate() {
                jacobian[i * width + r] = weight * value;
            }
            let normal_in_head = rotation.transpose() * row.normal * scale * weight;
            for (i, field) in self.fields.iter().take(k).enumerate() {
                let moved: Vec3 = row.corners.iter().map(|&(v, w)| w * field[v as usize]).sum();
                jacobian[(n_pose + i) * width + r] = normal_in_head.dot(moved);
            }
            jacobian[(n - 1) * width + r] = weight * row.residual;
        }
        let gram = gram(&jacobian, n, width);
        let m = n - 1;
        let mut a = vec![0.0; m * m];
        let mut b = vec![0.0; m];
        for i in 0..m {
            for j in 0..m {
                a[i * m + j] = gram[i * n + j];
            }
            b[i] = -gram[i * n + m];
            if i >= n_pose {
                a[i * m + i] += 1.0;
                b[i] -= f64::from(state.coefficients[i - n_pose]);
            } else {
                a[i * m + i] += 1e-6 * a[i * m + i] + 1e-9;
            }
        }
        if n_pose == 7 {
            a[6 * m + 6] += SCALE_SPREAD.powi(-2);
            b[6] -= f64::from((scale / first_scale).ln()) * SCALE_SPREAD.powi(-2);
        }
        let x = solve(a, b);
        let turn = Quat::from_scaled_axis(DVec3::new(x[0], x[1], x[2]).as_vec3());
        let grow = if n_pose == 7 { 1.0 + x[6] as f32 } else { 1.0 };
        let linear = Mat3A::from_quat(turn) * grow;
        let shift = DVec3::new(x[3], x[4], x[5]).as_vec3();
        let moved = Affine3A { matrix3: linear, translation: (center + shift - linear * center).into() };
        state.surface_from_head = moved * state.surface_from_head;
        state.coefficients.iter_mut().zip(&x[n_pose..]).for_each(|(c, x)| *c += *x as f32);
        state.neutral = self.neutral(&state.coefficients);
    }
}

/// A landmark on the head and its place on the surface.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Vertices and weights.
    pub corners: Vec<(u32, f32)>,
    /// On the surface (its unit).
    pub place: Vec3,
    /// How much it counts beside one vertex.
    pub weight: f32,
}

impl Mark {
    fn rows(&self, state: &Registered) -> Vec<Row> {
        let here: Vec3 = self.corners.iter().map(|&(v, w)| w * state.positions[v as usize]).sum();
        let row = |normal: Vec3| Row {
            corners: self.corners.clone(),
            normal,
            residual: normal.dot(here - self.place),
            weight: self.weight,
        };
        [Vec3::X, Vec3::Y, Vec3::Z].map(row).into()
    }
}

/// One linear equation: the mix of vertices should not leave the plane.
struct Row {
    corners: Vec<(u32, f32)>,
    normal: Vec3,
    residual: f32,
    weight: f32,
}

/// `[V]` weights: skin that can be seen from outside, the face most, the neck not at all; by area, mean about one.
fn visible(model: &HeadModel) -> Vec<f32> {
    let n = model.n_vertices();
    let normals = vertex_normals(&model.template, &model.faces);
    let mut areas = vec![0.0f32; n];
    for (face, _) in model.faces.iter().zip(&model.face_parts).filter(|(_, part)| **part == Part::Skin) {
        let area = crate::normals::face_area_normal(&model.template, face).length();
        face.iter().for_each(|&v| areas[v as usize] += area / 4.0);
    }
    let eyes = &model.joint_places(&model.template)[3..5];
    let mask = |name: &str, v: usize| model.regions.get(name).map_or(0.0, |mask| mask[v]);
    let weight = |v: usize| {
        let p = model.template[v];
        let outward = (p - Vec3::new(0.0, -0.02, -0.08)).normalize_or(Vec3::Z).dot(normals[v]);
        let of_socket =
            eyes.iter().any(|eye| (p - *eye).normalize_or(Vec3::Z).dot(normals[v]) < 0.2 && p.distance(*eye) < 0.018);
        let ears = mask("ears", v);
        if areas[v] == 0.0 || mask("neck", v) > 0.5 || of_socket || (outward < 0.15 && ears < 0.5) {
            return 0.0;
        }
        let region = if ears > 0.5 { 0.3 } else { 0.35 + 0.65 * mask("face", v) };
        region * areas[v]
    };
    let weights: Vec<f32> = (0..n).map(weight).collect();
    let count = weights.iter().filter(|w| **w > 0.0).count().max(1) as f32;
    let mean = weights.iter().sum::<f32>() / count;
    weights.iter().map(|w| w / mean.max(1e-12)).collect()
}

/// `[n, n]` inner products of the rows of `[n, width]`.
fn gram(rows: &[f32], n: usize, width: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    let row = |i: usize| &rows[i * width..(i + 1) * width];
    for i in 0..n {
        let a = row(i);
        let mut j = 0;
        // Two at a time share the loads of the first row.
        while j <= i {
            let pair = [j, (j + 1).min(i)];
            let (b, c) = (row(pair[0]), row(pair[1]));
            let mut sums = [[0.0f32; 8]; 2];
            for ((a, b), c) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).zip(c.as_chunks::<8>().0) {
                for lane in 0..8 {
                    sums[0][lane] += a[lane] * b[lane];
                    sums[1][lane] += a[lane] * c[lane];
                }
            }
            for (j, sum) in pair.into_iter().zip(sums) {
                let total = sum.iter().map(|s| f64::from(*s)).sum();
                (out[i * n + j], out[j * n + i]) = (total, total);
            }
            j += 2;
        }
    }
    out
}

/// `a x = b` for a symmetric positive definite `[m, m]`, by Cholesky.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>) -> Vec<f64> {
    let m = b.len();
    for j in 0..m {
        for i in j..m {
            let sum: f64 = a[i * m..i * m + j].iter().zip(&a[j * m..j * m + j]).map(|(x, y)| x * y).sum();
            let rest = a[i * m + j] - sum;
            a[i * m + j] = if i == j { rest.max(1e-12).sqrt() } else { rest / a[j * m + j] };
        }
    }
    for i in 0..m {
        let sum: f64 = (0..i).map(|j| a[i * m + j] * b[j]).sum();
        b[i] = (b[i] - sum) / a[i * m + i];
    }
    for i in (0..m).rev() {
        let sum: f64 = (i + 1..m).map(|j| a[j * m + i] * b[j]).sum();
        b[i] = (b[i] - sum) / a[i * m + i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytic;

    #[test]
    fn a_head_of_the_model_is_found_again() {
        let model = analytic::head();
        let prior = &model.identity_prior;
        let space = ShapeSpace::new(&model, &prior.mean, &prior.components);
        let truth: Vec<f32> = (0..prior.components.len()).map(|k| (1.7 * k as f32).sin()).collect();
        let pose = Affine3A::from_rotation_translation(Quat::from_rotation_y(0.05), Vec3::new(0.004, -0.003, 0.006));
        let positions: Vec<Vec3> = space.neutral(&truth).iter().map(|&p| pose.transform_point3(p)).collect();
        let skin: Vec<[u32; 4]> = model
            .faces
            .iter()
            .zip(&model.face_parts)
            .filter(|(_, part)| **part == Part::Skin)
            .map(|(face, _)| *face)
            .collect();
        let surface = Surface::new(positions.clone(), &skin);
        let options = Options { noise_m: 3e-4, iterations: 20, ..Options::default() };
        let found = space.register(&surface, Affine3A::IDENTITY, &[], &options);
        let seen = (0..positions.len()).filter(|&v| space.weights[v] > 0.0);
        let off: Vec<f32> = seen
            .filter_map(|v| surface.nearest(found.positions[v], 0.1).map(|(p, _)| p.distance(found.positions[v])))
            .collect();
        let mean = off.iter().sum::<f32>() / off.len() as f32;
        assert!(mean < 1e-4, "{mean}");
        assert!((found.surface_from_head.matrix3.determinant() - 1.0).abs() < 1e-5, "no scale unless asked for");
    }
}
