//! What a driven avatar is written to, frame by frame: an animated WebP, an MP4, or a folder of PNG frames.
//!
//! Invariant: a film holds at most two frames in memory, however long it is; encoded bytes of a WebP aside.
mod mp4;
mod webp;

use anyhow::{Context, Result};
use formats::exit::Failure;
use formats::image::{png_from_rgb8, png_from_rgba8};
use formats::publish::write_atomically;
use std::path::{Path, PathBuf};

/// One image of a film, 8-bit display RGB or straight RGBA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// 3 RGB, 4 RGBA.
    pub channels: usize,
    /// `[height, width, channels]`
    pub data: Vec<u8>,
}

/// Takes the frames in order.
pub trait Film: Send {
    /// The next frame; all have the same size and channels.
    ///
    /// # Errors
    /// Encoding or writing.
    fn add(&mut self, frame: Pixels) -> Result<()>;

    /// Publishes the film; one that is dropped before leaves nothing but PNG frames.
    ///
    /// # Errors
    /// No frame, encoding or writing.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// What is behind the head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backdrop {
    /// A tone (display RGB).
    Tone([f32; 3]),
    /// Nothing: frames have an alpha channel.
    Transparent,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.webp`
    Webp,
    /// `.mp4`
    Mp4,
    /// Anything else: a folder of PNG frames.
    Pngs,
}

impl Kind {
    /// By the extension.
    pub fn of(path: &Path) -> Self {
        let is = |name: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(name));
        match (is("webp"), is("mp4")) {
            (true, _) => Kind::Webp,
            (_, true) => Kind::Mp4,
            _ => Kind::Pngs,
        }
    }

    /// Before any work: can it be made here?
    ///
    /// # Errors
    /// Exit code 73 where the program `ffmpeg` is missing, 2 for an MP4 with transparency.
    pub fn check(self, backdrop: Backdrop) -> Result<()> {
        if self != Kind::Mp4 {
            return Ok(());
        }
        if backdrop == Backdrop::Transparent {
            return Err(
                Failure::usage("--alpha: .mp4 has no transparency; write .webp or a folder of PNG frames").into()
            );
        }
        mp4::find()
    }
}

/// Opens a film of `fps` frames a second.
///
/// # Errors
/// A folder that cannot be created.
pub fn open(path: &Path, fps: f32) -> Result<Box<dyn Film>> {
    Ok(match Kind::of(path) {
        Kind::Webp => Box::new(webp::Webp::new(path, fps)),
        Kind::Mp4 => Box::new(mp4::Mp4::new(path, fps)),
        Kind::Pngs => {
            std::fs::create_dir_all(path).with_context(|| format!("cannot create {path:?}"))?;
            Box::new(Pngs { folder: path.into(), n: 0 })
        }
    })
}

/// `frame-00000.png` and so on.
struct Pngs {
    folder: PathBuf,
    n: usize,
}

impl Film for Pngs {
    fn add(&mut self, frame: Pixels) -> Result<()> {
        let encode = if frame.channels == 4 { png_from_rgba8 } else { png_from_rgb8 };
        let png = encode(frame.width, frame.height, &frame.data)?;
        write_atomically(&self.folder.join(format!("frame-{:05}.png", self.n)), &png)?;
        self.n += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_selects_the_film() {
        let kinds = ["a.webp", "A.MP4", "frames", "a.png"].map(|p| Kind::of(Path::new(p)));
        assert_eq!(kinds, [Kind::Webp, Kind::Mp4, Kind::Pngs, Kind::Pngs]);
        let err = Kind::Mp4.check(Backdrop::Transparent).unwrap_err();
        assert_eq!(formats::exit::code_of(&err), 2);
    }
}
