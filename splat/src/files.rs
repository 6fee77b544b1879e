//! Gaussians on disk, the format chosen by the name's ending: `.ply`, `.splat` or `.spz`.
//!
//! | ending   | bytes per Gaussian       | keeps                                                              |
//! |----------|--------------------------|--------------------------------------------------------------------|
//! | `.ply`   | 68 to 248                | everything, exactly                                                |
//! | `.splat` | 32                       | no harmonics; color, opacity and rotation to 8 bits                |
//! | `.spz`   | 20 to 65, before gzip    | positions to 2⁻¹² m, the rest to 8 bits or fewer, rotation to 10   |
//!
//! Positions and rotations are read and written as they are, in whatever space they are given. Viewers expect x right,
//! y down, z forward in `.ply` and `.splat`; the specification of `.spz` says x right, y up, z backward, our world.
//!
//! Rows that no renderer can draw (see [`GaussianSlices::drawable`]) are left out by readers and writers, and counted.
use crate::gaussians::SH_C0_F32;
use crate::{Error, GaussianSlices, Gaussians, dotsplat, ply, spz};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// What a file held.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The rows that can be drawn.
    pub gaussians: Gaussians,
    /// Number of rows left out: see [`GaussianSlices::drawable`].
    pub dropped: usize,
}

/// Reads a file of Gaussians.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if its ending is unknown, its content is not what the ending says
/// or none of its rows can be drawn.
pub fn read(path: &Path) -> Result<Loaded, Error> {
    match Format::of(path)? {
        Format::Ply => ply::read(path),
        Format::Splat => dotsplat::read(path),
        Format::Spz => spz::read(path),
    }
}

/// Writes a file of Gaussians; it appears whole or not at all. Returns the number of rows left out.
///
/// # Errors
/// [`Error::Format`] for an unknown ending or when no row can be drawn, [`Error::Shape`] for arrays that disagree or features
/// that are not three channels, [`Error::Io`] if it cannot be written.
pub fn write(path: &Path, gaussians: GaussianSlices<'_>) -> Result<usize, Error> {
    match Format::of(path)? {
        Format::Ply => ply::write(path, gaussians),
        Format::Splat => dotsplat::write(path, gaussians),
        Format::Spz => spz::write(path, gaussians),
    }
}

/// A file format of Gaussians.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Everything, exactly: [`ply`].
    Ply,
    /// For web viewers: [`dotsplat`].
    Splat,
    /// A tenth of a `.ply`: [`spz`].
    Spz,
}

impl Format {
    /// By the ending of the name, in upper or lower case.
    ///
    /// # Errors
    /// [`Error::Format`] for any other ending.
    pub fn of(path: &Path) -> Result<Self, Error> {
        match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("ply") => Ok(Format::Ply),
            Some("splat") => Ok(Format::Splat),
            Some("spz") => Ok(Format::Spz),
            _ => Err(Error::Format {
                what: "expected a name that ends in .ply, .splat or .spz".into(),
                path: path.into(),
            }),
        }
    }
}

/// The whole file through `parse`, whose error says what was expected.
pub(crate) fn parse_file(path: &Path, parse: impl FnOnce(&[u8]) -> Result<Gaussians, String>) -> Result<Loaded, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io { source, path: path.to_owned() })?;
    let all = parse(&bytes).map_err(|what| Error::Format { what, path: path.to_owned() })?;
    let (gaussians, dropped) = drawable(all.slices(), path)?;
    Ok(Loaded { gaussians, dropped })
}

/// The rows to write or to hand out, and the number of the others.
pub(crate) fn drawable(all: GaussianSlices<'_>, path: &Path) -> Result<(Gaussians, usize), Error> {
    let (gaussians, dropped) = all.drawable();
    if gaussians.is_empty() && dropped > 0 {
        let what = format!("none of {dropped} Gaussians can be drawn (NaN, infinite or a quaternion of zeros)");
        return Err(Error::Format { what, path: path.to_owned() });
    }
    Ok((gaussians, dropped))
}

/// Writes beside `path`, then renames.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let filled = File::create(&part).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()
    });
    filled.and_then(|()| fs::rename(&part, path)).map_err(|source| {
        let _ = fs::remove_file(&part); // the first error is the one to tell
        Error::Io { source, path: PathBuf::from(path) }
    })
}

/// Three channels, for a format that has no others.
pub(crate) fn require_rgb(what: &'static str, gaussians: &GaussianSlices<'_>) -> Result<(), Error> {
    gaussians.check()?;
    match gaussians.kind.channels() {
        3 => Ok(()),
        channels => Err(Error::Shape { what, expected: vec![3], got: vec![channels] }),
    }
}

/// Color from the front, as viewers compute it from the zeroth harmonic: `[3]`, not clamped to 0..1.
pub(crate) fn base_color(gaussians: &GaussianSlices<'_>, n: usize) -> [f32; 3] {
    let stored = &gaussians.colors[n * gaussians.kind.stride()..];
    match gaussians.kind {
        crate::Colors::Sh { .. } => [0, 1, 2].map(|c| 0.5 + SH_C0_F32 * stored[c]),
        crate::Colors::Features { .. } => [0, 1, 2].map(|c| stored[c]),
    }
}

/// A number from 0 to 1 in 8 bits.
pub(crate) fn byte(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

/// The inverse of the sigmoid, kept finite for a number stored in 8 bits.
pub(crate) fn logit(opacity: f32) -> f32 {
    let inside = opacity.clamp(0.5 / 255.0, 254.5 / 255.0);
    (inside / (1.0 - inside)).ln()
}

/// Unit length, w x y z; one that has no length becomes the identity.
pub(crate) fn unit(quat: &[f32]) -> [f32; 4] {
    let length = quat.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 && length.is_finite() { [0, 1, 2, 3].map(|i| quat[i] / length) } else { [1.0, 0.0, 0.0, 0.0] }
}
