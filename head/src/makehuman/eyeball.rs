//! Eyeballs: the base mesh has stand-ins of 72 vertices; these are finer, with a cornea, and follow them.
use super::{Base, mean_of};
use glam::{Vec2, Vec3};
use std::f32::consts::{PI, TAU};

/// Segments around the optical axis.
const SEGMENTS: usize = 32;
/// Angles of the rings from the optical axis (degrees), front to back; dense over cornea and limbus.
const RING_DEGREES: [f32; 19] =
    [3.0, 6.0, 9.0, 12.0, 15.0, 17.5, 19.5, 21.0, 22.5, 24.0, 26.0, 29.0, 34.0, 42.0, 54.0, 72.0, 96.0, 125.0, 155.0];
/// Half diameter of the iris (meters): 11.7 mm across (visible iris diameter of adults).
pub const IRIS_RADIUS_M: f32 = 0.00585;
/// How far the cornea stands out of the ball at its apex, in radii of the ball.
const CORNEA_BULGE: f32 = 0.055;

/// An eyeball of the template and the stand-in it follows.
pub struct Ball {
    /// Meters.
    pub center: Vec3,
    /// Meters.
    pub radius: f32,
    stand_in: Vec<u32>,
    /// `[stand_in]` offsets from the center (meters).
    offsets: Vec<Vec3>,
}

/// A closed ball about the origin that looks along +z, with its chart: a disc about (0.5, 0.5), radius
/// proportional to the angle from the optical axis (0.5 at the back pole), +u to the viewer's right.
pub struct BallMesh {
    pub offsets: Vec<Vec3>,
    pub faces: Vec<[u32; 4]>,
    pub uvs: Vec<Vec2>,
    pub face_uvs: Vec<[u32; 4]>,
}

impl Ball {
    /// The stand-in of a side (0 left, 1 right) in the template.
    pub fn fit(base: &Base, side: usize) -> Ball {
        let stand_in = base.eyes[side].clone();
        let center = mean_of(&base.positions, &stand_in);
        let offsets: Vec<Vec3> = stand_in.iter().map(|&v| base.positions[v as usize] - center).collect();
        let radius = offsets.iter().map(|o| o.length()).sum::<f32>() / offsets.len() as f32;
        Ball { center, radius, stand_in, offsets }
    }

    /// Least-squares translation (meters) and relative growth of the stand-in under a displacement field.
    pub fn motion(&self, field: &[Vec3]) -> (Vec3, f32) {
        let shift = mean_of(field, &self.stand_in);
        let (mut along, mut norm) = (0.0, 0.0);
        for (&v, &offset) in self.stand_in.iter().zip(&self.offsets) {
            along += (field[v as usize] - shift).dot(offset);
            norm += offset.length_squared();
        }
        (shift, along / norm)
    }
}

/// The ball of a side; the right one is the mirror image of the left, vertex by vertex.
pub fn mesh(radius: f32, side: usize) -> BallMesh {
    let flip = if side == 0 { 1.0 } else { -1.0 };
    let mut offsets = vec![point(0.0, 0.0, radius, flip)];
    let mut uvs = vec![chart(0.0, 0.0, flip)];
    for degrees in RING_DEGREES {
        for s in 0..SEGMENTS {
            let (angle, around) = (degrees.to_radians(), s as f32 / SEGMENTS as f32 * TAU);
            offsets.push(point(angle, around, radius, flip));
            uvs.push(chart(angle, around, flip));
        }
    }
    let back = offsets.len() as u32;
    offsets.push(point(PI, 0.0, radius, flip));
    let mut faces: Vec<[u32; 4]> = Vec::new();
    let at = |ring: usize, s: usize| (1 + ring * SEGMENTS + s % SEGMENTS) as u32;
    for s in 0..SEGMENTS {
        faces.push([0, at(0, s), at(0, s + 1), at(0, s + 1)]);
        for ring in 0..RING_DEGREES.len() - 1 {
            faces.push([at(ring, s), at(ring + 1, s), at(ring + 1, s + 1), at(ring, s + 1)]);
        }
    }
    let last = RING_DEGREES.len() - 1;
    let mut face_uvs = faces.clone();
    for s in 0..SEGMENTS {
        // The back pole has a texture vertex for each wedge: it is the rim of the disc.
        faces.push([at(last, s), back, at(last, s + 1), at(last, s + 1)]);
        face_uvs.push([at(last, s), uvs.len() as u32, at(last, s + 1), at(last, s + 1)]);
        uvs.push(chart(PI, (s as f32 + 0.5) / SEGMENTS as f32 * TAU, flip));
    }
    if side == 1 {
        for face in faces.iter_mut().chain(&mut face_uvs) {
            *face = super::teeth::flipped(*face);
        }
    }
    BallMesh { offsets, faces, uvs, face_uvs }
}

fn point(angle: f32, around: f32, radius: f32, flip: f32) -> Vec3 {
    // A cosine bump, flat at the apex and at the limbus.
    let limbus = (IRIS_RADIUS_M / radius).clamp(0.05, 0.8).asin() * 1.12;
    let bump = if angle < limbus { 0.5 + 0.5 * (PI * angle / limbus).cos() } else { 0.0 };
    let r = radius * (1.0 + CORNEA_BULGE * bump);
    r * Vec3::new(flip * angle.sin() * around.cos(), angle.sin() * around.sin(), angle.cos())
}

fn chart(angle: f32, around: f32, flip: f32) -> Vec2 {
    Vec2::splat(0.5) + 0.5 * angle / PI * Vec2::new(flip * around.cos(), around.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balls_are_closed_face_outwards_and_mirror() {
        let (left, right) = (mesh(0.015, 0), mesh(0.015, 1));
        for ball in [&left, &right] {
            for face in &ball.faces {
                let p = face.map(|v| ball.offsets[v as usize]);
                let normal = (p[1] - p[0]).cross(p[2] - p[0]);
                assert!(normal.dot(p[0] + p[1] + p[2]) > 0.0, "{face:?}");
            }
            for face in &ball.face_uvs {
                let p = face.map(|t| ball.uvs[t as usize]);
                assert!((p[1] - p[0]).perp_dot(p[2] - p[0]) > 0.0, "chart keeps the winding: {face:?}");
            }
        }
        for (l, r) in left.offsets.iter().zip(&right.offsets) {
            assert!((*l * Vec3::new(-1.0, 1.0, 1.0) - *r).length() < 1e-9);
        }
    }
}
