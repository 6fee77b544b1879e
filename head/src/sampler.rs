//! Draws plausible people.
//!
//! With MakeHuman's columns: ancestry, sex, age and build choose the macro weights, local targets vary about them as
//! Gaussians given in millimeters, lids and corners of the mouth are put to rest. Any other source: a draw from its own
//! prior. Either way a face that [`Plausibility`] does not believe is drawn again.
mod modes;
mod person;
mod rest;
mod spread;

use crate::ibug;
use crate::model::HeadModel;
use crate::plausibility::Plausibility;
use glam::Vec3;
use person::Person;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A sampled person.
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

/// One try at a face.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Who it would be.
    pub identity: SampledIdentity,
    /// How believable.
    pub plausibility: Plausibility,
}

/// Tries for one person; the best of them is taken if none passes.
const ATTEMPTS: u64 = 24;

/// Draws people from one model; made once, used for many.
#[derive(Clone, Debug)]
pub struct Sampler {
    columns: Columns,
    landmarks: Landmarks,
}

/// What the columns of a model mean to the sampler.
#[derive(Clone, Debug)]
enum Columns {
    /// MakeHuman's targets.
    Targets { columns: Vec<spread::Column>, rest: rest::Rest },
    /// A mean and components over shapes.
    Gaussian { mean: Vec<f32>, components: Vec<Vec<f32>> },
}

impl Sampler {
    /// For a model.
    pub fn new(model: &HeadModel) -> Sampler {
        let landmarks = Landmarks::new(model);
        let is_makehuman = model.identity.names.iter().any(|name| name == "caucasian-male-young");
        let prior = &model.identity_prior;
        let columns = match (is_makehuman, prior.mean.is_empty()) {
            (true, _) => Columns::Targets { columns: spread::columns(model), rest: rest::Rest::new(model, &landmarks) },
            (false, false) => Columns::Gaussian { mean: prior.mean.clone(), components: prior.components.clone() },
            // A source without a prior of its own: its columns are one standard deviation each.
            (false, true) => {
                let n = model.identity.len();
                let unit = |k: usize| (0..n).map(|i| f32::from(u8::from(i == k))).collect();
                Columns::Gaussian { mean: vec![0.0; n], components: (0..n).map(unit).collect() }
            }
        };
        Sampler { columns, landmarks }
    }

    /// The person of a seed: the first attempt that passes for a face, else the best.
    pub fn draw(&self, seed: u64) -> SampledIdentity {
        let mut best: Option<Attempt> = None;
        for attempt in self.attempts(seed) {
            if attempt.plausibility.is_face() {
                return attempt.identity;
            }
            let excess = attempt.plausibility.excess();
            if best.as_ref().is_none_or(|b| excess < b.plausibility.excess()) {
                best = Some(attempt);
            }
        }
        best.expect("at least one attempt").identity
    }

    /// The tries at the person of a seed, the same in every run. Age, sex and ancestry stay, the rest is drawn again.
    pub fn attempts(&self, seed: u64) -> impl Iterator<Item = Attempt> + '_ {
        let mut who = ChaCha8Rng::seed_from_u64(seed);
        let person = Person::draw(&mut who);
        (0..ATTEMPTS).map(move |number| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number + 1);
            self.attempt(&person.built(&mut rng), &mut rng)
        })
    }

    fn attempt(&self, person: &Person, rng: &mut ChaCha8Rng) -> Attempt {
        let shape = match &self.columns {
            Columns::Targets { columns, rest } => {
                let mut shape = spread::draw(columns, person, rng);
                rest.relax(&mut shape, &self.landmarks, person, rng);
                shape
            }
            Columns::Gaussian { mean, components } => gaussian(mean, components, rng),
        };
        let plausibility = Plausibility::of(&self.landmarks.at(&shape), person.age_years);
        let Person { age_years, sex, ancestry, .. } = *person;
        Attempt { identity: SampledIdentity { shape, age_years, sex, ancestry }, plausibility }
    }
}

/// Draws one person; the same seed gives the same person whatever else is drawn. For many, keep a [`Sampler`].
pub fn sample_identity(model: &HeadModel, seed: u64) -> SampledIdentity {
    Sampler::new(model).draw(seed)
}

/// The 68 landmarks as they follow the identity columns.
#[derive(Clone, Debug)]
struct Landmarks {
    template: [Vec3; ibug::COUNT],
    /// `[Ks]`
    columns: Vec<[Vec3; ibug::COUNT]>,
}

impl Landmarks {
    fn new(model: &HeadModel) -> Landmarks {
        let at = |field: &[Vec3]| -> [Vec3; ibug::COUNT] {
            std::array::from_fn(|l| model.landmarks.get(l).map_or(Vec3::ZERO, |p| p.at(&model.faces, field)))
        };
        let columns = (0..model.identity.len()).map(|k| at(model.identity.column(k))).collect();
        Landmarks { template: at(&model.template), columns }
    }

    /// Of a shape `[Ks]` (meters).
    fn at(&self, shape: &[f32]) -> [Vec3; ibug::COUNT] {
        let mut points = self.template;
        for (&c, column) in shape.iter().zip(&self.columns).filter(|(c, _)| **c != 0.0) {
            points.iter_mut().zip(column).for_each(|(p, d)| *p += c * *d);
        }
        points
    }
}

/// Components stay within this many deviations.
const GAUSSIAN_REACH: f32 = 2.2;

fn gaussian(mean: &[f32], components: &[Vec<f32>], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut shape = mean.to_vec();
    for component in components {
        let c = normal(rng).clamp(-GAUSSIAN_REACH, GAUSSIAN_REACH);
        shape.iter_mut().zip(component).for_each(|(value, part)| *value += c * part);
    }
    shape
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(rng)
}

fn uniform(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    rng.random_range(low..high)
}
