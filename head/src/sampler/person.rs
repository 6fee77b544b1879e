//! Age, sex, ancestry and build, and the macro weights that follow from them.
//!
//! Constants, and where they come from:
//!
//! | constants                             | source                                                   |
//! | ------------------------------------- | -------------------------------------------------------- |
//! | ages: 15 % under 18, 17 % over 65     | chosen by eye                                            |
//! | concentration of the ancestry mixture | chosen by eye                                            |
//! | blur of the sexes                     | chosen by eye                                            |
//! | muscle and weight                     | chosen by eye                                            |
//! | years of the age targets              | MakeHuman, but for `YOUNGER` and `OLDEST`, chosen by eye |
use super::{normal, uniform};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

/// Years at which MakeHuman's age targets hold.
const TARGET_YEARS: [f32; 3] = [10.0, 25.0, 90.0];
/// Below ten years the step from child to adult is carried on this far at most.
const YOUNGER: f32 = -0.25;
/// The last target is an extreme old age; this much of it is reached at its years.
const OLDEST: f32 = 0.9;
/// Concentration of the ancestry mixture; below one, most people lie near a corner.
const ANCESTRY_ALPHA: f32 = 0.45;

/// What the macro targets depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub age_years: f32,
    /// 0 female … 1 male.
    pub sex: f32,
    /// african, asian, caucasian; sum 1.
    pub ancestry: [f32; 3],
    /// 0 little … 0.5 average … 1 much.
    pub muscle: f32,
    /// 0 thin … 0.5 average … 1 fat.
    pub weight: f32,
}

impl Person {
    /// Somebody of average build.
    pub fn draw(rng: &mut ChaCha8Rng) -> Person {
        let age_years = match uniform(rng, 0.0, 1.0) {
            u if u < 0.15 => uniform(rng, 5.0, 18.0),
            u if u < 0.83 => uniform(rng, 18.0, 65.0),
            _ => uniform(rng, 65.0, 90.0),
        };
        let blur = (normal(rng) * 0.06).abs().min(0.2);
        let sex = if uniform(rng, 0.0, 1.0) < 0.5 { blur } else { 1.0 - blur };
        let gamma = Gamma::new(ANCESTRY_ALPHA, 1.0).expect("positive shape and scale");
        let draws = [0; 3].map(|_| gamma.sample(rng).max(1e-4));
        let total: f32 = draws.iter().sum();
        Person { age_years, sex, ancestry: draws.map(|d| d / total), muscle: 0.5, weight: 0.5 }
    }

    /// The same with a build.
    pub fn built(self, rng: &mut ChaCha8Rng) -> Person {
        let grown = self.grown();
        let muscle = 0.42 + 0.12 * self.sex * grown - 0.05 * (1.0 - self.sex) + 0.11 * normal(rng);
        let weight = 0.5 + 0.19 * normal(rng);
        Person { muscle: muscle.clamp(0.1, 0.9), weight: weight.clamp(0.06, 0.94), ..self }
    }

    /// 0 up to ten years, 1 from eighteen on.
    pub fn grown(&self) -> f32 {
        ((self.age_years - 10.0) / 8.0).clamp(0.0, 1.0)
    }

    /// 0 up to thirty-five years, 1 at ninety.
    pub fn aged(&self) -> f32 {
        ((self.age_years - 35.0) / 55.0).clamp(0.0, 1.0)
    }

    /// +1 a grown woman … -1 a grown man, 0 a child.
    pub fn femininity(&self) -> f32 {
        (1.0 - 2.0 * self.sex) * self.grown()
    }

    /// Weights of child, young, old.
    fn age_weights(&self) -> [f32; 3] {
        let [child, young, old] = TARGET_YEARS;
        let grown = ((self.age_years - child) / (young - child)).clamp(YOUNGER, 1.0);
        let aged = OLDEST * ((self.age_years - young) / (old - young)).clamp(0.0, 1.0);
        [1.0 - grown, grown - aged, aged]
    }

    /// The weight of a macro column by its name, or none when it is a local one.
    pub fn macro_weight(&self, name: &str) -> Option<f32> {
        let ages = self.age_weights();
        let mut weight = 1.0;
        let words: Vec<&str> = match name.strip_prefix("build/") {
            Some(rest) => rest.split('-').collect(),
            None if name.contains('/') => return None,
            None => name.split('-').collect(),
        };
        for word in words {
            weight *= match word {
                "african" => self.ancestry[0],
                "asian" => self.ancestry[1],
                "caucasian" => self.ancestry[2],
                "female" => 1.0 - self.sex,
                "male" => self.sex,
                "child" => ages[0],
                "young" => ages[1],
                "old" => ages[2],
                level => match (level.strip_suffix("muscle"), level.strip_suffix("weight")) {
                    (Some(level), _) => level_weight(level, self.muscle),
                    (_, Some(level)) => level_weight(level, self.weight),
                    _ => return None,
                },
            };
        }
        Some(weight)
    }
}

/// Piecewise linear between `min` at 0, `average` at 0.5, `max` at 1.
fn level_weight(level: &str, value: f32) -> f32 {
    match level {
        "min" => (1.0 - 2.0 * value).max(0.0),
        "max" => (2.0 * value - 1.0).max(0.0),
        _ => 1.0 - (2.0 * value - 1.0).abs(),
    }
}
