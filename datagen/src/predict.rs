//! What a plan will cost, from a real sample of it.
//!
//! A picture costs the tracing itself and its share of what pictures have in common: the person (skin, strands), the
//! person making a face (posed, built), the environment. Each is timed alone and multiplied by how often the plan makes
//! it, so that a plan of many cameras a face is not charged for a face a camera.
use crate::config::LightPer;
use crate::labels::FrameKey;
use crate::people::actor::Actor;
use crate::people::stage::Stage;
use crate::plan::{Plan, ShardKind, Split};
use crate::render_shard::Renderer;
use crate::tracer::bench::cpu_seconds;
use crate::tracer::scene::AccelKind;
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;

/// Pictures of the sample, each of another person. One costs about a third more or less than their mean, 32 together 6 %.
const SAMPLE: u64 = 32;
/// Rows of `identities` timed, of the same persons.
const IDENTITIES: usize = 4;

/// What a plan comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Rows of `frames`.
    pub images: u64,
    /// Rows of `identities`.
    pub identities: u64,
    /// Files.
    pub shards: u64,
    /// From the sample, if one was rendered.
    pub measured: Option<Measured>,
}

/// From the sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// Images rendered for it.
    pub images: u64,
    /// Processor seconds of one of each, all threads summed.
    pub unit: Costs,
    /// Processor time an image, its share of everything included.
    pub core_secs_per_image: f64,
    /// Standard error of that (the sample's scatter alone).
    pub core_secs_error: f64,
    /// Encoded bytes an image, maps included.
    pub bytes_per_image: f64,
    /// For the whole plan.
    pub core_hours: f64,
    /// For the whole plan.
    pub gigabytes: f64,
}

/// Processor seconds, or how often it is spent, by what it is spent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Costs {
    /// A person: shape, skin, strands.
    pub person: f64,
    /// A person making a face, built for tracing.
    pub face: f64,
    /// An environment.
    pub light: f64,
    /// A picture with its maps, encoded.
    pub picture: f64,
    /// A row of `identities`, without the person.
    pub identity: f64,
}

impl Costs {
    fn dot(&self, times: &Costs) -> f64 {
        self.person * times.person
            + self.face * times.face
            + self.light * times.light
            + self.picture * times.picture
            + self.identity * times.identity
    }
}

/// Counts only.
pub fn count(plan: &Plan) -> Prediction {
    let shards = plan.shards();
    let frames = shards.iter().filter(|s| s.kind != ShardKind::Identities).map(|s| s.len()).sum();
    Prediction {
        images: frames,
        identities: plan.config.dataset.identities as u64,
        shards: shards.len() as u64,
        measured: None,
    }
}

/// How often the plan makes what: persons and faces anew in every shard that they reach into.
fn times(plan: &Plan) -> Costs {
    let (mut persons, mut faces, mut pictures) = (0, 0, 0);
    for shard in plan.shards().iter().filter(|s| s.kind != ShardKind::Identities) {
        let spans = |size: u64| (shard.items.end - 1) / size - shard.items.start / size + 1;
        persons += spans(plan.frames_per_identity());
        faces += spans(plan.config.dataset.cameras as u64);
        pictures += shard.len();
    }
    let lights = match plan.config.light.per {
        LightPer::Identity => persons,
        LightPer::Expression => faces,
        LightPer::Frame => pictures,
    };
    let identities = plan.config.dataset.identities as f64;
    Costs {
        person: persons as f64 + identities,
        face: faces as f64,
        light: lights as f64 * f64::from(1.0 - plan.config.light.studio_share),
        picture: pictures as f64,
        identity: identities,
    }
}

/// Renders images spread evenly over the training split and multiplies.
///
/// # Errors
/// As rendering.
pub fn measure(plan: &Plan, stage: &Stage, accel: AccelKind) -> anyhow::Result<Prediction> {
    let mut prediction = count(plan);
    let split = plan.identities(Split::Train).len() as u64 * plan.frames_per_identity();
    let n = SAMPLE.min(split);
    // neither always the first camera nor always the first face of a person
    let keys: Vec<FrameKey> = (0..n).map(|k| plan.frame(Split::Train, (2 * k + 1) * split / (2 * n))).collect();
    let renderer = Renderer::new(plan, stage, accel);
    let mut sample = Sample::default();
    for chunk in keys.chunks(rayon::current_num_threads()) {
        sample.add(plan, stage, &renderer, chunk, accel)?;
    }
    let (times, images) = (times(plan), prediction.images as f64);
    let unit = sample.unit();
    let total = unit.dot(&times);
    let bytes = sample.bytes as f64 / n as f64;
    prediction.measured = Some(Measured {
        images: n,
        unit,
        core_secs_per_image: total / images,
        core_secs_error: sample.standard_error(),
        bytes_per_image: bytes,
        core_hours: total / 3600.0,
        gigabytes: bytes * images / 1e9,
    });
    Ok(prediction)
}

/// What was timed so far: sums, and of what.
#[derive(Default)]
struct Sample {
    spent: Costs,
    made: Costs,
    /// Of each chunk: processor seconds a picture, and pictures.
    chunks: Vec<(f64, f64)>,
    bytes: u64,
}

impl Sample {
    /// A few pictures side by side, kind of work after kind of work.
    fn add(
        &mut self,
        plan: &Plan,
        stage: &Stage,
        renderer: &Renderer,
        keys: &[FrameKey],
        accel: AccelKind,
    ) -> anyhow::Result<()> {
        let n = keys.len() as f64;
        let (secs, actors) =
            timed(|| keys.par_iter().map(|k| Actor::sample(stage, &plan.config, k.identity_id)).collect::<Vec<_>>());
        (self.spent.person, self.made.person) = (self.spent.person + secs, self.made.person + n);
        let (secs, sets) = timed(|| {
            let made = keys.par_iter().zip(&actors).map(|(k, actor)| renderer.set(actor, k));
            made.collect::<anyhow::Result<Vec<_>>>()
        });
        (self.spent.face, self.made.face) = (self.spent.face + secs, self.made.face + n);
        let sets = sets?;
        let (secs, ()) = timed(|| keys.par_iter().for_each(|k| drop(renderer.light(k))));
        let drawn = keys.iter().filter(|k| k.light_id != 0).count() as f64;
        (self.spent.light, self.made.light) = (self.spent.light + secs, self.made.light + drawn);
        let (secs, rows) = timed(|| {
            let rows = keys.par_iter().zip(&actors).zip(&sets).map(|((k, actor), set)| renderer.row(actor, set, k));
            rows.collect::<anyhow::Result<Vec<_>>>()
        });
        (self.spent.picture, self.made.picture) = (self.spent.picture + secs, self.made.picture + n);
        self.chunks.push((secs / n, n));
        for row in rows? {
            let maps = row.frame.maps().iter().map(|(_, b)| b.map_or(0, <[u8]>::len)).sum::<usize>();
            self.bytes += (row.frame.image.len() + maps + row.exr.map_or(0, |exr| exr.len())) as u64;
        }
        if (self.made.identity as usize) < IDENTITIES {
            let (secs, row) =
                timed(|| crate::people::identity::row(stage, &actors[0], "train", &plan.config.maps, accel));
            (self.spent.identity, self.made.identity) = (self.spent.identity + secs, self.made.identity + 1.0);
            drop(row?);
        }
        Ok(())
    }

    /// Processor seconds of one of each.
    fn unit(&self) -> Costs {
        let each = |spent: f64, made: f64| spent / made.max(1.0);
        let (s, m) = (&self.spent, &self.made);
        Costs {
            person: each(s.person, m.person),
            face: each(s.face, m.face),
            light: each(s.light, m.light),
            picture: each(s.picture, m.picture),
            identity: each(s.identity, m.identity),
        }
    }

    /// Of the mean cost of a picture.
    fn standard_error(&self) -> f64 {
        let k = self.chunks.len() as f64;
        let weight: f64 = self.chunks.iter().map(|c| c.1).sum();
        let mean = self.chunks.iter().map(|c| c.0 * c.1).sum::<f64>() / weight;
        let variance = self.chunks.iter().map(|c| c.1 * (c.0 - mean).powi(2)).sum::<f64>() / weight;
        (variance / (k - 1.0).max(1.0)).sqrt()
    }
}

/// Processor seconds of the whole process meanwhile, and what was made.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_seconds();
    let made = work();
    (cpu_seconds() - start, made)
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} images of {} identities in {} shards", self.images, self.identities, self.shards)?;
        let Some(m) = &self.measured else { return write!(f, "; not measured") };
        let u = &m.unit;
        write!(
            f,
            "\n{:.2} ± {:.2} core-seconds and {:.0} kB an image (mean of {}): {:.2} traced and encoded, the rest its share \
             of a person ({:.2}), a face ({:.2}), a light ({:.2})\n{:.2} core-hours, {:.3} GB",
            m.core_secs_per_image,
            m.core_secs_error,
            m.bytes_per_image / 1e3,
            m.images,
            u.picture,
            u.person,
            u.face,
            u.light,
            m.core_hours,
            m.gigabytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_pictures_share_is_counted_once_a_shard() {
        let sets = [
            "head=analytic",
            "dataset.identities=4",
            "dataset.val=0",
            "dataset.test=0",
            "dataset.expressions=3",
            "dataset.cameras=2",
            "shards.frames=4",
            "light.per=expression",
            "light.studio_share=0.5",
        ];
        let plan = Plan::new(Config::load(None, &sets.map(str::to_owned)).unwrap()).unwrap();
        let t = times(&plan);
        // 24 frames by four: a person's six reach into two shards each, a face's two into one
        assert_eq!((t.picture, t.face, t.person, t.identity), (24.0, 12.0, 8.0 + 4.0, 4.0));
        assert_eq!(t.light, 6.0);
    }
}
