//! Lids: their wet red margins, and what is laid over them.
use super::{Painter, skin_color};
use crate::tracer::elementary::smoothstep;
use glam::Vec3;

/// Half the breadth of the shade in the fold over an upper lid (meters): a texel of a coarse atlas at least.
const FOLD_M: f32 = 1.2e-3;

impl Painter<'_> {
    /// Fold, lash roots, color and liner of the upper lids.
    pub(super) fn lids(&self, skin: Vec3, p: Vec3) -> Vec3 {
        let k = &self.looks.skin;
        let mut c = skin;
        for lid in [[36, 37, 38, 39], [45, 44, 43, 42]] {
            let margin = lid.map(|l: usize| self.landmarks[l]);
            let (nearest, along) = nearest_on(&margin, p);
            let over = p.y - nearest.y;
            let distance = p.distance(nearest);
            if distance > 0.02 {
                continue;
            }
            // Light hardly gets into the fold, nor between the roots of the lashes.
            let rise = k.lid_fold_m * (1.0 - 0.45 * (2.0 * along - 1.0).abs().powi(3));
            let fold = (-((distance - rise) / FOLD_M).powi(2)).exp() * smoothstep(0.0, 0.001, over);
            c *= Vec3::new(
                1.0 - 0.36 * fold * k.lid_fold,
                1.0 - 0.46 * fold * k.lid_fold,
                1.0 - 0.48 * fold * k.lid_fold,
            );
            c *= 1.0 - 0.5 * smoothstep(0.0019, 0.0006, distance);
            if let Some([r, g, b, opacity]) = k.eye_shadow_color {
                let cover = smoothstep(0.011, 0.003, distance) * smoothstep(-0.0005, 0.001, over);
                c = c.lerp(Vec3::new(r, g, b).min(c), opacity * cover);
            }
            let line = smoothstep(0.0017, 0.0007, distance) * smoothstep(1.0, 0.55, along);
            c = c.lerp(c * 0.12, k.eye_liner * line);
        }
        c
    }

    /// 1 on the wet margin between lashes and ball, and on the flesh behind it.
    pub(super) fn lid_margin(&self, p: Vec3) -> f32 {
        self.openings.iter().map(|opening| opening.margin(p)).fold(0.0, f32::max)
    }

    /// `skin` turned to the color of a lid's margin where `margin` is one: thin, full of blood, with little melanin.
    pub(super) fn reddened(&self, skin: Vec3, margin: f32) -> Vec3 {
        let k = &self.looks.skin;
        skin.lerp(skin_color(0.55 * k.melanin + 0.5, 1.1 * k.haemoglobin), margin)
    }
}

/// The point of a line nearest to `p`, and how far along it lies, 0..=1.
fn nearest_on(line: &[Vec3; 4], p: Vec3) -> (Vec3, f32) {
    let piece = |i: usize| {
        let d = line[i + 1] - line[i];
        let t = ((p - line[i]).dot(d) / d.length_squared().max(1e-12)).clamp(0.0, 1.0);
        (line[i] + d * t, (i as f32 + t) / 3.0)
    };
    let pieces = (0..3).map(piece);
    pieces.min_by(|a, b| a.0.distance_squared(p).total_cmp(&b.0.distance_squared(p))).expect("three pieces")
}
