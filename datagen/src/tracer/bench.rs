//! What tracing costs, in processor time (so that a busy machine disturbs less): used by `examples/bench_trace.rs`.
use crate::tracer::accel::embree::{FlushDenormals, Prepared, Question};
use crate::tracer::accel::{Accel, Hit, Ray};
use crate::tracer::environment::Environment;
use crate::tracer::film::Film;
use crate::tracer::scene::RenderSettings;
use crate::tracer::trace::{self, Scene, TraceError};
use splat::Camera;
use std::sync::{Arc, Mutex};

/// Processor seconds of the whole process, all threads.
pub fn cpu_seconds() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills our own structure.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + 1e-9 * t.tv_nsec as f64
}

/// One picture's rays, traced within the integrator and again alone.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// Rays of the picture.
    pub rays: u64,
    /// Processor seconds of the picture.
    pub picture_secs: f64,
    /// Processor seconds of the same rays in the same order through [`Accel`], as the integrator calls it.
    pub traversal_secs: f64,
    /// Processor seconds of the same rays in the same order through Embree's own calls, each query made ready before and
    /// read afterwards; `None` where the portable backend traces.
    pub bare_secs: Option<f64>,
}

impl Replay {
    /// Millions of rays a second, if they take so long.
    pub fn mrays(&self, secs: f64) -> f64 {
        self.rays as f64 / secs * 1e-6
    }
}

/// What a ray asked of what.
enum Query {
    Nearest(Target, Ray),
    Any(Target, Ray),
}

/// The whole scene, or what walks under the skin are bounded by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Whole,
    Skin,
}

type Queries = Arc<Mutex<Vec<Query>>>;

/// Passes rays on and writes them down.
struct Recorder {
    inner: Arc<dyn Accel>,
    target: Target,
    queries: Queries,
}

impl Recorder {
    fn push(&self, query: Query) {
        self.queries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(query);
    }
}

impl Accel for Recorder {
    fn intersect1(&self, ray: &Ray) -> Option<Hit> {
        self.push(Query::Nearest(self.target, *ray));
        self.inner.intersect1(ray)
    }

    fn occluded1(&self, ray: &Ray) -> bool {
        self.push(Query::Any(self.target, *ray));
        self.inner.occluded1(ray)
    }
}

/// Renders a picture without denoising, then traces its rays again, those of walks under the skin too. Takes the scene,
/// since its accelerators are wrapped. The best of `rounds` counts. Some hundred bytes a ray are held.
///
/// # Errors
/// As [`trace::render`].
pub fn replay(
    mut scene: Scene,
    camera: &Camera,
    env: &Environment,
    settings: &RenderSettings,
    rounds: u32,
) -> Result<Replay, TraceError> {
    let (mut picture_secs, mut rays) = (f64::INFINITY, 0);
    for _ in 0..rounds {
        let start = cpu_seconds();
        rays = trace::render(&scene, camera, env, settings)?.rays;
        picture_secs = picture_secs.min(cpu_seconds() - start);
    }
    let queries = Queries::default();
    let mut targets = Vec::new();
    scene.wrap(|target, inner| {
        targets.push((target, inner.clone()));
        Arc::new(Recorder { inner, target, queries: queries.clone() })
    });
    trace::render(&scene, camera, env, settings)?;
    let queries = std::mem::take(&mut *queries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    let of = |wanted| targets.iter().find(|(target, _)| *target == wanted).map(|(_, accel)| &**accel);
    let (Some(whole), skin) = (of(Target::Whole), of(Target::Skin)) else { unreachable!("every scene has a whole") };
    let at = |target: &Target| if *target == Target::Skin { skin.unwrap_or(whole) } else { whole };
    let _flush = FlushDenormals::new();
    let (mut traversal_secs, mut bare_secs) = (f64::INFINITY, None::<f64>);
    for _ in 0..rounds {
        let (ours, bare) = round(&queries, at);
        traversal_secs = traversal_secs.min(ours);
        bare_secs = bare.map(|secs| bare_secs.map_or(secs, |best| best.min(secs)));
    }
    Ok(Replay { rays, picture_secs, traversal_secs, bare_secs })
}

/// Queries traced between two looks at the clock: few enough that they stay near at hand.
const CHUNK: usize = 4096;

/// Processor seconds of all queries, through [`Accel`] and through Embree's own calls. Both take turns to be the first, who
/// warms the caches for the second.
fn round<'a>(queries: &[Query], at: impl Fn(&Target) -> &'a dyn Accel) -> (f64, Option<f64>) {
    let (mut ours, mut bare, mut all) = (0.0, Some(0.0), 0);
    for (k, chunk) in queries.chunks(CHUNK).enumerate() {
        let mut prepared = prepared(chunk, &at);
        let mut alone = || {
            if let (Some(prepared), Some(secs)) = (&mut prepared, &mut bare) {
                *secs += timed(|| prepared.call()).0;
            }
        };
        if k % 2 == 0 {
            alone();
        }
        let (secs, hits) = timed(|| {
            let hits = chunk.iter().filter(|q| match q {
                Query::Nearest(target, ray) => at(target).intersect1(ray).is_some(),
                Query::Any(target, ray) => at(target).occluded1(ray),
            });
            hits.count()
        });
        ours += secs;
        if k % 2 == 1 {
            alone();
        }
        match &prepared {
            Some(prepared) => assert_eq!(prepared.hits(), hits, "the same rays find the same"),
            None => bare = None,
        }
        all += hits;
    }
    assert!(all > 0, "rays that hit nothing measure nothing");
    (ours, bare)
}

/// As Embree takes them; `None` if it is not Embree that traces.
fn prepared<'a>(chunk: &[Query], at: &impl Fn(&Target) -> &'a dyn Accel) -> Option<Prepared<'a>> {
    let mut prepared = Prepared::default();
    for query in chunk {
        let (target, ray, question) = match query {
            Query::Nearest(target, ray) => (target, ray, Question::Nearest),
            Query::Any(target, ray) => (target, ray, Question::Any),
        };
        prepared.push(at(target).as_embree()?, ray, question);
    }
    Some(prepared)
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = cpu_seconds();
    let made = work();
    (cpu_seconds() - start, made)
}

impl Scene {
    /// Puts something around each accelerator.
    fn wrap(&mut self, mut around: impl FnMut(Target, Arc<dyn Accel>) -> Arc<dyn Accel>) {
        self.accel = around(Target::Whole, self.accel.clone());
        if let Some(Some(skin)) = self.skin.get_mut() {
            *skin = around(Target::Skin, skin.clone());
        }
    }
}

/// Root of the mean squared difference of two films under a simple tone curve (`x / (1 + x)` over the second's mean), and
/// so an error that highlights do not rule.
pub fn toned_error(film: &Film, reference: &Film) -> f64 {
    let mean = reference.rgb.iter().map(|c| c.element_sum()).sum::<f32>()
        / (3.0 * reference.alpha.iter().sum::<f32>()).max(1.0);
    let tone = |c: glam::Vec3| c / (c + mean.max(1e-6));
    let covered = reference.alpha.iter().filter(|a| **a > 0.0).count().max(1);
    let sum: f64 =
        film.rgb.iter().zip(&reference.rgb).map(|(a, b)| f64::from((tone(*a) - tone(*b)).length_squared())).sum();
    (sum / (3 * covered) as f64).sqrt()
}
