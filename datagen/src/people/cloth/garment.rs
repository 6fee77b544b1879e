//! What is worn on the shoulders: its neck line, what finishes it, color and weave.
//!
//! Constants, and where they come from:
//!
//! | constants                    | source        |
//! | ---------------------------- | ------------- |
//! | weights of kinds and weaves  | chosen by eye |
//! | colors; neck lines and trims | chosen by eye |
use crate::stream::{Stream, lattice};
use crate::tracer::elementary::smoothstep;
use crate::tracer::scene::{Paint, Texture};
use glam::Vec3;
use serde::Serialize;
use std::sync::Arc;

/// A garment as drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Garment {
    /// What it is.
    pub kind: GarmentKind,
    /// Linear RGB.
    pub color: Vec3,
    /// Linear RGB of stripes and flecks.
    pub second: Vec3,
    /// How the two mix.
    pub weave: Weave,
    /// Of the weave.
    pub seed: u64,
}

/// Kinds of garments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GarmentKind {
    /// Round neck, narrow hem.
    Tshirt,
    /// Pointed neck, narrow hem.
    Vneck,
    /// Standing, turned collar.
    Shirt,
    /// A thick roll that widens to a hood behind.
    Hoodie,
    /// Round neck, ribbed hem.
    Sweater,
    /// Up the neck, rolled.
    Turtleneck,
    /// Wide, low neck.
    Dress,
}

/// How two colors mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weave {
    /// One color, faintly uneven.
    Plain,
    /// Level stripes.
    Striped,
    /// Flecks.
    Heather,
    /// Stripes both ways.
    Checked,
}

/// All kinds, in the order of [`crate::people::cloth::Wardrobe`]'s cuts.
pub const KINDS: [GarmentKind; 7] = [
    GarmentKind::Tshirt,
    GarmentKind::Vneck,
    GarmentKind::Shirt,
    GarmentKind::Hoodie,
    GarmentKind::Sweater,
    GarmentKind::Turtleneck,
    GarmentKind::Dress,
];

impl Garment {
    /// Draws what somebody of that sex (0 female … 1 male) wears.
    pub fn sample(s: &mut Stream, sex: f32) -> Self {
        let dress = 0.16 * (1.0 - sex);
        let kind = KINDS[s.pick(&[0.26, 0.12, 0.2, 0.14, 0.16, 0.08, dress])];
        let mut color = || {
            let tone = s.uniform(0.02, 0.6);
            Vec3::new(s.uniform(0.5, 1.0), s.uniform(0.5, 1.0), s.uniform(0.5, 1.0)) * tone
        };
        let (color, second) = (color(), color());
        let weaves = match kind {
            GarmentKind::Shirt => [0.5, 0.15, 0.05, 0.3],
            GarmentKind::Sweater | GarmentKind::Turtleneck => [0.45, 0.2, 0.35, 0.0],
            _ => [0.6, 0.2, 0.2, 0.0],
        };
        let weave = [Weave::Plain, Weave::Striped, Weave::Heather, Weave::Checked][s.pick(&weaves)];
        Garment { kind, color, second, weave, seed: s.uniform(0.0, 1e6) as u64 }
    }

    /// Its colors; texture coordinates are [`crate::people::cloth`]'s.
    pub fn paint(&self) -> Paint {
        const SIDE: usize = 128;
        let texel = |i: usize| {
            let (x, y) = (i % SIDE, i / SIDE);
            let thread = 0.92 + 0.16 * lattice(self.seed, x as i32, y as i32, 0);
            let stripe = |k: usize| smoothstep(0.40, 0.46, ((k * 4 % SIDE) as f32 / SIDE as f32 - 0.5).abs());
            let share = match self.weave {
                Weave::Plain => 0.0,
                Weave::Striped => stripe(y),
                Weave::Checked => 0.5 * (stripe(x) + stripe(y)),
                Weave::Heather => lattice(self.seed ^ 1, (x / 2) as i32, y as i32, 1).powi(2) * 0.6,
            };
            (self.color.lerp(self.second, share) * thread).to_array()
        };
        Texture::new(SIDE, SIDE, (0..SIDE * SIDE).map(texel).collect())
            .map_or(Paint::Flat(self.color), |t| Paint::Map(Arc::new(t)))
    }

    /// Mean of its colors (linear RGB).
    pub fn mean_color(&self) -> Vec3 {
        let share = match self.weave {
            Weave::Plain => 0.0,
            Weave::Heather => 0.2,
            _ => 0.14,
        };
        self.color.lerp(self.second, share)
    }
}

impl GarmentKind {
    /// How much lower (meters) its neck line lies than a T-shirt's, at a place `x` aside of and `ahead` before the neck's
    /// axis.
    pub fn lower_m(self, x: f32, ahead: f32) -> f32 {
        let front = smoothstep(0.0, 0.05, ahead);
        match self {
            GarmentKind::Vneck => 0.030 * front * (1.0 - x.abs() / 0.045).max(0.0),
            GarmentKind::Dress => 0.018 * front,
            GarmentKind::Turtleneck => -0.030,
            GarmentKind::Shirt => -0.006 + 0.012 * front * (1.0 - x.abs() / 0.03).max(0.0),
            GarmentKind::Hoodie => 0.004,
            _ => 0.0,
        }
    }

    /// What runs along its neck line.
    pub fn trim(self) -> Trim {
        match self {
            GarmentKind::Tshirt | GarmentKind::Vneck => Trim::Roll { front_m: 0.0022, back_m: 0.0022 },
            GarmentKind::Dress => Trim::Roll { front_m: 0.0012, back_m: 0.0012 },
            GarmentKind::Sweater => Trim::Roll { front_m: 0.0042, back_m: 0.0042 },
            GarmentKind::Turtleneck => Trim::Roll { front_m: 0.0050, back_m: 0.0050 },
            GarmentKind::Hoodie => Trim::Roll { front_m: 0.0085, back_m: 0.021 },
            GarmentKind::Shirt => Trim::Collar { stand_m: 0.015, fall_m: 0.030 },
        }
    }
}

/// What runs along a neck line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trim {
    /// A tube of that radius (meters).
    Roll {
        /// In front.
        front_m: f32,
        /// Behind.
        back_m: f32,
    },
    /// A band that stands and is turned over.
    Collar {
        /// Height (meters).
        stand_m: f32,
        /// How far the turned part hangs down (meters).
        fall_m: f32,
    },
}
