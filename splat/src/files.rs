//! Gaussians on disk, the format chosen by the name's ending: `.ply`, `.splat` or `.spz`.
//!
//! | ending   | bytes a Gaussian         | keeps                                                              |
//! |----------|--------------------------|--------------------------------------------------------------------|
//! | `.ply`   | 68 to 248                | everything, exactly                                                |
//! | `.splat` | 32                       | no harmonics; colour, opacity and rotation to 8 bits               |
//! | `.spz`   | 20 to 65, before gzip    | positions to 2⁻¹² m, the rest to 8 bits or fewer, rotation to 10   |
use crate::{Error, GaussianSlices, Gaussians, dotsplat, ply, spz};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Reads a file of Gaussians.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Format`] if its ending is unknown or its content not what the ending says.
pub fn read(path: &Path) -> Result<Gaussians, Error> {
    match ending(path)? {
        Ending::Ply => ply::read(path),
        Ending::Splat => dotsplat::read(path),
        Ending::Spz => spz::read(path),
    }
}

/// Writes a file of Gaussians; it appears whole or not at all.
///
/// # Errors
/// [`Error::Format`] for an unknown ending, [`Error::Shape`] for arrays that disagree or features that are not three channels,
/// [`Error::Io`] if it cannot be written.
pub fn write(path: &Path, gaussians: GaussianSlices<'_>) -> Result<(), Error> {
    match ending(path)? {
        Ending::Ply => ply::write(path, gaussians),
        Ending::Splat => dotsplat::write(path, gaussians),
        Ending::Spz => spz::write(path, gaussians),
    }
}

enum Ending {
    Ply,
    Splat,
    Spz,
}

fn ending(path: &Path) -> Result<Ending, Error> {
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("ply") => Ok(Ending::Ply),
        Some("splat") => Ok(Ending::Splat),
        Some("spz") => Ok(Ending::Spz),
        _ => Err(Error::Format { what: "expected a name that ends in .ply, .splat or .spz".into(), path: path.into() }),
    }
}

/// The whole file through `parse`, whose error says what was expected.
pub(crate) fn parse_file(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<Gaussians, String>,
) -> Result<Gaussians, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io { source, path: path.to_owned() })?;
    parse(&bytes).map_err(|what| Error::Format { what, path: path.to_owned() })
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

/// Colour from the front, as viewers mix it of the zeroth harmonic: `[3]`, not cut to 0..1.
pub(crate) fn base_color(gaussians: &GaussianSlices<'_>, n: usize) -> [f32; 3] {
    let stored = &gaussians.colors[n * gaussians.kind.stride()..];
    match gaussians.kind {
        crate::Colors::Sh { .. } => [0, 1, 2].map(|c| 0.5 + ply::Y0 * stored[c]),
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
