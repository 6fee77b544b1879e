//! What is traced: meshes, strands and their materials, as plain data that the scene builders fill.
//!
//! World space: right-handed, meters, y up. Colors: linear RGB. Letters: `V` vertices, `T` triangles, `P` control
//! points, `S` strands. [`crate::tracer::trace::build`] turns a description into something rays can hit;
//! [`crate::tracer::trace::render`] looks at it through a camera under an environment.
use crate::tracer::bsdf::opening::Opening;
use glam::{Vec2, Vec3, Vec4};
use std::sync::Arc;

/// Everything in front of the camera; the environment is apart, so that one scene serves many lights.
#[derive(Clone, Debug, Default)]
pub struct SceneDesc {
    /// Triangle meshes, one material each.
    pub meshes: Vec<MeshDesc>,
    /// Strands: hair, brows, lashes, beard.
    pub curves: Vec<CurveDesc>,
}

/// A triangle mesh with one material.
#[derive(Clone, Debug)]
pub struct MeshDesc {
    /// `[V]` world positions (meters).
    pub positions: Vec<Vec3>,
    /// `[V]` unit shading normals pointing outwards; empty: they are averaged from the triangles.
    pub normals: Vec<Vec3>,
    /// `[T]` counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
    /// `[T]` texture coordinates of the corners, origin bottom left; empty: all zero.
    pub uvs: Vec<[Vec2; 3]>,
    /// What it is made of.
    pub material: Material,
    /// `[T]` class id of each triangle (`formats::segmentation`).
    pub classes: Vec<u8>,
    /// `[T]` part of each triangle (`head::model::Part as u8`, or above 8 for what is no head).
    pub parts: Vec<u8>,
}

/// Strands of one material: uniform cubic B-splines, flat ribbons that face the ray.
///
/// A strand of `n ≥ 4` control points has `n - 3` segments and does not reach its first and last point;
/// [`CurveDesc::push`] adds phantom ends to points that the strand shall pass near, first and last exactly.
#[derive(Clone, Debug)]
pub struct CurveDesc {
    /// `[P]` control points, world position and radius (meters).
    pub points: Vec<Vec4>,
    /// `[S]` index of each strand's first control point, ascending; a strand ends where the next begins.
    pub first: Vec<u32>,
    /// `[S]` multiplies the material's absorption strand by strand; empty: all one.
    pub absorption: Vec<f32>,
    /// What it is made of.
    pub material: HairMaterial,
    /// Class id of all its strands (`formats::segmentation`).
    pub class: u8,
    /// Part id of all its strands, for the labels.
    pub part: u8,
}

impl CurveDesc {
    /// No strands yet.
    pub fn new(material: HairMaterial, class: u8, part: u8) -> Self {
        CurveDesc { points: Vec::new(), first: Vec::new(), absorption: Vec::new(), material, class, part }
    }

    /// Adds a strand that starts at the first and ends at the last of at least two points (xyz, radius).
    pub fn push(&mut self, points: &[Vec4], absorption: f32) {
        let n = points.len();
        if n < 2 {
            return;
        }
        let (a, b, y, z) = (points[0], points[1], points[n - 2], points[n - 1]);
        let end = |tip: Vec4, next: Vec4| (2.0 * tip - next).truncate().extend(tip.w);
        self.first.push(self.points.len() as u32);
        self.absorption.push(absorption);
        self.points.push(end(a, b));
        self.points.extend_from_slice(points);
        self.points.push(end(z, y));
    }

    /// First control point of every segment, strand by strand.
    pub fn segments(&self) -> Vec<u32> {
        (0..self.first.len()).flat_map(|s| self.strand(s).start as u32..self.strand(s).end as u32 - 3).collect()
    }

    /// Points of strand `s` in `points`.
    pub fn strand(&self, s: usize) -> std::ops::Range<usize> {
        self.first[s] as usize..self.first.get(s + 1).map_or(self.points.len(), |&f| f as usize)
    }
}

/// What a mesh is made of.
#[derive(Clone, Debug)]
pub enum Material {
    /// Scattering under two specular lobes.
    Skin(SkinMaterial),
    /// An eyeball: sclera, iris behind a refracting cornea, all procedural.
    Eye(EyeMaterial),
    /// Diffuse under a wet or enamel coat: teeth, gums, tongue, mouth.
    Coated(CoatedMaterial),
    /// Lambertian: cloth.
    Diffuse(Paint),
    /// Clear and smooth; labels and shadow rays pass straight through: spectacle lenses, a cornea shell.
    Dielectric(DielectricMaterial),
}

/// A color over a surface.
#[derive(Clone, Debug)]
pub enum Paint {
    /// The same everywhere.
    Flat(Vec3),
    /// By texture coordinate.
    Map(Arc<Texture>),
}

impl Paint {
    /// Color at a texture coordinate.
    #[inline]
    pub fn at(&self, uv: Vec2) -> Vec3 {
        match self {
            Paint::Flat(c) => *c,
            Paint::Map(t) => t.at(uv),
        }
    }
}

/// Three floats a texel: linear RGB, or what its user says; bilinear, repeated at the borders.
#[derive(Clone, Debug)]
pub struct Texture {
    width: usize,
    height: usize,
    texels: Vec<[f32; 3]>,
}

impl Texture {
    /// `texels` row by row from the top (`v = 1`); `None` unless there are `width × height`, at least one.
    pub fn new(width: usize, height: usize, texels: Vec<[f32; 3]>) -> Option<Self> {
        (width > 0 && height > 0 && texels.len() == width * height).then_some(Texture { width, height, texels })
    }

    /// Width and height in texels.
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Value at a texture coordinate, origin bottom left; texel centers lie at half-integers.
    #[inline]
    pub fn at(&self, uv: Vec2) -> Vec3 {
        let (x, fx) = cell(uv.x, self.width);
        let (y, fy) = cell(-uv.y, self.height);
        let next = |i: usize, n: usize| if i + 1 < n { i + 1 } else { 0 };
        let (x1, y1) = (next(x, self.width), next(y, self.height));
        let t = |x: usize, y: usize| Vec3::from(self.texels[y * self.width + x]);
        t(x, y).lerp(t(x1, y), fx).lerp(t(x, y1).lerp(t(x1, y1), fx), fy)
    }
}

/// The cell of `n` repeated ones whose center lies at or before `u`, and how far `u` is on the way to the next center.
/// Without `floor`, which is a call into the mathematics library on plain x86-64.
#[inline]
fn cell(u: f32, n: usize) -> (usize, f32) {
    let t = u * n as f32 - 0.5;
    let whole = t as i32 - i32::from(t < 0.0 && t != t as i32 as f32);
    let index = if (0..n as i32).contains(&whole) { whole } else { whole.rem_euclid(n as i32) };
    (index as usize, t - whole as f32)
}

/// Skin: a diffuse or random-walk base under two GGX lobes (Weyrich et al. 2006 for the order of the values).
#[derive(Clone, Debug)]
pub struct SkinMaterial {
    /// Diffuse albedo.
    pub albedo: Paint,
    /// Red: multiplies the roughness of both lobes; green: multiplies their strength; blue: depth of the grain (meters).
    pub gloss: Paint,
    /// GGX roughness α of the broad and the sharp lobe.
    pub roughness: [f32; 2],
    /// Fraction of the sharp lobe, 0..=1.
    pub sharp: f32,
    /// Index of refraction.
    pub ior: f32,
    /// How far light spreads under the surface (meters), red, green, blue: the scale `d` of Christensen and Burley 2015,
    /// whose profile is `(exp(-r/d) + exp(-r/3d)) / 8πdr`. Default: measured skin of Jensen et al. 2001, converted.
    pub spread: Vec3,
    /// Fraction of light that the down on the skin throws back at grazing angles.
    pub fuzz: f32,
    /// `[V]` of the mesh: how sharply it bends outwards (1/meter), empty: nowhere.
    pub bends: Arc<Vec<f32>>,
    /// Fine shape.
    pub relief: Option<Relief>,
}

/// Heights over the mesh that bend the shading normal.
#[derive(Clone, Debug)]
pub struct Relief {
    /// Meters: always; at full compression along the head's vertical; along its horizontal.
    pub heights: Arc<Texture>,
    /// `[V]` of the mesh: how much of the second and third shows, 0..=1; empty: none.
    pub folds: Arc<Vec<Vec2>>,
    /// Pores: a tile of heights in the red channel, as multiples of the gloss map's blue.
    pub grain: Option<Arc<Texture>>,
    /// How often the tile repeats over the atlas.
    pub repeats: f32,
}

impl SkinMaterial {
    /// Plain skin of that albedo.
    pub fn new(albedo: Paint) -> Self {
        SkinMaterial {
            albedo,
            gloss: Paint::Flat(Vec3::ONE),
            roughness: [0.35, 0.16],
            sharp: 0.15,
            ior: 1.4,
            spread: Vec3::new(1.05e-3, 0.39e-3, 0.19e-3),
            fuzz: 0.0,
            bends: Arc::default(),
            relief: None,
        }
    }
}

/// Diffuse under one smooth coat.
#[derive(Clone, Debug)]
pub struct CoatedMaterial {
    /// Diffuse albedo under the coat.
    pub albedo: Paint,
    /// GGX roughness α of the coat.
    pub roughness: f32,
    /// Index of refraction of the coat: saliva 1.33, enamel 1.6.
    pub ior: f32,
}

/// An eyeball. The mesh may be a sphere or have a corneal bulge; everything is found from the direction from `center`.
/// A ray that enters inside the limbus is refracted and meets the iris disc behind it (so the iris has parallax);
/// light reaches the iris straight.
#[derive(Clone, Debug)]
pub struct EyeMaterial {
    /// Center of the eyeball (world, meters).
    pub center: Vec3,
    /// Unit direction out of the pupil (world).
    pub axis: Vec3,
    /// Unit direction towards the eyeball's own top (world), not parallel to `axis`.
    pub up: Vec3,
    /// Radius of the iris disc as seen from outside (meters), about 0.0059.
    pub iris_radius: f32,
    /// Radius of the pupil (meters), about 0.002.
    pub pupil_radius: f32,
    /// Distance of the iris plane from the center along the axis (meters), about 0.8 of the eyeball's radius.
    pub iris_plane: f32,
    /// Iris color near the pupil and near the limbus.
    pub iris: [Vec3; 2],
    /// Color of the white.
    pub sclera: Vec3,
    /// Strength of the red veins, 0..=1.
    pub veins: f32,
    /// Seed of the iris fibers and the veins.
    pub seed: u64,
    /// The gap between the lids, which shade and wet the ball.
    pub opening: Arc<Opening>,
    /// Class id of the iris and pupil; the white has the triangle's.
    pub iris_class: u8,
}

/// A clear, smooth material.
#[derive(Clone, Copy, Debug)]
pub struct DielectricMaterial {
    /// Index of refraction inside relative to outside.
    pub ior: f32,
    /// Whether one surface stands for both sides of a thin sheet: rays then go through without bending.
    pub sheet: Sheet,
}

/// How a dielectric surface is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// The boundary of a solid.
    Solid,
    /// A thin sheet.
    Thin,
}

/// Hair after Chiang et al. 2016, "A Practical and Controllable Hair and Fur Model for Production Path Tracing".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HairMaterial {
    /// Absorption inside the fiber (per radius), red, green, blue.
    pub sigma_a: Vec3,
    /// Longitudinal roughness β_m, 0..=1.
    pub beta_m: f32,
    /// Azimuthal roughness β_n, 0..=1.
    pub beta_n: f32,
    /// Tilt of the cuticle scales (radians), about 0.035.
    pub tilt: f32,
    /// Index of refraction, about 1.55.
    pub ior: f32,
}

impl HairMaterial {
    /// From concentrations of eumelanin (dark: black hair 8, brown 1.3, blond 0.3) and pheomelanin (red hair 1 and
    /// more); d'Eon et al. 2011, table of absorption per unit concentration.
    pub fn from_melanin(eumelanin: f32, pheomelanin: f32) -> Self {
        let sigma_a = eumelanin * Vec3::new(0.419, 0.697, 1.37) + pheomelanin * Vec3::new(0.187, 0.4, 1.05);
        HairMaterial { sigma_a, beta_m: 0.3, beta_n: 0.3, tilt: 0.035, ior: 1.55 }
    }
}

/// How a picture is traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenderSettings {
    /// Pixels; the camera is resized to it.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Paths a pixel.
    pub spp: u32,
    /// Blocks of pixels whose standard error (display brightness, 0..1) after half of the paths is no greater take no
    /// more; 0: all take all.
    pub tolerance: f32,
    /// Longest path in bounces after the first hit.
    pub max_bounces: u32,
    /// Same seed, same bytes.
    pub seed: u64,
    /// How light moves under skin.
    pub subsurface: Subsurface,
    /// What happens to the noise.
    pub denoise: Denoise,
    /// How finely coverage is sampled where something opaque covers a part of a pixel.
    pub coverage: CoverageGrid,
}

/// How finely the coverage of a pixel is sampled, from the shapes themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoverageGrid {
    /// 16 × 64 places a pixel: thin fur is off by up to 0.06 in its worst pixel, by less than 1/255 on average.
    Fast,
    /// 16 × 256 places a pixel: off by less than 0.01 in the worst pixel.
    Fine,
}

/// How light moves under skin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subsurface {
    /// Random walk in a homogeneous medium bounded by the skin meshes.
    RandomWalk,
    /// Leaves where it entered.
    Diffuse,
}

/// What happens to the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denoise {
    /// Stays.
    Off,
    /// Open Image Denoise, fast weights.
    Fast,
    /// Open Image Denoise, best weights.
    High,
}

/// What finds the hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccelKind {
    /// Embree where its library is found, else the portable one, with one printed note.
    Auto,
    /// Embree, or an error.
    Embree,
    /// Bounding volumes of our own process: slower, strands are capsules.
    Portable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texture_origin_is_bottom_left() {
        let t = Texture::new(2, 2, vec![[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0], [4.0, 0.0, 0.0]]).unwrap();
        assert_eq!(t.at(Vec2::new(0.25, 0.75)).x, 1.0);
        assert_eq!(t.at(Vec2::new(0.75, 0.25)).x, 4.0);
        assert_eq!(t.at(Vec2::new(0.5, 0.25)).x, 3.5);
        assert_eq!(t.at(Vec2::new(1.75, -0.75)).x, 4.0, "repeated");
        assert_eq!(t.at(Vec2::new(0.0, 0.25)).x, 3.5, "across the border");
        assert!(Texture::new(2, 2, vec![[0.0; 3]; 3]).is_none());
    }

    #[test]
    fn a_pushed_strand_starts_and_ends_at_its_points() {
        let mut c = CurveDesc::new(HairMaterial::from_melanin(1.0, 0.0), 8, 9);
        let (a, z) = (Vec4::new(0.0, 0.0, 0.0, 1e-4), Vec4::new(0.0, 1.0, 0.3, 5e-5));
        c.push(&[a, Vec4::new(0.0, 0.5, 0.0, 1e-4), z], 1.0);
        c.push(&[a, z], 1.0);
        let p = &c.points[c.strand(0)];
        assert_eq!((p.len(), c.strand(1)), (5, 5..9));
        let start = (p[0] + 4.0 * p[1] + p[2]) / 6.0;
        let end = (p[2] + 4.0 * p[3] + p[4]) / 6.0;
        assert!((start - a).truncate().length() < 1e-6 && (end - z).truncate().length() < 1e-6);
    }
}
