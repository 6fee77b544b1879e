//! Makes shards: rows in ascending order, published whole or not at all. A row depends on the plan and its ids alone.
use crate::config::{self, Config};
use crate::labels::{FrameKey, Shot};
use crate::people::actor::{Actor, Take};
use crate::people::expressions::Performance;
use crate::people::stage::Stage;
use crate::plan::{Plan, ShardKind, ShardTask, Split};
use crate::studio::cameras::{self, View};
use crate::studio::develop::Development;
use crate::studio::light::Light;
use crate::tracer::environment::Environment;
use crate::tracer::film::Film;
use crate::tracer::scene::{AccelKind, CoverageGrid, Denoise, RenderSettings, Subsurface};
use crate::tracer::trace;
use formats::exit::{ExitCode, Failure};
use formats::exr::ExrRow;
use formats::progress::Progress;
use formats::stop;
use formats::{Existing, FrameRow, FrameWriter, IdentityWriter, ShardWriter};
use glam::Vec3;
use head::ibug;
use rayon::prelude::*;
use splat::Camera;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What came of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Made,
    /// It was there.
    Skipped,
}

/// A row of `frames`, and of `exr` if it is asked for.
pub(crate) struct Row {
    pub frame: FrameRow,
    pub exr: Option<Vec<u8>>,
}

/// Makes shards of a plan.
pub struct Renderer<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    accel: AccelKind,
    lights: Lights,
}

impl<'a> Renderer<'a> {
    /// For a plan and its stage.
    pub fn new(plan: &'a Plan, stage: &'a Stage, accel: AccelKind) -> Self {
        Renderer { plan, stage, accel, lights: Lights::default() }
    }

    /// Makes one shard under `folder`, unless it is there and of this plan.
    ///
    /// # Errors
    /// A foreign shard in its place (65), a stop signal (75), whatever writing meets (73, 74).
    pub fn shard(&self, task: &ShardTask, folder: &Path, progress: &Progress) -> anyhow::Result<Outcome> {
        let mut paths = vec![task.path(folder)];
        if self.plan.config.maps.exr && task.kind != ShardKind::Identities {
            paths.push(task.exr_path(folder));
        }
        let there = paths.iter().map(|path| self.finished(path, task)).collect::<anyhow::Result<Vec<bool>>>()?;
        if there.iter().all(|there| *there) {
            return Ok(Outcome::Skipped);
        }
        match task.kind {
            ShardKind::Identities => self.identities(task, &paths[0], progress)?,
            ShardKind::Frames(split) => self.frames(split, task, &paths, progress)?,
        }
        Ok(Outcome::Made)
    }

    /// Is a file there, whole and of this plan? What killed writers left beside it is swept away.
    fn finished(&self, path: &Path, task: &ShardTask) -> anyhow::Result<bool> {
        let Some(written) = formats::shard::finished(path, &self.plan.provenance)? else { return Ok(false) };
        if written.rows != task.len() {
            let what = format!("{} rows, expected {} of this plan: {path:?}", written.rows, task.len());
            return Err(Failure::bad_data(what).into());
        }
        Ok(true)
    }

    fn identities(&self, task: &ShardTask, path: &Path, progress: &Progress) -> anyhow::Result<()> {
        let mut writer = IdentityWriter::create(path, &self.plan.provenance, Existing::Keep)?;
        let ids: Vec<u32> = task.items.clone().map(|i| i as u32).collect();
        for chunk in ids.chunks(2 * rayon::current_num_threads()) {
            let rows: Vec<anyhow::Result<formats::IdentityRow>> = chunk
                .par_iter()
                .map(|&id| {
                    stop::check()?;
                    let actor = Actor::sample(self.stage, &self.plan.config, id);
                    let split = self.plan.split_of(id).name();
                    crate::people::identity::row(self.stage, &actor, split, &self.plan.config.maps, self.accel)
                })
                .collect();
            for row in rows {
                writer.push(row?)?;
                progress.add(1);
            }
        }
        writer.finish()?;
        Ok(())
    }

    /// `paths`: the frames, and the linear layers if they are asked for.
    fn frames(&self, split: Split, task: &ShardTask, paths: &[PathBuf], progress: &Progress) -> anyhow::Result<()> {
        let mut writer = FrameWriter::create(&paths[0], &self.plan.provenance, Existing::Keep)?;
        let layers =
            paths.get(1).map(|path| ShardWriter::<ExrRow>::create(path, &self.plan.provenance, Existing::Keep));
        let mut layers = layers.transpose()?;
        let keys: Vec<FrameKey> = task.items.clone().map(|i| self.plan.frame(split, i)).collect();
        let takes: Vec<&[FrameKey]> =
            keys.chunk_by(|a, b| (a.identity_id, a.expression_id) == (b.identity_id, b.expression_id)).collect();
        let mut cast: Vec<Arc<Actor>> = Vec::new();
        for chunk in takes.chunks(2 * rayon::current_num_threads()) {
            self.recast(&mut cast, chunk);
            let rows: Vec<anyhow::Result<Vec<Row>>> = chunk
                .par_iter()
                .map(|keys| {
                    let actor = cast.iter().find(|a| a.identity_id == keys[0].identity_id);
                    let rows = self.rows_of_take(actor.expect("recast above"), keys)?;
                    progress.add(rows.len() as u64);
                    Ok(rows)
                })
                .collect();
            for row in rows.into_iter().collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten() {
                if let (Some(layers), Some(exr)) = (&mut layers, row.exr) {
                    layers.push(ExrRow { frame_id: row.frame.frame_id, exr })?;
                }
                writer.push(row.frame)?;
            }
        }
        // The frames come last: they are what a reader looks for.
        layers.map(ShardWriter::finish).transpose()?;
        writer.finish()?;
        Ok(())
    }

    /// Makes `cast` hold the persons of `takes`, keeping who is there already.
    fn recast(&self, cast: &mut Vec<Arc<Actor<'a>>>, takes: &[&[FrameKey]]) {
        let mut ids: Vec<u32> = takes.iter().map(|k| k[0].identity_id).collect();
        ids.dedup();
        cast.retain(|a| ids.contains(&a.identity_id));
        let new: Vec<u32> = ids.into_iter().filter(|id| cast.iter().all(|a| a.identity_id != *id)).collect();
        let made: Vec<Arc<Actor>> =
            new.par_iter().map(|&id| Arc::new(Actor::sample(self.stage, &self.plan.config, id))).collect();
        cast.extend(made);
    }

    /// Rows that share a person and a face.
    fn rows_of_take(&self, actor: &Actor, keys: &[FrameKey]) -> anyhow::Result<Vec<Row>> {
        stop::check()?;
        let set = self.set(actor, &keys[0])?;
        keys.iter().map(|key| self.row(actor, &set, key)).collect()
    }

    /// A person making the face of `key`, ready to be looked at.
    pub(crate) fn set(&self, actor: &Actor, key: &FrameKey) -> anyhow::Result<Set> {
        let performance = Performance::sample(&self.plan.config, key.identity_id, key.expression_id);
        let take = actor.take(&performance);
        stop::check()?;
        let scene = trace::build(&take.scene, self.accel).map_err(trace_failure)?;
        Ok(Set { performance, take, scene })
    }

    /// The environment of `key`.
    pub(crate) fn light(&self, key: &FrameKey) -> anyhow::Result<Lit> {
        Ok(self.lights.get(&self.plan.config, key.light_id)?)
    }

    /// One row of a set.
    pub(crate) fn row(&self, actor: &Actor, set: &Set, key: &FrameKey) -> anyhow::Result<Row> {
        stop::check()?;
        let config = &self.plan.config;
        let Set { performance, take, scene } = set;
        let view = View::of(config, key.identity_id, key.expression_id, key.camera_id);
        // A film's camera does not follow the nods of the head.
        let head_box = if performance.action.moment.is_some() { actor.head_box } else { take.head_box };
        let (camera, mut capture) = cameras::sample(&config.camera, config.seed, view, head_box, config.image.size);
        let shot = config.shot_of(key.expression_id);
        let words = [key.identity_id.into(), shot.into(), key.camera_id.into()];
        capture.development = Development::sample(&config.image, config.seed, &words, key.seed);
        let lit = self.light(key)?;
        let eye = |lids: &[Vec3]| lids.iter().sum::<Vec3>() / lids.len() as f32;
        capture.focus_on(&camera, [eye(&take.landmarks[ibug::RIGHT_EYE]), eye(&take.landmarks[ibug::LEFT_EYE])]);
        let settings = settings(config, key.seed);
        let film = trace::render_through(scene, &camera, &capture.optics, &lit.1, &settings).map_err(trace_failure)?;
        let shot = Shot {
            key,
            config,
            performance,
            take,
            camera: &camera,
            capture: &capture,
            light: &lit.0,
            film: &film,
            scene,
        };
        let exr = config.maps.exr.then(|| crate::exr::encode(&film)).transpose().map_err(trace_failure)?;
        Ok(Row { frame: shot.row()?, exr })
    }
}

/// A person making a face, built to be traced.
pub(crate) struct Set {
    performance: Performance,
    take: Take,
    scene: trace::Scene,
}

/// Renders one picture.
///
/// # Errors
/// Denoiser or Embree absent (66).
pub fn expose(
    scene: &trace::Scene,
    camera: &Camera,
    environment: &Environment,
    settings: &RenderSettings,
) -> anyhow::Result<Film> {
    Ok(trace::render(scene, camera, environment, settings).map_err(trace_failure)?)
}

/// One picture of a take: a scene of its own.
///
/// # Errors
/// As [`expose`].
pub fn expose_take(
    take: &Take,
    camera: &Camera,
    light: &Light,
    config: &Config,
    accel: AccelKind,
) -> anyhow::Result<Film> {
    let scene = trace::build(&take.scene, accel).map_err(trace_failure)?;
    expose(&scene, camera, &light.environment(config.light.width as usize), &settings(config, config.seed))
}

/// The tracer's settings for a config.
pub fn settings(config: &Config, seed: u64) -> RenderSettings {
    let image = &config.image;
    RenderSettings {
        width: image.size as usize,
        height: image.size as usize,
        spp: image.samples,
        tolerance: image.tolerance,
        max_bounces: image.bounces,
        seed,
        subsurface: match image.skin {
            config::SkinModel::Diffuse => Subsurface::Diffuse,
            config::SkinModel::Subsurface => Subsurface::RandomWalk,
        },
        denoise: match image.denoise {
            config::Denoise::Off => Denoise::Off,
            config::Denoise::Fast => Denoise::Fast,
            config::Denoise::High => Denoise::High,
        },
        coverage: match image.coverage {
            config::Coverage::Fast => CoverageGrid::Fast,
            config::Coverage::Fine => CoverageGrid::Fine,
        },
    }
}

fn trace_failure(error: trace::TraceError) -> Failure {
    if let (trace::TraceError::Stopped, Err(stopped)) = (&error, stop::check()) {
        return stopped;
    }
    let code = match &error {
        trace::TraceError::Embree(_) | trace::TraceError::Denoise(_) => ExitCode::MissingInput,
        _ => ExitCode::Bug,
    };
    Failure::new(code, error.to_string())
}

/// A light and what it looks like all around.
pub(crate) type Lit = Arc<(Light, Environment)>;

/// The environments in use: a frame's neighbors often share one.
#[derive(Default)]
struct Lights {
    recent: Mutex<Vec<(u32, Lit)>>,
}

impl Lights {
    const KEPT: usize = 12;

    fn get(&self, config: &Config, light_id: u32) -> Result<Lit, Failure> {
        let lock = || self.recent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some((_, lit)) = lock().iter().find(|(id, _)| *id == light_id) {
            return Ok(lit.clone());
        }
        let lit = Arc::new(crate::studio::light_map::lit(config, light_id)?);
        let mut recent = lock();
        if recent.len() >= Self::KEPT {
            recent.remove(0);
        }
        recent.push((light_id, lit.clone()));
        Ok(lit)
    }
}
