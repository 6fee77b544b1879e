//! What tracing costs, in processor time (so that a busy machine disturbs less): used by `examples/bench_trace.rs`.
use crate::accel::{Accel, Hit, Ray};
use crate::environment::Environment;
use crate::film::Film;
use crate::scene::RenderSettings;
use crate::trace::{self, Scene, TraceError};
use splat::Camera;
use std::sync::Mutex;

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
    /// Processor seconds of the same rays in the same order, and nothing else.
    pub bare_secs: f64,
}

impl Replay {
    /// Rays traced per second within the integrator, in millions.
    pub fn integrator_mrays(&self) -> f64 {
        self.rays as f64 / self.picture_secs * 1e-6
    }

    /// Rays traced per second without it, in millions.
    pub fn bare_mrays(&self) -> f64 {
        self.rays as f64 / self.bare_secs * 1e-6
    }
}

enum Query {
    Nearest(Ray),
    Any(Ray),
}

/// Passes rays on and writes them down.
struct Recorder {
    inner: Box<dyn Accel>,
    queries: Mutex<Vec<Query>>,
}

impl Recorder {
    fn push(&self, query: Query) {
        self.queries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(query);
    }
}

impl Accel for std::sync::Arc<Recorder> {
    fn intersect1(&self, ray: &Ray) -> Option<Hit> {
        self.push(Query::Nearest(*ray));
        self.inner.intersect1(ray)
    }

    fn occluded1(&self, ray: &Ray) -> bool {
        self.push(Query::Any(*ray));
        self.inner.occluded1(ray)
    }
}

/// Renders a picture without denoising, then traces its rays again; walks under the skin are left out of both when the
/// settings say so. Takes the scene, since its accelerator is wrapped. The best of `rounds` counts.
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
    let time = |work: &mut dyn FnMut() -> Result<Film, TraceError>| -> Result<(f64, Film), TraceError> {
        let start = cpu_seconds();
        let film = work()?;
        Ok((cpu_seconds() - start, film))
    };
    let (mut picture_secs, mut rays) = (f64::INFINITY, 0);
    for _ in 0..rounds {
        let (secs, film) = time(&mut || trace::render(&scene, camera, env, settings))?;
        picture_secs = picture_secs.min(secs);
        rays = film.rays;
    }
    let recorder = std::sync::Arc::new(Recorder { inner: scene.accel, queries: Mutex::new(Vec::new()) });
    scene.accel = Box::new(recorder.clone());
    trace::render(&scene, camera, env, settings)?;
    let queries = std::mem::take(&mut *recorder.queries.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    let _flush = crate::accel::embree::FlushDenormals::new();
    let mut bare_secs = f64::INFINITY;
    for _ in 0..rounds {
        let start = cpu_seconds();
        let hits = queries.iter().filter(|q| match q {
            Query::Nearest(ray) => recorder.inner.intersect1(ray).is_some(),
            Query::Any(ray) => recorder.inner.occluded1(ray),
        });
        assert!(hits.count() > 0, "rays that hit nothing measure nothing");
        bare_secs = bare_secs.min(cpu_seconds() - start);
    }
    Ok(Replay { rays, picture_secs, bare_secs })
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
