//! An eyeball as something solid, and the lids before it.
use crate::model::{HeadModel, Joint, Part};
use crate::normals::vertex_normals;
use glam::Vec3;

/// Lids keep at least this far from the ball (meters): about the thickness of their margin.
const CLEARANCE_M: f32 = 4e-4;
/// Skin within so many radii of the ball's center can touch it.
const NEAR: f32 = 1.35;

/// A ball of the template: its profile about the optical axis, and the skin that can touch it.
#[derive(Clone, Debug)]
pub(super) struct Eyeball {
    /// Radius of the template's ball away from the cornea (meters).
    radius: f32,
    /// A vertex of the ball away from the cornea: how far it is from the center tells the size of another's ball.
    gauge: u32,
    /// Cosine of the angle from the axis, radius over the plain one; by falling cosine.
    profile: Vec<(f32, f32)>,
    /// Skin before the ball, outward facing.
    lids: Vec<u32>,
}

impl Eyeball {
    pub fn new(model: &HeadModel, side: usize) -> Eyeball {
        let joint = [Joint::EyeLeft, Joint::EyeRight][side];
        let part = [Part::EyeLeft, Part::EyeRight][side];
        let center = model.joint_places(&model.template)[joint as usize];
        let mut parts = vec![Part::Lashes; model.template.len()];
        for (face, &part) in model.faces.iter().zip(&model.face_parts) {
            face.iter().for_each(|&v| parts[v as usize] = parts[v as usize].min(part));
        }
        let offset = |v: u32| model.template[v as usize] - center;
        let of_ball = || (0..model.template.len() as u32).filter(|&v| parts[v as usize] == part);
        let gauge = of_ball().min_by(|&a, &b| offset(a).z.total_cmp(&offset(b).z)).unwrap_or(0);
        let radius = offset(gauge).length().max(1e-4);
        let mut profile: Vec<(f32, f32)> =
            of_ball().map(|v| (offset(v).normalize_or(Vec3::Z).z, offset(v).length() / radius)).collect();
        profile.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        profile.dedup_by(|a, b| (a.0 - b.0).abs() < 1e-3);
        let normals = vertex_normals(&model.template, &model.faces);
        // The lining of the socket faces the ball, or lies behind it; only what faces outwards may be pushed.
        let is_lid = |&v: &u32| {
            let o = offset(v);
            let outward = o.normalize_or(Vec3::Z);
            let faces_out = normals[v as usize].dot(outward) > 0.25;
            parts[v as usize] == Part::Skin && o.length() < NEAR * radius && outward.z > 0.2 && faces_out
        };
        let lids = (0..model.template.len() as u32).filter(is_lid).collect();
        Eyeball { radius, gauge, profile, lids }
    }

    /// Radius over the plain one in a direction that makes the angle with that cosine with the axis.
    fn bulge(&self, cos: f32) -> f32 {
        let after = self.profile.partition_point(|p| p.0 > cos);
        match (after.checked_sub(1).map(|i| self.profile[i]), self.profile.get(after)) {
            (Some(a), Some(b)) if a.0 > b.0 => a.1 + (b.1 - a.1) * (a.0 - cos) / (a.0 - b.0),
            (Some(a), _) => a.1,
            (None, Some(b)) => b.1,
            (None, None) => 1.0,
        }
    }

    /// Moves lids that came too near straight away from the center; what is behind the ball stays.
    pub fn push_out(&self, positions: &mut [Vec3], center: Vec3, gaze: Vec3) {
        let size = positions[self.gauge as usize].distance(center) / self.radius;
        for &v in &self.lids {
            let offset = positions[v as usize] - center;
            let (length, outward) = (offset.length(), offset.normalize_or(gaze));
            let least = size * self.radius * self.bulge(outward.dot(gaze)) + CLEARANCE_M;
            if length < least {
                positions[v as usize] = center + outward * least;
            }
        }
    }

    /// Least distance of the lids from the surface (meters).
    pub fn clearance(&self, positions: &[Vec3], center: Vec3, gaze: Vec3) -> f32 {
        let size = positions[self.gauge as usize].distance(center) / self.radius;
        let of = |&v: &u32| {
            let offset = positions[v as usize] - center;
            offset.length() - size * self.radius * self.bulge(offset.normalize_or(gaze).dot(gaze))
        };
        self.lids.iter().map(of).fold(f32::MAX, f32::min)
    }
}
