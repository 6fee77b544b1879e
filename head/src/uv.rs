//! The UV atlas: which surface point lies under each texel, and maps over it.
//!
//! Row 0 is the top, `v = 1`: texel `(x, y)` of a map with `S` texels a side has its center at
//! `u = (x + 0.5) / S`, `v = 1 − (y + 0.5) / S`. Quads are cut along corners 0–2 as in [`crate::normals::triangles`].
use crate::model::{HeadModel, Part};
use crate::normals::{Triangles, triangles};
use glam::{Vec2, Vec3};
use rayon::prelude::*;

/// In [`Texel::face`]: no surface here.
pub const NO_FACE: u32 = u32::MAX;

/// The surface point at the center of a texel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texel {
    /// Index into the faces, or [`NO_FACE`].
    pub face: u32,
    /// Weights of the corners, which sum to one.
    pub weights: [f32; 4],
}

/// A mesh rasterized into its own texture space; `S` texels a side.
#[derive(Clone, Debug)]
pub struct UvAtlas {
    /// `S`
    pub size: usize,
    /// `[S, S]` rows top to bottom.
    pub texels: Vec<Texel>,
    faces: Vec<[u32; 4]>,
    face_parts: Vec<Part>,
}

/// A vector per texel. `values` outside of `mask` mean nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct UvMapF32 {
    /// `S`
    pub size: usize,
    /// `[S, S]`
    pub values: Vec<Vec3>,
    /// `[S, S]` is there a value?
    pub mask: Vec<bool>,
}

impl UvAtlas {
    /// Of a model's own mesh.
    pub fn new(model: &HeadModel, size: usize) -> UvAtlas {
        UvAtlas::from_mesh(&model.faces, &model.face_uvs, &model.uvs, &model.face_parts, size)
    }

    /// Of any mesh, such as a subdivided one. Where charts overlap, the lowest face has the texel.
    pub fn from_mesh(
        faces: &[[u32; 4]],
        face_uvs: &[[u32; 4]],
        uvs: &[Vec2],
        face_parts: &[Part],
        size: usize,
    ) -> UvAtlas {
        let mut texels = vec![Texel { face: NO_FACE, weights: [0.0; 4] }; size * size];
        let cut = triangles_of_rows(face_uvs, faces);
        for t in 0..cut.indices.len() {
            let corners = cut.indices[t].map(|i| uvs[i as usize]);
            let corner_ids = cut.corners[t].map(usize::from);
            fill_triangle(corners, size, |texel, barycentric| {
                if texels[texel].face == NO_FACE {
                    let mut weights = [0.0; 4];
                    (0..3).for_each(|i| weights[corner_ids[i]] = barycentric[i]);
                    texels[texel] = Texel { face: cut.face[t], weights };
                }
            });
        }
        UvAtlas { size, texels, faces: faces.to_vec(), face_parts: face_parts.to_vec() }
    }

    /// Texture coordinates of the center of texel `(x, y)`, counted from the top left.
    pub fn center(&self, x: usize, y: usize) -> Vec2 {
        texel_center(self.size, x, y)
    }

    /// `[S, S]` is there surface?
    pub fn mask(&self) -> Vec<bool> {
        self.texels.iter().map(|texel| texel.face != NO_FACE).collect()
    }

    /// What lies at a texel `y · S + x`.
    pub fn part(&self, texel: usize) -> Option<Part> {
        let face = self.texels[texel].face;
        (face != NO_FACE).then(|| self.face_parts[face as usize])
    }

    /// Any vector per vertex `[V]` as a map: positions, normals, displacements.
    pub fn position_map(&self, per_vertex: &[Vec3]) -> UvMapF32 {
        let value = |texel: &Texel| match texel.face {
            NO_FACE => Vec3::ZERO,
            face => {
                let face = &self.faces[face as usize];
                (0..4).map(|corner| texel.weights[corner] * per_vertex[face[corner] as usize]).sum()
            }
        };
        let values = self.texels.par_iter().with_min_len(1 << 14).map(value).collect();
        UvMapF32 { size: self.size, values, mask: self.mask() }
    }

    /// Any number per vertex `[V]` as a map `[S, S]`, zero where there is no surface: region masks, skinning weights.
    pub fn scalar_map(&self, per_vertex: &[f32]) -> Vec<f32> {
        let value = |texel: &Texel| match texel.face {
            NO_FACE => 0.0,
            face => {
                let face = &self.faces[face as usize];
                (0..4).map(|corner| texel.weights[corner] * per_vertex[face[corner] as usize]).sum()
            }
        };
        self.texels.par_iter().with_min_len(1 << 14).map(value).collect()
    }

    /// How to extend maps over the rim of the charts, `reach` texels far.
    pub fn padding(&self, reach: usize) -> Padding {
        Padding::new(&self.mask(), self.size, reach)
    }
}

fn texel_center(size: usize, x: usize, y: usize) -> Vec2 {
    let scale = 1.0 / size as f32;
    Vec2::new((x as f32 + 0.5) * scale, 1.0 - (y as f32 + 0.5) * scale)
}

/// Triangles over `rows` of texture indices; faces that are triangles by `shape` give one.
fn triangles_of_rows(rows: &[[u32; 4]], shape: &[[u32; 4]]) -> Triangles {
    let mut cut = triangles(shape);
    for t in 0..cut.indices.len() {
        cut.indices[t] = cut.corners[t].map(|corner| rows[cut.face[t] as usize][corner as usize]);
    }
    cut
}

/// Calls `put(texel, barycentric)` for every texel center inside a triangle of texture space, edges included.
fn fill_triangle([a, b, c]: [Vec2; 3], size: usize, mut put: impl FnMut(usize, [f32; 3])) {
    let (ab, ac) = ((b - a).as_dvec2(), (c - a).as_dvec2());
    let area2 = ab.perp_dot(ac);
    if area2.abs() < 1e-16 {
        return;
    }
    let s = size as f32;
    let (low, high) = (a.min(b).min(c), a.max(b).max(c));
    let texel_range = |low: f32, high: f32| {
        let first = (low * s - 0.5).ceil().max(0.0) as usize;
        let last = (high * s - 0.5).floor().min(s - 1.0);
        first..if last < 0.0 { 0 } else { last as usize + 1 }
    };
    // Slack of a millionth of the triangle: a center exactly on a shared edge must not fall between two triangles.
    const SLACK: f64 = -1e-6;
    for y in texel_range(1.0 - high.y, 1.0 - low.y) {
        for x in texel_range(low.x, high.x) {
            let p = (texel_center(size, x, y) - a).as_dvec2();
            let (wb, wc) = (p.perp_dot(ac) / area2, ab.perp_dot(p) / area2);
            let wa = 1.0 - wb - wc;
            if wa >= SLACK && wb >= SLACK && wc >= SLACK {
                put(y * size + x, [wa as f32, wb as f32, wc as f32]);
            }
        }
    }
}

/// The nearest texel with surface, for texels near the rim: extends a map so that filtering at a seam finds the
/// chart's own values.
#[derive(Clone, Debug, PartialEq)]
pub struct Padding {
    /// `(texel without surface, nearest texel with surface)`.
    pub copies: Vec<(u32, u32)>,
}

impl Padding {
    /// Exact Euclidean nearest texel of `mask` `[size, size]`, at most `reach` texels away. Of equally near ones the
    /// first in row order of the search wins, whatever the thread count.
    pub fn new(mask: &[bool], size: usize, reach: usize) -> Padding {
        // Nearest within the column first, then along the row: together the nearest in the disc.
        let in_column = nearest_in_column(mask, size, reach);
        let row = |y: usize| {
            let mut copies = Vec::new();
            for x in (0..size).filter(|&x| !mask[y * size + x]) {
                let columns = x.saturating_sub(reach)..(x + reach + 1).min(size);
                let candidates = columns.filter_map(|column| {
                    let source_y = in_column[y * size + column];
                    let (dx, dy) = (column.abs_diff(x), (source_y as usize).abs_diff(y));
                    (source_y != u32::MAX).then(|| (dx * dx + dy * dy, source_y as usize * size + column))
                });
                if let Some((distance2, source)) = candidates.min()
                    && distance2 <= reach * reach
                {
                    copies.push(((y * size + x) as u32, source as u32));
                }
            }
            copies
        };
        Padding { copies: (0..size).into_par_iter().map(row).collect::<Vec<_>>().concat() }
    }

    /// Fills the values of a map `[S, S]` of anything.
    pub fn apply<T: Copy>(&self, values: &mut [T]) {
        for &(target, source) in &self.copies {
            values[target as usize] = values[source as usize];
        }
    }
}

/// `[size, size]` the row of the nearest masked texel in the same column, `u32::MAX` when none is within `reach`.
fn nearest_in_column(mask: &[bool], size: usize, reach: usize) -> Vec<u32> {
    let mut nearest = vec![u32::MAX; size * size];
    for x in 0..size {
        let mut last = None;
        for y in 0..size {
            if mask[y * size + x] {
                last = Some(y);
            }
            if let Some(row) = last.filter(|row| y - row <= reach) {
                nearest[y * size + x] = row as u32;
            }
        }
        let mut next: Option<usize> = None;
        for y in (0..size).rev() {
            if mask[y * size + x] {
                next = Some(y);
            }
            if let Some(row) = next.filter(|row| row - y <= reach) {
                let known = nearest[y * size + x];
                if known == u32::MAX || row - y < y.abs_diff(known as usize) {
                    nearest[y * size + x] = row as u32;
                }
            }
        }
    }
    nearest
}

impl UvMapF32 {
    /// Extends values and mask over the rim of the charts.
    pub fn fill(&mut self, padding: &Padding) {
        padding.apply(&mut self.values);
        padding.apply(&mut self.mask);
    }

    /// Bilinear value at texture coordinates, from the texels that have one; `None` where no neighbor has.
    pub fn sample(&self, uv: Vec2) -> Option<Vec3> {
        let last = self.size as f32 - 1.0;
        let x = (uv.x * self.size as f32 - 0.5).clamp(0.0, last);
        let y = ((1.0 - uv.y) * self.size as f32 - 0.5).clamp(0.0, last);
        let (x0, y0) = (x.floor() as usize, y.floor() as usize);
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let (mut sum, mut total) = (Vec3::ZERO, 0.0);
        for (dx, dy, weight) in
            [(0, 0, (1.0 - fx) * (1.0 - fy)), (1, 0, fx * (1.0 - fy)), (0, 1, (1.0 - fx) * fy), (1, 1, fx * fy)]
        {
            let texel = (y0 + dy).min(self.size - 1) * self.size + (x0 + dx).min(self.size - 1);
            if self.mask[texel] {
                sum += weight * self.values[texel];
                total += weight;
            }
        }
        (total > 0.0).then(|| sum / total)
    }

    /// `[S, S, 3]` flat, as maps are stored.
    pub fn to_flat(&self) -> Vec<f32> {
        self.values.iter().flat_map(Vec3::to_array).collect()
    }
}
