//! A folder of numbered pictures as a video: ordered by the last number in each name.
use super::{Cut, VideoFrame};
use crate::Error;
use crate::picture::Picture;
use formats::digest::{hex, sha256};
use formats::photo::list::Listing;
use std::path::{Path, PathBuf};

/// The pictures within a cut.
#[derive(Clone, Debug)]
pub struct Folder {
    /// In order of their numbers, and their times in seconds.
    pictures: Vec<(PathBuf, f64)>,
}

impl Folder {
    /// Lists them; none is opened.
    pub fn open(path: &Path, cut: Cut) -> Result<Self, Error> {
        let listing = Listing::of(path).map_err(|_| Error::Missing { what: "readable folder", path: path.into() })?;
        let mut pictures = listing.photos;
        pictures.sort_by_cached_key(|picture| (number(picture), picture.clone()));
        let within = |seconds: f64| seconds >= cut.from_s - 1e-9 && cut.to_s.is_none_or(|to| seconds < to - 1e-9);
        let timed = pictures.into_iter().enumerate().map(|(i, picture)| (picture, i as f64 / cut.folder_fps));
        let pictures: Vec<_> = timed.filter(|(_, s)| within(*s)).step_by(cut.every as usize).collect();
        match pictures.is_empty() {
            true => Err(Error::EmptyFolder { path: path.into() }),
            false => Ok(Folder { pictures }),
        }
    }

    pub fn len(&self) -> u64 {
        self.pictures.len() as u64
    }

    pub fn frames(&self, first: u64, stride: u64) -> Pictures {
        Pictures { folder: self.clone(), next: first as usize, stride: stride as usize, size: None, has_ended: false }
    }

    pub fn digest(&self) -> Result<String, formats::Error> {
        let mut text = String::new();
        for (path, seconds) in &self.pictures {
            let bytes = std::fs::metadata(path).map_err(|e| formats::Error::reading("frame", path, e))?.len();
            text += &format!("{:?} {bytes} {seconds}\n", path.file_name().unwrap_or_default());
        }
        Ok(hex(&sha256(text.as_bytes())))
    }
}

/// Opens one picture after the other.
pub struct Pictures {
    folder: Folder,
    next: usize,
    stride: usize,
    size: Option<[usize; 2]>,
    has_ended: bool,
}

impl Iterator for Pictures {
    type Item = anyhow::Result<VideoFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next;
        let (path, seconds) = self.folder.pictures.get(number).filter(|_| !self.has_ended)?;
        self.next += self.stride;
        let opened = Picture::open(path).and_then(|picture| {
            let size = [picture.width, picture.height];
            let first = *self.size.get_or_insert(size);
            let why = || format!("{}x{} px, but the first frame has {}x{}", size[0], size[1], first[0], first[1]);
            if size == first { Ok(picture) } else { Err(Error::Video { why: why(), path: path.clone() }) }
        });
        self.has_ended = opened.is_err();
        let frame = |picture| VideoFrame { number: number as u64, seconds: *seconds, picture, shrink: 1.0 };
        Some(opened.map(frame).map_err(anyhow::Error::from))
    }
}

/// The last number in a name; names without one come last.
fn number(path: &Path) -> u128 {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let digits = stem.rsplit(|c: char| !c.is_ascii_digit()).find(|run| !run.is_empty());
    digits.and_then(|run| run.parse().ok()).unwrap_or(u128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_ordered_by_their_numbers_and_cut_by_time() {
        let folder = std::env::temp_dir().join(format!("track-folder-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for n in [1, 2, 9, 10, 11, 100] {
            std::fs::write(folder.join(format!("take2_{n}.png")), b"not opened").unwrap();
        }
        std::fs::write(folder.join("notes.txt"), b"").unwrap();
        let cut = Cut { every: 1, from_s: 0.0, to_s: None, folder_fps: 10.0 };
        let names = |cut| {
            let opened = Folder::open(&folder, cut).unwrap();
            opened.pictures.iter().map(|(path, s)| (number(path), (s * 10.0).round() as u32)).collect::<Vec<_>>()
        };
        assert_eq!(names(cut), [(1, 0), (2, 1), (9, 2), (10, 3), (11, 4), (100, 5)]);
        assert_eq!(names(Cut { every: 2, from_s: 0.1, to_s: Some(0.5), ..cut }), [(2, 1), (10, 3)]);
        let late = Folder::open(&folder, Cut { from_s: 5.0, ..cut });
        assert!(matches!(late, Err(Error::EmptyFolder { .. })));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
