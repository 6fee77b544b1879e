//! Which files of a folder are photos, by their names; which are not read, and why.
use crate::Error;
use std::path::{Path, PathBuf};

/// Endings of what [`super::open`] reads.
const READ: [&str; 15] =
    ["png", "jpg", "jpeg", "jfif", "jpe", "webp", "tif", "tiff", "bmp", "dib", "gif", "heic", "heif", "hif", "avif"];
/// Endings of raw photos. Most are TIFF files in which a decoder finds the small preview only.
const RAW_NAMES: [&str; 12] = ["dng", "cr2", "cr3", "nef", "nrw", "arw", "orf", "rw2", "raf", "pef", "srw", "3fr"];
/// Endings of pictures in formats that are not read.
const OTHERS: [&str; 6] = ["jxl", "jp2", "psd", "svg", "ico", "tga"];

/// Why raw photos are not read.
pub const RAW: &str = "a raw photo, which is not supported; export it as JPEG or PNG";

/// What a name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A photo.
    Photo,
    /// A picture that is not read, and why.
    NotRead(&'static str),
    /// Something else, or a hidden file (macOS writes `._IMG_1.jpg` beside `IMG_1.jpg`).
    Other,
}

/// By hiddenness and ending, in upper or lower case.
pub fn kind_of_name(path: &Path) -> Kind {
    if path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
        return Kind::Other;
    }
    let ending = ending(path);
    let is_one_of = |names: &[&str]| names.contains(&ending.as_str());
    match () {
        () if is_one_of(&READ) => Kind::Photo,
        () if is_one_of(&RAW_NAMES) => Kind::NotRead(RAW),
        () if is_one_of(&OTHERS) => Kind::NotRead("an unsupported image format; export it as JPEG or PNG"),
        () => Kind::Other,
    }
}

pub(super) fn is_raw_name(path: &Path) -> bool {
    RAW_NAMES.contains(&ending(path).as_str())
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// The photos of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// In order of their names.
    pub photos: Vec<PathBuf>,
    /// Pictures that are not read, in order of their names, and why.
    pub skipped: Vec<(PathBuf, String)>,
}

impl Listing {
    /// Right in `folder`.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Io`] if it cannot be listed.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let fail = |e| Error::reading("folder of photos", folder, e);
        let mut listing = Listing::default();
        for entry in std::fs::read_dir(folder).map_err(fail)? {
            listing.add(entry.map_err(fail)?.path());
        }
        listing.photos.sort();
        listing.skipped.sort();
        Ok(listing)
    }

    /// Puts a file where it belongs.
    pub fn add(&mut self, path: PathBuf) {
        match kind_of_name(&path) {
            Kind::Photo => self.photos.push(path),
            Kind::NotRead(why) => self.skipped.push((path, why.into())),
            Kind::Other => (),
        }
    }

    /// Opens every photo; those that cannot be read are skipped with their reasons.
    ///
    /// # Errors
    /// The first reason, when none can be read though there are some.
    pub fn keep_readable(&mut self, check: impl Fn(&Path) -> Result<(), Error> + Sync) -> Result<(), Error> {
        use rayon::prelude::*;
        let photos = std::mem::take(&mut self.photos);
        let checked: Vec<_> = photos.into_par_iter().map(|path| (check(&path), path)).collect();
        let mut first = None;
        for (result, path) in checked {
            match result {
                Ok(()) => self.photos.push(path),
                Err(err) => {
                    let text = err.to_string();
                    let why = text.strip_suffix(&format!(": {path:?}")).unwrap_or(&text).to_string();
                    self.skipped.push((path, why));
                    first = first.or(Some(err));
                }
            }
        }
        self.skipped.sort();
        match first {
            Some(err) if self.photos.is_empty() => Err(err),
            _ => Ok(()),
        }
    }

    /// One line per picture that is not read.
    pub fn lines(&self) -> Vec<String> {
        self.skipped.iter().map(|(path, why)| format!("not read: {}: {why}", path.display())).collect()
    }
}

/// The stem of a photo's name, short enough to be part of the name of another file (names end at 255 bytes).
pub fn short_stem(path: &Path) -> String {
    const MOST: usize = 200;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let end = (0..=MOST.min(stem.len())).rev().find(|&i| stem.is_char_boundary(i)).unwrap_or(0);
    stem[..end].to_string()
}
