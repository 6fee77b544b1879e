//! The texture of a head mesh: in each texel the color that the Gaussians at rest show from straight ahead.
//!
//! A texel looks along the normal of its point at the Gaussians that sit near it in the atlas, on the same part and the same
//! side; so the other lip, an eyeball below a lid or the back of an ear do not shine through, and hair far off the scalp counts
//! where it grows. Its color is their mean, weighted by `α² exp(−z / τ)` with coverage α and depth z: as in a render the
//! outer ones hide the others, but without the edges that an order of layers draws, which are noise where layers touch. What
//! they leave uncovered takes the mean by nearness and opacity.
use glam::{IVec2, Mat3, Quat, Vec2, Vec3};
use head::HeadModel;
use head::model::{Part, SurfacePoint};
use head::normals::vertex_normals;
use head::uv::UvAtlas;
use image::{Rgb, RgbImage};
use rayon::prelude::*;
use splat::gaussians::SH_C0;
use splat::{Colors, Gaussians};
use std::collections::HashMap;

/// Texels a side.
pub const SIZE: usize = 1024;
/// Quality of the JPEG in percent.
const QUALITY: u8 = 95;
/// How far the Gaussians of a texel may sit from it in the atlas, in mean distances between the Gaussians of the part.
const REACH: f32 = 5.0;
/// Depth by which a Gaussian counts 1/e as much as one on top of it (meters).
const HIDING_M: f32 = 5e-3;
/// Least cosine between the normals of a texel and of a Gaussian's place.
const SAME_SIDE: f32 = 0.2;
/// Variance that is added across the line of sight (square meters): what the renderer's pixels add at the 512 px of a fit.
const BLUR_M2: f32 = 3e-4 * 3e-4;
/// Beyond three standard deviations a Gaussian shows nothing.
const CUTOFF: f32 = 4.5;
/// How far charts are extended by their nearest texel; the rest of the atlas gets the mean color.
const PADDING: usize = 32;

/// Gaussians at rest and the surface they sit on.
pub struct Source<'a> {
    /// The head model.
    pub model: &'a HeadModel,
    /// `[V]` its vertices at rest (meters).
    pub rest: &'a [Vec3],
    /// `[N]` places of the Gaussians on it.
    pub anchors: &'a [SurfacePoint],
    /// `[N]` at rest, in head space, display RGB.
    pub gaussians: &'a Gaussians,
}

/// The texture in the atlas of the head model, `size` texels a side, row 0 on top; display RGB.
pub fn bake(source: &Source<'_>, size: usize) -> RgbImage {
    let splats = Splats::new(source);
    let atlas = UvAtlas::new(source.model, size);
    let positions = atlas.position_map(source.rest).values;
    let normals = atlas.position_map(&vertex_normals(source.rest, &source.model.faces)).values;
    let shown = |i: usize| {
        let spot = Spot {
            uv: atlas.center(i % size, i / size),
            place: positions[i],
            normal: normals[i].normalize_or(Vec3::Z),
        };
        splats.color(atlas.part(i)?, &spot)
    };
    let shown: Vec<Option<Vec3>> = (0..size * size).into_par_iter().with_min_len(size).map(shown).collect();
    let mask: Vec<bool> = shown.iter().map(Option::is_some).collect();
    let (sum, count) = shown.iter().flatten().fold((Vec3::ZERO, 0.0f32), |(sum, n), c| (sum + *c, n + 1.0));
    let mean = if count > 0.0 { sum / count } else { Vec3::splat(0.5) };
    let mut colors: Vec<Vec3> = shown.into_iter().map(|color| color.unwrap_or(mean)).collect();
    head::uv::Padding::new(&mask, size, PADDING).apply(&mut colors);
    RgbImage::from_fn(size as u32, size as u32, |x, y| {
        let color = colors[y as usize * size + x as usize];
        Rgb(color.to_array().map(|c| (c * 255.0).round().clamp(0.0, 255.0) as u8))
    })
}

/// A texture as the bytes of a JPEG.
///
/// # Errors
/// None in memory.
pub fn to_jpeg(texture: &RgbImage) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    texture.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
    Ok(bytes)
}

/// The point of a texel.
struct Spot {
    /// In the atlas.
    uv: Vec2,
    /// Meters.
    place: Vec3,
    /// Of the surface, unit length.
    normal: Vec3,
}

/// One Gaussian.
struct Splat {
    /// In the atlas.
    uv: Vec2,
    /// On the surface (meters).
    place: Vec3,
    /// Of the surface there.
    normal: Vec3,
    /// Meters.
    mean: Vec3,
    /// Square meters.
    covariance: Mat3,
    opacity: f32,
    color: Vec3,
}

/// The Gaussians by what they are part of.
struct Splats {
    all: Vec<Splat>,
    patches: HashMap<Part, Patch>,
}

/// The Gaussians of one part, in cells of the reach.
struct Patch {
    /// In units of the atlas.
    reach: f32,
    cells: HashMap<IVec2, Vec<u32>>,
}

impl Patch {
    fn cell(&self, uv: Vec2) -> IVec2 {
        (uv / self.reach).floor().as_ivec2()
    }

    fn near(&self, uv: Vec2) -> impl Iterator<Item = u32> + '_ {
        let here = self.cell(uv);
        let around = (0..9).map(move |k| here + IVec2::new(k % 3 - 1, k / 3 - 1));
        around.filter_map(|cell| self.cells.get(&cell)).flatten().copied()
    }
}

impl Splats {
    fn new(source: &Source<'_>) -> Self {
        let normals = vertex_normals(source.rest, &source.model.faces);
        let mut all: Vec<Splat> = (0..source.anchors.len()).map(|n| splat(source, &normals, n)).collect();
        let mut rows: HashMap<Part, Vec<u32>> = HashMap::new();
        for (n, anchor) in source.anchors.iter().enumerate() {
            rows.entry(source.model.face_parts[anchor.face as usize]).or_default().push(n as u32);
        }
        let mut patches = HashMap::new();
        for (part, rows) in rows {
            if part != Part::Skin {
                settle(&mut all, &rows);
            }
            let reach = REACH * (area(source.model, part) / rows.len() as f32).sqrt().max(1e-5);
            let mut patch = Patch { reach, cells: HashMap::new() };
            for &n in &rows {
                let cell = patch.cell(all[n as usize].uv);
                patch.cells.entry(cell).or_default().push(n);
            }
            patches.insert(part, patch);
        }
        Splats { all, patches }
    }

    /// The color of a point of a part, seen along its normal; none where no Gaussian is near.
    fn color(&self, part: Part, spot: &Spot) -> Option<Vec3> {
        let patch = self.patches.get(&part)?;
        let (right, up) = spot.normal.any_orthonormal_pair();
        let (mut covered, mut cover, mut transmittance) = (Vec3::ZERO, 0f32, 1f32);
        let (mut nearest, mut weights) = (Vec3::ZERO, 0f32);
        for splat in patch.near(spot.uv).map(|n| &self.all[n as usize]) {
            let away2 = splat.uv.distance_squared(spot.uv) / (patch.reach * patch.reach);
            if away2 > 1.0 || splat.normal.dot(spot.normal) < SAME_SIDE {
                continue;
            }
            let weight = (splat.opacity + 1e-3) / (away2 + 1e-3).powi(2);
            nearest += weight * splat.color;
            weights += weight;
            let alpha = splat.alpha(spot.place, right, up);
            let depth = (spot.place - splat.mean).dot(spot.normal);
            let weight = alpha * alpha * (-depth / HIDING_M).clamp(-30.0, 30.0).exp();
            covered += weight * splat.color;
            cover += weight;
            transmittance *= 1.0 - alpha;
        }
        if weights <= 0.0 {
            return None;
        }
        let nearest = nearest / weights;
        if cover > 0.0 { Some((covered / cover).lerp(nearest, transmittance)) } else { Some(nearest) }
    }
}

impl Splat {
    /// What it covers of the line through a point across `right` and `up`.
    fn alpha(&self, point: Vec3, right: Vec3, up: Vec3) -> f32 {
        let offset = point - self.mean;
        let (x, y) = (offset.dot(right), offset.dot(up));
        let (along_right, along_up) = (self.covariance * right, self.covariance * up);
        let (a, b, c) = (right.dot(along_right) + BLUR_M2, right.dot(along_up), up.dot(along_up) + BLUR_M2);
        let square = (c * x * x - 2.0 * b * x * y + a * y * y) / (a * c - b * b);
        if 0.5 * square > CUTOFF { 0.0 } else { (self.opacity * (-0.5 * square).exp()).min(0.99) }
    }
}

fn splat(source: &Source<'_>, normals: &[Vec3], n: usize) -> Splat {
    let (anchor, g) = (&source.anchors[n], source.gaussians);
    let corners = source.model.faces[anchor.face as usize];
    let on_surface = |field: &[Vec3]| -> Vec3 { (0..4).map(|k| anchor.weights[k] * field[corners[k] as usize]).sum() };
    let [w, x, y, z] = [0, 1, 2, 3].map(|i| g.quats[4 * n + i]);
    let turn = Mat3::from_quat(Quat::from_xyzw(x, y, z, w).normalize());
    let variances = Vec3::from_slice(&g.log_scales[3 * n..]).map(|s| (2.0 * s).exp());
    let stored = Vec3::from_slice(&g.colors[g.kind.stride() * n..]);
    let texture_corners = source.model.face_uvs[anchor.face as usize];
    Splat {
        uv: (0..4).map(|k| anchor.weights[k] * source.model.uvs[texture_corners[k] as usize]).sum(),
        place: on_surface(source.rest),
        normal: on_surface(normals).normalize_or(Vec3::Z),
        mean: Vec3::from_slice(&g.means[3 * n..]),
        covariance: turn * Mat3::from_diagonal(variances) * turn.transpose(),
        opacity: 1.0 / (1.0 + (-g.opacity_logits[n]).exp()),
        // Harmonics beyond the zeroth are left out: a texture has one color for all directions.
        color: match g.kind {
            Colors::Sh { .. } => stored * SH_C0 as f32 + 0.5,
            Colors::Features { .. } => stored,
        }
        .clamp(Vec3::ZERO, Vec3::ONE),
    }
}

/// Moves the Gaussians of a rigid part back onto the surface as one: a fit moves the whole part, the mesh stays.
fn settle(all: &mut [Splat], rows: &[u32]) {
    let offsets = rows.iter().map(|&n| all[n as usize].mean - all[n as usize].place);
    let shift = offsets.sum::<Vec3>() / rows.len() as f32;
    rows.iter().for_each(|&n| all[n as usize].mean -= shift);
}

/// Of a part's charts, as a fraction of the atlas.
fn area(model: &HeadModel, part: Part) -> f32 {
    let rows = model.face_uvs.iter().zip(&model.face_parts).filter(|(_, p)| **p == part);
    rows.map(|(row, _)| {
        let [a, b, c, d] = row.map(|t| model.uvs[t as usize]);
        0.5 * (c - a).perp_dot(d - b).abs()
    })
    .sum()
}
