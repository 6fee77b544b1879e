//! `shards export`: frames for tools that do not read Parquet. A folder appears whole or not at all.
//!
//! Names are made from numbers and sanitised words, never taken from the data as they are.
mod coco;
mod nerfstudio;
mod rle;
mod tar;
mod webdataset;

use crate::commands::new_folder::NewFolder;
use arrow::array::RecordBatch;
use arrow::array::cast::AsArray;
use formats::exit::{ExitCode, Failure};
use formats::progress::{Progress, Talk};
use formats::table::Row;
use formats::{Error, FrameRow, Part, Scan, digest};
use serde_json::json;
use std::path::Path;

/// What to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Tar files of 1,000 frames: KEY.png, KEY.alpha.png …, KEY.json
    Webdataset,
    /// An image folder and COCO annotations: boxes, 68 keypoints, masks as RLE
    Coco,
    /// One folder with transforms.json (OpenGL cameras), masks and depth per identity and expression
    Nerfstudio,
}

/// Takes frames in the order of the dataset.
trait Sink {
    /// One frame, with its stored row.
    fn frame(&mut self, frame: &FrameRow, batch: &RecordBatch, i: usize) -> anyhow::Result<()>;
    /// All frames are there.
    fn finish(self: Box<Self>) -> anyhow::Result<()>;
}

/// Writes the frames that match `condition` into the new folder `out`.
pub fn run(
    path: &Path,
    condition: Option<&str>,
    target: Target,
    out: &Path,
    dry_run: bool,
    talk: Talk,
) -> anyhow::Result<ExitCode> {
    let scan = Scan::open(path, condition)?;
    if out.exists() {
        return Err(
            Failure::new(ExitCode::CannotCreate, format!("already there, expected a new folder: {out:?}")).into()
        );
    }
    let mut total = 0;
    for selection in scan.selections() {
        total += selection?.rows.len() as u64;
    }
    if total == 0 {
        return Err(Failure::bad_data(format!("no frame to export: {path:?}")).into());
    }
    if dry_run {
        println!("{total} frames of {} shards would be written: {}", scan.files().len(), out.display());
        return Ok(ExitCode::Done);
    }
    let folder = NewFolder::beside(out)?;
    let mut sink: Box<dyn Sink> = match target {
        Target::Webdataset => Box::new(webdataset::Tars::new(&folder.path)),
        Target::Coco => Box::new(coco::Coco::new(&folder.path)),
        Target::Nerfstudio => Box::new(nerfstudio::Scenes::new(&folder.path)),
    };
    let progress = Progress::new("export", total, "frames", talk);
    for selection in scan.selections() {
        let selection = selection?;
        let complaint = |what: String| Error::data(selection.shard.path(), what);
        selection
            .for_each_batch(Part::All, |batch, _| {
                formats::stop::check()?;
                let frames = FrameRow::rows(batch).map_err(complaint)?;
                check_digests(batch, &frames).map_err(complaint)?;
                for (i, frame) in frames.iter().enumerate() {
                    sink.frame(frame, batch, i)?;
                    progress.add(1);
                }
                Ok::<_, ExportError>(())
            })
            .map_err(|e| e.0)?;
    }
    sink.finish()?;
    folder.publish(out)?;
    progress.finish();
    talk.event("export", json!({"path": out, "frames": total}));
    Ok(ExitCode::Done)
}

/// Lets a sink's `anyhow` error through the reader.
struct ExportError(anyhow::Error);

impl From<anyhow::Error> for ExportError {
    fn from(err: anyhow::Error) -> Self {
        ExportError(err)
    }
}

impl From<Error> for ExportError {
    fn from(err: Error) -> Self {
        ExportError(err.into())
    }
}

impl From<Failure> for ExportError {
    fn from(err: Failure) -> Self {
        ExportError(err.into())
    }
}

/// The images must be those that were written.
fn check_digests(batch: &RecordBatch, frames: &[FrameRow]) -> Result<(), String> {
    let digests = batch.column_by_name("image_sha256").and_then(|c| c.as_fixed_size_binary_opt());
    let digests = digests.ok_or("no column image_sha256")?;
    for (frame, expected) in frames.iter().zip(digests) {
        if expected != Some(&digest::sha256(&frame.image)[..]) {
            return Err(format!(
                "frame {}: the image is not the one that was written (sha256 differs)",
                frame.frame_id
            ));
        }
    }
    Ok(())
}

/// A word of the data as part of a file name: letters, digits, `-` and `_`, at most 64.
fn safe_name(word: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = word.chars().take(64).map(safe).collect();
    if name.is_empty() { "none".into() } else { name }
}

/// Writes a new file in the folder being made; its own folder is made too.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|source| Error::Create { source, path: parent.into() })?;
    }
    std::fs::write(path, bytes).map_err(|source| Error::Io { what: "cannot write", source, path: path.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_data_cannot_leave_the_folder() {
        for (word, name) in [
            ("train", "train"),
            ("../../etc/passwd", "______etc_passwd"),
            ("/abs", "_abs"),
            ("..", "__"),
            ("", "none"),
            ("a\0b\nc", "a_b_c"),
            ("C:\\x", "C__x"),
        ] {
            assert_eq!(safe_name(word), name);
        }
        assert_eq!(safe_name(&"é".repeat(999)), "_".repeat(64));
    }
}
