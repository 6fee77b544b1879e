//! Draws plausible people.
//!
//! With MakeHuman's columns: ancestry, sex, age and build choose the macro weights, then local targets vary as
//! small Gaussians whose left and right go together. Any other source: a draw from its own prior.
use crate::model::HeadModel;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma, StandardNormal};
use std::collections::BTreeMap;

/// Somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledIdentity {
    /// `[Ks]`
    pub shape: Vec<f32>,
    /// Years, 5 to 90.
    pub age_years: f32,
    /// 0 female … 1 male.
    pub sex: f32,
    /// Weights of (african, asian, caucasian), sum 1.
    pub ancestry: [f32; 3],
}

/// Years at which MakeHuman's age targets hold.
const TARGET_YEARS: [f32; 3] = [10.0, 25.0, 90.0];
/// Concentration of the ancestry mixture; below one, most people lie near a corner.
const ANCESTRY_ALPHA: f32 = 0.45;
/// Local coefficients stay within this many standard deviations.
const TRUNCATE: f32 = 2.2;
/// Correlation of the same target on the left and on the right.
const LEFT_RIGHT: f32 = 0.97;

/// Draws one person; the same seed gives the same person whatever else is drawn.
pub fn sample_identity(model: &HeadModel, seed: u64) -> SampledIdentity {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let person = Person::draw(rng);
    let shape = if is_makehuman(model) { makehuman_shape(model, &person, rng) } else { prior_shape(model, rng) };
    SampledIdentity { shape, age_years: person.age_years, sex: person.sex, ancestry: person.ancestry }
}

fn is_makehuman(model: &HeadModel) -> bool {
    model.identity.names.iter().any(|name| name == "caucasian-male-young")
}

/// What the macro targets depend on.
struct Person {
    age_years: f32,
    sex: f32,
    ancestry: [f32; 3],
    /// 0 little … 0.5 average … 1 much.
    muscle: f32,
    /// 0 thin … 0.5 average … 1 fat.
    weight: f32,
}

impl Person {
    fn draw(rng: &mut ChaCha8Rng) -> Person {
        let age_years = match rng.random_range(0.0f32..1.0) {
            u if u < 0.07 => rng.random_range(5.0..18.0),
            u if u < 0.87 => rng.random_range(18.0..65.0),
            _ => rng.random_range(65.0..90.0),
        };
        let blur = (normal(rng) * 0.12).abs().min(0.35);
        let sex = if rng.random_range(0.0f32..1.0) < 0.5 { blur } else { 1.0 - blur };
        let gamma = Gamma::new(ANCESTRY_ALPHA, 1.0).expect("positive shape and scale");
        let draws = [0; 3].map(|_| gamma.sample(rng).max(1e-4));
        let total: f32 = draws.iter().sum();
        let muscle = (0.5 + 0.17 * normal(rng)).clamp(0.08, 0.92);
        let weight = (0.5 + 0.2 * normal(rng)).clamp(0.05, 0.95);
        Person { age_years, sex, ancestry: draws.map(|d| d / total), muscle, weight }
    }

    /// Weights of child, young, old.
    fn age_weights(&self) -> [f32; 3] {
        let [child, young, old] = TARGET_YEARS;
        let grown = ((self.age_years - child) / (young - child)).clamp(0.0, 1.0);
        let aged = ((self.age_years - young) / (old - young)).clamp(0.0, 1.0);
        [1.0 - grown, grown - aged, aged]
    }

    /// The weight of a macro column by its name, or none when it is a local one.
    fn macro_weight(&self, name: &str) -> Option<f32> {
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

fn makehuman_shape(model: &HeadModel, person: &Person, rng: &mut ChaCha8Rng) -> Vec<f32> {
    // Left and right of one target draw from one shared number.
    let mut shared: BTreeMap<String, f32> = BTreeMap::new();
    let mut shape = Vec::with_capacity(model.identity.names.len());
    for name in &model.identity.names {
        if let Some(weight) = person.macro_weight(name) {
            shape.push(weight);
            continue;
        }
        let own = normal(rng);
        let pair = name.replace("/l-", "/").replace("/r-", "/");
        let value = if pair == *name {
            own
        } else {
            let common = *shared.entry(pair).or_insert_with(|| normal(rng));
            LEFT_RIGHT * common + (1.0 - LEFT_RIGHT * LEFT_RIGHT).sqrt() * own
        };
        let (deviation, one_sided) = spread(name);
        let value = value.clamp(-TRUNCATE, TRUNCATE) * deviation;
        shape.push(if one_sided { value.abs() } else { value });
    }
    shape
}

/// Standard deviation of a local column, and whether it has no opposite.
fn spread(name: &str) -> (f32, bool) {
    let folder = name.split('/').next().unwrap_or_default();
    match folder {
        "asym" => (0.09, false),
        "head" => match name {
            "head/head-fat" | "head/head-age" => (0.1, false),
            n if n.contains("scale") => (0.13, false),
            _ => (0.08, true),
        },
        "neck" => (0.12, false),
        "ears" => (0.2, name.contains("shape")),
        "nose" => (0.19, false),
        "eyes" => (0.15, false),
        "chin" => (0.17, name.ends_with("triangle")),
        _ => (0.17, false),
    }
}

fn prior_shape(model: &HeadModel, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let prior = &model.identity_prior;
    if prior.mean.is_empty() {
        // A source without a prior of its own: its columns are one standard deviation each.
        return model.identity.names.iter().map(|_| normal(rng)).collect();
    }
    let mut shape = prior.mean.clone();
    for component in &prior.components {
        let c = normal(rng).clamp(-2.5, 2.5);
        for (value, part) in shape.iter_mut().zip(component) {
            *value += c * part;
        }
    }
    shape
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(rng)
}
