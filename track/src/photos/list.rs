//! Which photos the files and folders of a command line are.
use crate::Error;
use formats::log;
use formats::photo::list::Listing;
use formats::photo::{self, Turn};
use std::path::{Path, PathBuf};

/// The pictures a folder or file names: a folder's, sorted, those that cannot be read being named and left out; a file as it
/// is.
///
/// # Errors
/// [`Error::Missing`], [`Error::EmptyFolder`], and [`Error::NotAnImage`] if no picture of a folder can be read.
pub fn list_photos(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut photos = Vec::new();
    for input in inputs {
        if input.is_dir() {
            photos.extend(photos_of_folder(input)?);
        } else if input.exists() {
            photos.push(input.clone());
        } else {
            return Err(Error::Missing { what: "photo", path: input.clone() });
        }
    }
    Ok(photos)
}

fn photos_of_folder(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut listing =
        Listing::of(folder).map_err(|_| Error::Missing { what: "readable folder", path: folder.into() })?;
    let readable = listing.keep_readable(|path| photo::open(path, Turn::Upright).map(drop));
    listing.lines().iter().for_each(|line| log::warn("skipped", &format!("track: {line}")));
    readable.map_err(|err| match err {
        formats::Error::Data { what, path } => Error::NotAnImage { why: what, path },
        other => Error::NotAnImage { why: other.to_string(), path: folder.into() },
    })?;
    if listing.photos.is_empty() {
        return Err(Error::EmptyFolder { path: folder.into() });
    }
    Ok(listing.photos)
}
