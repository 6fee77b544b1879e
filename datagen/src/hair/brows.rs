//! Brows: short strands along the brow landmarks, upright near the nose, lying outwards.
use super::{Binding, CLASS_BROW, Ground, Strand, Tuft, along, tapered, thickened};
use crate::light::smoothstep;
use crate::person::Brows;
use crate::stream::{Stream, subject};
use glam::Vec3;

/// Landmarks of the right and the left brow, from the nose outwards.
pub const LINES: [[usize; 5]; 2] = [[21, 20, 19, 18, 17], [22, 23, 24, 25, 26]];

pub(super) fn grow(ground: &Ground, brows: &Brows, strands: u32, seed: u64) -> Option<Tuft> {
    if ground.landmarks.len() < 68 {
        return None;
    }
    let mut s = Stream::new(seed, &[subject::HAIR, 2]);
    let mut tuft = Tuft::new(CLASS_BROW, Binding::Skin, brows.pigment.material());
    // A brow has some 250 to 450 hairs; few thick strands would look like a comb, so they thin out slower than hair.
    let count = (450.0 * brows.density * (strands as f32 / 12_000.0).clamp(0.5, 1.6)) as usize;
    let radius = 0.55 * thickened(45e-6, strands.max(8000));
    for line in LINES {
        let points = arched(line.map(|i| ground.landmarks[i]));
        let near: Vec<f32> = ground
            .skin
            .positions
            .iter()
            .map(|p| if on_line(*p, &points).distance < 0.016 { 1.0 } else { 0.0 })
            .collect();
        let mut grown = 0;
        for root in ground.skin.scatter(&near, 60 * count.max(1), &mut s) {
            let (p, n) = (ground.skin.position(root), ground.skin.normal(root));
            let at = on_line(p, &points);
            let v = at.offset / (brows.half_height_m * profile(at.t));
            let wanted = (1.0 - smoothstep(0.45, 1.0, v.abs())) * (0.35 + 0.65 * smoothstep(-0.02, 0.2, at.t));
            if grown >= count || at.t <= -0.02 || !s.chance(wanted * 0.12) {
                continue;
            }
            grown += 1;
            let up = along(Vec3::Y, n);
            let rise = 1.15 * (1.0 - smoothstep(0.0, 0.35, at.t)) + 0.35 * (1.0 - at.t)
                - 0.45 * v.max(0.0)
                - 0.35 * smoothstep(0.6, 1.0, at.t);
            let direction = along(at.direction + up * (rise + s.normal(0.0, 0.12)), n);
            let length = brows.length_m * s.uniform(0.65, 1.1) * (1.0 - 0.3 * smoothstep(0.6, 1.0, at.t));
            let bend = along(at.direction - up * 0.2, n);
            let spine = [0.0, 0.33, 0.67, 1.0].map(|k: f32| {
                let lift = n * (0.0002 + 0.16 * length * (k - 0.75 * k * k));
                p + (direction * k + (bend - direction) * 0.4 * k * k) * length + lift
            });
            let absorption = brows.pigment.absorption(&mut s);
            tuft.strands.push(Strand { root, points: tapered(&spine, radius), absorption });
        }
    }
    Some(tuft)
}

/// The landmarks follow the bone; hair sits on it in an arch.
pub fn arched(line: [Vec3; 5]) -> [Vec3; 5] {
    const RISE_M: [f32; 5] = [-0.0018, 0.0010, 0.0036, 0.0054, 0.0052];
    std::array::from_fn(|i| line[i] + Vec3::Y * RISE_M[i])
}

/// Share of the half height at `t` along the brow, 0 at the nose.
fn profile(t: f32) -> f32 {
    (0.8 + 0.2 * smoothstep(0.0, 0.35, t)) * (1.0 - 0.72 * smoothstep(0.4, 1.05, t))
}

struct OnLine {
    /// 0 at the first point … 1 at the last, a little beyond at both ends.
    t: f32,
    /// Over (+) or under the line (metres).
    offset: f32,
    /// From the line (metres).
    distance: f32,
    /// Unit direction along it.
    direction: Vec3,
}

fn on_line(p: Vec3, line: &[Vec3; 5]) -> OnLine {
    let piece = |i: usize| {
        let (a, d) = (line[i], line[i + 1] - line[i]);
        let low = if i == 0 { -0.15 } else { 0.0 };
        let k = ((p - a).dot(d) / d.length_squared().max(1e-12)).clamp(low, if i == 3 { 1.15 } else { 1.0 });
        let away = p - (a + d * k);
        OnLine {
            t: (i as f32 + k) / 4.0,
            offset: away.length() * away.y.signum(),
            distance: away.length(),
            direction: d.normalize_or(Vec3::X),
        }
    };
    (0..4).map(piece).min_by(|a, b| a.distance.total_cmp(&b.distance)).expect("four pieces")
}
