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

use crate::people::accessories::hides_hair;
use crate::people::headwear::Cover;
use crate::people::person::{Looks, Pigment};
use crate::people::surface::{Root, Surface};
use crate::stream::Stream;
use crate::tracer::elementary::smoothstep;
use crate::tracer::scene::{CurveDesc, HairMaterial};
pub use clearance::{Clearance, Obstacle};
use formats::segmentation::Class;
use glam::{Affine3A, Vec3, Vec4};
use head::ibug;
pub use scalp::hairline;
pub use shell::Shell;
use std::collections::BTreeMap;

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
    /// Centers of the left and the right eyeball.
    pub eyes: [Vec3; 2],
    /// What strands stay outside of: skin and cloth.
    pub clearance: &'a Clearance,
}

impl Ground<'_> {
    /// A region's mask; zeros where the model has none.
    pub fn region(&self, name: &str) -> Vec<f32> {
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
    class: Class,
    material: HairMaterial,
    strands: Vec<Strand>,
}

/// One strand at rest (world, meters; radius in w).
struct Strand {
    root: Root,
    points: Vec<Vec4>,
    absorption: f32,
}

/// All the strands of a person, at rest.
pub struct Groom {
    tufts: Vec<Tuft>,
    rest: Vec<Vec<(Vec3, glam::Mat3)>>,
    /// Height of the chin at rest (meters): well below it, hair lies on the shoulders and stays with them.
    chin_y: f32,
}

impl Groom {
    /// Grows everything. `strands` is the number on a full scalp; fewer are thicker. Under a `cover` it lies flat.
    pub fn grow(ground: &Ground, looks: &Looks, cover: Option<&Cover>, strands: u32, seed: u64) -> Self {
        let mut tufts = Vec::new();
        if !hides_hair(looks) {
            tufts.extend(scalp::grow(ground, &looks.hair, cover, strands, seed));
        }
        tufts.extend(brows::grow(ground, &looks.brows, strands, seed));
        tufts.extend(lashes::grow(ground, &looks.lashes, strands, seed));
        tufts.extend(beard::grow(ground, &looks.beard, strands, seed));
        let at_rest =
            |t: &Tuft| t.strands.iter().map(|s| (ground.skin.position(s.root), ground.skin.frame(s.root))).collect();
        let rest = tufts.iter().map(at_rest).collect();
        let chin_y = ground.landmarks.get(ibug::CHIN).map_or(f32::MIN, |chin| chin.y);
        Groom { tufts, rest, chin_y }
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
        self.tufts.iter().zip(&self.rest).map(|(tuft, rest)| tuft.curves(rest, posed, skull, self.chin_y)).collect()
    }
}

impl Tuft {
    fn new(class: Class, binding: Binding, material: HairMaterial) -> Self {
        Tuft { binding, class, material, strands: Vec::new() }
    }

    fn curves(&self, rest: &[(Vec3, glam::Mat3)], posed: &Surface, skull: Affine3A, chin_y: f32) -> CurveDesc {
        let mut desc = CurveDesc::new(self.material, self.class.id(), PART_STRANDS);
        for (strand, (origin, frame)) in self.strands.iter().zip(rest) {
            let now = posed.position(strand.root);
            let turn = match self.binding {
                Binding::Skull => glam::Mat3::from(skull.matrix3),
                Binding::Skin => posed.frame(strand.root) * frame.transpose(),
            };
            let carried = |p: &Vec4| {
                let there = p.truncate();
                let moved = now + turn * (there - *origin);
                match self.binding {
                    Binding::Skull => moved.lerp(there, smoothstep(chin_y - 0.02, chin_y - 0.075, there.y)),
                    Binding::Skin => moved,
                }
            };
            let points: Vec<Vec4> = strand.points.iter().map(|p| carried(p).extend(p.w)).collect();
            desc.push(&points, strand.absorption);
        }
        desc
    }
}

impl Pigment {
    /// Fiber of that pigment.
    fn material(&self) -> HairMaterial {
        HairMaterial::from_melanin(self.eumelanin, self.pheomelanin)
    }

    /// Absorption factor of one strand: white hairs keep a trace of pigment whatever the others have, which vary.
    fn absorption(&self, s: &mut Stream) -> f32 {
        const TRACE: f32 = 0.07;
        let pigment = (self.eumelanin + self.pheomelanin).max(TRACE);
        if s.chance(self.grey) { s.uniform(0.0, TRACE) / pigment } else { s.normal_within(1.0, 0.15, [0.6, 1.5]) }
    }

    /// As [`Pigment::absorption`], for a strand that turns gray `sooner` (in shares of all hair) than the mean.
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
    match Class::from_id(class) {
        Some(Class::Brow) => looks.brows.pigment.mat_color(),
        Some(Class::Beard) => looks.beard.pigment.mat_color(),
        Some(Class::Lash) => looks.lashes.pigment.mat_color(),
        _ => looks.hair.pigment.mat_color(),
    }
}

/// Radius (meters) of a strand that stands for several: real hair is 40 µm thick in radius and 100,000 strands dense.
fn thickened(radius_m: f32, strands: u32) -> f32 {
    radius_m * (100_000.0 / strands.max(1) as f32).clamp(1.0, 100.0).powf(0.7)
}

/// Radii along a strand: full to two thirds, then a point.
fn tapered(points: &[Vec3], radius_m: f32) -> Vec<Vec4> {
    let last = (points.len() - 1).max(1) as f32;
    let radius = |i: usize| radius_m * (1.0 - 0.75 * smoothstep(0.55, 1.0, i as f32 / last));
    points.iter().enumerate().map(|(i, p)| p.extend(radius(i))).collect()
}

/// The part of `v` along the surface with normal `n`, unit length.
fn along(v: Vec3, n: Vec3) -> Vec3 {
    (v - n * v.dot(n)).normalize_or(n.any_orthonormal_vector())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::people::actor::Actor;
    use crate::people::person::HairStyle;
    use crate::people::stage::Stage;

    /// Every style, several people each: strands leave the skin at their roots and stay outside of it.
    #[test]
    fn no_strand_runs_under_the_skin() {
        let mut config = Config { head: "analytic".into(), ..Config::default() };
        (config.mesh.texture_size, config.hair.strands) = (16, 1500);
        let stage = Stage::new(&config).unwrap();
        let mut styles: BTreeMap<&str, u32> = BTreeMap::new();
        for id in 0..60 {
            let actor = Actor::sample(&stage, &config, id);
            let style = actor.looks.hair.style;
            let seen = styles.entry(style.name()).or_default();
            *seen += 1;
            if style == HairStyle::Bald || *seen > 3 {
                continue;
            }
            let refined = stage.subdivision.apply(&actor.neutral);
            let skin = Surface::new(stage.skin().gather(&refined), stage.skin().triangles.clone());
            let clearance = Clearance::new(&[Obstacle { positions: &skin.positions, triangles: &skin.triangles }]);
            // Below the neck's open end there is no inside.
            let lowest = skin.positions.iter().map(|p| p.y).fold(f32::MAX, f32::min) + 0.02;
            let (mut points, mut under, mut deepest) = (0, 0, 0.0f32);
            for set in
                actor.at_rest().curves.iter().filter(|c| [Class::Hair.id(), Class::Beard.id()].contains(&c.class))
            {
                for strand in 0..set.first.len() {
                    // The curve runs from the second point, the root, which stands in the skin, to the last but one.
                    let points_of = &set.points[set.strand(strand)];
                    for p in points_of[2..points_of.len() - 1].iter().filter(|p| p.y > lowest) {
                        let d = clearance.at(p.truncate());
                        points += 1;
                        under += u32::from(d < -0.0005);
                        deepest = deepest.min(d);
                    }
                }
            }
            assert!(under * 1000 <= points, "{} {id}: {under} of {points} points lie under the skin", style.name());
            assert!(deepest > -0.004, "{} {id}: one lies {deepest} m deep", style.name());
        }
        assert!(styles.len() >= 8, "the sample has most styles: {styles:?}");
    }
}
