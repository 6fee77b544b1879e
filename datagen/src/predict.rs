//! What a plan will cost, from a real sample of its images.
use crate::bench::cpu_seconds;
use crate::plan::{Plan, ShardKind, Split};
use crate::render_shard::Renderer;
use crate::scene::AccelKind;
use crate::stage::Stage;
use serde::Serialize;
use std::fmt;

/// Images of the sample.
const SAMPLE: u64 = 16;

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
    /// Processor time an image, all threads summed.
    pub core_secs_per_image: f64,
    /// Encoded bytes an image, maps included.
    pub bytes_per_image: f64,
    /// For the whole plan.
    pub core_hours: f64,
    /// For the whole plan.
    pub gigabytes: f64,
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

/// Renders images spread evenly over the training split and multiplies.
///
/// # Errors
/// As rendering.
pub fn measure(plan: &Plan, stage: &Stage, accel: AccelKind) -> anyhow::Result<Prediction> {
    let mut prediction = count(plan);
    let split = plan.identities(Split::Train).len() as u64 * plan.frames_per_identity();
    let n = SAMPLE.min(split);
    let renderer = Renderer::new(plan, stage, accel);
    let start = cpu_seconds();
    let mut bytes = 0u64;
    for k in 0..n {
        let row = renderer.one(&plan.frame(Split::Train, k * split / n))?;
        bytes += row.image.len() as u64 + row.maps().iter().map(|(_, b)| b.map_or(0, |b| b.len() as u64)).sum::<u64>();
    }
    let (secs, bytes) = ((cpu_seconds() - start) / n as f64, bytes as f64 / n as f64);
    let images = prediction.images as f64;
    prediction.measured = Some(Measured {
        images: n,
        core_secs_per_image: secs,
        bytes_per_image: bytes,
        core_hours: secs * images / 3600.0,
        gigabytes: bytes * images / 1e9,
    });
    Ok(prediction)
}

impl fmt::Display for Prediction {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} images of {} identities in {} shards", self.images, self.identities, self.shards)?;
        match &self.measured {
            None => write!(f, "; not measured"),
            Some(m) => write!(
                f,
                "\n{:.2} core-seconds and {:.0} kB an image (mean of {}, each with its own scene)\n{:.2} core-hours, {:.3} GB",
                m.core_secs_per_image,
                m.bytes_per_image / 1e3,
                m.images,
                m.core_hours,
                m.gigabytes
            ),
        }
    }
}
