//! Where lips and hair begin, drawn on the template by its landmarks: finer than the model's own region masks.
use crate::stream::noise;
use crate::tracer::elementary::smoothstep;
use glam::{Vec2, Vec3};
use head::ibug;
use head::model::HeadModel;

/// Borders on the template (meters).
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
            true => [l[ibug::JAW_RIGHT].z, l[ibug::JAW_RIGHT].z - 0.03],
            false => [z.iter().copied().fold(f32::MIN, f32::max), z.iter().copied().fold(f32::MAX, f32::min)],
        };
        Outline {
            lips: rounded(&l[ibug::OUTER_LIPS], [0, 6]),
            lips_depth: l[ibug::OUTER_LIPS].iter().map(|p| p.z).fold(f32::MAX, f32::min) - 0.012,
            brow_y: mean_y(ibug::BROWS),
            eye_y: mean_y(ibug::EYES),
            mouth_y: 0.5 * (l[ibug::MOUTH_RIGHT].y + l[ibug::MOUTH_LEFT].y),
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

    /// 1 where hair grows thick, 0 where none does, and a soft edge between: over the forehead, forwards at the temples,
    /// before the ears as sideburns, behind them down to the nape.
    pub fn scalp(&self, p: Vec3) -> f32 {
        let uneven = 0.0022 * noise(3, p * 160.0) + 0.0030 * noise(4, p * 55.0);
        let [front, back] = self.ear_z;
        // Turns about an upright axis that runs through the ears' fronts: 0 ahead, 90 at the ears.
        let degrees = p.x.abs().atan2(p.z - front + 0.013).to_degrees();
        let height = |degrees: f32| self.brow_y + hairline_m(degrees);
        // Millimeters across the line, not up: it is steep at the temples.
        let slope = (height(degrees + 1.0) - height(degrees - 1.0)) / (2.0 * RADIUS_M * 1f32.to_radians());
        let above = (p.y - height(degrees) + uneven) / (1.0 + slope * slope).sqrt();
        let soft = 0.006 + 0.004 * smoothstep(50.0, 30.0, degrees);
        let ahead = smoothstep(-soft, soft, above) * smoothstep(back - 0.01, back + 0.01, p.z);
        let nape_y = self.mouth_y + 0.010 - 0.022 * smoothstep(0.05, 0.0, p.x.abs());
        let behind =
            smoothstep(back + 0.014, back + 0.002, p.z) * smoothstep(-0.010, 0.010, p.y - nape_y + 2.0 * uneven);
        ahead.max(behind)
    }

    /// 1 at the height of the ears, 0 above them: the model's ear region reaches up into the hair.
    pub fn beside_ear(&self, p: Vec3) -> f32 {
        smoothstep(self.eye_y + 0.010, self.eye_y + 0.004, p.y)
    }
}

/// Radius of the head at the hair line (meters).
const RADIUS_M: f32 = 0.075;

/// Height of the hair line over the brows (meters) by degrees from straight ahead: highest at the recess between
/// forehead and temple, forwards again at the temples, then down before the ear.
fn hairline_m(degrees: f32) -> f32 {
    const KEYS: [[f32; 2]; 10] = [
        [0.0, 0.047],
        [14.0, 0.048],
        [26.0, 0.052],
        [36.0, 0.052],
        [44.0, 0.041],
        [50.0, 0.022],
        [56.0, 0.007],
        [62.0, -0.012],
        [68.0, -0.036],
        [74.0, -0.050],
    ];
    let after = KEYS.partition_point(|k| k[0] <= degrees.max(0.0));
    let (Some([a, from]), Some([b, to])) = (KEYS.get(after.wrapping_sub(1)), KEYS.get(after)) else {
        return KEYS[KEYS.len() - 1][1];
    };
    from + (to - from) * (degrees - a) / (b - a)
}

/// A closed line through the points, seen from the front, as a polygon: Catmull–Rom between the two that stay `sharp`.
fn rounded(points: &[Vec3], sharp: [usize; 2]) -> Vec<Vec2> {
    const STEPS: usize = 6;
    let n = points.len();
    let at = |i: usize| points[i % n].truncate();
    let mut line = Vec::with_capacity(n * STEPS);
    for i in 0..n {
        let (b, c) = (at(i), at(i + 1));
        let a = if sharp.contains(&i) { 2.0 * b - c } else { at(i + n - 1) };
        let d = if sharp.contains(&((i + 1) % n)) { 2.0 * c - b } else { at(i + 2) };
        for step in 0..STEPS {
            let t = step as f32 / STEPS as f32;
            let bend = 2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * b - a - 3.0 * c + d);
            line.push(0.5 * (2.0 * b + t * (c - a) + t * t * bend));
        }
    }
    line
}

/// Signed distance (meters) to a closed polygon, positive inside (even-odd rule).
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
        assert!(outline.scalp(l[ibug::NOSE_TIP]) < 0.1 && outline.scalp(l[ibug::CHIN]) < 0.1);
        let crown = model.template.iter().copied().max_by(|a, b| a.y.total_cmp(&b.y)).unwrap();
        assert!(outline.scalp(crown) > 0.9);
        assert!(outline.lips((l[ibug::UPPER_LIP_OUTER] + l[ibug::LOWER_LIP_OUTER]) * 0.5) > 0.5);
    }
}
