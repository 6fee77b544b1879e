//! Teeth, gums, tongue and lining of the mouth as color: every tooth its own shade, yellower at the neck; gums paler at
//! the margin, with melanin where the skin has much; a coated, furrowed tongue.
use crate::people::person::Looks;
use crate::people::skin_albedo::flat_color;
use crate::people::stage::Stage;
use crate::stream::{lattice, noise};
use glam::Vec3;
use head::model::Part;

/// Paints one person's mouth.
pub struct Mouth<'a> {
    looks: &'a Looks,
    /// Center of each tooth, its jaw and place, and its half height (meters).
    teeth: Vec<(Vec3, [u8; 2], f32)>,
}

impl<'a> Mouth<'a> {
    /// `neutral` are the refined neutral positions.
    pub fn new(stage: &Stage, looks: &'a Looks, neutral: &[Vec3]) -> Self {
        let mut boxes: std::collections::BTreeMap<[u8; 2], (Vec3, Vec3)> = std::collections::BTreeMap::new();
        for (tooth, p) in stage.tooth_of_vertex.iter().zip(neutral) {
            if let Some(tooth) = tooth {
                let (low, high) = boxes.entry(*tooth).or_insert((*p, *p));
                (*low, *high) = (low.min(*p), high.max(*p));
            }
        }
        let of =
            |(tooth, (low, high)): (&[u8; 2], &(Vec3, Vec3))| (0.5 * (*low + *high), *tooth, 0.5 * (high.y - low.y));
        Mouth { looks, teeth: boxes.iter().map(of).collect() }
    }

    /// Linear RGB of a part at a place of the neutral head (meters).
    pub fn at(&self, part: Part, p: Vec3) -> Vec3 {
        let seed = self.looks.teeth.seed;
        let plain = flat_color(part, self.looks);
        match part {
            Part::TeethUpper | Part::TeethLower => self.tooth(u8::from(part == Part::TeethLower), p, plain),
            Part::Gums => {
                let dark = ((self.looks.skin.melanin - 2.5) / 2.5).clamp(0.0, 1.0);
                let patches =
                    crate::tracer::elementary::smoothstep(-0.2, 0.5, noise(seed ^ 1, p * 130.0) + 0.6 * dark - 0.3)
                        * dark;
                let mottled = plain * (1.0 + 0.14 * noise(seed ^ 2, p * 420.0) + 0.10 * noise(seed ^ 3, p * 1100.0));
                mottled.lerp(plain * Vec3::new(0.42, 0.5, 0.55), 0.75 * patches)
            }
            Part::Tongue => {
                let buds = 1.0 + 0.18 * noise(seed ^ 4, p * 1500.0) + 0.12 * noise(seed ^ 5, p * 500.0);
                let furrow = 1.0 - 0.3 * (-(p.x / 0.0016).powi(2)).exp();
                let coat = 0.22
                    * crate::tracer::elementary::smoothstep(0.012, 0.0, p.x.abs())
                    * (0.7 + 0.3 * noise(seed ^ 6, p * 200.0));
                (plain * buds * furrow).lerp(Vec3::new(0.52, 0.38, 0.34), coat)
            }
            Part::Mouth => plain * (1.0 + 0.15 * noise(seed ^ 7, p * 180.0)),
            _ => plain,
        }
    }

    fn tooth(&self, jaw: u8, p: Vec3, plain: Vec3) -> Vec3 {
        let of_jaw = self.teeth.iter().filter(|(_, tooth, _)| tooth[0] == jaw);
        let near = of_jaw.min_by(|a, b| a.0.distance_squared(p).total_cmp(&b.0.distance_squared(p)));
        let Some((center, [_, place], half)) = near else { return plain };
        // -1 at the root, 1 at the bite.
        let up = (p.y - center.y) / half.max(1e-4) * if jaw == 0 { -1.0 } else { 1.0 };
        let from_middle = if *place < 8 { 7 - place } else { place - 8 };
        let canine = if from_middle == 2 { 0.35 } else { 0.0 };
        let own = 0.5 * (lattice(self.looks.teeth.seed, i32::from(*place), i32::from(jaw), 3) - 0.5);
        let yellow = (0.35 * (-up).max(0.0) + canine + own).max(0.0);
        let tinted = plain * Vec3::ONE.lerp(Vec3::new(0.97, 0.86, 0.66), yellow);
        // Enamel alone, at the edge, lets the dark through.
        let edge = crate::tracer::elementary::smoothstep(0.72, 1.0, up) * if from_middle < 3 { 0.22 } else { 0.08 };
        let fine = 1.0 + 0.04 * noise(self.looks.teeth.seed ^ 9, p * Vec3::new(900.0, 150.0, 900.0));
        tinted.lerp(plain * Vec3::new(0.62, 0.68, 0.74), edge) * fine
    }
}
