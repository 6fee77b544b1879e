//! The vertices of the model, each as a linear function of the base mesh, so that every target carries over.
use super::Base;
use super::arch::{Arch, Blend, Jaw};
use super::eyeball::{self, Ball};
use super::{gums, teeth};
use crate::error::Error;
use crate::model::{Joint, Part};
use glam::{Vec2, Vec3, vec2};
use std::collections::BTreeMap;

/// Where a vertex of the model gets its place from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It is this vertex of the base mesh.
    Base(u32),
    /// A point of an eyeball: side (0 left, 1 right), offset from its center (meters).
    Ball(usize, Vec3),
    /// A point of a dental arch, and the joint it follows.
    Blend(Blend, Joint),
}

/// Geometry of the model, still with the texture coordinates of the file.
pub struct Assembly {
    /// `[V]`
    pub origins: Vec<Origin>,
    /// `[V]` (meters)
    pub template: Vec<Vec3>,
    /// `[F]`
    pub faces: Vec<[u32; 4]>,
    /// `[F]`
    pub parts: Vec<Part>,
    /// `[T]` charts as they come, to be packed.
    pub uvs: Vec<Vec2>,
    /// `[F]`
    pub face_uvs: Vec<[u32; 4]>,
    /// Base vertex → model vertex.
    pub model_from_base: BTreeMap<u32, u32>,
    /// `[V]` the vertex on the other side.
    pub mirror: Vec<u32>,
    balls: [Ball; 2],
}

/// The left half of a symmetric piece.
struct Half {
    part: Part,
    joint: Joint,
    points: Vec<Blend>,
    faces: Vec<[u32; 4]>,
    /// So many points, the first ones, lie in the middle plane and serve both halves.
    middle: usize,
}

/// Takes over the faces of the cut, adds eyeballs, teeth and gums; `table` mirrors the base mesh.
///
/// # Errors
/// [`Error::Invalid`] when the cut is not symmetric.
pub fn assemble(base: &Base, cut: &[(usize, Part)], table: &[u32]) -> Result<Assembly, Error> {
    let mut a = Assembly {
        origins: Vec::new(),
        template: Vec::new(),
        faces: Vec::new(),
        parts: Vec::new(),
        uvs: Vec::new(),
        face_uvs: Vec::new(),
        model_from_base: BTreeMap::new(),
        mirror: Vec::new(),
        balls: [Ball::fit(base, 0), Ball::fit(base, 1)],
    };
    a.add_base_faces(base, cut);
    a.mirror = a.mirror_of_base(table)?;
    a.add_balls();
    for jaw in [Jaw::Upper, Jaw::Lower] {
        a.add_jaw(base, table, jaw);
    }
    Ok(a)
}

impl Assembly {
    fn add_base_faces(&mut self, base: &Base, cut: &[(usize, Part)]) {
        let mut uv_from_file = BTreeMap::new();
        for &(f, part) in cut {
            let corners = base.mesh.faces[f].map(|v| {
                *self.model_from_base.entry(v).or_insert_with(|| {
                    self.origins.push(Origin::Base(v));
                    self.template.push(base.positions[v as usize]);
                    self.origins.len() as u32 - 1
                })
            });
            let corner_uvs = base.mesh.face_uvs[f].map(|t| {
                *uv_from_file.entry(t).or_insert_with(|| {
                    self.uvs.push(base.mesh.uvs.get(t as usize).copied().unwrap_or_default());
                    self.uvs.len() as u32 - 1
                })
            });
            self.faces.push(corners);
            self.parts.push(part);
            self.face_uvs.push(corner_uvs);
        }
    }

    fn add_balls(&mut self) {
        let first = self.origins.len() as u32;
        for side in 0..2 {
            let shape = eyeball::mesh(self.balls[side].radius, side);
            let n = shape.offsets.len() as u32;
            self.mirror.extend((0..n).map(|v| first + v + if side == 0 { n } else { 0 }));
            self.template.extend(shape.offsets.iter().map(|&offset| self.balls[side].center + offset));
            let origins = shape.offsets.into_iter().map(|offset| Origin::Ball(side, offset)).collect();
            let part = [Part::EyeLeft, Part::EyeRight][side];
            self.add_faces(origins, &shape.faces, &shape.face_uvs, shape.uvs, part);
        }
    }

    fn add_jaw(&mut self, base: &Base, table: &[u32], jaw: Jaw) {
        let arch = Arch::new(base, table, jaw);
        let (part, joint, below) = match jaw {
            Jaw::Upper => (Part::TeethUpper, Joint::Head, 0.52),
            Jaw::Lower => (Part::TeethLower, Joint::Jaw, 0.0),
        };
        for (i, crown) in teeth::left_crowns(&arch, jaw).into_iter().enumerate() {
            // A grid of discs: the left teeth above, the right ones below.
            let cell =
                |row: f32| crown.uvs.iter().map(|uv| (*uv * 0.94 + vec2(i as f32, row)) / vec2(8.0, 2.0)).collect();
            let charts = [cell(1.0), cell(0.0)];
            let half = Half { part, joint, points: crown.points, faces: crown.faces, middle: 0 };
            self.add_both_sides(&arch, table, half, charts);
        }
        let band = gums::left_band(&arch, jaw);
        let left: Vec<Vec2> = band.uvs.iter().map(|uv| vec2(uv.x, below + 0.48 * uv.y)).collect();
        let right = left.iter().map(|uv| vec2(1.0 - uv.x, uv.y)).collect();
        let middle = band.uvs.iter().take_while(|uv| uv.x == 0.5).count();
        let half = Half { part: Part::Gums, joint, points: band.points, faces: band.faces, middle };
        self.add_both_sides(&arch, table, half, [left, right]);
    }

    /// Adds a left piece and its mirror image; `charts` are the left and the right one.
    fn add_both_sides(&mut self, arch: &Arch, table: &[u32], half: Half, charts: [Vec<Vec2>; 2]) {
        let Half { part, joint, points, faces, middle } = half;
        let (first, n) = (self.origins.len() as u32, points.len() as u32);
        let twin = |v: u32| if (v as usize) < middle { v } else { v + n - middle as u32 };
        self.mirror.extend((0..n).map(|v| first + twin(v)));
        self.mirror.extend((middle as u32..n).map(|v| first + v));
        let mirrored: Vec<Blend> = points.iter().skip(middle).map(|point| point.mirrored(table)).collect();
        self.template.extend(points.iter().chain(&mirrored).map(|point| arch.place(point)));
        let origins = |points: Vec<Blend>| points.into_iter().map(|point| Origin::Blend(point, joint)).collect();
        let [left_chart, right_chart] = charts;
        self.add_faces(origins(points), &faces, &faces, left_chart, part);
        let other: Vec<[u32; 4]> = faces.iter().map(|&face| teeth::flipped(face)).collect();
        let other_faces: Vec<[u32; 4]> = other.iter().map(|face| face.map(|v| twin(v).wrapping_sub(n))).collect();
        self.add_faces(origins(mirrored), &other_faces, &other, right_chart, part);
    }

    /// Appends vertices and the faces on them; face numbers count from the first of these vertices and may reach back
    /// (wrapping) to earlier ones. Template and mirror are the caller's.
    fn add_faces(
        &mut self,
        origins: Vec<Origin>,
        faces: &[[u32; 4]],
        face_uvs: &[[u32; 4]],
        uvs: Vec<Vec2>,
        part: Part,
    ) {
        let (first, first_uv) = (self.origins.len() as u32, self.uvs.len() as u32);
        self.origins.extend(origins);
        self.uvs.extend(uvs);
        self.faces.extend(faces.iter().map(|face| face.map(|v| v.wrapping_add(first))));
        self.face_uvs.extend(face_uvs.iter().map(|face| face.map(|t| t + first_uv)));
        self.parts.extend(faces.iter().map(|_| part));
    }

    /// The displacement of every vertex of the model under a field over the base mesh (meters).
    pub fn displace(&self, field: &[Vec3]) -> Vec<Vec3> {
        let moves: Vec<(Vec3, f32)> = self.balls.iter().map(|ball| ball.motion(field)).collect();
        let displacement = |origin: &Origin| match origin {
            Origin::Base(v) => field[*v as usize],
            Origin::Ball(side, offset) => moves[*side].0 + *offset * moves[*side].1,
            Origin::Blend(blend, _) => blend.of(field),
        };
        self.origins.iter().map(displacement).collect()
    }

    /// Vertices of the eyeball of a side.
    pub fn eyeball(&self, side: usize) -> Vec<u32> {
        let is_here = |origin: &Origin| matches!(origin, Origin::Ball(s, _) if *s == side);
        (0..self.origins.len() as u32).filter(|&v| is_here(&self.origins[v as usize])).collect()
    }

    /// Center of the eyeball of a side (meters).
    pub fn eye_center(&self, side: usize) -> Vec3 {
        self.balls[side].center
    }

    /// Radius of the eyeball of a side (meters).
    pub fn eye_radius(&self, side: usize) -> f32 {
        self.balls[side].radius
    }

    /// `[V]` which part each vertex belongs to; lips' inner ring counts as skin.
    pub fn vertex_parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Lashes; self.origins.len()];
        for (face, &part) in self.faces.iter().zip(&self.parts) {
            for &v in face {
                parts[v as usize] = parts[v as usize].min(part);
            }
        }
        parts
    }

    fn mirror_of_base(&self, table: &[u32]) -> Result<Vec<u32>, Error> {
        let other = |origin: &Origin| match origin {
            Origin::Base(b) => self.model_from_base.get(&table[*b as usize]).copied(),
            _ => None,
        };
        let mirror: Option<Vec<u32>> = self.origins.iter().map(other).collect();
        let mirror = mirror.ok_or_else(|| Error::invalid("hm08.mirror", "the cut is not symmetric"))?;
        match (0..mirror.len()).find(|&v| mirror[mirror[v] as usize] != v as u32) {
            Some(v) => Err(Error::invalid("hm08.mirror", format!("vertex {v} of the model does not mirror back"))),
            None => Ok(mirror),
        }
    }
}
