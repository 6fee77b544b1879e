//! The fine shape of skin, as heights over the mesh that bend the shading normal: unevenness, folds of the lids, lines of
//! age, creases of the lips, and the grooves that a moving face folds into.
//!
//! Three heights (meters) per texel. The first stands always. The second and third are grooves at full compression of
//! the skin along the head's vertical and horizontal: how much of them shows is told per vertex by [`crate::people::strain`].
//! Labels are those of the mesh: no height moves a silhouette.
pub mod grain;
mod grooves;

use crate::people::person::Looks;
use crate::people::stage::Stage;
use crate::stream::{Stream, Subject, noise};
use glam::Vec3;
use grooves::Grooves;
use head::model::Part;
use rayon::prelude::*;

/// Height of the slow unevenness of skin, by wavelength: meters, features a meter.
const UNEVEN: [(f32, f32); 3] = [(1.5e-4, 90.0), (1.0e-4, 210.0), (1.1e-4, 520.0)];

/// `[S, S]` rows from the top: fixed height, grooves under vertical and under horizontal compression (meters).
/// `neutral` are the refined neutral positions, `landmarks` the 68 on them.
pub fn carve(stage: &Stage, looks: &Looks, neutral: &[Vec3], landmarks: &[Vec3]) -> Vec<[f32; 3]> {
    let places = stage.atlas.position_map(neutral);
    let carver = Carver::new(stage, looks, landmarks);
    let mut heights: Vec<[f32; 3]> = (0..places.values.len())
        .into_par_iter()
        .with_min_len(4096)
        .map(|i| match stage.atlas.part(i) {
            Some(Part::Skin) => carver.at(i, places.values[i]),
            _ => [0.0; 3],
        })
        .collect();
    stage.padding.apply(&mut heights);
    heights
}

struct Carver<'a> {
    looks: &'a Looks,
    lips: &'a [f32],
    scalp: &'a [f32],
    grooves: Grooves,
    seed: u64,
}

impl<'a> Carver<'a> {
    fn new(stage: &'a Stage, looks: &'a Looks, landmarks: &[Vec3]) -> Self {
        let map = |name: &str| stage.region_maps.get(name).map_or(&[][..], |m| m.as_slice());
        let seed = looks.skin.seed;
        let grooves = Grooves::new(landmarks, &mut Stream::new(seed, Subject::Grooves, &[]), looks);
        Carver { looks, lips: map("lips"), scalp: map("scalp"), grooves, seed }
    }

    fn at(&self, texel: usize, p: Vec3) -> [f32; 3] {
        let k = &self.looks.skin;
        let lips = self.lips.get(texel).copied().unwrap_or(0.0);
        let scalp = self.scalp.get(texel).copied().unwrap_or(0.0);
        let rough = 1.0 + 0.8 * k.wrinkles;
        let mut fixed: f32 = UNEVEN
            .iter()
            .enumerate()
            .map(|(i, (height, scale))| rough * height * noise(self.seed ^ (40 + i as u64), p * *scale))
            .sum();
        fixed *= (1.0 - 0.6 * lips) * (1.0 - 0.7 * scalp);
        let bare = (1.0 - lips) * (1.0 - scalp);
        let [vertical, horizontal] = self.grooves.moving(p).map(|h| h * bare);
        fixed += bare * self.grooves.standing(p) + k.wrinkles * (1.6 * vertical + 1.2 * horizontal);
        fixed += lips * self.lip_creases(p);
        [fixed, vertical, horizontal + 0.6 * lips * self.lip_creases(p)]
    }

    /// Creases across the red, a millimeter apart, bent and broken.
    fn lip_creases(&self, p: Vec3) -> f32 {
        let bent = p.x + 6e-4 * noise(self.seed ^ 50, p * 300.0) + 0.18 * p.x * (p.y * 40.0).sin();
        let stretched = |x: f32, y: f32| noise(self.seed ^ 51, Vec3::new(bent * x, p.y * y, 0.0));
        let crease = 1.0 - stretched(700.0, 90.0).abs();
        let fine = 1.0 - stretched(1500.0, 200.0).abs();
        -self.looks.skin.lip_creases_m * (crease.powi(4) + 0.45 * fine.powi(4))
    }
}
