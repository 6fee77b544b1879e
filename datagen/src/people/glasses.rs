//! Spectacles: two rims with thin lenses, a bridge, and temples over the ears; set before the eyes so far out that
//! nothing touches the face.
//!
//! Constants, and where they come from:
//!
//! | constants                                 | source                                            |
//! | ----------------------------------------- | ------------------------------------------------- |
//! | weights of outlines, frames and colors    | chosen by eye                                     |
//! | aspects of outlines, thickness of rims    | chosen by eye                                     |
//! | distance of the lens from the eye 14.5 mm | chosen by eye                                     |
//! | radius of an eyeball 12 mm                | chosen by eye, at the usual axial length of 24 mm |
//! | how many people wear them                 | `wear.glasses` of the configuration               |
use crate::people::hair::Clearance;
use crate::people::shell::{Dress, Path, Shell};
use crate::people::sweep::Ring;
use crate::stream::Stream;
use crate::tracer::elementary::smoothstep;
use crate::tracer::scene::{CoatedMaterial, DielectricMaterial, Material, MeshDesc, Paint, Sheet};
use formats::segmentation::Class;
use glam::{Affine3A, Vec3};
use head::ibug;
use serde::Serialize;
use std::f32::consts::{PI, TAU};

/// Part id in the labels, above that of cloth.
const PART_GLASSES: u8 = 18;
/// From the front of the eyeball's sphere to the lens (meters).
const VERTEX_M: f32 = 0.0145;
/// Radius of an eyeball (meters).
const EYEBALL_M: f32 = 0.012;
/// Least distance between frame and face (meters).
const GAP_M: f32 = 0.0006;
/// Points of a rim.
const RIM: usize = 48;

/// Spectacles as drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Glasses {
    /// Outline of the lenses.
    pub outline: LensOutline,
    /// Height of a lens by its width.
    pub aspect: f32,
    /// Thickness of the rims (meters).
    pub rim_m: f32,
    /// What the frame is made of.
    pub frame: Frame,
    /// Linear RGB of the frame.
    pub color: Vec3,
}

/// Outline of the lenses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LensOutline {
    /// A circle.
    Round,
    /// Broader than high.
    Oval,
    /// With rounded corners.
    Rectangular,
    /// Fuller towards the cheeks.
    Pilot,
    /// Broad above, narrow below, the upper corners softly pointed.
    Keyhole,
    /// The outer upper corners drawn up.
    Cat,
}

/// What a frame is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Frame {
    /// Wire.
    Metal,
    /// Thick and glossy.
    Acetate,
}

/// Spectacles that sit on a neutral head (meters, head at rest).
pub struct Fitted {
    /// Rims, bridge, temples.
    pub frame: Shell,
    /// Two thin sheets.
    pub lenses: Shell,
    material: CoatedMaterial,
}

/// Where spectacles are set.
pub struct Face<'a> {
    /// The 68 landmarks.
    pub landmarks: &'a [Vec3],
    /// Centers of the eyeballs: the person's left and right.
    pub eyes: [Vec3; 2],
    /// Tops of the ears: the person's left and right.
    pub ears: [Vec3; 2],
    /// The skin.
    pub clearance: &'a Clearance,
}

impl Glasses {
    /// Draws a pair.
    pub fn sample(s: &mut Stream) -> Self {
        use LensOutline::{Cat, Keyhole, Oval, Pilot, Rectangular, Round};
        let outlines = [Round, Oval, Rectangular, Pilot, Keyhole, Cat];
        let outline = outlines[s.pick(&[0.2, 0.15, 0.27, 0.12, 0.18, 0.08])];
        let frame = if outline == LensOutline::Pilot || s.chance(0.4) { Frame::Metal } else { Frame::Acetate };
        let aspect = match outline {
            LensOutline::Round => s.uniform(0.92, 1.0),
            LensOutline::Oval => s.uniform(0.62, 0.75),
            LensOutline::Rectangular => s.uniform(0.60, 0.80),
            LensOutline::Pilot => s.uniform(0.85, 0.95),
            LensOutline::Keyhole => s.uniform(0.78, 0.92),
            LensOutline::Cat => s.uniform(0.62, 0.75),
        };
        let (rim_m, color) = match frame {
            Frame::Metal => {
                let metals = [[0.72, 0.70, 0.66], [0.75, 0.55, 0.25], [0.06, 0.06, 0.065]];
                (s.uniform(0.0007, 0.0011), Vec3::from(metals[s.pick(&[0.4, 0.25, 0.35])]))
            }
            Frame::Acetate => {
                let plain = [
                    [0.012, 0.012, 0.013],
                    [0.10, 0.035, 0.012],
                    [0.03, 0.04, 0.09],
                    [0.12, 0.01, 0.015],
                    [0.24, 0.13, 0.055],
                    [0.42, 0.40, 0.37],
                    [0.02, 0.07, 0.06],
                ];
                (s.uniform(0.0015, 0.0027), Vec3::from(plain[s.pick(&[0.4, 0.2, 0.1, 0.06, 0.1, 0.08, 0.06])]))
            }
        };
        Glasses { outline, aspect, rim_m, frame, color }
    }

    /// Sets them on a face: forwards until rims and lenses clear it.
    pub fn fit(&self, face: &Face) -> Fitted {
        let middle = (face.eyes[0] + face.eyes[1]) * 0.5;
        let mut set = Setting {
            inner: 0.0085 + self.rim_m,
            outer: (face.landmarks[ibug::LEFT_EYE_OUTER].x - face.landmarks[ibug::RIGHT_EYE_OUTER].x).abs() * 0.5
                + 0.0065,
            middle,
            ahead: EYEBALL_M + VERTEX_M,
        };
        let touches = |set: &Setting| {
            let rims = [-1.0, 1.0].into_iter().flat_map(|side| self.rim(set, side, 1.0));
            let lenses = [-1.0, 1.0].into_iter().flat_map(|side| self.rim(set, side, 0.6));
            let all = rims.chain(lenses).chain(self.bridge(set));
            all.map(|p| face.clearance.at(p)).fold(f32::MAX, f32::min) < 1.2 * self.rim_m + GAP_M
        };
        for _ in 0..30 {
            if !touches(&set) {
                break;
            }
            set.ahead += 0.0008;
        }
        let depth = if self.frame == Frame::Metal { 1.0 } else { 1.2 };
        let ring = |p: &Vec3| Ring { center: *p, side: Vec3::Z, radii: [self.rim_m * depth, self.rim_m] };
        let (mut frame, mut lenses) = (Shell::default(), Shell::default());
        for side in [-1.0, 1.0] {
            let rings: Vec<Ring> = self.rim(&set, side, 1.0).iter().map(ring).collect();
            frame.append(Shell::tube(&rings, Path::Closed, 8));
            let flat = |center| Ring { center, side: Vec3::X, radii: self.temple_radii() };
            let temple: Vec<Ring> = self.temple(&set, face, side).into_iter().map(flat).collect();
            frame.append(Shell::tube(&temple, Path::Open, 8));
            lenses.append(self.lens(&set, side));
        }
        frame.append(Shell::tube(&self.bridge(&set).iter().map(ring).collect::<Vec<_>>(), Path::Open, 8));
        let (roughness, ior) = if self.frame == Frame::Metal { (0.22, 2.2) } else { (0.08, 1.5) };
        let material = CoatedMaterial { albedo: Paint::Flat(self.color), roughness, ior };
        Fitted { frame, lenses, material }
    }

    /// The outline of a lens at `share` of its size, counter-clockwise seen from the front.
    fn rim(&self, set: &Setting, side: f32, share: f32) -> Vec<Vec3> {
        let half = 0.5 * (set.outer - set.inner);
        let round = match self.outline {
            LensOutline::Rectangular => 2.0 / 4.5,
            LensOutline::Keyhole => 2.0 / 3.0,
            _ => 2.0 / 2.15,
        };
        let point = |k: usize| {
            let (sin, cos) = (k as f32 / RIM as f32 * TAU).sin_cos();
            let curve = |v: f32| v.signum() * v.abs().powf(round);
            let (mut x, mut y) = (curve(cos) * half, curve(sin) * half * self.aspect);
            match self.outline {
                // Drop-shaped: narrower above, drawn towards the cheek below.
                LensOutline::Pilot => x += side * 0.0025 * (-sin).max(0.0) - x * 0.07 * (sin + 1.0),
                LensOutline::Keyhole => x *= 1.0 - 0.14 * smoothstep(0.3, -1.0, sin),
                LensOutline::Cat => {
                    let outer = (side * cos).max(0.0);
                    y += half * (0.28 * outer * outer * smoothstep(-0.5, 0.6, sin) - 0.06 * (side * cos));
                    x *= 1.0 - 0.10 * smoothstep(0.2, -1.0, sin);
                }
                _ => {}
            }
            set.place(side * (set.inner + half) + x * share, y * share - 0.0025)
        };
        (0..RIM).map(point).collect()
    }

    fn bridge(&self, set: &Setting) -> Vec<Vec3> {
        let half = 0.5 * (set.outer - set.inner);
        let height = half * self.aspect * 0.38 - 0.0025;
        let reach = set.inner + 0.04 * half;
        (0..=10)
            .map(|k| {
                let t = k as f32 / 5.0 - 1.0;
                let arch = 1.0 - t * t;
                set.place(reach * t, height + 0.0022 * arch) + Vec3::Z * (0.0030 * arch)
            })
            .collect()
    }

    /// From the hinge back over the root of the ear, then down behind it.
    fn temple(&self, set: &Setting, face: &Face, side: f32) -> Vec<Vec3> {
        const AHEAD: usize = 24;
        const BEHIND: usize = 12;
        const TIP_M: f32 = 0.034;
        let half = 0.5 * (set.outer - set.inner);
        let hinge = set.place(side * (set.outer + 0.4 * self.rim_m), half * self.aspect * 0.35);
        let corner = hinge + Vec3::new(side * 0.004, 0.0, -0.005);
        let ear = face.ears[usize::from(side < 0.0)];
        // Between the ear and the skull, a little under the ear's top.
        let over = ear + Vec3::new(-side * 0.007, -0.003, 0.002);
        let gap = self.temple_radii()[0] + GAP_M;
        // Outwards, out of the skull, into the fold behind the ear; over what is in the way there.
        let freed = |p: Vec3, raised: usize| {
            let outwards = |p: Vec3| (0..14).map(move |k| p + Vec3::X * (side * 0.0008 * k as f32));
            let free = |p: &Vec3| face.clearance.at(*p) >= gap;
            (0..=raised).find_map(|k| outwards(p + Vec3::Y * (0.001 * k as f32)).find(free))
        };
        let ahead = (0..=AHEAD).filter_map(|k| {
            let level = corner.lerp(over, k as f32 / AHEAD as f32);
            freed(level, if level.z < ear.z + 0.02 { 8 } else { 0 })
        });
        let mut points: Vec<Vec3> = std::iter::once(hinge).chain(ahead).collect();
        let mut last = *points.last().unwrap_or(&hinge);
        for k in 1..=BEHIND {
            // A quarter of the bend is made over the ear, the rest behind it.
            let (sin, cos) = (1.05 * smoothstep(0.0, 0.35, k as f32 / BEHIND as f32)).sin_cos();
            let step = Vec3::new(-side * 0.15, -sin, -cos) * (TIP_M / BEHIND as f32);
            let Some(next) = freed(last + step - Vec3::X * (side * 0.0016), 0) else { break };
            points.push(next);
            last = next;
        }
        for _ in 0..4 {
            let old = points.clone();
            (2..old.len() - 1).for_each(|i| points[i] = (old[i - 1] + 2.0 * old[i] + old[i + 1]) / 4.0);
        }
        points
    }

    /// Half the thickness and half the height of a temple (meters).
    fn temple_radii(&self) -> [f32; 2] {
        match self.frame {
            Frame::Metal => [0.7 * self.rim_m, 1.1 * self.rim_m],
            Frame::Acetate => [0.55 * self.rim_m, 1.25 * self.rim_m],
        }
    }

    /// A sheet that bulges a little.
    fn lens(&self, set: &Setting, side: f32) -> Shell {
        let bulge = |share: f32| Vec3::Z * (0.0016 * (1.0 - share * share));
        let ring = |share: f32| self.rim(set, side, share).into_iter().map(move |p| p + bulge(share));
        let mut shell =
            Shell::grid([1.0, 0.66, 0.33].into_iter().flat_map(ring).collect(), RIM, Path::Open, Path::Closed);
        shell.fan((2 * RIM as u32)..(3 * RIM as u32), self.rim(set, side, 1e-3)[0] + bulge(0.0));
        shell
    }
}

/// Where lenses lie.
struct Setting {
    /// From the middle to the lenses' inner and outer edges (meters).
    inner: f32,
    outer: f32,
    /// Between the eyes.
    middle: Vec3,
    /// The lenses' plane before the eyes' centers (meters).
    ahead: f32,
}

impl Setting {
    /// A point `x` aside and `y` over the middle: wrapped around the face, and tilted, its lower edge nearer to the cheeks.
    fn place(&self, x: f32, y: f32) -> Vec3 {
        let wrap = 0.05 * x.abs() + 1.6 * x * x;
        self.middle + Vec3::new(x, y, self.ahead - wrap + (PI / 24.0).tan() * y)
    }
}

impl Fitted {
    /// On a posed head; `skull` carries the neutral skull to where it is now.
    pub fn meshes(&self, skull: Affine3A) -> [MeshDesc; 2] {
        // Coated against reflections: 1.6 % of the light instead of 8.
        let glass = DielectricMaterial { ior: 1.2, sheet: Sheet::Thin };
        let dress = |material| Dress { material, class: Class::Glasses.id(), part: PART_GLASSES };
        [
            self.frame.worn(skull, dress(Material::Coated(self.material.clone()))),
            self.lenses.worn(skull, dress(Material::Dielectric(glass))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::people::actor::Actor;
    use crate::people::hair::Obstacle;
    use crate::people::stage::Stage;
    use crate::people::surface::Surface;

    #[test]
    fn no_frame_cuts_a_face() {
        let mut config = Config { head: "analytic".into(), ..Config::default() };
        (config.mesh.texture_size, config.hair.strands, config.wear.glasses) = (16, 0, 1.0);
        let stage = Stage::new(&config).unwrap();
        for id in 0..6 {
            let actor = Actor::sample(&stage, &config, id);
            let skin = Surface::new(
                stage.skin().gather(&stage.subdivision.apply(&actor.neutral)),
                stage.skin().triangles.clone(),
            );
            let clearance = Clearance::new(&[Obstacle { positions: &skin.positions, triangles: &skin.triangles }]);
            let worn = actor.accessories().glasses().expect("everybody wears glasses");
            let nearest = worn.frame.positions.iter().map(|p| clearance.at(*p)).fold(f32::MAX, f32::min);
            assert!(nearest > -2e-4, "person {id}: the frame is {nearest} m from the skin");
            let nearest = worn.lenses.positions.iter().map(|p| clearance.at(*p)).fold(f32::MAX, f32::min);
            assert!(nearest > 2e-4, "person {id}: a lens is {nearest} m from the skin");
        }
    }
}
