//! Which photos the files and folders of a command line are.
use crate::Error;
use formats::log;
use formats::photo::list::Listing;
use formats::photo::{self, Turn};
use std::path::{Path, PathBuf};

/// The photos that files and folders name, those of a folder sorted. Of several, those that cannot be read are named and left
/// out; a single file is taken as it is.
///
/// # Errors
/// [`Error::Missing`], [`Error::EmptyFolder`], and [`Error::NotAnImage`] if none can be read.
pub fn list_photos(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    if let [file] = inputs
        && file.is_file()
    {
        return Ok(vec![file.clone()]);
    }
    let mut all = Listing::default();
    for input in inputs {
        if input.is_dir() {
            let of_folder =
                Listing::of(input).map_err(|_| Error::Missing { what: "readable folder", path: input.clone() })?;
            let is_empty = of_folder.photos.is_empty();
            all.photos.extend(of_folder.photos);
            all.skipped.extend(of_folder.skipped);
            if is_empty {
                tell_skipped(&all);
                return Err(Error::EmptyFolder { path: input.clone() });
            }
        } else if input.exists() {
            all.photos.push(input.clone());
        } else {
            return Err(Error::Missing { what: "photo", path: input.clone() });
        }
    }
    let readable = all.keep_readable(|path| photo::open(path, Turn::Upright).map(drop));
    tell_skipped(&all);
    readable.map(|()| all.photos).map_err(|err| unreadable(err, &inputs[0]))
}

/// Names each picture that is not read, and why.
fn tell_skipped(listing: &Listing) {
    listing.lines().iter().for_each(|line| log::warn("skipped", &format!("track: {line}")));
}

/// `input` stands for a path that the error does not have.
fn unreadable(err: formats::Error, input: &Path) -> Error {
    match err {
        formats::Error::Data { what, path } => Error::NotAnImage { why: what, path },
        other => Error::NotAnImage { why: other.to_string(), path: input.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// macOS writes `._a.png` beside `a.png`; a download may be cut short.
    #[test]
    fn hidden_files_are_ignored_and_one_unreadable_photo_is_left_out() {
        let folder = std::env::temp_dir().join(format!("track-list-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let [a, b, half] = ["a.png", "b.jfif", "half.png"].map(|name| folder.join(name));
        let picture = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
        picture.save(&a).unwrap();
        let png = std::fs::read(&a).unwrap();
        std::fs::write(&b, &png).unwrap();
        std::fs::write(&half, &png[..png.len() / 2]).unwrap();
        std::fs::write(folder.join("._a.png"), b"\0\x05\x16\x07").unwrap();
        assert_eq!(list_photos(std::slice::from_ref(&folder)).unwrap(), [a.clone(), b.clone()], "of a folder");
        assert_eq!(
            list_photos(&[a.clone(), half.clone(), b.clone()]).unwrap(),
            [a.clone(), b.clone()],
            "by their names"
        );
        assert_eq!(
            list_photos(std::slice::from_ref(&half)).unwrap(),
            vec![half.clone()],
            "a single one is refused when it is opened"
        );
        std::fs::remove_file(&a).unwrap();
        std::fs::remove_file(&b).unwrap();
        let refused = list_photos(std::slice::from_ref(&folder)).unwrap_err().to_string();
        assert!(refused.contains("cut short") && refused.contains("half.png"), "{refused}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
