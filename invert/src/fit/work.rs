//! Working folder of an unfinished fit, inside the avatar folder: checkpoints of stages A and B, and the preview. It is
//! removed when the fit is completed.
use super::gaussians::Untuned;
use crate::maps_avatar::MapsAvatar;
use crate::pictures::Pictures;
use anyhow::Result;
use formats::publish::remove_folder;
use nets::Checkpoint;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// Within the avatar's folder.
const FOLDER: &str = "unfinished";
/// Checkpoints after stages A and B; stage C ends with the avatar itself.
const STATES: [&str; 2] = ["stage-a.safetensors", "stage-b.safetensors"];
const PREVIEW: &str = "preview.png";
/// Key of the checkpoint note with the digest of the inputs.
const INPUTS: &str = "inputs";

/// The working folder of one fit.
pub struct Work {
    avatar: PathBuf,
    folder: PathBuf,
    /// Whether the avatar folder did not exist before.
    is_first: bool,
    /// Digest of everything the result depends on.
    inputs: String,
}

/// Measurements up to a checkpoint, and what later stages need of earlier ones.
#[derive(Default)]
pub(super) struct Record {
    /// Of stage A, once B has begun; of an avatar on a rig.
    pub(super) untuned: Option<Untuned>,
    /// Of each completed stage.
    pub(super) seconds: Vec<f64>,
    /// Before the first stage and after each.
    pub(super) psnr_db: Vec<f64>,
}

impl Work {
    /// Creates the folder within `avatar`. Checkpoints of an earlier fit are kept if they have the same `inputs`, otherwise removed.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn open(avatar: &Path, inputs: String) -> Result<Self> {
        let (is_first, folder) = (!avatar.exists(), avatar.join(FOLDER));
        std::fs::create_dir_all(&folder).map_err(|source| formats::Error::Create { source, path: folder.clone() })?;
        let work = Work { avatar: avatar.into(), folder, is_first, inputs };
        for path in STATES.map(|name| work.folder.join(name)) {
            if path.exists() && work.state(&path).is_none() {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(work)
    }

    /// How many stages have a checkpoint that can be resumed.
    pub(super) fn completed(&self) -> usize {
        (1..=STATES.len()).rev().find(|n| self.state(&self.folder.join(STATES[n - 1])).is_some()).unwrap_or(0)
    }

    /// Path of the preview image.
    pub fn preview(&self) -> PathBuf {
        self.folder.join(PREVIEW)
    }

    /// Removes the folder, after the avatar was written.
    pub fn done(self) {
        remove_folder(&self.folder);
    }

    /// A checkpoint; none if it has other inputs or cannot be read.
    fn state(&self, path: &Path) -> Option<Checkpoint> {
        Checkpoint::load(path).ok().filter(|file| file.notes.get(INPUTS) == Some(&self.inputs))
    }

    /// Restores the newest checkpoint, if there is one.
    ///
    /// # Errors
    /// A checkpoint without one of its tensors.
    pub(super) fn resume(&self, avatar: &mut MapsAvatar, pictures: &mut Pictures) -> Result<Option<Record>> {
        let newest = STATES.iter().rev().find_map(|name| self.state(&self.folder.join(name)));
        let Some(file) = newest else { return Ok(None) };
        let floats = |name: &str| -> Result<Vec<f64>> { Ok(Vec::try_from(file.get(name)?)?) };
        file.restore_vars("prior", &avatar.loaded.vars)?;
        avatar.pivot = file.get("pivot")?.to_device(avatar.pivot.device());
        pictures.restore(&file)?;
        let device = avatar.pivot.device();
        let untuned = match file.names().any(|name| name == "untuned.seen") {
            true => Some(Untuned {
                seen: file.get("untuned.seen")?.to_device(device),
                colors: file.get("untuned.colors")?.to_device(device),
            }),
            false => None,
        };
        Ok(Some(Record { untuned, seconds: floats("seconds")?, psnr_db: floats("psnr_db")? }))
    }

    /// Writes the checkpoint after stage A or B.
    ///
    /// # Errors
    /// The checkpoint cannot be written.
    pub(super) fn keep(&self, record: &Record, avatar: &MapsAvatar, pictures: &Pictures) -> Result<()> {
        let stage = record.seconds.len() - 1;
        let mut file = Checkpoint::new(stage as u64);
        file.note(INPUTS, self.inputs.as_str());
        file.put_vars("prior", &avatar.loaded.vars).put("pivot", &avatar.pivot);
        pictures.put(&mut file);
        if let Some(Untuned { seen, colors }) = &record.untuned {
            file.put("untuned.seen", seen).put("untuned.colors", colors);
        }
        file.put("seconds", &doubles(&record.seconds)).put("psnr_db", &doubles(&record.psnr_db));
        file.save(&self.folder.join(STATES[stage]))?;
        Ok(())
    }
}

/// Exact, unlike decimal text.
fn doubles(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).to_kind(Kind::Double)
}

impl Drop for Work {
    /// After an error: keeps checkpoints and removes everything else.
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(self.preview());
        // `remove_dir` removes only empty folders.
        let emptied = std::fs::remove_dir(&self.folder);
        if self.is_first && emptied.is_ok() {
            let _kept = std::fs::remove_dir(&self.avatar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_other_inputs_go_and_nothing_remains() {
        let avatar = std::env::temp_dir().join(format!("invert-work-{}", std::process::id()));
        let state = avatar.join(FOLDER).join(STATES[0]);
        let keep = |inputs: &str| {
            std::fs::create_dir_all(avatar.join(FOLDER)).unwrap();
            let mut file = Checkpoint::new(0);
            file.note(INPUTS, inputs).save(&state).unwrap();
        };
        keep("these");
        let work = Work::open(&avatar, "these".into()).unwrap();
        assert!(work.state(&state).is_some());
        std::fs::write(work.preview(), b"a picture").unwrap();
        drop(work);
        assert!(state.exists() && !avatar.join(FOLDER).join(PREVIEW).exists(), "a fit that failed can be resumed");
        let work = Work::open(&avatar, "others".into()).unwrap();
        assert!(!state.exists());
        drop(work);
        assert!(!avatar.join(FOLDER).exists(), "nothing to resume, nothing remains");
        keep("these");
        std::fs::write(&state, b"cut short").unwrap();
        let work = Work::open(&avatar, "these".into()).unwrap();
        assert!(!state.exists(), "a damaged state is as good as none");
        keep("these");
        work.done();
        assert!(avatar.is_dir() && std::fs::read_dir(&avatar).unwrap().count() == 0);
        std::fs::remove_dir(&avatar).unwrap();
        drop(Work::open(&avatar, "these".into()).unwrap());
        assert!(!avatar.exists(), "a folder made for a fit that failed goes too");
    }
}
