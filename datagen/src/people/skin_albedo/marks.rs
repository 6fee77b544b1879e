//! Freckles, moles and the spots of age: where there is more melanin than around.
use super::Painter;
use crate::stream::{lattice, noise};
use crate::tracer::elementary::smoothstep;
use glam::{Vec2, Vec3};

impl Painter<'_> {
    /// Extra melanin of freckles: spots of some tenths of a millimeter to a millimeter and a half in cells of 3 mm.
    pub(super) fn freckles(&self, p: Vec3, zone: f32) -> f32 {
        let amount = self.looks.skin.freckles * (0.25 + 0.75 * zone);
        if amount <= 0.01 || p.z < -0.03 {
            return 0.0;
        }
        let q = p / 0.0034;
        let cell = q.floor();
        let mut sum = 0.0f32;
        for dx in -1..=1 {
            for dy in -1..=1 {
                for dz in -1..=1 {
                    let (x, y, z) = (cell.x as i32 + dx, cell.y as i32 + dy, cell.z as i32 + dz);
                    let r = |salt: u64| lattice(self.looks.skin.seed ^ salt, x, y, z);
                    if r(31) > 0.55 * amount {
                        continue;
                    }
                    let at = Vec3::new(x as f32 + r(32), y as f32 + r(33), z as f32 + r(34));
                    let size = 0.12 + 0.24 * r(35);
                    sum = sum.max((1.0 - smoothstep(0.5 * size, size, q.distance(at))) * (0.35 + 0.65 * r(36)));
                }
            }
        }
        sum * 0.85
    }

    /// Extra melanin of the flat spots that come with age: some millimeters wide, with ragged borders.
    pub(super) fn age_spots(&self, p: Vec3, spared: f32) -> f32 {
        let k = &self.looks.skin;
        if k.age_spots <= 0.0 {
            return 0.0;
        }
        let ragged = noise(k.seed ^ 21, p * 150.0) + 0.45 * noise(k.seed ^ 22, p * 420.0);
        0.75 * smoothstep(0.62, 0.9, ragged * (0.75 + 0.25 * k.age_spots)) * k.age_spots * (1.0 - spared)
    }

    /// Extra blood of pimples and their scars: red spots of some millimeters, none on most people.
    pub(super) fn blemish(&self, p: Vec3, spared: f32) -> f32 {
        let k = &self.looks.skin;
        if p.z < -0.03 {
            return 0.0;
        }
        let prone = lattice(k.seed ^ 23, 0, 0, 0).powi(4);
        let ragged = noise(k.seed ^ 24, p * 190.0) + 0.25 * noise(k.seed ^ 25, p * 500.0);
        let spot = smoothstep(0.78 - 0.2 * prone, 1.0 - 0.2 * prone, ragged);
        0.8 * spot * (0.3 + 0.7 * prone) * (1.0 - spared)
    }

    /// Extra melanin of moles.
    pub(super) fn mole(&self, p: Vec3) -> f32 {
        if p.z < -0.02 {
            return 0.0;
        }
        let one = |(at, r): &(Vec3, f32)| 1.0 - smoothstep(0.6 * r, *r, Vec2::new(p.x - at.x, p.y - at.y).length());
        1.8 * self.moles.iter().map(one).fold(0.0, f32::max)
    }
}
