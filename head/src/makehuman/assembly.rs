//! The vertices of the model, each as a linear function of the base mesh, so that every target carries over.
use super::Base;
use super::eyeball::{self, Ball};
use crate::error::Error;
use crate::model::Part;
use glam::{Vec2, Vec3};
use std::collections::BTreeMap;

/// Where a vertex of the model gets its place from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It is this vertex of the base mesh.
    Base(u32),
    /// A point of an eyeball: side (0 left, 1 right), offset from its centre (metres).
    Ball(usize, Vec3),
}

/// Geometry of the model, still with the texture coordinates of the file.
pub struct Assembly {
    /// `[V]`
    pub origins: Vec<Origin>,
    /// `[V]` (metres)
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
    /// `[V]` for eyeball vertices the number of the same place on the other eyeball.
    balls: [Ball; 2],
    first_ball_vertex: [u32; 2],
}

/// Takes over the faces of the cut, adds eyeballs.
pub fn assemble(base: &Base, cut: &[(usize, Part)]) -> Assembly {
    let balls = [Ball::fit(base, 0), Ball::fit(base, 1)];
    let mut a = Assembly {
        origins: Vec::new(),
        template: Vec::new(),
        faces: Vec::new(),
        parts: Vec::new(),
        uvs: Vec::new(),
        face_uvs: Vec::new(),
        model_from_base: BTreeMap::new(),
        balls,
        first_ball_vertex: [0; 2],
    };
    a.add_base_faces(base, cut);
    for side in 0..2 {
        a.add_ball(side);
    }
    a
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

    fn add_ball(&mut self, side: usize) {
        let part = [Part::EyeLeft, Part::EyeRight][side];
        let (first, first_uv) = (self.origins.len() as u32, self.uvs.len() as u32);
        self.first_ball_vertex[side] = first;
        let ball = &self.balls[side];
        let shape = eyeball::mesh(ball.radius, side);
        self.origins.extend(shape.offsets.iter().map(|&offset| Origin::Ball(side, offset)));
        self.template.extend(shape.offsets.iter().map(|&offset| ball.centre + offset));
        self.uvs.extend(&shape.uvs);
        self.faces.extend(shape.faces.iter().map(|face| face.map(|v| v + first)));
        self.face_uvs.extend(shape.face_uvs.iter().map(|face| face.map(|t| t + first_uv)));
        self.parts.extend(shape.faces.iter().map(|_| part));
    }

    /// The displacement of every vertex of the model under a field over the base mesh (metres).
    pub fn displace(&self, field: &[Vec3]) -> Vec<Vec3> {
        let moves: Vec<(Vec3, f32)> = self.balls.iter().map(|ball| ball.motion(field)).collect();
        let displacement = |origin: &Origin| match *origin {
            Origin::Base(v) => field[v as usize],
            Origin::Ball(side, offset) => moves[side].0 + offset * moves[side].1,
        };
        self.origins.iter().map(displacement).collect()
    }

    /// Vertices of the eyeball of a side.
    pub fn eyeball(&self, side: usize) -> Vec<u32> {
        let is_here = |origin: &Origin| matches!(origin, Origin::Ball(s, _) if *s == side);
        (0..self.origins.len() as u32).filter(|&v| is_here(&self.origins[v as usize])).collect()
    }

    /// Centre of the eyeball of a side (metres).
    pub fn eye_centre(&self, side: usize) -> Vec3 {
        self.balls[side].centre
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

    /// `[V]` the vertex on the other side.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the table leads out of the kept vertices or back to another one.
    pub fn mirror(&self, table: &[u32]) -> Result<Vec<u32>, Error> {
        let other = |v: usize| match self.origins[v] {
            Origin::Base(b) => self.model_from_base.get(&table[b as usize]).copied(),
            Origin::Ball(side, _) => Some(v as u32 - self.first_ball_vertex[side] + self.first_ball_vertex[1 - side]),
        };
        let mirror: Option<Vec<u32>> = (0..self.origins.len()).map(other).collect();
        let mirror = mirror.ok_or_else(|| Error::invalid("hm08.mirror", "the cut is not symmetric"))?;
        match (0..mirror.len()).find(|&v| mirror[mirror[v] as usize] != v as u32) {
            Some(v) => Err(Error::invalid("hm08.mirror", format!("vertex {v} of the model does not mirror back"))),
            None => Ok(mirror),
        }
    }
}
