//! Strands grown on the neutral head, bound to the skin so that they follow any expression.
//!
//! `groom` = scalp + brows + lashes + beard. Each strand knows its root; [`Groom::curves`] carries it to a posed surface.
mod beard;
pub mod brows;
mod clearance;
mod guides;
mod lashes;
mod locks;
mod scalp;
mod shell;

use crate::person::{Looks, Pigment};
use crate::scene::{CurveDesc, HairMaterial};
use crate::stream::Stream;
use crate::surface::{Root, Surface};
pub use clearance::{Clearance, Obstacle};
use glam::{Affine3A, Vec3, Vec4};
pub use scalp::hairline;
pub use shell::Shell;
use std::collections::BTreeMap;

/// Class ids of `formats::frame::SEGMENTATION` that strands have.
const CLASS_BROW: u8 = 2;
const CLASS_HAIR: u8 = 8;
const CLASS_BEARD: u8 = 9;
const CLASS_LASH: u8 = 15;

/// Part ids of strands in the labels: above those of `head::model::Part`.
pub const PART_STRANDS: u8 = 16;

/// What strands grow on, at rest.
pub struct Ground<'a> {
    /// Skin of the neutral, unposed head.
    pub skin: &'a Surface,
    /// Region masks over its vertices.
    pub regions: &'a BTreeMap<String, Vec<f32>>,
    /// The 68 landmarks on it.
    pub landmarks: &'a [Vec3],
    /// Centres of the left and the right eyeball.
    pub eyes: [Vec3; 2],
    /// What strands stay outside of: skin and cloth.
    pub clearance: &'a Clearance,
}

impl Ground<'_> {
    /// A region's mask; zeros where the model has none.
    fn region(&self, name: &str) -> Vec<f32> {
        self.regions.get(name).cloned().unwrap_or_else(|| vec![0.0; self.skin.positions.len()])
    }
}

/// How a strand is carried along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binding {
    /// Stiff with the skull; the root's own motion is added.
    Skull,
    /// Turns with the skin around its root.
    Skin,
}

/// Strands of one material.
struct Tuft {
    binding: Binding,
    class: u8,
    material: HairMaterial,
    strands: Vec<Strand>,
}

/// One strand at rest (world, metres; radius in w).
struct Strand {
    root: Root,
    points: Vec<Vec4>,
    absorption: f32,
}

/// All the strands of a person, at rest.
pub struct Groom {
    tufts: Vec<Tuft>,
    rest: Vec<Vec<(Vec3, glam::Mat3)>>,
}

impl Groom {
    /// Grows everything. `strands` is the number on a full scalp; fewer are thicker.
    pub fn grow(ground: &Ground, looks: &Looks, strands: u32, seed: u64) -> Self {
        let mut tufts = Vec::new();
        tufts.extend(scalp::grow(ground, &looks.hair, strands, seed));
        tufts.extend(brows::grow(ground, &looks.brows, strands, seed));
        tufts.extend(lashes::grow(ground, &looks.lashes, strands, seed));
        tufts.extend(beard::grow(ground, &looks.beard, strands, seed));
        let at_rest =
            |t: &Tuft| t.strands.iter().map(|s| (ground.skin.position(s.root), ground.skin.frame(s.root))).collect();
        let rest = tufts.iter().map(at_rest).collect();
        Groom { tufts, rest }
    }

    /// Number of strands.
    pub fn len(&self) -> usize {
        self.tufts.iter().map(|t| t.strands.len()).sum()
    }

    /// Whether there is not one strand.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The strands on a posed skin; `skull` carries the neutral skull to where it is now.
    pub fn curves(&self, posed: &Surface, skull: Affine3A) -> Vec<CurveDesc> {
        self.tufts.iter().zip(&self.rest).map(|(tuft, rest)| tuft.curves(rest, posed, skull)).collect()
    }
}

impl Tuft {
    fn new(class: u8, binding: Binding, material: HairMaterial) -> Self {
        Tuft { binding, class, material, strands: Vec::new() }
    }

    fn curves(&self, rest: &[(Vec3, glam::Mat3)], posed: &Surface, skull: Affine3A) -> CurveDesc {
        let mut desc = CurveDesc::new(self.material, self.class, PART_STRANDS);
        for (strand, (origin, frame)) in self.strands.iter().zip(rest) {
            let now = posed.position(strand.root);
            let turn = match self.binding {
                Binding::Skull => glam::Mat3::from(skull.matrix3),
                Binding::Skin => posed.frame(strand.root) * frame.transpose(),
            };
            let points: Vec<Vec4> =
                strand.points.iter().map(|p| (now + turn * (p.truncate() - *origin)).extend(p.w)).collect();
            desc.push(&points, strand.absorption);
        }
        desc
    }
}

impl Pigment {
    /// Fibre of that pigment.
    fn material(&self) -> HairMaterial {
        HairMaterial::from_melanin(self.eumelanin, self.pheomelanin)
    }

    /// Absorption factor of one strand: grey hairs have next to no pigment, the others vary.
    fn absorption(&self, s: &mut Stream) -> f32 {
        if s.chance(self.grey) { s.uniform(0.0, 0.06) } else { s.normal_within(1.0, 0.15, [0.6, 1.5]) }
    }

    /// As [`Pigment::absorption`], for a strand that turns grey `sooner` (in shares of all hair) than the mean.
    fn streaked(&self, sooner: f32, s: &mut Stream) -> f32 {
        let share = if self.grey > 0.0 {
            (self.grey + sooner * (1.2 - self.grey).min(4.0 * self.grey)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        Pigment { grey: share, ..*self }.absorption(s)
    }

    /// What a dense mat of such hair looks like from outside (linear RGB); Chiang et al. 2016, eq. 9, inverted.
    pub fn mat_color(&self) -> Vec3 {
        let sigma = self.material().sigma_a * (1.0 - 0.95 * self.grey);
        const BETA: f32 = 0.3;
        let scale = 5.969 - 0.215 * BETA + 2.532 * BETA * BETA - 10.73 * BETA.powi(3)
            + 5.574 * BETA.powi(4)
            + 0.245 * BETA.powi(5);
        Vec3::from_array(sigma.to_array().map(|a| (-a.sqrt() * scale).exp()))
    }
}

/// What a dense mat of a person's strands of a class looks like from outside (linear RGB).
pub fn mat_color(class: u8, looks: &Looks) -> Vec3 {
    match class {
        CLASS_BROW => looks.brows.pigment.mat_color(),
        CLASS_BEARD => looks.beard.pigment.mat_color(),
        CLASS_LASH => Vec3::splat(0.02),
        _ => looks.hair.pigment.mat_color(),
    }
}

/// Radius (metres) of a strand that stands for several: real hair is 40 µm thick in radius and 100,000 strands dense.
fn thickened(radius_m: f32, strands: u32) -> f32 {
    radius_m * (100_000.0 / strands.max(1) as f32).clamp(1.0, 100.0).powf(0.7)
}

/// Radii along a strand: full to two thirds, then a point.
fn tapered(points: &[Vec3], radius_m: f32) -> Vec<Vec4> {
    let last = (points.len() - 1).max(1) as f32;
    let radius = |i: usize| radius_m * (1.0 - 0.75 * crate::light::smoothstep(0.55, 1.0, i as f32 / last));
    points.iter().enumerate().map(|(i, p)| p.extend(radius(i))).collect()
}

/// The part of `v` along the surface with normal `n`, unit length.
fn along(v: Vec3, n: Vec3) -> Vec3 {
    (v - n * v.dot(n)).normalize_or(n.any_orthonormal_vector())
}
