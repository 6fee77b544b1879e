//! Writes the tracked dataset: overlays, plan, identity, frames; manifest and card last.
use super::Plan;
use super::tracked::TrackedPhoto;
use crate::Error;
use crate::picture::png;
use formats::manifest::{self, Merged};
use formats::publish::write_atomically;
use formats::{Existing, FrameRow, IdentityRow};
use std::path::{Path, PathBuf};

/// What will be written, in the order of the photos.
#[derive(Default)]
pub struct Files {
    rows: Vec<FrameRow>,
    /// Path and PNG.
    overlays: Vec<(PathBuf, Vec<u8>)>,
}

impl Files {
    /// Adds the next photo.
    ///
    /// # Errors
    /// A picture that cannot be encoded.
    pub fn add(&mut self, plan: &Plan, photo: &TrackedPhoto) -> anyhow::Result<()> {
        let index = self.rows.len();
        let path = overlay_path(&plan.out, index, &photo.read.path);
        self.overlays.push((path, png(&photo.overlay(&plan.tracker.head))?));
        self.rows.push(photo.row(&plan.tracker.head, index)?);
        Ok(())
    }

    /// Writes everything; `shape` is the person's.
    ///
    /// # Errors
    /// I/O errors; [`Error::Data`] if the folder holds other shards.
    pub fn publish(self, plan: &Plan, shape: Vec<f32>) -> anyhow::Result<()> {
        for (path, bytes) in &self.overlays {
            write_atomically(path, bytes)?;
        }
        write_atomically(&plan.out.join("plan.toml"), plan.provenance.config_toml.as_bytes())?;
        let person = IdentityRow { split: "train".into(), shape, parameters: "{}".into(), ..Default::default() };
        let identities = plan.out.join("identities/part-00000-of-00001.parquet");
        formats::write_identities::<formats::Error>(&identities, [Ok(person)], &plan.provenance, Existing::Replace)?;
        let frames = plan.out.join("frames/train-00000-of-00001.parquet");
        let rows = self.rows.into_iter().map(Ok);
        formats::write_frames::<formats::Error>(&frames, rows, &plan.provenance, Existing::Replace)?;
        // Manifest and card: the mark that the dataset is whole.
        match manifest::merge(&plan.out)? {
            Merged::Refused(findings) => {
                let first = findings.first().map(|f| f.what.clone()).unwrap_or_default();
                let what = format!("the folder holds other shards: {first}");
                Err(Error::Data { what, path: plan.out.clone() }.into())
            }
            Merged::New(_) | Merged::Same(_) => Ok(()),
        }
    }
}

fn overlay_path(out: &Path, index: usize, photo: &Path) -> PathBuf {
    let stem = formats::photo::list::short_stem(photo);
    out.join("overlay").join(format!("{index:03}-{stem}.png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_file_name_has_an_overlay_with_a_name_that_fits() {
        let photo = PathBuf::from(format!("{}.jpg", "é".repeat(125)));
        assert_eq!(photo.as_os_str().len(), 254);
        let overlay = overlay_path(Path::new("out"), 7, &photo);
        let name = overlay.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.len() <= 255 && name.starts_with("007-é") && name.ends_with(".png"), "{name}");
    }
}
