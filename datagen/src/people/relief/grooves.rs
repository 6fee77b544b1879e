//! Where a face folds: lines over the brow, between the brows, beside and under the eyes, at the root of the nose, from
//! nose to mouth, on the chin and neck, and the fold over the upper lid. Drawn from the landmarks of the neutral face.
//!
//! Families after Hjortsjö 1969, "Man's Face and Mimic Language", and Lemperle et al. 2001, "A classification of facial wrinkles".
use crate::people::person::Looks;
use crate::stream::{Stream, noise};
use crate::tracer::elementary::smoothstep;
use glam::{Vec2, Vec3};
use head::ibug;

/// A line on the face, seen from the front (meters), and how deep it is.
struct Line {
    points: Vec<Vec2>,
    depth_m: f32,
    /// Half width of the groove (meters).
    width_m: f32,
    /// Box around the points, widened by what the groove reaches (meters).
    low: Vec2,
    high: Vec2,
}

/// All lines of a face.
pub(super) struct Grooves {
    /// Stand in the neutral face: lid folds, nasolabial and marionette lines, rings of the neck.
    standing: Vec<Line>,
    /// Show when the skin shortens along the vertical, or along the horizontal.
    moving: [Vec<Line>; 2],
    /// Skin behind this depth has no lines (meters).
    front_z: f32,
    seed: u64,
}

impl Grooves {
    pub fn new(l: &[Vec3], s: &mut Stream, looks: &Looks) -> Grooves {
        let front = |i: usize| l[i].truncate();
        let mut grooves = Grooves {
            standing: Vec::new(),
            moving: [Vec::new(), Vec::new()],
            front_z: 0.5 * (l[ibug::JAW_RIGHT].z + l[ibug::JAW_LEFT].z) + 0.02,
            seed: looks.skin.seed ^ 0x6f01,
        };
        let up = 0.5 * (front(19) + front(24)) - 0.25 * (front(36) + front(39) + front(42) + front(45));
        grooves.forehead(l, up.y, s);
        for side in [Side::LEFT, Side::RIGHT] {
            grooves.eye(l, &side, s, looks);
            grooves.cheek(l, &side, s, looks);
        }
        // Across the root of the nose.
        for i in 0..3 {
            let y = l[ibug::NASION].y - 0.004 - 0.005 * i as f32;
            let points = [-0.011, -0.005, 0.0, 0.005, 0.011]
                .map(|x: f32| Vec2::new(l[ibug::NASION].x + x, y + 6.0 * x.abs() * x.abs() * 8.0));
            grooves.add(Family::Vertical, &points, 1.8e-4, 8e-4);
        }
        // Dents of the chin.
        for i in 0..3 {
            let y =
                l[ibug::LOWER_LIP_OUTER].y + (l[ibug::CHIN].y - l[ibug::LOWER_LIP_OUTER].y) * (0.32 + 0.16 * i as f32);
            let points = [-0.012, -0.006, 0.0, 0.006, 0.012]
                .map(|x: f32| Vec2::new(l[ibug::CHIN].x + x, y + s.normal(0.0, 0.0008)));
            grooves.add(Family::Vertical, &points, 1.6e-4, 1.3e-3);
        }
        for i in 0..2 {
            let y = l[ibug::CHIN].y - 0.032 - 0.019 * i as f32 + s.normal(0.0, 0.002);
            let points = [-0.05, -0.025, 0.0, 0.025, 0.05].map(|x: f32| Vec2::new(x, y + 3.0 * x * x));
            grooves.add(Family::Standing, &points, 1.2e-4 + 2.5e-4 * looks.skin.wrinkles, 1.1e-3);
        }
        grooves
    }

    fn forehead(&mut self, l: &[Vec3], brow_over_eye: f32, s: &mut Stream) {
        let top = 0.5 * (l[ibug::RIGHT_BROW_MIDDLE].y + l[ibug::LEFT_BROW_MIDDLE].y);
        let lines = 3 + s.pick(&[1.0, 1.0, 1.0]);
        for i in 0..lines {
            let y = top + 0.011 + 0.45 * (brow_over_eye - 0.024) + 0.0082 * i as f32 + s.normal(0.0, 0.0008);
            let reach = s.uniform(0.028, 0.042) - 0.003 * i as f32;
            let shift = s.normal(0.0, 0.003);
            let points: Vec<Vec2> = (-4..=4)
                .map(|k| {
                    let x = reach * k as f32 / 4.0;
                    Vec2::new(
                        x + shift,
                        y + 0.0028 * (x / 0.02).powi(2) * (1.0 - 0.45 * (x / 0.03).powi(2)) + s.normal(0.0, 0.0005),
                    )
                })
                .collect();
            self.add(Family::Vertical, &points, s.uniform(2.2e-4, 3.6e-4), 1.5e-3);
        }
        // Between the brows.
        for side in [-1.0, 1.0] {
            let x = side * s.uniform(0.0065, 0.0095);
            let y = 0.5 * (l[ibug::RIGHT_BROW_INNER].y + l[ibug::LEFT_BROW_INNER].y);
            let points = [(1.15, 0.012), (1.0, 0.004), (0.9, -0.004), (0.95, -0.010)]
                .map(|(k, dy): (f32, f32)| Vec2::new(x * k, y + dy));
            self.add(Family::Horizontal, &points, s.uniform(2.6e-4, 4.0e-4), 1.6e-3);
        }
    }

    fn eye(&mut self, l: &[Vec3], side: &Side, s: &mut Stream, looks: &Looks) {
        let at = |i: usize| l[i].truncate();
        let [outer, upper_out, upper_in, inner, lower_in, lower_out] = side.eye.map(at);
        let out = (outer - inner).normalize_or(Vec2::X);
        let over = Vec2::new(-out.y, out.x) * if out.x > 0.0 { 1.0 } else { -1.0 };
        // Crow's feet fan out from the outer corner.
        let feet = 3 + s.pick(&[1.0, 1.0, 1.0]);
        for i in 0..feet {
            let angle = (-38.0 + 76.0 * (i as f32 + 0.5) / feet as f32 + s.normal(0.0, 4.0)).to_radians();
            let ray = out * angle.cos() + over * angle.sin();
            let bend = over * angle.sin() * 0.004;
            let reach = s.uniform(0.013, 0.021);
            let start = outer + out * 0.005;
            let points = [0.0, 0.33, 0.67, 1.0].map(|k: f32| start + ray * (0.003 + reach * k) - bend * k * k);
            self.add(Family::Vertical, &points, s.uniform(2.0e-4, 3.4e-4), 8.5e-4);
        }
        // Under the eye.
        for (i, below) in [0.0055f32, 0.0090].into_iter().enumerate() {
            let down = -over * below;
            let points = [
                inner.lerp(lower_in, 0.35) + down * 0.6,
                lower_in + down,
                lower_out + down,
                outer.lerp(lower_out, 0.3) + down * 0.8,
            ];
            self.add(Family::Vertical, &points, 2.2e-4 - 5e-5 * i as f32, 8e-4);
        }
        // The trough from the inner corner over the cheek, and the bag that hangs over it.
        let old = looks.skin.wrinkles;
        let under = |k: f32, below: f32| inner.lerp(outer, k) - over * below;
        let trough = [under(0.02, 0.007), under(0.25, 0.0125), under(0.5, 0.0150), under(0.75, 0.0145)];
        let bag = trough.map(|p| p + over * 0.0055);
        self.add(Family::Standing, &trough, 1.3e-4 + 4.5e-4 * old, 2.6e-3);
        self.add(Family::Standing, &bag, -0.8e-4 - 3.5e-4 * old, 3.4e-3);
        // The fold over the upper lid.
        let k = &looks.skin;
        let rise = over * k.lid_fold_m;
        let points = [
            inner.lerp(upper_in, 0.2) + rise * 0.5,
            upper_in + rise * 0.9,
            0.5 * (upper_in + upper_out) + rise,
            upper_out + rise * 0.95,
            outer.lerp(upper_out, 0.3) + rise * 0.8,
            outer + rise * 0.55 + out * 0.003,
        ];
        self.add(Family::Standing, &points, 4.2e-4 * k.lid_fold, 9e-4);
    }

    fn cheek(&mut self, l: &[Vec3], side: &Side, s: &mut Stream, looks: &Looks) {
        let at = |i: usize| l[i].truncate();
        let (wing, corner, chin) = (at(side.wing), at(side.corner), at(8));
        let out = Vec2::new((corner.x - chin.x).signum(), 0.0);
        let fold = [
            wing + out * 0.0035 + Vec2::Y * 0.005,
            wing + out * 0.0075 - Vec2::Y * 0.003,
            wing.lerp(corner, 0.5) + out * 0.0105,
            corner + out * 0.0085 + Vec2::Y * 0.001,
            corner + out * 0.0085 - Vec2::Y * 0.007,
        ];
        let old = looks.skin.wrinkles;
        // Behind the wing of the nose, and the rims of the groove over the upper lip.
        let behind = [
            wing + out * 0.0005 + Vec2::Y * 0.0095,
            wing + out * 0.0030 + Vec2::Y * 0.0070,
            wing + out * 0.0042 + Vec2::Y * 0.0030,
            wing + out * 0.0034 - Vec2::Y * 0.0008,
        ];
        self.add(Family::Standing, &behind, 3.2e-4, 1.5e-3);
        let (base, bow) = (at(33), 0.5 * (at(51) + at(if out.x > 0.0 { 52 } else { 50 })));
        let rim = [
            base + out * 0.0026 - Vec2::Y * 0.003,
            base.lerp(bow, 0.55) + out * 0.0016,
            bow + out * 0.0008 + Vec2::Y * 0.0012,
        ];
        self.add(Family::Standing, &rim, -3.0e-4, 1.5e-3);
        // The cheek hangs over the fold: a soft swell outside a shallow groove, not a cut.
        let swell = fold.map(|p| p + out * 0.0075 + Vec2::Y * 0.001);
        let sag = 1.8e-4 + 7.5e-4 * old * s.uniform(0.5, 1.2);
        self.add(Family::Horizontal, &fold, 4.2e-4, 2.9e-3);
        self.add(Family::Horizontal, &swell, -5.0e-4, 5.5e-3);
        self.add(Family::Standing, &fold, sag, 3.2e-3);
        self.add(Family::Standing, &swell, -1.3 * sag, 5.5e-3);
        let marionette = [
            corner + out * 0.003 - Vec2::Y * 0.004,
            corner + out * 0.004 - Vec2::Y * 0.012,
            corner + out * 0.001 - Vec2::Y * 0.022,
        ];
        self.add(Family::Standing, &marionette, 5.0e-4 * old * s.uniform(0.2, 1.1), 2.4e-3);
        // Dimples of a smile, outside the fold.
        let smile =
            [corner + out * 0.016 + Vec2::Y * 0.012, corner + out * 0.018, corner + out * 0.015 - Vec2::Y * 0.012];
        self.add(Family::Horizontal, &smile, 2.6e-4 * s.uniform(0.2, 1.0), 1.7e-3);
        // Small lines over the upper lip.
        for i in 0..5 {
            let x = corner.x + (l[ibug::UPPER_LIP_OUTER].x - corner.x) * (0.25 + 0.15 * i as f32 + s.normal(0.0, 0.02));
            let top = Vec2::new(x, l[ibug::UPPER_LIP_OUTER].y + 0.0065 + s.normal(0.0, 0.001));
            self.add(Family::Horizontal, &[top, top - Vec2::Y * 0.0065], 1.5e-4, 5.5e-4);
        }
    }

    fn add(&mut self, family: Family, points: &[Vec2], depth_m: f32, width_m: f32) {
        let reach = Vec2::splat(4.0 * width_m + 0.001);
        let low = points.iter().fold(Vec2::INFINITY, |a, &b| a.min(b)) - reach;
        let high = points.iter().fold(Vec2::NEG_INFINITY, |a, &b| a.max(b)) + reach;
        let line = Line { points: smoothed(points), depth_m, width_m, low, high };
        match family {
            Family::Standing => self.standing.push(line),
            Family::Vertical => self.moving[0].push(line),
            Family::Horizontal => self.moving[1].push(line),
        }
    }

    /// Height (meters) of what stands in the neutral face.
    pub fn standing(&self, p: Vec3) -> f32 {
        self.sum(&self.standing, p)
    }

    /// Heights (meters) of what shows at full compression along the vertical and the horizontal.
    pub fn moving(&self, p: Vec3) -> [f32; 2] {
        [self.sum(&self.moving[0], p), self.sum(&self.moving[1], p)]
    }

    fn sum(&self, lines: &[Line], p: Vec3) -> f32 {
        if p.z < self.front_z {
            return 0.0;
        }
        // Lines are never quite straight.
        let bent = p.truncate() + 7e-4 * Vec2::new(noise(self.seed, p * 170.0), noise(self.seed ^ 1, p * 170.0));
        let uneven = 0.75 + 0.5 * noise(self.seed ^ 2, p * 120.0);
        uneven * lines.iter().map(|line| line.height(bent)).sum::<f32>()
    }
}

/// Points along the curve through the given ones (Catmull–Rom with mirrored ends).
fn smoothed(points: &[Vec2]) -> Vec<Vec2> {
    const STEPS: usize = 5;
    let last = points.len() as i32 - 1;
    let at = |i: i32| match i {
        i if i < 0 => 2.0 * points[0] - points[1],
        i if i > last => 2.0 * points[last as usize] - points[last as usize - 1],
        i => points[i as usize],
    };
    let mut curve = vec![points[0]];
    for (i, step) in (0..last).flat_map(|i| (1..=STEPS).map(move |s| (i, s))) {
        let t = step as f32 / STEPS as f32;
        let [a, b, c, d] = [-1, 0, 1, 2].map(|o| at(i + o));
        let bend = 2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * b - a - 3.0 * c + d);
        curve.push(0.5 * (2.0 * b + t * (c - a) + t * t * bend));
    }
    curve
}

enum Family {
    Standing,
    Vertical,
    Horizontal,
}

/// Landmarks of one side.
struct Side {
    /// Outer corner, upper lid outside and inside, inner corner, lower lid inside and outside.
    eye: [usize; 6],
    wing: usize,
    corner: usize,
}

impl Side {
    const RIGHT: Side = Side { eye: [36, 37, 38, 39, 40, 41], wing: 31, corner: 48 };
    const LEFT: Side = Side { eye: [45, 44, 43, 42, 47, 46], wing: 35, corner: 54 };
}

impl Line {
    /// A groove with a low wall on either side (meters); it runs out at both ends.
    fn height(&self, p: Vec2) -> f32 {
        if p.cmplt(self.low).any() || p.cmpgt(self.high).any() {
            return 0.0;
        }
        let last = (self.points.len() - 1) as f32;
        let (mut nearest, mut along) = (f32::MAX, 0.0);
        for (i, pair) in self.points.windows(2).enumerate() {
            let d = pair[1] - pair[0];
            let t = ((p - pair[0]).dot(d) / d.length_squared().max(1e-12)).clamp(0.0, 1.0);
            let distance = p.distance(pair[0] + d * t);
            if distance < nearest {
                (nearest, along) = (distance, (i as f32 + t) / last);
            }
        }
        let ends = smoothstep(0.0, 0.22, along) * smoothstep(1.0, 0.78, along);
        let x = nearest / self.width_m;
        let profile = -(-x * x).exp() + 0.28 * (-(x - 1.9).powi(2)).exp();
        self.depth_m * ends * profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groove_is_as_deep_as_it_says_and_runs_out() {
        let mut grooves = Grooves { standing: Vec::new(), moving: [Vec::new(), Vec::new()], front_z: 0.0, seed: 1 };
        let points = [Vec2::new(-0.02, 0.0), Vec2::ZERO, Vec2::new(0.02, 0.0)];
        grooves.add(Family::Standing, &points, 4e-4, 1e-3);
        let line = &grooves.standing[0];
        assert!((line.height(Vec2::ZERO) + 4e-4).abs() < 4e-6, "{}", line.height(Vec2::ZERO));
        assert!(line.height(Vec2::new(0.0, 1.9e-3)) > 8e-5, "skin heaps up beside it");
        assert_eq!(line.height(Vec2::new(0.02, 0.0)), 0.0);
        assert_eq!(line.height(Vec2::new(0.0, 0.02)), 0.0);
        assert_eq!(grooves.standing(Vec3::new(0.0, 0.0, -0.01)), 0.0, "none behind the ears");
    }
}
