//! `zero1a run`: a reference picture → an avatar folder, by way of a versioned set of clips.
use crate::clips::{self, Clip, FrameSpec, Rest, Sequences};
use crate::config::RunConfig;
use crate::guide::Guide;
use crate::maker::VideoMaker;
use crate::reference::Reference;
use crate::set::ClipSet;
use crate::start;
use crate::subject::Subject;
use crate::symgen::{self, Event, TrainContext};
use crate::trainer::Trainer;
use crate::video::VideoModel;
use anyhow::{Context, Result};
use formats::exit::Failure;
use formats::progress::{Progress, Talk};
use formats::publish::write_atomically;
use formats::{AvatarCard, AvatarKind, Dataset, Provenance};
use head::HeadBox;
use head::HeadModel;
use head::params::unit;
use nets::losses::perceptual::Perceptual;
use nets::view::sheet_png;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::{Device, Tensor};
use track::networks::Networks;

/// Everything a run needs, opened and checked.
pub struct Plan<'a> {
    /// Folder to write: `set/`, `state/`, `avatar/`, `preview.png`, `plan.toml`.
    pub out: PathBuf,
    /// Shown on pages.
    pub name: String,
    /// The person.
    pub subject: Subject,
    /// The head model that the subject was fitted with.
    pub model: &'a HeadModel,
    /// Makes clips.
    pub video: &'a dyn VideoModel,
    /// What the video model is called in rows.
    pub video_name: String,
    /// Reads landmarks off rendered frames.
    pub tracker: Option<&'a Networks>,
    /// Compares pictures.
    pub perceptual: Option<&'a Perceptual>,
    /// Faces of the real temporal clips; made up where there are none.
    pub real: Sequences,
    /// The rest.
    pub config: RunConfig,
    /// Where it computes.
    pub device: Device,
    /// Written into set and card.
    pub provenance: Provenance,
    /// How to talk.
    pub talk: Talk,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The avatar's folder.
    pub avatar: PathBuf,
    /// Digest of the avatar's weights.
    pub weights_sha256: String,
    /// Versions of the set, and the digest that stands for them all; none for score distillation.
    pub versions: Option<(u64, String)>,
    /// How fast this process was; none if there was nothing to do.
    pub pace: Option<Pace>,
}

/// What a process did of a run, and how long it took (wall clock).
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Pace {
    /// Iterations.
    pub iterations: u64,
    /// Of all of them together.
    pub iteration_seconds: f64,
    /// Clips made.
    pub refreshes: u64,
    /// Of all of them together, commits included.
    pub refresh_seconds: f64,
}

impl Outcome {
    /// Whether the avatar had been there.
    pub fn was_done(&self) -> bool {
        self.pace.is_none()
    }
}

/// Runs, or resumes, or finds that all is done.
///
/// # Errors
/// A folder that another plan began; what model, rasterizer and disk say.
pub fn run(plan: &Plan) -> Result<Outcome> {
    let avatar = plan.out.join("avatar");
    if let Some(outcome) = done(plan, &avatar)? {
        return Ok(outcome);
    }
    write_atomically(&plan.out.join("plan.toml"), plan.provenance.config_toml.as_bytes())?;
    let size = plan.video.size() as usize;
    let maker = VideoMaker {
        model: plan.video,
        chain: plan.config.chain,
        regeneration: plan.config.regeneration,
        reference: plan.subject.over(plan.config.background, size),
        reference_landmarks: plan.subject.landmarks_at(size),
        name: plan.video_name.clone(),
        device: plan.device,
    };
    let clips = clips_of(plan, size);
    let context = TrainContext {
        config: &plan.config,
        maker: &maker,
        guide: Guide { source: plan.config.landmarks, model: plan.model, tracker: plan.tracker },
        perceptual: plan.perceptual,
        clips: &clips,
        reference: Reference::new(&plan.subject, plan.config.reference_size, plan.device),
    };
    let first = start::rigged(plan.model, &plan.subject, &plan.config.start, plan.device);
    let mut trainer = Trainer::new(first, &plan.config.rates);
    let mut set = ClipSet::open(&plan.out, plan.provenance.clone())?;
    let pace = watched(plan, &context, &mut trainer, &mut set)?;
    write_atomically(&plan.out.join("preview.png"), &preview(plan, &trainer, 160)?)?;
    let weights_sha256 = save(plan, &trainer, &set, &avatar)?;
    let versions = set.version().map(|(number, digest)| (number, digest.to_string()));
    Ok(Outcome { avatar, weights_sha256, versions, pace: Some(pace) })
}

/// Runs the loop with a bar, and a preview now and then.
fn watched(plan: &Plan, context: &TrainContext, trainer: &mut Trainer, set: &mut ClipSet) -> Result<Pace> {
    const PREVIEWS: u64 = 20;
    let progress = Progress::new("zero1a", plan.config.iterations, "iterations", plan.talk);
    if let Some(mark) = set.mark()? {
        progress.resume(mark.iteration);
    }
    let (mut trouble, mut pace, mut clock) = (None, Pace::default(), Instant::now());
    let every = (plan.config.iterations / PREVIEWS).max(1);
    symgen::run(context, trainer, set, &mut |event| match event {
        Event::Step { k, losses } => {
            pace.iterations += 1;
            pace.iteration_seconds += clock.elapsed().as_secs_f64();
            clock = Instant::now();
            progress.note(&format!("loss {:.3}", losses.picture));
            progress.add(1);
            if k % every == 0 {
                let fields = json!({ "k": k, "picture": losses.picture, "binding": losses.binding });
                plan.talk.event("step", fields);
            }
        }
        Event::Refresh { k, clip, version, unread, trainer } => {
            pace.refreshes += 1;
            pace.refresh_seconds += clock.elapsed().as_secs_f64();
            plan.talk.event("refresh", json!({ "k": k, "clip": clip, "version": version, "unread": unread }));
            if k % every < plan.config.refresh_every {
                let written = preview(plan, trainer, 96)
                    .and_then(|png| Ok(write_atomically(&plan.out.join("preview.png"), &png)?));
                trouble = trouble.take().or(written.err());
            }
            clock = Instant::now();
        }
    })?;
    progress.finish();
    trouble.map_or(Ok(pace), Err)
}

/// The outcome, if the avatar is there already.
fn done(plan: &Plan, avatar: &Path) -> Result<Option<Outcome>> {
    if !avatar.join(formats::avatar::CARD).is_file() {
        return Ok(None);
    }
    let (card, _) = AvatarCard::read(avatar)?;
    let (old, new) = (&card.provenance, &plan.provenance);
    if !RunConfig::same(&old.config_toml, &new.config_toml) || old.inputs != new.inputs {
        let text = format!("{avatar:?} was made with another configuration or other inputs; expected a new --out");
        return Err(Failure::config(text).into());
    }
    let set = ClipSet::open(&plan.out, plan.provenance.clone())?;
    let versions = set.version().map(|(number, digest)| (number, digest.to_string()));
    let weights_sha256 = card.weights_sha256;
    Ok(Some(Outcome { avatar: avatar.into(), weights_sha256, versions, pace: None }))
}

fn clips_of(plan: &Plan, size: usize) -> Vec<Clip> {
    let neutral = plan.model.neutral(&plan.subject.params.shape);
    let rest = Rest::of(&plan.subject.camera, HeadBox::of(plan.model, &neutral).center);
    clips::plan(&plan.config.schedule(), &plan.config.views, &rest, &plan.real, size, plan.config.seed)
}

fn save(plan: &Plan, trainer: &Trainer, set: &ClipSet, avatar: &Path) -> Result<String> {
    let versions = set.version().map(|(number, digest)| json!({ "number": number, "digest": digest }));
    let card = AvatarCard {
        kind: AvatarKind::Rigged,
        name: plan.name.clone(),
        frame_ids: vec![plan.subject.frame_id],
        expressions: vec![plan.subject.params.expression.to_vec()],
        gaussians: trainer.rigged.bound.len() as i64,
        metrics: json!({ "iterations": plan.config.iterations, "method": plan.config.method.name(), "versions": versions }),
        provenance: plan.provenance.clone(),
        ..AvatarCard::default()
    };
    card.write(avatar, |path| {
        let mut file = nets::Checkpoint::new(plan.config.iterations);
        trainer.rigged.put(&mut file)?;
        file.save(path).map(drop)
    })
    .map_err(|e: nets::Error| anyhow::Error::from(e))?;
    let (card, _) = AvatarCard::read(avatar)?;
    Ok(card.weights_sha256)
}

/// A row of pictures: the reference, the avatar as there, from both sides, smiling, surprised, with closed eyes.
///
/// # Errors
/// What the rasterizer says.
pub fn preview(plan: &Plan, trainer: &Trainer, size: usize) -> Result<Vec<u8>> {
    let neutral = plan.model.neutral(&plan.subject.params.shape);
    let rest = Rest::of(&plan.subject.camera, HeadBox::of(plan.model, &neutral).center);
    let face = |units: &[(&str, f32)]| {
        let mut expression = [0.0; 52];
        units.iter().filter_map(|(name, v)| Some((unit(name)?, *v))).for_each(|(k, v)| expression[k] = v);
        expression
    };
    let at = |yaw: f32, expression: [f32; 52]| FrameSpec { camera: rest.camera(yaw, 0.0, size), expression };
    let own = plan.subject.params.expression;
    let frame_specs = [
        FrameSpec { camera: plan.subject.camera.resized(size, size), expression: own },
        at(-0.7, own),
        at(0.7, own),
        at(
            0.0,
            face(&[
                ("mouthSmileLeft", 0.9),
                ("mouthSmileRight", 0.9),
                ("cheekSquintLeft", 0.4),
                ("cheekSquintRight", 0.4),
            ]),
        ),
        at(0.0, face(&[("jawOpen", 0.6), ("browInnerUp", 0.8), ("eyeWideLeft", 0.7), ("eyeWideRight", 0.7)])),
        at(0.0, face(&[("eyeBlinkLeft", 1.0), ("eyeBlinkRight", 1.0)])),
    ];
    let drawn = trainer.pictures(&frame_specs, plan.config.background)?;
    let mut row: Vec<Tensor> = vec![plan.subject.over(plan.config.background, size)];
    row.extend((0..frame_specs.len() as i64).map(|i| drawn.get(i).to_device(Device::Cpu)));
    sheet_png(&[row])
}

/// Expressions of a shard in order of its frames, cut into clips of `frames`.
///
/// # Errors
/// A shard that cannot be read, or is shorter than one clip.
pub fn sequences(path: &Path, frames: usize) -> Result<Sequences> {
    let dataset = Dataset::open(path)?;
    let mut rows: Vec<_> = dataset.all_labels().iter().collect();
    rows.sort_by_key(|r| (r.identity_id, r.expression_id, r.frame_id));
    // Several cameras of one expression show the same face.
    rows.dedup_by_key(|r| (r.identity_id, r.expression_id));
    let faces: Vec<[f32; 52]> = rows.iter().map(|r| r.expression).collect();
    let cut: Sequences = faces.chunks_exact(frames.max(1)).map(<[_]>::to_vec).collect();
    if cut.is_empty() {
        let text = format!("{path:?} has {} expressions, expected at least the {frames} of one clip", faces.len());
        return Err(Failure::bad_data(text).into());
    }
    Ok(cut)
}

/// Complains unless the tracked dataset at `out` was made from these inputs.
fn same_inputs(out: &Path, wanted: &Provenance) -> Result<()> {
    let dataset = Dataset::open(out)?;
    let made = dataset.shards().first().map(formats::Shard::provenance).unwrap_or_default();
    let differs = wanted.inputs.iter().find(|input| !made.inputs.contains(input));
    match differs {
        None => Ok(()),
        Some((name, _)) => {
            let text = format!("{out:?} was made from another {name}; expected a new --out for this one");
            Err(Failure::config(text).into())
        }
    }
}

/// Follows a photo into a tracked dataset at `out`, unless the one of the same photo is there.
///
/// # Errors
/// No face, or several; see [`track::photos::run`]. Exit code 78 if `out` holds another photo, or was made with other weights or
/// another head model.
pub fn track_photo(photo: &Path, weights: &Path, head: &Path, out: &Path, device: Device, talk: Talk) -> Result<()> {
    let config = track::config::TrackConfig::default();
    let provenance =
        Provenance::new("track", env!("CARGO_PKG_VERSION"), &formats::config::to_toml(&config)?, config.train.seed)
            .with_input("weights", weights)?
            .with_input("head", head)?
            .with_input("photo", photo)?;
    if out.join("README.md").is_file() {
        return same_inputs(out, &provenance);
    }
    let plan = track::photos::Plan {
        photos: vec![photo.into()],
        out: out.into(),
        choice: track::photos::FaceChoice::Largest,
        cameras: track::photos::Cameras::BySize,
        focal_px: None,
        tracker: track::tracker::Tracker {
            networks: Networks::load(weights, device)?,
            head: HeadModel::load(head)?,
            config,
        },
        recognizer: None,
        provenance,
        talk,
    };
    track::photos::run(&plan).map(drop).with_context(|| format!("cannot follow {photo:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::FrameRow;

    /// A dataset tracked from one photo is not taken for that of another.
    #[test]
    fn another_photo_needs_another_folder() {
        let folder = std::env::temp_dir().join(format!("zero1a-photo-{}", std::process::id()));
        let out = folder.join("tracked");
        std::fs::create_dir_all(&out).unwrap();
        let [photo, other, weights, head] =
            ["me.jpg", "her.jpg", "track.safetensors", "head.safetensors"].map(|name| {
                let path = folder.join(name);
                std::fs::write(&path, name).unwrap();
                path
            });
        let provenance = Provenance::new("track", "1", "a = 1\n", 0)
            .with_input("weights", &weights)
            .and_then(|p| p.with_input("head", &head))
            .and_then(|p| p.with_input("photo", &photo))
            .unwrap();
        let image = formats::image::png_from_rgb8(2, 1, &[0; 6]).unwrap();
        let row = FrameRow { image, width: 2, height: 1, split: "train".into(), ..FrameRow::default() };
        let shard = out.join("frames/train-00000-of-00001.parquet");
        formats::write_frames::<formats::Error>(&shard, [Ok(row)], &provenance, formats::Existing::Replace).unwrap();
        std::fs::write(out.join("README.md"), "").unwrap();
        let follow = |photo: &Path, head: &Path| track_photo(photo, &weights, head, &out, Device::Cpu, Talk::Quiet);
        follow(&photo, &head).unwrap();
        let refused = follow(&other, &head).unwrap_err();
        assert_eq!(formats::exit::code_of(&refused), 78);
        assert!(refused.to_string().contains("made from another photo; expected a new --out"), "{refused}");
        assert!(follow(&photo, &other).unwrap_err().to_string().contains("another head"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
