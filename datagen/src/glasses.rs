//! Spectacles: two rims with thin lenses, a bridge, and temples over the ears; set before the eyes so far out that
//! nothing touches the face.
use crate::hair::Clearance;
use crate::scene::{CoatedMaterial, DielectricMaterial, Material, MeshDesc, Paint, Sheet};
use crate::stream::Stream;
use crate::surface::Surface;
use crate::sweep::{Path, Ring, Shell};
use glam::{Affine3A, Vec2, Vec3};
use serde::Serialize;
use std::f32::consts::{PI, TAU};

/// Class id in `formats::frame::SEGMENTATION`.
const CLASS_GLASSES: u8 = 13;
/// Part id in the labels, above that of cloth.
const PART_GLASSES: u8 = 18;
/// From the front of the eyeball's sphere to the lens (metres).
const VERTEX_M: f32 = 0.0145;
/// Radius of an eyeball (metres).
const EYEBALL_M: f32 = 0.012;
/// Least distance between frame and face (metres).
const GAP_M: f32 = 0.0006;

/// Spectacles as drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Glasses {
    /// Outline of the lenses.
    pub outline: LensOutline,
    /// Height of a lens by its width.
    pub aspect: f32,
    /// Thickness of the rims (metres).
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

/// Spectacles that sit on a neutral head (metres, head at rest).
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
    /// Centres of the eyeballs: the person's left and right.
    pub eyes: [Vec3; 2],
    /// The skin.
    pub clearance: &'a Clearance,
}

impl Glasses {
    /// Draws a pair.
    pub fn sample(s: &mut Stream) -> Self {
        let outlines = [LensOutline::Round, LensOutline::Oval, LensOutline::Rectangular, LensOutline::Pilot];
        let outline = outlines[s.pick(&[0.25, 0.2, 0.4, 0.15])];
        let frame = if outline == LensOutline::Pilot || s.chance(0.4) { Frame::Metal } else { Frame::Acetate };
        let aspect = match outline {
            LensOutline::Round => s.uniform(0.92, 1.0),
            LensOutline::Oval => s.uniform(0.62, 0.75),
            LensOutline::Rectangular => s.uniform(0.60, 0.80),
            LensOutline::Pilot => s.uniform(0.85, 0.95),
        };
        let (rim_m, color) = match frame {
            Frame::Metal => {
                let metals = [[0.72, 0.70, 0.66], [0.75, 0.55, 0.25], [0.06, 0.06, 0.065]];
                (s.uniform(0.0007, 0.0011), Vec3::from(metals[s.pick(&[0.4, 0.25, 0.35])]))
            }
            Frame::Acetate => {
                let plain = [[0.012, 0.012, 0.013], [0.10, 0.035, 0.012], [0.03, 0.04, 0.09], [0.12, 0.01, 0.015]];
                (s.uniform(0.0015, 0.0025), Vec3::from(plain[s.pick(&[0.5, 0.3, 0.12, 0.08])]))
            }
        };
        Glasses { outline, aspect, rim_m, frame, color }
    }

    /// Sets them on a face: forwards until rims and lenses clear it.
    pub fn fit(&self, face: &Face) -> Fitted {
        let middle = (face.eyes[0] + face.eyes[1]) * 0.5;
        let mut set = Setting {
            inner: 0.0085 + self.rim_m,
            outer: (face.landmarks[45].x - face.landmarks[36].x).abs() * 0.5 + 0.0065,
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
            let tall = Ring { radii: [0.6 * self.rim_m, 1.3 * self.rim_m], side: Vec3::X, center: Vec3::ZERO };
            let temple: Vec<Ring> =
                self.temple(&set, face, side).into_iter().map(|center| Ring { center, ..tall }).collect();
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
        const N: usize = 48;
        let half = 0.5 * (set.outer - set.inner);
        let round = if self.outline == LensOutline::Rectangular { 2.0 / 4.5 } else { 2.0 / 2.15 };
        let point = |k: usize| {
            let (sin, cos) = (k as f32 / N as f32 * TAU).sin_cos();
            let curve = |v: f32| v.signum() * v.abs().powf(round);
            let (mut x, y) = (curve(cos) * half, curve(sin) * half * self.aspect);
            if self.outline == LensOutline::Pilot {
                // Drop-shaped: narrower above, drawn towards the cheek below.
                x *= 1.0 - 0.14 * (sin + 1.0) * 0.5;
                x += side * 0.0025 * (-sin).max(0.0);
            }
            set.place(side * (set.inner + half) + x * share, y * share - 0.0025)
        };
        (0..N).map(point).collect()
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

    /// From the hinge back to the ear and over it; what lies behind the ear is left out.
    fn temple(&self, set: &Setting, face: &Face, side: f32) -> Vec<Vec3> {
        const STEPS: usize = 22;
        let half = 0.5 * (set.outer - set.inner);
        let hinge = set.place(side * (set.outer + 0.4 * self.rim_m), half * self.aspect * 0.35);
        let ear = if side > 0.0 { face.landmarks[16] } else { face.landmarks[0] };
        let corner = hinge + Vec3::new(side * 0.004, 0.0, -0.005);
        let end = Vec3::new(ear.x + side * 0.001, set.middle.y + 0.012, ear.z - 0.010);
        let gap = 1.3 * self.rim_m + GAP_M;
        let freed = |mut p: Vec3| {
            // Aside before the ear, so that it stays level; over the ear it rises.
            let aside = p.z > ear.z + 0.008;
            let (step, most) = if aside { (Vec3::X * side, 30) } else { (Vec3::Y, 8) };
            for _ in 0..most {
                if face.clearance.at(p) >= gap {
                    return Some(p);
                }
                p += step * 0.0008;
            }
            None
        };
        let back = (0..=STEPS).map_while(|k| freed(corner.lerp(end, k as f32 / STEPS as f32)));
        let mut points: Vec<Vec3> = std::iter::once(hinge).chain(back).collect();
        for _ in 0..4 {
            let old = points.clone();
            (2..old.len() - 1).for_each(|i| points[i] = (old[i - 1] + 2.0 * old[i] + old[i + 1]) / 4.0);
        }
        points
    }

    /// A sheet that bulges a little.
    fn lens(&self, set: &Setting, side: f32) -> Shell {
        let shares = [1.0, 0.66, 0.33];
        let n = self.rim(set, side, 1.0).len();
        let mut shell = Shell::default();
        for share in shares {
            let bulge = Vec3::Z * (0.0016 * (1.0 - share * share));
            shell.positions.extend(self.rim(set, side, share).into_iter().map(|p| p + bulge));
        }
        let middle = self.rim(set, side, 1e-3)[0] + Vec3::Z * 0.0016;
        let center = shell.positions.len() as u32;
        shell.positions.push(middle);
        for k in 0..n {
            let at = |ring: usize, k: usize| (ring * n + k % n) as u32;
            for ring in 0..2 {
                let [a, b, c, d] = [at(ring, k), at(ring, k + 1), at(ring + 1, k + 1), at(ring + 1, k)];
                shell.triangles.extend([[a, b, c], [a, c, d]]);
            }
            shell.triangles.push([at(2, k), at(2, k + 1), center]);
        }
        shell
    }
}

/// Where lenses lie.
struct Setting {
    /// From the middle to the lenses' inner and outer edges (metres).
    inner: f32,
    outer: f32,
    /// Between the eyes.
    middle: Vec3,
    /// The lenses' plane before the eyes' centres (metres).
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
        [
            mesh(&self.frame, skull, Material::Coated(self.material.clone())),
            mesh(&self.lenses, skull, Material::Dielectric(glass)),
        ]
    }
}

fn mesh(shell: &Shell, skull: Affine3A, material: Material) -> MeshDesc {
    let positions: Vec<Vec3> = shell.positions.iter().map(|p| skull.transform_point3(*p)).collect();
    let n = shell.triangles.len();
    MeshDesc {
        normals: Surface::new(positions.clone(), shell.triangles.clone()).normals,
        positions,
        triangles: shell.triangles.clone(),
        uvs: vec![[Vec2::ZERO; 3]; n],
        material,
        classes: vec![CLASS_GLASSES; n],
        parts: vec![PART_GLASSES; n],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;
    use crate::config::Config;
    use crate::hair::Obstacle;
    use crate::stage::Stage;

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
