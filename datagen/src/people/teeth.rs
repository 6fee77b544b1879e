//! Teeth as people have them: each with its own width, length, turn, tilt and wear; gaps, crowding, teeth that are gone.
//!
//! The model's crowns are the ideal; a person's are moved out of them one by one. Then they are set along the arch again,
//! from the middle backwards, so that no two share space however they are turned.
//!
//! Constants, and where they come from:
//!
//! | constants                                   | source        |
//! | ------------------------------------------- | ------------- |
//! | gap 10 %, other gaps 12 %, and their widths | chosen by eye |
//! | milk teeth missing from 5.5 to 8.5 years    | chosen by eye |
//! | lost teeth with age, and which              | chosen by eye |
//! | sizes, wear, crowding                       | chosen by eye |
use crate::stream::{Stream, Subject};
use glam::{Vec2, Vec3};
use head::HeadModel;
use head::model::Part;
use serde::Serialize;
use std::collections::BTreeMap;

/// How somebody's teeth stand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Teeth {
    /// Linear RGB albedo.
    pub color: Vec3,
    /// Width and length of the crowns over the usual.
    pub size: [f32; 2],
    /// How far the bite is worn down, 0..=1.
    pub wear: f32,
    /// How much front teeth turn and step out of line, 0..=1.
    pub crowding: f32,
    /// Gap between the two upper middle teeth, and between any others (meters).
    pub gaps_m: [f32; 2],
    /// Teeth that are gone, as in [`Arch::teeth`]; jaw 0 upper, 1 lower, and the place from the person's right.
    pub missing: Vec<[u8; 2]>,
    /// Of what is each tooth's own.
    pub seed: u64,
}

impl Teeth {
    /// Draws the teeth of somebody of an age (years).
    pub fn sample(seed: u64, age: f32, color: Vec3) -> Teeth {
        let mut s = Stream::new(seed, Subject::Teeth, &[]);
        let aged = ((age - 30.0) / 55.0).clamp(0.0, 1.0);
        let gap = if s.chance(0.1) { s.uniform(3e-4, 1.5e-3) } else { 0.0 };
        let mut missing = Vec::new();
        if (5.5..8.5).contains(&age) && s.chance(0.5) {
            // Milk teeth go from the middle.
            missing.push([u8::from(s.chance(0.5)), 7 + u8::from(s.chance(0.5))]);
        }
        let lost = s.pick(&[1.0, 0.5 * aged, 0.4 * aged, 0.3 * aged]);
        for _ in 0..lost {
            let back = s.pick(&[0.3, 0.4, 1.0, 1.0, 1.5, 2.0, 0.7, 0.6]) as u8;
            missing.push([u8::from(s.chance(0.5)), if s.chance(0.5) { 15 - back } else { back }]);
        }
        Teeth {
            color,
            size: [s.normal_within(0.985, 0.02, [0.93, 1.02]), s.normal_within(1.0, 0.06, [0.86, 1.14])],
            wear: (0.8 * aged * s.uniform(0.3, 1.2)).min(1.0),
            crowding: s.uniform(0.0, 1.0).powi(3),
            gaps_m: [gap, if s.chance(0.12) { s.uniform(0.0, 4e-4) } else { 0.0 }],
            missing,
            seed,
        }
    }
}

/// A crown of the model.
#[derive(Clone, Debug)]
struct Crown {
    /// Vertices of the model's mesh.
    vertices: Vec<u32>,
    /// Steps from the middle: 0 beside it.
    from_middle: usize,
}

/// The crowns of a model, by jaw.
#[derive(Clone, Debug, Default)]
pub struct Arches {
    jaws: [Vec<Crown>; 2],
}

/// Teeth from the middle that turn, stick out and may be longer: the others meet the other jaw's.
const FRONT: usize = 4;
/// Least room between two teeth (meters).
const ROOM_M: f32 = 8e-5;
/// Fraction of a crown that counts as its end at the root.
const CONTACT: f32 = 0.45;

impl Arches {
    /// Finds the crowns: connected pieces of the teeth, sorted from the person's right to left.
    pub fn of(model: &HeadModel) -> Arches {
        Arches { jaws: [Part::TeethUpper, Part::TeethLower].map(|part| crowns(model, part)) }
    }

    /// `[V]` for each vertex of the model the jaw (0 upper, 1 lower) and place of its tooth, where it has one.
    pub fn tooth_of_vertex(&self, n_vertices: usize) -> Vec<Option<[u8; 2]>> {
        let mut of = vec![None; n_vertices];
        for (jaw, crowns) in self.jaws.iter().enumerate() {
            for (place, crown) in crowns.iter().enumerate() {
                crown.vertices.iter().for_each(|&v| of[v as usize] = Some([jaw as u8, place as u8]));
            }
        }
        of
    }

    /// Moves the crowns of a neutral mesh `[V]` (meters) to where this person has them.
    pub fn set(&self, teeth: &Teeth, neutral: &mut [Vec3]) {
        for (jaw, crowns) in self.jaws.iter().enumerate() {
            if crowns.len() < 4 {
                continue;
            }
            let mut s = Stream::new(teeth.seed, Subject::ToothPose, &[jaw as u64]);
            let curve: Vec<Vec3> = crowns.iter().map(|c| mean(neutral, &c.vertices)).collect();
            let mut shaped: Vec<Shaped> =
                (0..crowns.len()).map(|i| Shaped::new(teeth, jaw, i, crowns, &curve, neutral, &mut s)).collect();
            space(&mut shaped, &curve, teeth, jaw);
            for (crown, shaped) in crowns.iter().zip(&shaped) {
                for (&v, &local) in crown.vertices.iter().zip(&shaped.local) {
                    neutral[v as usize] = shaped.frame.place(local);
                }
            }
        }
    }
}

/// A crown after its own change, in its own frame.
struct Shaped {
    /// Along the arch, out of it, up.
    local: Vec<Vec3>,
    frame: Frame,
    /// Reach along the arch to the right and the left, to the planes that part it from its neighbors (meters): of the end
    /// at the root and of the end at the bite.
    reach: [[f32; 2]; 2],
}

/// Where a crown stands.
#[derive(Clone, Copy)]
struct Frame {
    origin: Vec3,
    /// Unit, horizontal: towards the person's left along the arch, and out of it.
    along: Vec3,
    out: Vec3,
}

impl Frame {
    fn at(curve: &[Vec3], i: usize) -> Frame {
        let (a, b) = (curve[i.saturating_sub(1)], curve[(i + 1).min(curve.len() - 1)]);
        Frame::new(curve[i], b - a)
    }

    fn new(origin: Vec3, along: Vec3) -> Frame {
        let along = along.with_y(0.0).normalize_or(Vec3::X);
        Frame { origin, along, out: along.cross(Vec3::Y) }
    }

    fn place(&self, local: Vec3) -> Vec3 {
        self.origin + self.along * local.x + self.out * local.y + Vec3::Y * local.z
    }

    fn local(&self, p: Vec3) -> Vec3 {
        let d = p - self.origin;
        Vec3::new(d.dot(self.along), d.dot(self.out), d.y)
    }
}

impl Shaped {
    fn new(
        teeth: &Teeth,
        jaw: usize,
        i: usize,
        crowns: &[Crown],
        curve: &[Vec3],
        neutral: &[Vec3],
        s: &mut Stream,
    ) -> Shaped {
        let frame = Frame::at(curve, i);
        let local = crowns[i].vertices.iter().map(|&v| frame.local(neutral[v as usize]));
        let mut local: Vec<Vec3> = local.collect();
        // The planes that part it from its neighbors lean by half the angle between them.
        let lean = [i.checked_sub(1), Some(i + 1).filter(|&n| n < curve.len())]
            .map(|n| n.map_or(0.0, |n| 0.5 * frame.along.angle_between(Frame::at(curve, n).along)))
            .map(f32::tan);
        taper(&mut local, lean);
        let front = crowns[i].from_middle < FRONT;
        let mess = if front { 0.16 + teeth.crowding } else { 0.12 };
        let turn = (s.normal_within(0.0, 0.16, [-0.4, 0.4])) * mess;
        let tilt = s.normal_within(0.0, 0.035, [-0.08, 0.08]) * mess.min(0.7);
        // Upper teeth step out, lower ones in: between the jaws there is no room.
        let step = s.normal_within(0.0, 5e-4, [-1e-3, 1e-3]).abs() * mess * if jaw == 0 { 1.0 } else { -0.8 };
        let width = teeth.size[0] * s.normal_within(1.0, 0.015, [0.96, 1.03]);
        let longer = teeth.size[1]
            * pair_length(teeth, jaw, crowns[i].from_middle)
            * s.normal_within(1.0, 0.006, [0.985, 1.015])
            * (1.0 - 0.22 * teeth.wear);
        let length = if front { longer } else { longer.min(1.0) };
        // The root end is the one away from the bite: up in the upper jaw.
        let root = local.iter().map(|p| if jaw == 0 { p.z } else { -p.z }).fold(f32::MIN, f32::max);
        let root = if jaw == 0 { root } else { -root };
        let (sin, cos) = turn.sin_cos();
        for p in &mut local {
            let z = root + (p.z - root) * length;
            let flat = Vec2::new(p.x * width + (z - root) * tilt, p.y);
            *p = Vec3::new(flat.x * cos - flat.y * sin, flat.x * sin + flat.y * cos + step, z);
        }
        // Crowns narrow towards the root, so each end has a reach of its own.
        let tall = local.iter().map(|p| (p.z - root).abs()).fold(0.0, f32::max);
        let reach = |side: usize, sign: f32, at_bite: bool| {
            let end = local.iter().filter(|p| ((p.z - root).abs() > CONTACT * tall) == at_bite);
            end.map(|p| sign * p.x - p.y * lean[side]).fold(f32::MIN, f32::max)
        };
        let reach = [[reach(0, -1.0, false), reach(0, -1.0, true)], [reach(1, 1.0, false), reach(1, 1.0, true)]];
        Shaped { local, frame, reach }
    }
}

/// How long the teeth of a place, left and right, are over the others of the jaw.
fn pair_length(teeth: &Teeth, jaw: usize, from_middle: usize) -> f32 {
    let mut s = Stream::new(teeth.seed, Subject::ToothLength, &[jaw as u64, from_middle as u64]);
    s.normal_within(1.0, 0.022, [0.95, 1.05])
}

/// Narrows a crown towards the tongue, as crowns are, so that neighbors on the curve meet along their sides; `lean` are
/// the slopes of its right and left side.
fn taper(local: &mut [Vec3], lean: [f32; 2]) {
    let front = local.iter().map(|p| p.y).fold(f32::MIN, f32::max);
    let half = local.iter().map(|p| p.x.abs()).fold(1e-4, f32::max);
    for p in local {
        let narrower = (front - p.y) * lean[usize::from(p.x > 0.0)] / half;
        p.x *= (1.0 - narrower).max(0.4);
    }
}

/// Sets crowns along the arch from the middle backwards, side by side.
fn space(shaped: &mut [Shaped], curve: &[Vec3], teeth: &Teeth, jaw: usize) {
    let mut lengths = vec![0.0f32];
    for pair in curve.windows(2) {
        lengths.push(lengths[lengths.len() - 1] + pair[0].distance(pair[1]));
    }
    let half = shaped.len() / 2;
    let middle = 0.5 * (lengths[half - 1] + lengths[half]);
    let gap = if jaw == 0 { teeth.gaps_m[0] } else { 0.0 };
    let room = ROOM_M + teeth.gaps_m[1];
    let most = |reach: [f32; 2]| reach[0].max(reach[1]);
    let apart = |a: [f32; 2], b: [f32; 2]| most([a[0] + b[0], a[1] + b[1]]);
    let start = 0.5 * gap + 0.5 * ROOM_M;
    let mut left = middle + start + most(shaped[half].reach[0]);
    for i in half..shaped.len() {
        if i > half {
            left += apart(shaped[i - 1].reach[1], shaped[i].reach[0]) + room;
        }
        shaped[i].frame = along(curve, &lengths, left);
    }
    let mut right = middle - start - most(shaped[half - 1].reach[1]);
    for i in (0..half).rev() {
        if i + 1 < half {
            right -= apart(shaped[i + 1].reach[0], shaped[i].reach[1]) + room;
        }
        shaped[i].frame = along(curve, &lengths, right);
    }
}

/// The frame at a length along the arch; straight on beyond its ends.
fn along(curve: &[Vec3], lengths: &[f32], at: f32) -> Frame {
    let last = curve.len() - 1;
    let cell = lengths.partition_point(|&l| l <= at).clamp(1, last) - 1;
    let t = (at - lengths[cell]) / (lengths[cell + 1] - lengths[cell]).max(1e-6);
    let tangent = |i: usize| curve[(i + 1).min(last)] - curve[i.saturating_sub(1)];
    Frame::new(
        curve[cell] + (curve[cell + 1] - curve[cell]) * t,
        tangent(cell).lerp(tangent(cell + 1), t.clamp(0.0, 1.0)),
    )
}

fn mean(positions: &[Vec3], vertices: &[u32]) -> Vec3 {
    vertices.iter().map(|&v| positions[v as usize]).sum::<Vec3>() / vertices.len().max(1) as f32
}

/// Connected pieces of a part, from the person's right to left.
fn crowns(model: &HeadModel, part: Part) -> Vec<Crown> {
    let mut parent: BTreeMap<u32, u32> = BTreeMap::new();
    fn root(parent: &BTreeMap<u32, u32>, mut v: u32) -> u32 {
        while let Some(&up) = parent.get(&v).filter(|&&up| up != v) {
            v = up;
        }
        v
    }
    for (face, _) in model.faces.iter().zip(&model.face_parts).filter(|(_, p)| **p == part) {
        for &v in face {
            parent.entry(v).or_insert(v);
            let (a, b) = (root(&parent, face[0]), root(&parent, v));
            parent.insert(a.max(b), a.min(b));
        }
    }
    let mut pieces: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for &v in parent.keys() {
        pieces.entry(root(&parent, v)).or_default().push(v);
    }
    // Along an arch the side to side order is the order of the teeth.
    let mut crowns: Vec<(f32, Vec<u32>)> =
        pieces.into_values().map(|vertices| (mean(&model.template, &vertices).x, vertices)).collect();
    crowns.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = crowns.len();
    let from_middle = |i: usize| if i < n / 2 { n / 2 - 1 - i } else { i - n / 2 };
    crowns.into_iter().enumerate().map(|(i, (_, vertices))| Crown { vertices, from_middle: from_middle(i) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows of boxes side by side along a parabola, as a model.
    fn jaws() -> HeadModel {
        let mut model = head::analytic::head();
        let is_tooth = |p: &Part| matches!(p, Part::TeethUpper | Part::TeethLower);
        let keep: Vec<bool> = model.face_parts.iter().map(|p| !is_tooth(p)).collect();
        let mut kept = keep.iter();
        model.faces.retain(|_| *kept.next().unwrap_or(&true));
        model.face_parts.retain(|p| !is_tooth(p));
        // Places a tooth apart along z = 20 mm - 22 x².
        let mut xs = vec![0.0029f32];
        while xs.len() < 8 {
            let x = xs[xs.len() - 1];
            let ahead = x + 0.0029 / (1.0 + (44.0 * x).powi(2)).sqrt();
            xs.push(x + 0.0058 / (1.0 + (44.0 * ahead).powi(2)).sqrt());
        }
        for (part, y) in [(Part::TeethUpper, -0.060), (Part::TeethLower, -0.072)] {
            for i in 0..16 {
                let x = if i < 8 { -xs[7 - i] } else { xs[i - 8] };
                let center = Vec3::new(x, y, 0.02 - 22.0 * x * x);
                let first = model.template.len() as u32;
                let slope = Vec3::new(1.0, 0.0, -44.0 * x);
                let frame = Frame::new(center, slope);
                let half = Vec3::new(0.0027, 0.002, 0.0045);
                let corner = |k: usize| half * Vec3::from([0, 1, 2].map(|b| if k >> b & 1 == 1 { 1.0 } else { -1.0 }));
                model.template.extend((0..8).map(|k| frame.place(corner(k))));
                for face in [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]] {
                    model.faces.push(face.map(|k| first + k));
                    model.face_parts.push(part);
                }
            }
        }
        model
    }

    /// Whether some upright plane parts two bodies.
    fn apart(a: &[Vec3], b: &[Vec3]) -> bool {
        (0..1440).any(|i| {
            let (sin, cos) = (i as f32 / 1440.0 * std::f32::consts::TAU).sin_cos();
            let axis = Vec3::new(cos, 0.0, sin);
            let reach = |body: &[Vec3], sign: f32| body.iter().map(|p| sign * p.dot(axis)).fold(f32::MIN, f32::max);
            reach(a, 1.0) < -reach(b, -1.0) || reach(b, 1.0) < -reach(a, -1.0)
        })
    }

    #[test]
    fn no_two_teeth_share_space_however_crowded() {
        let model = jaws();
        let arches = Arches::of(&model);
        assert_eq!(arches.jaws.each_ref().map(Vec::len), [16, 16]);
        for seed in 0..40 {
            let mut teeth = Teeth::sample(seed, 10.0 + 2.0 * seed as f32, Vec3::ONE);
            teeth.crowding = 1.0;
            let mut set = model.template.clone();
            arches.set(&teeth, &mut set);
            for crowns in &arches.jaws {
                let bodies: Vec<Vec<Vec3>> =
                    crowns.iter().map(|c| c.vertices.iter().map(|&v| set[v as usize]).collect()).collect();
                for (i, pair) in bodies.windows(2).enumerate() {
                    // Boxes: their lower corners come first, each below an upper one.
                    for height in [0.0, 0.25, 0.5, 0.75, 1.0] {
                        let cut = |body: &[Vec3]| -> Vec<Vec3> {
                            (0..4).map(|k| body[k].lerp(body[k + 4], height)).collect()
                        };
                        let what = format!("seed {seed}: teeth {i} and {} at {height} of their height", i + 1);
                        assert!(apart(&cut(&pair[0]), &cut(&pair[1])), "{what}");
                    }
                }
            }
        }
    }

    #[test]
    fn old_people_lose_teeth_and_each_has_their_own() {
        let lost = |age: f32| (0..300).map(|seed| Teeth::sample(seed, age, Vec3::ONE).missing.len()).sum::<usize>();
        assert_eq!(lost(20.0), 0);
        assert!(lost(85.0) > 150, "{}", lost(85.0));
        let model = jaws();
        let arches = Arches::of(&model);
        let set = |seed| {
            let mut positions = model.template.clone();
            arches.set(&Teeth::sample(seed, 30.0, Vec3::ONE), &mut positions);
            positions
        };
        assert_eq!(set(1), set(1));
        let moved = set(1).iter().zip(set(2)).map(|(a, b)| a.distance(b)).fold(0.0, f32::max);
        assert!(moved > 2e-4, "{moved}");
    }
}
