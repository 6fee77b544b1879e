//! What is worn on the head: glasses and hats, fitted to one person.
use crate::config::WearConfig;
use crate::people::glasses::{Face, Fitted, Glasses};
use crate::people::hair::{Ground, Shell};
use crate::people::headwear::{Cover, Headwear, HeadwearKind};
use crate::people::person::Looks;
use crate::stream::{Stream, Subject};
use crate::tracer::scene::MeshDesc;
use glam::{Affine3A, Vec3};
use head::ibug;

/// Glasses and hats of one person, on the head at rest.
#[derive(Default)]
pub struct Accessories {
    glasses: Option<Fitted>,
    headwear: Option<Cover>,
}

/// Draws what somebody of that sex (0 female … 1 male) wears on the head, from numbers of its own, so that nothing else
/// about the person depends on it.
pub fn sample(looks: &mut Looks, config: &WearConfig, seed: u64, sex: f32) {
    let mut s = Stream::new(seed, Subject::Glasses, &[]);
    looks.glasses = s.chance(config.glasses).then(|| Glasses::sample(&mut s));
    let mut s = Stream::new(seed, Subject::Headwear, &[]);
    looks.headwear = s.chance(config.headwear).then(|| Headwear::sample(&mut s, sex));
}

impl Accessories {
    /// Sets them on the head of `ground`.
    pub fn fit(looks: &Looks, ground: &Ground, skull: &Shell) -> Self {
        let ears = [1.0, -1.0].map(|side| ear_top(ground, side));
        let face = Face { landmarks: ground.landmarks, eyes: ground.eyes, ears, clearance: ground.clearance };
        let mean_y = |ids: std::ops::Range<usize>| {
            ground.landmarks[ids.clone()].iter().map(|p| p.y).sum::<f32>() / ids.len() as f32
        };
        Accessories {
            glasses: looks.glasses.as_ref().map(|g| g.fit(&face)),
            headwear: looks.headwear.as_ref().map(|h| h.fit(skull, mean_y(ibug::BROWS), mean_y(ibug::EYES))),
        }
    }

    /// The glasses.
    pub fn glasses(&self) -> Option<&Fitted> {
        self.glasses.as_ref()
    }

    /// What presses the hair.
    pub fn cover(&self) -> Option<&Cover> {
        self.headwear.as_ref()
    }

    /// On a posed head; `skull` carries the neutral skull to where it is now.
    pub fn meshes(&self, skull: Affine3A) -> Vec<MeshDesc> {
        let hats = self.headwear_meshes(skull).into_iter().map(|(mesh, _)| mesh);
        hats.chain(self.glasses.iter().flat_map(|g| g.meshes(skull))).collect()
    }

    /// Hats alone, with the linear RGB of each part.
    pub fn headwear_meshes(&self, skull: Affine3A) -> Vec<(MeshDesc, Vec3)> {
        self.headwear.iter().flat_map(|h| h.meshes(skull)).collect()
    }
}

/// The highest point of an ear; `side` is 1 for the person's left.
fn ear_top(ground: &Ground, side: f32) -> Vec3 {
    let ears = ground.region("ears");
    let on_ear = ground.skin.positions.iter().zip(&ears).filter(|(p, w)| **w > 0.5 && p.x * side > 0.0);
    let top = on_ear.map(|(p, _)| *p).max_by(|a, b| a.y.total_cmp(&b.y));
    // A model without ears: a little over and behind the jaw's upper end.
    top.unwrap_or_else(|| {
        ground.landmarks[if side > 0.0 { ibug::JAW_LEFT } else { ibug::JAW_RIGHT }] + Vec3::new(0.0, 0.012, -0.02)
    })
}

/// Whether a hat hides all hair of the scalp.
pub fn hides_hair(looks: &Looks) -> bool {
    looks.headwear.as_ref().is_some_and(|h| h.kind == HeadwearKind::Headscarf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::person::Origin;

    #[test]
    fn what_is_worn_tells_nothing_about_the_teeth() {
        const N: u64 = 8000;
        let origin = Origin { age: 45.0, sex: 0.5, ancestry: [1.0 / 3.0; 3] };
        let config = WearConfig { glasses: 0.25, headwear: 0.1 };
        let people = (0..N).map(|seed| {
            let mut looks = Looks::sample(seed, origin);
            sample(&mut looks, &config, seed, origin.sex);
            let gaps = looks.teeth.gaps_m;
            [
                looks.glasses.is_some(),
                looks.headwear.is_some(),
                gaps[0] > 0.0,
                gaps[1] > 0.0,
                !looks.teeth.missing.is_empty(),
            ]
        });
        let people: Vec<[bool; 5]> = people.collect();
        let share = |f: &dyn Fn(&[bool; 5]) -> bool| people.iter().filter(|p| f(p)).count() as f32 / N as f32;
        for worn in 0..2 {
            for other in 1..5 {
                if worn >= other {
                    continue;
                }
                let (a, b) = (share(&|p| p[worn]), share(&|p| p[other]));
                let phi = (share(&|p| p[worn] && p[other]) - a * b) / (a * b * (1.0 - a) * (1.0 - b)).sqrt();
                // The standard error of phi is one over the root of N, 0.011.
                assert!(a > 0.0 && b > 0.0 && phi.abs() < 0.045, "{worn} and {other}: {phi}");
            }
        }
    }
}
