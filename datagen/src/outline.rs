//! Where lips and hair begin, drawn on the template by its landmarks: finer than the model's own region masks.
use crate::light::smoothstep;
use crate::stream::noise;
use glam::{Vec2, Vec3};
use head::model::HeadModel;

/// Borders on the template (metres).
pub struct Outline {
    lips: Vec<Vec2>,
    lips_depth: f32,
    /// Height of the brows, the eyes, the mouth's middle.
    brow_y: f32,
    eye_y: f32,
    mouth_y: f32,
    /// Front and back of the ears along z.
    ear_z: [f32; 2],
}

impl Outline {
    /// Of a model with the 68 landmarks.
    pub fn new(model: &HeadModel) -> Self {
        let l = model.landmarks_at(&model.template);
        let mean_y = |ids: std::ops::Range<usize>| l[ids.clone()].iter().map(|p| p.y).sum::<f32>() / ids.len() as f32;
        let ear = |p: &Vec3, w: &f32| (*w > 0.5).then_some(p.z);
        let ears = model.regions.get("ears").map_or(&[][..], |m| m.as_slice());
        let z: Vec<f32> = model.template.iter().zip(ears).filter_map(|(p, w)| ear(p, w)).collect();
        let ear_z = match z.is_empty() {
            true => [l[0].z, l[0].z - 0.03],
            false => [z.iter().copied().fold(f32::MIN, f32::max), z.iter().copied().fold(f32::MAX, f32::min)],
        };
        Outline {
            lips: l[48..60].iter().map(|p| p.truncate()).collect(),
            lips_depth: l[48..60].iter().map(|p| p.z).fold(f32::MAX, f32::min) - 0.012,
            brow_y: mean_y(17..27),
            eye_y: mean_y(36..48),
            mouth_y: 0.5 * (l[48].y + l[54].y),
            ear_z,
        }
    }

    /// 1 on the red of the lips, seen from the front; the border is 1.6 mm soft.
    pub fn lips(&self, p: Vec3) -> f32 {
        if p.z < self.lips_depth {
            return 0.0;
        }
        smoothstep(-0.0008, 0.0008, inside_by(&self.lips, p.truncate()))
    }

    /// 1 where hair grows: above the forehead, before the ears as sideburns, behind them down to the nape.
    pub fn scalp(&self, p: Vec3) -> f32 {
        const SOFT_M: f32 = 0.004;
        let above = |a: f32, b: f32| smoothstep(-SOFT_M, SOFT_M, a - b);
        let x = p.x.abs();
        // The hair line: a flat arch over the forehead, drawn back at the temples.
        let uneven = 0.0025 * noise(3, p * 160.0);
        let line_y = self.brow_y + 0.055 + 0.05 * x - 9.0 * (x - 0.026).max(0.0).powi(2) + uneven;
        let top = above(p.y, line_y);
        let [front, back] = self.ear_z;
        let fall = smoothstep(self.brow_y + 0.045, self.eye_y, p.y);
        let temple_z = front + 0.020 - 0.014 * fall + uneven;
        let side = above(temple_z, p.z) * above(p.y, self.eye_y - 0.018);
        let nape_y = self.mouth_y + 0.012 - 0.022 * smoothstep(0.05, 0.0, x);
        let behind = above(back + 0.008, p.z) * above(p.y, nape_y);
        top.max(side).max(behind)
    }

    /// 1 at the height of the ears, 0 above them: the model's ear region reaches up into the hair.
    pub fn beside_ear(&self, p: Vec3) -> f32 {
        smoothstep(self.eye_y + 0.010, self.eye_y + 0.004, p.y)
    }
}

/// Signed distance (metres) to a closed polygon, positive inside (even-odd rule).
fn inside_by(polygon: &[Vec2], p: Vec2) -> f32 {
    let mut inside = false;
    let mut nearest = f32::MAX;
    for (i, &b) in polygon.iter().enumerate() {
        let a = polygon[(i + polygon.len() - 1) % polygon.len()];
        if (a.y > p.y) != (b.y > p.y) && p.x < a.x + (b.x - a.x) * (p.y - a.y) / (b.y - a.y) {
            inside = !inside;
        }
        let d = b - a;
        let k = ((p - a).dot(d) / d.length_squared().max(1e-12)).clamp(0.0, 1.0);
        nearest = nearest.min(p.distance(a + d * k));
    }
    if inside { nearest } else { -nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_know_their_inside() {
        let square = [Vec2::ZERO, Vec2::X, Vec2::ONE, Vec2::Y];
        assert!((inside_by(&square, Vec2::new(0.5, 0.4)) - 0.4).abs() < 1e-6);
        assert!((inside_by(&square, Vec2::new(1.5, 0.5)) + 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_face_has_no_hair_and_the_crown_has() {
        let model = head::analytic::head();
        let outline = Outline::new(&model);
        let l = model.landmarks_at(&model.template);
        assert!(outline.scalp(l[30]) < 0.1 && outline.scalp(l[8]) < 0.1);
        let crown = model.template.iter().copied().max_by(|a, b| a.y.total_cmp(&b.y)).unwrap();
        assert!(outline.scalp(crown) > 0.9);
        assert!(outline.lips((l[51] + l[57]) * 0.5) > 0.5);
    }
}
