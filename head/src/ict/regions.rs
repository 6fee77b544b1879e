//! Region masks of the ICT mesh, drawn around its landmarks. Template space, meters.
use super::Kept;
use super::layout::Block;
use crate::ibug;
use glam::{Vec2, Vec3};
use std::collections::BTreeMap;

/// How much a place of the template belongs to a region.
type Mask = fn(&Face, Vec3) -> f32;

/// `[V]` masks by name; `marks` are the 68 landmarks of the template.
pub fn from_landmarks(template: &[Vec3], kept: &Kept, marks: &[Vec3]) -> BTreeMap<String, Vec<f32>> {
    let face = Face::new(marks);
    let masks: [(&str, Mask); 11] = [
        ("face", Face::whole),
        ("scalp", Face::scalp),
        ("neck", Face::neck),
        ("ears", Face::ears),
        ("lips", Face::lips),
        ("brows", Face::brows),
        ("beard", Face::beard),
        ("eyelids", Face::eyelids),
        ("nose", Face::nose),
        ("cheeks", Face::cheeks),
        ("forehead", Face::forehead),
    ];
    let mask = |of: Mask| {
        let value = |v: usize| match kept.blocks[v] {
            Block::Face | Block::Head => of(&face, template[v]).clamp(0.0, 1.0),
            _ => 0.0,
        };
        (0..template.len()).map(value).collect()
    };
    masks.into_iter().map(|(name, of)| (name.to_string(), mask(of))).collect()
}

/// Landmarks in the plane of the face, and heights that matter.
struct Face {
    marks: Vec<Vec2>,
    chin_y: f32,
    brow_y: f32,
    hair_y: f32,
}

impl Face {
    fn new(marks: &[Vec3]) -> Face {
        let brow_y = marks[ibug::BROWS].iter().map(|p| p.y).fold(f32::NEG_INFINITY, f32::max);
        Face {
            marks: marks[..ibug::COUNT].iter().map(|p| p.truncate()).collect(),
            chin_y: marks[ibug::CHIN].y,
            brow_y,
            hair_y: brow_y + 0.048,
        }
    }

    fn front(&self, p: Vec3) -> f32 {
        ramp(-0.062, -0.042, p.z)
    }

    fn whole(&self, p: Vec3) -> f32 {
        self.front(p)
            * ramp(self.chin_y - 0.012, self.chin_y - 0.002, p.y)
            * ramp(self.hair_y + 0.008, self.hair_y - 0.006, p.y)
    }

    fn scalp(&self, p: Vec3) -> f32 {
        let above = ramp(self.hair_y - 0.004, self.hair_y + 0.010, p.y);
        let behind = ramp(-0.062, -0.080, p.z - 0.30 * p.y.max(0.0)) * ramp(-0.105, -0.080, p.y);
        above.max(behind) * (1.0 - self.ears(p))
    }

    fn neck(&self, p: Vec3) -> f32 {
        ramp(self.chin_y - 0.002, self.chin_y - 0.022, p.y - 0.50 * (p.z + 0.02).clamp(-0.08, 0.0))
    }

    fn ears(&self, p: Vec3) -> f32 {
        let r = ((p.z + 0.081 + 0.15 * (p.y + 0.030)) / 0.0215).hypot((p.y + 0.029) / 0.0340);
        ramp(1.1, 0.9, r) * ramp(0.050, 0.058, p.x.abs())
    }

    fn lips(&self, p: Vec3) -> f32 {
        self.front(p) * self.inside(ibug::OUTER_LIPS, p, 0.0008, 0.0012)
    }

    fn brows(&self, p: Vec3) -> f32 {
        let right = self.to_line(ibug::RIGHT_BROW, p);
        let left = self.to_line(ibug::LEFT_BROW, p);
        self.front(p) * ramp(0.0075, 0.0035, right.min(left))
    }

    fn beard(&self, p: Vec3) -> f32 {
        let top = self.marks[ibug::NOSE_BASE].y - 0.004 + 0.30 * (p.x.abs() - 0.02).max(0.0);
        let below = ramp(top, top - 0.008, p.y) * ramp(self.chin_y - 0.030, self.chin_y - 0.012, p.y);
        below * ramp(-0.085, -0.065, p.z) * (1.0 - self.lips(p)) * (1.0 - self.ears(p))
    }

    fn eyelids(&self, p: Vec3) -> f32 {
        let near = |eye: std::ops::Range<usize>| self.inside(eye, p, 0.0040, 0.0045);
        self.front(p) * near(ibug::RIGHT_EYE).max(near(ibug::LEFT_EYE))
    }

    fn nose(&self, p: Vec3) -> f32 {
        let along = ((self.marks[ibug::NASION].y - p.y) / (self.marks[ibug::NASION].y - self.marks[ibug::NOSE_BASE].y))
            .clamp(0.0, 1.0);
        let wings = (self.marks[ibug::NOSE_LEFT].x - self.marks[ibug::NOSE_RIGHT].x) / 2.0 + 0.006;
        let half_width = 0.009 + (wings - 0.009) * along;
        let height = ramp(self.marks[ibug::NOSE_BASE].y - 0.004, self.marks[ibug::NOSE_BASE].y + 0.001, p.y)
            * ramp(self.marks[ibug::NASION].y + 0.006, self.marks[ibug::NASION].y - 0.002, p.y);
        self.front(p) * height * ramp(half_width + 0.003, half_width - 0.001, p.x.abs())
    }

    fn cheeks(&self, p: Vec3) -> f32 {
        let spot = |eye: usize, mouth: usize, jaw: usize| {
            let center = (self.marks[eye] + self.marks[mouth] + self.marks[jaw]) / 3.0;
            ramp(0.028, 0.017, center.distance(p.truncate()))
        };
        self.front(p) * spot(41, ibug::MOUTH_RIGHT, 3).max(spot(46, ibug::MOUTH_LEFT, 13))
    }

    fn forehead(&self, p: Vec3) -> f32 {
        self.front(p)
            * ramp(self.brow_y - 0.002, self.brow_y + 0.008, p.y)
            * ramp(self.hair_y + 0.006, self.hair_y - 0.006, p.y)
    }

    /// 1 inside the polygon of some landmarks, falling to 0 from `near` to `near + fade` outside.
    fn inside(&self, polygon: std::ops::Range<usize>, p: Vec3, near: f32, fade: f32) -> f32 {
        let corners = &self.marks[polygon];
        let p = p.truncate();
        let edges = || (0..corners.len()).map(|i| (corners[i], corners[(i + 1) % corners.len()]));
        let crossings =
            edges().filter(|(a, b)| (a.y > p.y) != (b.y > p.y) && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y));
        if crossings.count() % 2 == 1 {
            return 1.0;
        }
        let distance = edges().map(|(a, b)| to_segment(p, a, b)).fold(f32::INFINITY, f32::min);
        ramp(near + fade, near, distance)
    }

    fn to_line(&self, line: std::ops::Range<usize>, p: Vec3) -> f32 {
        let corners = &self.marks[line];
        corners.windows(2).map(|pair| to_segment(p.truncate(), pair[0], pair[1])).fold(f32::INFINITY, f32::min)
    }
}

fn to_segment(p: Vec2, a: Vec2, b: Vec2) -> f32 {
    let t = ((p - a).dot(b - a) / (b - a).length_squared().max(1e-12)).clamp(0.0, 1.0);
    p.distance(a + t * (b - a))
}

/// Smooth step from 0 at `from` to 1 at `to` (either may be the larger).
fn ramp(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
