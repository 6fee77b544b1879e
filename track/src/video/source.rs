//! Frames of a video in order, one at a time: through the program `ffmpeg`, or from a folder of numbered pictures.
mod folder;
mod program;

use crate::picture::Picture;
use folder::Folder;
use program::Decoder;
use std::path::{Path, PathBuf};

/// Which frames.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Cut {
    /// Every so many frames, from 1.
    pub every: u64,
    /// First moment, seconds.
    pub from_s: f64,
    /// Frames from this moment on are left out, seconds.
    pub to_s: Option<f64>,
    /// Frames per second of a folder of pictures.
    pub folder_fps: f64,
}

/// A frame.
#[derive(Clone, Debug)]
pub struct VideoFrame {
    /// Counted within the cut, from 0.
    pub number: u64,
    /// Since the start of the video.
    pub seconds: f64,
    /// Upright, at most [`Source::LONGEST_PX`] a side if decoded by the program.
    pub picture: Picture,
    /// Size of the video over that of the picture.
    pub shrink: f64,
}

/// A video that is there.
#[derive(Clone, Debug)]
pub struct Source {
    /// File or folder.
    pub path: PathBuf,
    /// Which frames of it.
    pub cut: Cut,
    /// Frames of the cut, if the container says; a guess.
    pub frames: Option<u64>,
    /// Of a folder: its pictures within the cut.
    pictures: Option<Folder>,
}

impl Source {
    /// Larger videos are scaled down while they are decoded.
    pub const LONGEST_PX: usize = 1920;

    /// Looks what is there.
    ///
    /// # Errors
    /// [`crate::Error::Missing`], [`crate::Error::EmptyFolder`]; exit code 66 where the program is missing.
    pub fn open(path: &Path, cut: Cut) -> anyhow::Result<Self> {
        if !path.exists() {
            return Err(crate::Error::Missing { what: "video", path: path.into() }.into());
        }
        if path.is_dir() {
            let folder = Folder::open(path, cut)?;
            return Ok(Source { path: path.into(), cut, frames: Some(folder.len()), pictures: Some(folder) });
        }
        let frames = program::estimate(path)?.map(|known| known.frames(&cut));
        Ok(Source { path: path.into(), cut, frames, pictures: None })
    }

    /// Every `stride`-th frame of the cut, from number `first` on.
    ///
    /// # Errors
    /// The program does not start.
    pub fn frames(&self, first: u64, stride: u64) -> anyhow::Result<Frames> {
        Ok(match &self.pictures {
            Some(folder) => Frames::Folder(folder.frames(first, stride)),
            None => Frames::Program(Box::new(Decoder::start(&self.path, &self.cut, first, stride)?)),
        })
    }

    /// Digest that changes with the content: of the file; of a folder, of the names and sizes of its pictures.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn digest(&self) -> Result<String, formats::Error> {
        match &self.pictures {
            Some(folder) => folder.digest(),
            None => formats::digest::sha256_of_file(&self.path),
        }
    }
}

/// An iterator over frames; ends after the first error.
pub enum Frames {
    /// Decoded by the program.
    Program(Box<Decoder>),
    /// Read from files.
    Folder(folder::Pictures),
}

impl Iterator for Frames {
    type Item = anyhow::Result<VideoFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Frames::Program(decoder) => decoder.next(),
            Frames::Folder(pictures) => pictures.next(),
        }
    }
}
