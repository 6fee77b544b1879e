//! Smooth deformation modes: identity columns beyond the targets that artists drew.
//!
//! Low-frequency eigenfunctions `φ` of the Laplacian of the skin (Vallet and Lévy 2008, "Spectral Geometry Processing
//! with Manifold Harmonics"), each applied along x, y and z. The eigenproblem is `L φ = λ M φ` with cotangent weights
//! `L` and a lumped mass matrix `M` that counts the middle of the face more than the back of the head: the functions
//! are finest where people recognize each other. Even and odd functions are solved apart on half of the mesh, so that
//! symmetric and asymmetric shapes are separate columns.
//!
//! What is not skin follows it: the eyeballs as rigid balls with the lids before them, lashes by their roots, teeth,
//! gums and tongue by a wide kernel.
use super::Base;
use super::assembly::{Assembly, Origin};
use super::banded::Banded;
use crate::model::Part;
use crate::prior::eigen;
use glam::Vec3;
use std::collections::BTreeMap;

/// Even eigenfunctions, the constant one left out.
pub const EVEN: usize = 44;
/// Odd eigenfunctions.
pub const ODD: usize = 36;
/// So many of the lowest functions of each kind make asymmetric columns too.
pub const ASYMMETRIC: usize = 12;
/// Largest value of a function (meters): what a coefficient of one moves at most.
const UNIT_M: f32 = 0.01;
/// Steps of the Lanczos iteration for each function that is wanted.
const STEPS_PER_FUNCTION: usize = 3;
/// Added to the Laplacian so that it can be inverted (1/m²): far below its second eigenvalue.
const SHIFT: f64 = 20.0;
/// Lids move with their ball up to this many radii from its center, and freely beyond the second.
const RIGID_RADII: [f32; 2] = [1.12, 1.9];
/// Width of the kernel by which teeth, gums and tongue follow the skin, and of the lashes' (meters).
const INNER_KERNEL_M: f32 = 0.012;
const LASH_KERNEL_M: f32 = 0.0025;

/// Names and fields over the base mesh (meters).
pub fn fields(base: &Base, assembly: &Assembly) -> Vec<(String, Vec<Vec3>)> {
    let skin = Skin::new(assembly);
    let carry = Carry::new(base, assembly);
    let mut columns = Vec::new();
    for (parity, count) in [(Parity::Even, EVEN), (Parity::Odd, ODD)] {
        for (i, function) in skin.eigenfunctions(parity, count).into_iter().enumerate() {
            for (axis, along) in [("x", Vec3::X), ("y", Vec3::Y), ("z", Vec3::Z)] {
                let symmetric = (axis == "x") == (parity == Parity::Odd);
                if symmetric || i < ASYMMETRIC {
                    let field: Vec<Vec3> = function.iter().map(|&value| value * UNIT_M * along).collect();
                    columns.push((format!("mode/{}{i:02}{axis}", parity.letter()), carry.over(base, &field, assembly)));
                }
            }
        }
    }
    columns
}

/// How a function behaves under reflection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Parity {
    Even,
    Odd,
}

impl Parity {
    fn letter(self) -> char {
        match self {
            Parity::Even => 'e',
            Parity::Odd => 'o',
        }
    }
}

/// The skin and the lining of the mouth as one surface, with its Laplacian.
struct Skin<'a> {
    assembly: &'a Assembly,
    /// `[V]` whether it is on the surface.
    is_here: Vec<bool>,
    /// Off-diagonal cotangent weights of edges `(low, high)`.
    weights: BTreeMap<(u32, u32), f64>,
    /// `[V]` lumped mass (m², weighted).
    mass: Vec<f64>,
}

impl Skin<'_> {
    fn new(assembly: &Assembly) -> Skin<'_> {
        let n = assembly.template.len();
        let mut skin = Skin { assembly, is_here: vec![false; n], weights: BTreeMap::new(), mass: vec![0.0; n] };
        let normals = crate::normals::vertex_normals(&assembly.template, &assembly.faces);
        for (face, part) in assembly.faces.iter().zip(&assembly.parts) {
            if matches!(part, Part::Skin | Part::Mouth) {
                // Both ways to cut a quad, half each: a mirrored quad gets the mirrored weights.
                let [a, b, c, d] = *face;
                let cuts: &[[u32; 3]] =
                    if c == d { &[[a, b, c]] } else { &[[a, b, c], [a, c, d], [a, b, d], [b, c, d]] };
                let share = if c == d { 1.0 } else { 0.5 };
                cuts.iter().for_each(|&triangle| skin.add(triangle, share, *part, &normals));
            }
        }
        skin
    }

    fn add(&mut self, triangle: [u32; 3], share: f64, part: Part, normals: &[Vec3]) {
        let at = triangle.map(|v| self.assembly.template[v as usize].as_dvec3());
        let area = 0.5 * (at[1] - at[0]).cross(at[2] - at[0]).length();
        for i in 0..3 {
            let (here, a, b) = (at[i], at[(i + 1) % 3], at[(i + 2) % 3]);
            let cotangent = (a - here).dot(b - here) / (2.0 * area).max(1e-12);
            let (u, v) = (triangle[(i + 1) % 3], triangle[(i + 2) % 3]);
            // Obtuse corners would make negative weights: cut off, as usual.
            *self.weights.entry((u.min(v), u.max(v))).or_default() += share * 0.5 * cotangent.clamp(0.01, 20.0);
            let vertex = triangle[i] as usize;
            self.is_here[vertex] = true;
            let density = density(self.assembly.template[vertex], normals[vertex], part);
            self.mass[vertex] += share * area / 3.0 * f64::from(density);
        }
    }

    /// The lowest functions of a parity, `[count, V]`, largest value one; zero off the surface.
    fn eigenfunctions(&self, parity: Parity, count: usize) -> Vec<Vec<f32>> {
        let mirror = &self.assembly.mirror;
        let sign = if parity == Parity::Even { 1.0 } else { -1.0 };
        // The half that is solved for: one vertex of each pair; the middle is zero in odd functions.
        let representative = |v: usize| v.min(mirror[v] as usize);
        let is_free =
            |v: usize| self.is_here[v] && representative(v) == v && (parity == Parity::Even || mirror[v] as usize != v);
        let vertices: Vec<usize> = (0..mirror.len()).filter(|&v| is_free(v)).collect();
        let mut row = vec![usize::MAX; mirror.len()];
        vertices.iter().enumerate().for_each(|(i, &v)| row[v] = i);
        let place = |v: u32| {
            let v = v as usize;
            (row[representative(v)], if representative(v) == v { 1.0 } else { sign })
        };
        let mut entries: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for (&(u, v), &weight) in &self.weights {
            let (u, v) = (place(u), place(v));
            for (a, b, value) in [(u, u, weight), (v, v, weight), (u, v, -weight), (v, u, -weight)] {
                if a.0 != usize::MAX && b.0 != usize::MAX {
                    *entries.entry((a.0, b.0)).or_default() += a.1 * b.1 * value;
                }
            }
        }
        let mut mass = vec![0.0; vertices.len()];
        for v in (0..mirror.len()).filter(|&v| self.is_here[v] && row[representative(v)] != usize::MAX) {
            mass[row[representative(v)]] += self.mass[v];
        }
        for (i, m) in mass.iter().enumerate() {
            *entries.entry((i, i)).or_default() += SHIFT * m;
        }
        let skip = usize::from(parity == Parity::Even);
        let found = lowest(&Banded::factor(vertices.len(), &entries), &mass, count + skip);
        let spread = |half: &Vec<f64>| -> Vec<f32> {
            let most = half.iter().fold(0.0f64, |most, x| if x.abs() > most.abs() { *x } else { most });
            let value = |v: usize| match row[representative(v)] {
                usize::MAX => 0.0,
                i => (half[i] / most * if representative(v) == v { 1.0 } else { sign }) as f32,
            };
            (0..mirror.len()).map(|v| if self.is_here[v] { value(v) } else { 0.0 }).collect()
        };
        found.iter().skip(skip).map(spread).collect()
    }
}

/// How much a place counts: most in the middle of the face, little behind and within.
fn density(p: Vec3, normal: Vec3, part: Part) -> f32 {
    let mm = p * 1000.0;
    let outward = (mm - Vec3::new(0.0, -30.0, -80.0)).normalize_or(Vec3::Z).dot(normal);
    if part == Part::Mouth || outward < 0.1 {
        return 0.02;
    }
    let within = |from: f32, to: f32, x: f32| ((x - from) / (to - from)).clamp(0.0, 1.0);
    let face = within(-75.0, -45.0, mm.z) * within(-135.0, -115.0, mm.y) * within(95.0, 70.0, mm.y);
    let middle = within(55.0, 40.0, mm.x.abs()) * within(-95.0, -80.0, mm.y) * within(40.0, 25.0, mm.y);
    let skull = within(-150.0, -90.0, mm.y);
    0.03 + 0.12 * skull + face * (0.85 + 1.5 * middle)
}

/// Eigenvectors of the smallest eigenvalues of `A x = λ M x`, smallest first, by Lanczos iteration with `A⁻¹ M`
/// (Golub and Van Loan, Matrix Computations, 10.1), reorthogonalized in full.
fn lowest(a: &Banded, mass: &[f64], count: usize) -> Vec<Vec<f64>> {
    let n = mass.len();
    let steps = (STEPS_PER_FUNCTION * count + 20).min(n);
    let inner = |x: &[f64], y: &[f64]| (0..n).map(|i| x[i] * mass[i] * y[i]).sum::<f64>();
    // Any start that holds a part of every function.
    let mut next: Vec<f64> = (0..n).map(|i| 1.0 + 0.5 * (0.7 * i as f64).sin()).collect();
    let (mut basis, mut projected): (Vec<Vec<f64>>, Vec<f64>) = (Vec::new(), vec![0.0; steps * steps]);
    for step in 0..steps {
        for _ in 0..2 {
            for old in &basis {
                let along = inner(&next, old);
                next.iter_mut().zip(old).for_each(|(x, o)| *x -= along * o);
            }
        }
        let length = inner(&next, &next).sqrt();
        basis.push(next.iter().map(|x| x / length).collect());
        let weighted: Vec<f64> = basis[step].iter().zip(mass).map(|(x, m)| x * m).collect();
        next = a.solve(&weighted);
        // Tridiagonal but for rounding.
        for other in step.saturating_sub(1)..=step {
            let value = inner(&next, &basis[other]);
            (projected[step * steps + other], projected[other * steps + step]) = (value, value);
        }
    }
    let (_, vectors) = eigen(projected, steps);
    let combined = |e: usize| {
        let mut sum = vec![0.0; n];
        for (old, factor) in basis.iter().zip(&vectors[e * steps..(e + 1) * steps]) {
            sum.iter_mut().zip(old).for_each(|(s, o)| *s += factor * o);
        }
        sum
    };
    (0..count).map(combined).collect()
}

/// Takes a field over the skin to everything else.
struct Carry {
    /// For each ball: lid vertices whose mean it follows.
    lids: [Vec<u32>; 2],
    /// `[V]` for each ball: how rigidly a vertex of the skin goes with it.
    rigid: [Vec<f32>; 2],
    /// `(base vertex, [(model vertex, weight)])`
    followers: Vec<(u32, Vec<(u32, f32)>)>,
}

impl Carry {
    fn new(base: &Base, assembly: &Assembly) -> Carry {
        let parts = assembly.vertex_parts();
        let surface: Vec<u32> = (0..parts.len() as u32)
            .filter(|&v| {
                matches!(parts[v as usize], Part::Skin | Part::Mouth)
                    && matches!(assembly.origins[v as usize], Origin::Base(_))
            })
            .collect();
        let radii = |v: u32, side: usize| {
            assembly.template[v as usize].distance(assembly.eye_center(side)) / assembly.eye_radius(side)
        };
        let lids = [0, 1].map(|side| {
            let before = |v: &u32| assembly.template[*v as usize].z > assembly.eye_center(side).z;
            surface.iter().copied().filter(|&v| radii(v, side) < 1.3).filter(before).collect()
        });
        let rigid = [0, 1].map(|side| {
            let [inner, outer] = RIGID_RADII;
            let mut rigid = vec![0.0; parts.len()];
            for &v in &surface {
                let t = ((radii(v, side) - outer) / (inner - outer)).clamp(0.0, 1.0);
                rigid[v as usize] = t * t * (3.0 - 2.0 * t);
            }
            rigid
        });
        let mut wanted: BTreeMap<u32, f32> = BTreeMap::new();
        for (v, origin) in assembly.origins.iter().enumerate() {
            match origin {
                Origin::Base(b) if parts[v] == Part::Lashes => drop(wanted.insert(*b, LASH_KERNEL_M)),
                Origin::Base(b) if parts[v] == Part::Tongue => drop(wanted.insert(*b, INNER_KERNEL_M)),
                Origin::Blend(blend, _) => {
                    wanted.extend(blend.weights.iter().map(|&(b, _)| (b, INNER_KERNEL_M)));
                }
                _ => {}
            }
        }
        let follow = |(b, kernel): (u32, f32)| {
            let place = base.positions[b as usize];
            let squared = |v: u32| assembly.template[v as usize].distance_squared(place);
            let nearest = surface.iter().map(|&v| squared(v)).fold(f32::MAX, f32::min);
            let weight = |v: u32| (-0.5 * (squared(v) - nearest) / (kernel * kernel)).exp();
            let near: Vec<(u32, f32)> = surface.iter().map(|&v| (v, weight(v))).filter(|(_, w)| *w > 1e-3).collect();
            let total: f32 = near.iter().map(|(_, w)| w).sum();
            (b, near.into_iter().map(|(v, w)| (v, w / total)).collect())
        };
        Carry { lids, rigid, followers: wanted.into_iter().map(follow).collect() }
    }

    /// A field `[V]` over the skin → over the base mesh.
    fn over(&self, base: &Base, skin: &[Vec3], assembly: &Assembly) -> Vec<Vec3> {
        let balls = [0, 1].map(|side| super::mean_of(skin, &self.lids[side]));
        let mut seated = skin.to_vec();
        for side in 0..2 {
            for (value, &rigid) in seated.iter_mut().zip(&self.rigid[side]) {
                *value = value.lerp(balls[side], rigid);
            }
        }
        let mut field = vec![Vec3::ZERO; base.positions.len()];
        for (&b, &v) in &assembly.model_from_base {
            field[b as usize] = seated[v as usize];
        }
        for (b, near) in &self.followers {
            field[*b as usize] = near.iter().map(|&(v, w)| w * seated[v as usize]).sum();
        }
        for side in 0..2 {
            base.eyes[side].iter().for_each(|&b| field[b as usize] = balls[side]);
        }
        field
    }
}
