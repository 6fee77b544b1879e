//! Hats: a crown that follows the skull at some distance, with a turned-up rim or a peak; hair below is pressed flat.
//!
//! Constants, and where they come from:
//!
//! | constants                                       | source                               |
//! | ----------------------------------------------- | ------------------------------------ |
//! | weights of kinds, colors, height over the brows | chosen by eye                        |
//! | shapes of crown, band and peak                  | chosen by eye                        |
//! | how many people wear them                       | `wear.headwear` of the configuration |
use crate::people::hair;
use crate::people::shell::{Dress, Path, Shell};
use crate::people::sweep::Ring;
use crate::stream::{Stream, lattice, noise};
use crate::tracer::elementary::smoothstep;
use crate::tracer::scene::{Material, MeshDesc, Paint, Texture};
use formats::segmentation::Class;
use glam::{Affine3A, Vec2, Vec3};
use serde::Serialize;
use std::f32::consts::{PI, TAU};
use std::sync::Arc;

/// Part id in the labels, above that of glasses.
const PART_HEADWEAR: u8 = 19;
/// Azimuths and heights of the crown.
const AROUND: usize = 72;
const UP: usize = 20;

/// A hat as drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headwear {
    /// What it is.
    pub kind: HeadwearKind,
    /// Linear RGB.
    pub color: Vec3,
    /// Linear RGB of rim or peak.
    pub second: Vec3,
    /// How far its front edge lies over the brows (meters).
    pub front_m: f32,
    /// How far its top stands off, 0..=1.
    pub slouch: f32,
    /// Of the folds.
    pub seed: u64,
}

/// Kinds of hats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadwearKind {
    /// Knitted, turned up.
    Beanie,
    /// With a peak.
    Cap,
    /// A cloth wound around the crown.
    Headscarf,
}

/// A hat on a neutral head (meters, head at rest).
pub struct Cover {
    center: Vec3,
    /// `[AROUND]` height of the rim by azimuth (y, meters), and of the hat's surface there from `center` (meters).
    rim: Vec<(f32, f32)>,
    parts: Vec<(Shell, Vec3)>,
    weave: Weave,
}

impl Headwear {
    /// Draws one for somebody of that sex (0 female … 1 male).
    pub fn sample(s: &mut Stream, sex: f32) -> Self {
        let kinds = [HeadwearKind::Beanie, HeadwearKind::Cap, HeadwearKind::Headscarf];
        let kind = kinds[s.pick(&[0.45, 0.4, 0.3 * (1.0 - sex)])];
        let mut color = || {
            let tone = s.uniform(0.02, 0.45);
            Vec3::new(s.uniform(0.4, 1.0), s.uniform(0.4, 1.0), s.uniform(0.4, 1.0)) * tone
        };
        let (color, other) = (color(), color());
        let second = if s.chance(0.35) { other } else { color };
        Headwear {
            kind,
            color,
            second,
            front_m: s.uniform(0.018, 0.034),
            slouch: s.uniform(0.0, 1.0),
            seed: s.uniform(0.0, 1e6) as u64,
        }
    }

    /// Sets it on a head; `brow_y` and `eye_y` are heights of its face (meters).
    pub fn fit(&self, skull: &hair::Shell, brow_y: f32, eye_y: f32) -> Cover {
        let (front, back) = match self.kind {
            HeadwearKind::Beanie => (brow_y + self.front_m, eye_y - 0.020),
            HeadwearKind::Cap => (brow_y + self.front_m + 0.006, eye_y + 0.004),
            HeadwearKind::Headscarf => (brow_y + self.front_m + 0.014, eye_y - 0.030),
        };
        let center = skull.center;
        let columns: Vec<Vec<Vec3>> = (0..AROUND)
            .map(|i| {
                let azimuth = i as f32 / AROUND as f32 * TAU;
                let edge = front + (back - front) * 0.5 * (1.0 - azimuth.cos());
                let polar = self.polar_of(skull, azimuth, edge);
                (0..=UP).map(|k| self.surface(skull, azimuth, polar, k as f32 / UP as f32)).collect()
            })
            .collect();
        let rim = columns.iter().map(|c| (c[0].y, (c[0] - center).length())).collect();
        let points = (0..=UP).flat_map(|k| columns.iter().map(move |c| c[k])).collect();
        let crown = Shell::grid(points, AROUND, Path::Open, Path::Closed);
        let edge: Vec<Vec3> = columns.iter().map(|c| c[0]).collect();
        let top = columns[0][UP];
        let mut parts = vec![(crown, self.color)];
        match self.kind {
            HeadwearKind::Beanie => parts.push((band(&columns, center, [0.0040, 0.019], 0.015), self.second)),
            HeadwearKind::Cap => {
                parts.push((band(&columns, center, [0.0012, 0.0025], 0.001), self.color));
                parts.push((peak(&edge), self.second));
                parts.push((button(top), self.second));
            }
            HeadwearKind::Headscarf => parts.push((band(&columns, center, [0.0035, 0.006], 0.004), self.color)),
        }
        Cover { center, rim, parts, weave: Weave::of(self.kind) }
    }

    /// Point of the crown at `up` (0 rim … 1 top) of an azimuth whose rim lies at `polar` from the top.
    fn surface(&self, skull: &hair::Shell, azimuth: f32, polar: f32, up: f32) -> Vec3 {
        let angle = polar * (1.0 - up);
        let d = direction(azimuth, angle);
        let over = match self.kind {
            HeadwearKind::Beanie => 0.0065 + 0.022 * self.slouch * smoothstep(0.3, 1.0, up),
            HeadwearKind::Cap => {
                // The front panels are stiff and stand up.
                let front = smoothstep(0.2, 0.8, azimuth.cos());
                0.0075 + (0.008 + 0.006 * front) * smoothstep(0.0, 0.55, up)
            }
            HeadwearKind::Headscarf => 0.008 + 0.004 * smoothstep(0.0, 0.5, up),
        };
        let folds = match self.kind {
            HeadwearKind::Beanie => 0.003 * noise(self.seed, d * 5.0) * up + 0.0015 * noise(self.seed ^ 1, d * 13.0),
            HeadwearKind::Cap => 0.0008 * (azimuth * 3.0).cos().abs(),
            HeadwearKind::Headscarf => {
                0.0035 * noise(self.seed, Vec3::new(d.x * 4.0, d.y * 26.0 + 9.0 * d.z, d.z * 4.0))
            }
        };
        skull.center + d * (smooth_radius(skull, d) + over + folds)
    }

    /// The polar angle at which the crown of an azimuth reaches down to height `y`.
    fn polar_of(&self, skull: &hair::Shell, azimuth: f32, y: f32) -> f32 {
        let (mut high, mut low) = (0.3, 0.85 * PI);
        for _ in 0..24 {
            let middle = 0.5 * (high + low);
            let p = skull.center + direction(azimuth, middle) * smooth_radius(skull, direction(azimuth, middle));
            if p.y > y { high = middle } else { low = middle }
        }
        0.5 * (high + low)
    }
}

/// Azimuth 0 looks ahead (+z), a quarter turn to the person's left (+x); polar 0 looks up.
fn direction(azimuth: f32, polar: f32) -> Vec3 {
    let ((sin, cos), (s, c)) = (azimuth.sin_cos(), polar.sin_cos());
    Vec3::new(sin * s, c, cos * s)
}

/// What the cloth of a hat looks like up close: a tile that is laid around and up the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weave {
    /// Ribs of stitches.
    Knit,
    /// Six panels, sewn together.
    Panels,
    /// Threads.
    Plain,
}

impl Weave {
    fn of(kind: HeadwearKind) -> Self {
        match kind {
            HeadwearKind::Beanie => Weave::Knit,
            HeadwearKind::Cap => Weave::Panels,
            HeadwearKind::Headscarf => Weave::Plain,
        }
    }

    /// Tiles around the head, and the height of one (meters).
    fn tiles(self) -> (f32, f32) {
        match self {
            Weave::Knit => (96.0, 0.0042),
            Weave::Panels => (6.0, 0.03),
            Weave::Plain => (40.0, 0.012),
        }
    }

    /// The tile in a color.
    fn paint(self, color: Vec3) -> Paint {
        const SIDE: usize = 32;
        let shade = |x: usize, y: usize| {
            let (u, v) = ((x as f32 + 0.5) / SIDE as f32, (y as f32 + 0.5) / SIDE as f32);
            let thread = 0.94 + 0.12 * lattice(7, x as i32, y as i32, 0);
            // How far from the tile's upright edge, 0..=1.
            let inside = 1.0 - (2.0 * u - 1.0).abs();
            match self {
                // A rib stands out in its middle; each stitch is a V.
                Weave::Knit => {
                    let stitch = 0.85 + 0.15 * ((v - 0.5 * inside) * TAU).cos();
                    (0.42 + 0.75 * smoothstep(0.0, 0.8, inside)) * stitch * thread
                }
                Weave::Panels => thread * (1.0 - 0.45 * smoothstep(0.05, 0.02, inside)),
                Weave::Plain => thread,
            }
        };
        let texel = |i: usize| (color * shade(i % SIDE, i / SIDE)).to_array();
        Texture::new(SIDE, SIDE, (0..SIDE * SIDE).map(texel).collect())
            .map_or(Paint::Flat(color), |tile| Paint::Map(Arc::new(tile)))
    }

    /// Texture coordinates of a part of a hat around `center`.
    fn coordinates(self, shell: &Shell, center: Vec3) -> Vec<[Vec2; 3]> {
        let (around, height_m) = self.tiles();
        let at = |v: u32| {
            let away = shell.positions[v as usize] - center;
            let polar = (away.y / away.length().max(1e-6)).clamp(-1.0, 1.0).acos();
            Vec2::new(away.x.atan2(away.z) / TAU * around, -polar * 0.11 / height_m)
        };
        let one = |t: &[u32; 3]| {
            let mut uv = t.map(at);
            // Behind, where the turn ends, all corners stay on one side.
            (1..3).for_each(|k| uv[k].x -= ((uv[k].x - uv[0].x) / around).round() * around);
            uv
        };
        shell.triangles.iter().map(one).collect()
    }
}

/// The skull's radius without its small hills, but nowhere less than it is.
fn smooth_radius(skull: &hair::Shell, d: Vec3) -> f32 {
    let (a, b) = d.any_orthonormal_pair();
    let at = |d: Vec3| skull.radius(skull.center + d * 0.1);
    let around: f32 = (0..12)
        .map(|k| {
            let (sin, cos) = (k as f32 / 12.0 * TAU).sin_cos();
            at((d + (a * cos + b * sin) * 0.17).normalize_or(d))
        })
        .sum();
    (around / 12.0).max(at(d))
}

/// A flat band along the rim, its middle `up_m` over it; it leans as the crown does there.
fn band(columns: &[Vec<Vec3>], center: Vec3, radii: [f32; 2], up_m: f32) -> Shell {
    let ring = |column: &Vec<Vec3>| {
        let up = (column[2] - column[0]).normalize_or(Vec3::Y);
        let out = (column[0] - center).with_y(0.0).normalize_or(Vec3::Z);
        let out = (out - up * out.dot(up)).normalize_or(out);
        Ring { center: column[0] + up * up_m + out * (0.5 * radii[0]), side: out, radii }
    };
    Shell::tube(&columns.iter().map(ring).collect::<Vec<_>>(), Path::Closed, 12)
}

/// The button on top of a cap.
fn button(top: Vec3) -> Shell {
    let ring = |(up_m, radius_m): (f32, f32)| Ring {
        center: top + Vec3::Y * up_m,
        side: Vec3::X,
        radii: [radius_m, radius_m],
    };
    let rings: Vec<Ring> = [(-0.002, 0.0075), (0.001, 0.0075), (0.003, 0.0052)].map(ring).into();
    Shell::tube(&rings, Path::Open, 16)
}

/// The peak of a cap: forwards from the front of the rim, bent down at its sides.
fn peak(edge: &[Vec3]) -> Shell {
    const HALF: i32 = 11;
    const OUT: usize = 8;
    let front = edge[0];
    let row = |i: i32| {
        let start = edge[i.rem_euclid(edge.len() as i32) as usize];
        let t = i as f32 / HALF as f32;
        // It runs out into the rim at both ends.
        let shape = (1.0 - t * t).max(0.0).sqrt();
        (0..=OUT).map(move |k| {
            let out = k as f32 / OUT as f32;
            let sag = 0.020 * t * t * out + 0.010 * out * out;
            let ahead = 0.066 + 0.5 * (front.z - start.z);
            start + Vec3::new(0.10 * start.x * out, -sag, ahead * out) * shape
        })
    };
    Shell::grid((-HALF..=HALF).flat_map(row).collect(), OUT + 1, Path::Open, Path::Open)
}

impl Cover {
    /// `p`, pressed under the hat, or below its rim drawn in towards the head.
    pub fn pressed(&self, p: Vec3) -> Vec3 {
        let away = p - self.center;
        let turn = away.x.atan2(away.z).rem_euclid(TAU) / TAU * AROUND as f32;
        let (i, f) = (turn as usize % AROUND, turn.fract());
        let (a, b) = (self.rim[i], self.rim[(i + 1) % AROUND]);
        let (edge_y, edge_r) = (a.0 + (b.0 - a.0) * f, a.1 + (b.1 - a.1) * f);
        let below = edge_y - p.y;
        // Hair swells out again below the rim.
        let allowed = if below > 0.0 { edge_r - 0.003 + 0.9 * below } else { self.radius_at(away) - 0.0045 };
        let r = away.length();
        if r <= allowed { p } else { self.center + away * (allowed / r) }
    }

    /// Radius of the crown in a direction, from its nearest vertices.
    fn radius_at(&self, away: Vec3) -> f32 {
        let turn = away.x.atan2(away.z).rem_euclid(TAU) / TAU * AROUND as f32;
        let i = turn.round() as usize % AROUND;
        let crown = |k: usize| self.parts[0].0.positions[k * AROUND + i];
        let cos = away.normalize_or(Vec3::Y).y;
        let height = |k: usize| (crown(k) - self.center).normalize_or(Vec3::Y).y;
        let above = (0..=UP).find(|&k| height(k) >= cos).unwrap_or(UP);
        let (p, q) = (crown(above), crown(above.saturating_sub(1)));
        (p - self.center).length().min((q - self.center).length())
    }

    /// On a posed head; `skull` carries the neutral skull to where it is now. With the color of each.
    pub fn meshes(&self, skull: Affine3A) -> Vec<(MeshDesc, Vec3)> {
        let worn = |(shell, color): &(Shell, Vec3)| {
            let material = Material::Diffuse(self.weave.paint(*color));
            let dress = Dress { material, class: Class::Cloth.id(), part: PART_HEADWEAR };
            (MeshDesc { uvs: self.weave.coordinates(shell, self.center), ..shell.worn(skull, dress) }, *color)
        };
        self.parts.iter().map(worn).collect()
    }
}
