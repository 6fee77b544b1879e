//! The clips on disk: every clip that is made is a new version of the set, with the state that the avatar had.
//!
//! ```text
//! run/
//!   set/     versions of the clips, see `formats::versions`
//!   state/   state-<iteration>-<hash16>.safetensors: avatar and optimizer that a version was made with
//! ```
//! The note of a version's commit names its state; a state that no version names does not count.
use crate::clips::{Clip, FrameSpec};
use crate::config::RunConfig;
use anyhow::{Context, Result};
use formats::exit::Failure;
use formats::image::{png_from_rgb8, rgb8_from_encoded};
use formats::versions::{Commit, Spec, Version};
use formats::{ClipRow, FrameRow, Part, Provenance, VersionedSet, digest};
use nets::Checkpoint;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Frames of a clip as they were generated last.
pub struct ClipFrames {
    /// What each shows; frames that would repeat the one before are left out.
    pub frame_specs: Vec<FrameSpec>,
    /// `[F, 3, S, S]` 8 bits, as on disk.
    pub frames: Tensor,
    /// Landmarks that the maps were drawn from, pixels.
    pub landmarks: Vec<Vec<[f32; 2]>>,
    /// Before which iteration.
    pub iteration: u64,
}

impl ClipFrames {
    /// Rounds pictures `[F, 3, S, S]` (0..=1) to what is kept of them.
    pub fn new(frame_specs: Vec<FrameSpec>, pictures: &Tensor, landmarks: Vec<Vec<[f32; 2]>>, iteration: u64) -> Self {
        let codes =
            tch::no_grad(|| (pictures.clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8).to_device(Device::Cpu));
        ClipFrames { frame_specs, frames: codes, landmarks, iteration }
    }

    /// Frame `i`, `[3, S, S]` in 0..=1.
    pub fn frame(&self, i: usize, device: Device) -> Tensor {
        self.frames.get(i as i64).to_device(device).to_kind(Kind::Float) / 255.0
    }

    /// All frames, `[F, 3, S, S]` in 0..=1.
    pub fn pictures(&self, device: Device) -> Tensor {
        self.frames.to_device(device).to_kind(Kind::Float) / 255.0
    }
}

/// Where a run stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Before which iteration the last version was made.
    pub iteration: u64,
    /// How many of that iteration's clips are made.
    pub jobs_done: usize,
    /// File of the state, relative to the run's folder.
    pub state: String,
}

/// The set of a run, its clips in memory.
pub struct ClipSet {
    root: PathBuf,
    set: Option<VersionedSet>,
    latest: Option<Version>,
    provenance: Provenance,
    clips: BTreeMap<usize, ClipFrames>,
}

impl ClipSet {
    /// Opens the set in a run's folder, or gets ready to begin one.
    ///
    /// # Errors
    /// A set that was made by another plan; one that cannot be read.
    pub fn open(root: &Path, provenance: Provenance) -> Result<Self> {
        let mut open = ClipSet { root: root.into(), set: None, latest: None, provenance, clips: BTreeMap::new() };
        let folder = open.folder();
        if !VersionedSet::is_at(&folder) {
            return Ok(open);
        }
        let set = VersionedSet::open(&folder)?;
        let (old, new) = (&set.spec().provenance, &open.provenance);
        if !RunConfig::same(&old.config_toml, &new.config_toml) || old.inputs != new.inputs {
            let text =
                format!("{folder:?} was started with another configuration or other inputs; expected a new --out");
            return Err(Failure::config(text).into());
        }
        let latest = set.latest()?;
        for (clip, rows) in latest.groups() {
            let rows: Vec<ClipRow> = latest.rows(rows, Part::All)?;
            open.clips.insert(clip as usize, frames_of(&rows).with_context(|| format!("clip {clip} of {folder:?}"))?);
        }
        open.latest = (latest.number() > 0).then_some(latest);
        open.set = Some(set);
        Ok(open)
    }

    /// The set's folder.
    pub fn folder(&self) -> PathBuf {
        self.root.join("set")
    }

    /// The clips as last made.
    pub fn clips(&self) -> &BTreeMap<usize, ClipFrames> {
        &self.clips
    }

    /// Number of the latest version and the digest that stands for all of them; none before the first.
    pub fn version(&self) -> Option<(u64, &str)> {
        self.latest.as_ref().map(|v| (v.number(), v.digest()))
    }

    /// Where the run that made the latest version was.
    ///
    /// # Errors
    /// A version whose note is not ours.
    pub fn mark(&self) -> Result<Option<Mark>> {
        let Some(latest) = &self.latest else { return Ok(None) };
        let note = &latest.log().note;
        let number = |key: &str| note.get(key).and_then(serde_json::Value::as_u64);
        let state = note.get("state").and_then(|v| v.as_str()).map(String::from);
        match (number("iteration"), number("jobs_done"), state) {
            (Some(iteration), Some(jobs_done), Some(state)) => {
                Ok(Some(Mark { iteration, jobs_done: jobs_done as usize, state }))
            }
            _ => {
                Err(Failure::bad_data(format!("version {} has no state: {:?}", latest.number(), self.folder())).into())
            }
        }
    }

    /// Writes the state that the versions of iteration `k` are made with; gives its name for [`Mark::state`].
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn put_state(&self, state: &Checkpoint, k: u64) -> Result<String> {
        let bytes = state.to_bytes(&self.root)?;
        let hash = digest::hex(&digest::sha256(&bytes));
        let name = format!("state/state-{k:06}-{}.safetensors", &hash[..16]);
        formats::publish::write_atomically(&self.root.join(&name), &bytes)?;
        Ok(name)
    }

    /// Reads the state of a mark, and makes sure that it is the one.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn state(&self, mark: &Mark) -> Result<Checkpoint> {
        let path = self.root.join(&mark.state);
        let bytes = std::fs::read(&path).map_err(nets::Error::io(&path))?;
        let hash = digest::hex(&digest::sha256(&bytes));
        if !mark.state.contains(&hash[..16]) {
            return Err(
                Failure::bad_data(format!("not the state that its name says (sha256 differs): {path:?}")).into()
            );
        }
        Ok(Checkpoint::from_bytes(&bytes, &path)?)
    }

    /// Commits a clip as a new version.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn put(&mut self, clip: &Clip, frames: ClipFrames, mark: &Mark, made_by: &str, seed: u64) -> Result<()> {
        let rows = rows(clip, &frames, mark, made_by, seed)?;
        if self.set.is_none() {
            let first = rows.first().context("a clip without frames")?;
            let spec = Spec::of(first, ClipRow::GROUP, ClipRow::POSITION, self.provenance.clone());
            self.set = Some(VersionedSet::create(&self.folder(), &spec)?);
        }
        let set = self.set.as_ref().expect("just created");
        let base = match &self.latest {
            Some(version) => version.clone(),
            None => set.latest()?,
        };
        let mut commit = Commit::on(&base);
        commit.put_rows(clip.id as u64, &rows)?;
        commit.note("iteration", mark.iteration);
        commit.note("jobs_done", mark.jobs_done as u64);
        commit.note("state", mark.state.clone());
        self.latest = Some(set.commit(&commit)?);
        self.clips.insert(clip.id, frames);
        Ok(())
    }

    /// Removes states that no mark will be asked for: all but the latest version's.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn sweep_states(&self) -> Result<()> {
        let Some(mark) = self.mark()? else { return Ok(()) };
        let folder = self.root.join("state");
        formats::publish::sweep(&folder);
        let entries = std::fs::read_dir(&folder).map_err(nets::Error::io(&folder))?;
        for path in entries.filter_map(|e| Some(e.ok()?.path())) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with("state-") && !mark.state.ends_with(&name) {
                std::fs::remove_file(&path).map_err(nets::Error::io(&path))?;
            }
        }
        Ok(())
    }
}

fn rows(clip: &Clip, clip_frames: &ClipFrames, mark: &Mark, made_by: &str, seed: u64) -> Result<Vec<ClipRow>> {
    let size = clip_frames.frames.size();
    let codes = clip_frames.frames.permute([0, 2, 3, 1]).contiguous();
    let row = |(i, frame_spec): (usize, &FrameSpec)| {
        let rgb: Vec<u8> = Vec::try_from(codes.get(i as i64).flatten(0, -1))?;
        let mut frame = FrameRow {
            frame_id: (clip.id as u64) << 16 | i as u64,
            expression_id: clip.id as u32,
            camera_id: i as u32,
            split: "train".into(),
            image: png_from_rgb8(size[3] as usize, size[2] as usize, &rgb)?,
            expression: frame_spec.expression,
            landmarks_2d: clip_frames.landmarks[i].clone(),
            light: json!({ "kind": "video-model" }).to_string(),
            seed,
            source_path: mark.state.clone(),
            ..FrameRow::default()
        };
        frame.set_camera(&frame_spec.camera);
        let (clip_id, frame_in_clip) = (clip.id as u32, i as u32);
        Ok(ClipRow { clip_id, frame_in_clip, made_by: made_by.into(), iteration: clip_frames.iteration, frame })
    };
    clip_frames.frame_specs.iter().enumerate().map(row).collect()
}

/// The frames of a clip out of its rows.
///
/// # Errors
/// No rows; an image that cannot be read.
pub fn frames_of(rows: &[ClipRow]) -> Result<ClipFrames> {
    let first = rows.first().context("no rows")?;
    let picture = |row: &ClipRow| {
        let image = rgb8_from_encoded(&row.frame.image)?;
        let size = [image.height as i64, image.width as i64, 3];
        Ok::<_, formats::Error>(Tensor::from_slice(&image.data).view(size).permute([2, 0, 1]))
    };
    let frames: Vec<Tensor> = rows.iter().map(picture).collect::<Result<_, _>>()?;
    Ok(ClipFrames {
        frame_specs: rows
            .iter()
            .map(|r| FrameSpec { camera: r.frame.camera(), expression: r.frame.expression })
            .collect(),
        frames: Tensor::stack(&frames, 0).contiguous(),
        landmarks: rows.iter().map(|r| r.frame.landmarks_2d.clone()).collect(),
        iteration: first.iteration,
    })
}
