//! WebDataset: `SPLIT-000000.tar` of 1,000 frames each; the files of a frame share its key.
use super::tar::Tar;
use super::{Sink, safe_name};
use crate::commands::labels;
use arrow::array::RecordBatch;
use formats::{Error, FrameRow, image};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// Frames of a tar file.
const FRAMES: usize = 1000;

/// The open tar of each split.
pub struct Tars {
    folder: PathBuf,
    splits: BTreeMap<String, Split>,
}

#[derive(Default)]
struct Split {
    tars: usize,
    frames: usize,
    open: Option<(PathBuf, Tar<BufWriter<File>>)>,
}

impl Tars {
    /// Into `folder`.
    pub fn new(folder: &Path) -> Self {
        Tars { folder: folder.into(), splits: BTreeMap::new() }
    }
}

impl Sink for Tars {
    fn frame(&mut self, frame: &FrameRow, batch: &RecordBatch, i: usize) -> anyhow::Result<()> {
        let name = safe_name(&frame.split);
        let split = self.splits.entry(name.clone()).or_default();
        if split.frames == FRAMES {
            split.close()?;
        }
        let (path, tar) = match &mut split.open {
            Some(open) => open,
            none => {
                let path = self.folder.join(format!("{name}-{:06}.tar", split.tars));
                let file = File::create_new(&path).map_err(|source| Error::Create { source, path: path.clone() })?;
                none.insert((path, Tar::new(BufWriter::with_capacity(1 << 20, file))))
            }
        };
        split.frames += 1;
        let key = format!("{:012}", frame.frame_id);
        let io = |source| Error::Io { what: "cannot write", source, path: path.clone() };
        tar.file(&format!("{key}.{}", image::extension_of(&frame.image)), &frame.image).map_err(io)?;
        for (map, bytes) in frame.maps().into_iter().filter_map(|(map, bytes)| Some((map, bytes?))) {
            tar.file(&format!("{key}.{map}.{}", image::extension_of(bytes)), bytes).map_err(io)?;
        }
        let json = serde_json::Value::Object(labels::of_row(batch, i)).to_string();
        tar.file(&format!("{key}.json"), json.as_bytes()).map_err(io)?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> anyhow::Result<()> {
        self.splits.values_mut().try_for_each(|split| split.close().map_err(Into::into))
    }
}

impl Split {
    fn close(&mut self) -> Result<(), Error> {
        let Some((path, tar)) = self.open.take() else { return Ok(()) };
        (self.tars, self.frames) = (self.tars + 1, 0);
        let file = tar.finish().and_then(|buffer| Ok(buffer.into_inner()?));
        let synced = file.and_then(|file| file.sync_all());
        synced.map_err(|source| Error::Io { what: "cannot write", source, path })
    }
}
