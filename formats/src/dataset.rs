//! A folder of shards as one table: labels in memory, images read one at a time.
use crate::reader::{Part, Shard};
use crate::{Error, FrameRow, IdentityRow, digest, log, order};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A dataset folder (`frames/*.parquet`, `identities/*.parquet`), or a single `frames` file.
pub struct Dataset {
    path: PathBuf,
    frames: Vec<Shard>,
    labels: Vec<FrameRow>,
    digests: Vec<[u8; 32]>,
    places: Vec<Place>,
    identities: Vec<IdentityRow>,
    identity_places: BTreeMap<u32, (usize, Place)>,
    identity_shards: Vec<Shard>,
}

/// Where a row lies.
#[derive(Clone, Copy)]
struct Place {
    shard: u32,
    row: u32,
}

/// The image columns of `frames`.
pub const MAPS: [&str; 9] = ["image", "alpha", "valid", "segmentation", "depth", "normal", "uv", "albedo", "position"];

impl Dataset {
    /// Opens a folder or a single file and reads all labels, no image.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is nothing to read, else as [`Shard::open`] and [`Shard::read`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let frames: Vec<Shard> = frame_files(path)?.iter().map(|p| Shard::open(p)).collect::<Result<_, _>>()?;
        let identity_shards: Vec<Shard> = match path.is_dir() {
            true => {
                parquet_files(&path.join("identities"))?.iter().map(|p| Shard::open(p)).collect::<Result<_, _>>()?
            }
            false => Vec::new(),
        };
        let mut dataset = Dataset {
            path: path.into(),
            frames,
            labels: Vec::new(),
            digests: Vec::new(),
            places: Vec::new(),
            identities: Vec::new(),
            identity_places: BTreeMap::new(),
            identity_shards,
        };
        dataset.read_labels()?;
        dataset.read_identities()?;
        dataset.tell_lost();
        Ok(dataset)
    }

    /// One line on stderr if other programs wrote shards again.
    fn tell_lost(&self) {
        let all = || self.frames.iter().chain(&self.identity_shards);
        if let Some(lost) = all().find_map(Shard::lost) {
            let n = all().filter(|shard| shard.lost().is_some()).count();
            let text = format!("{n} of {} shards were written again by another program: {lost}", all().count());
            log::warn("rewritten", &format!("{text}: {:?}", self.path));
        }
    }

    /// The folder or file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it comes from, for cards: tool, version and plan, no path.
    pub fn origin(&self) -> String {
        match self.frames.first().map(Shard::provenance) {
            Some(p) => format!("{} {}, plan {}", p.tool, p.tool_version, p.config_hash.get(..12).unwrap_or("unknown")),
            None => "unknown".into(),
        }
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// No frame at all?
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The `frames` shards, by file name.
    pub fn shards(&self) -> &[Shard] {
        &self.frames
    }

    /// Everything but the images of frame `i`: `image` is empty and the maps are `None`.
    pub fn labels(&self, i: usize) -> &FrameRow {
        &self.labels[i]
    }

    /// Everything but the images, of all frames.
    pub fn all_labels(&self) -> &[FrameRow] {
        &self.labels
    }

    /// Frame `i` with its image and every map; the digest of the image is checked.
    ///
    /// # Errors
    /// [`Error::Data`] when the bytes are not those that were written, [`Error::Io`].
    pub fn frame(&self, i: usize) -> Result<FrameRow, Error> {
        self.frame_with(i, &MAPS)
    }

    /// Frame `i` with some of its images, named as in [`MAPS`]; the others stay empty. Reads only their pages.
    ///
    /// # Errors
    /// As [`Dataset::frame`].
    pub fn frame_with(&self, i: usize, maps: &[&str]) -> Result<FrameRow, Error> {
        let place = self.places[i];
        let shard = &self.frames[place.shard as usize];
        let images = shard.images_of_row(place.row as usize, maps)?;
        let mut frame = self.labels[i].clone();
        for (name, bytes) in maps.iter().zip(images) {
            match *name {
                "image" => frame.image = self.checked(i, shard, bytes.unwrap_or_default())?,
                "alpha" => frame.alpha = bytes,
                "valid" => frame.valid = bytes,
                "segmentation" => frame.segmentation = bytes,
                "depth" => frame.depth = bytes,
                "normal" => frame.normal = bytes,
                "uv" => frame.uv = bytes,
                "albedo" => frame.albedo = bytes,
                "position" => frame.position = bytes,
                other => {
                    return Err(Error::data(
                        shard.path(),
                        format!("no image column {other:?}, expected one of {MAPS:?}"),
                    ));
                }
            }
        }
        Ok(frame)
    }

    /// All identities without their maps (`albedo`, `position`), by id; empty when the dataset has none.
    pub fn identities(&self) -> &[IdentityRow] {
        &self.identities
    }

    /// The identity with this id, without its maps.
    pub fn identity(&self, identity_id: u32) -> Option<&IdentityRow> {
        self.identity_places.get(&identity_id).map(|&(index, _)| &self.identities[index])
    }

    /// The identity with this id and its maps.
    ///
    /// # Errors
    /// [`Error::Data`] when there is none, else as [`Shard::read_row`].
    pub fn identity_with_maps(&self, identity_id: u32) -> Result<IdentityRow, Error> {
        let place = self.identity_places.get(&identity_id);
        let &(_, place) = place.ok_or_else(|| Error::data(&self.path, format!("no identity {identity_id}")))?;
        self.identity_shards[place.shard as usize].read_row(place.row as usize, Part::All)
    }

    /// Indices of the frames of `train`, `val` or `test`.
    pub fn split(&self, name: &str) -> Vec<usize> {
        (0..self.len()).filter(|&i| self.labels[i].split == name).collect()
    }

    /// All frame indices in the order of an epoch: a function of (seed, epoch) and the number of frames alone.
    pub fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let indices: Vec<usize> = (0..self.len()).collect();
        order::shuffled(&indices, seed, epoch)
    }

    fn checked(&self, i: usize, shard: &Shard, image: Vec<u8>) -> Result<Vec<u8>, Error> {
        match digest::sha256(&image) == self.digests[i] {
            true => Ok(image),
            false => {
                let row = self.places[i].row;
                Err(Error::data(
                    shard.path(),
                    format!("row {row}: the image is not the one that was written (sha256 differs)"),
                ))
            }
        }
    }

    fn read_labels(&mut self) -> Result<(), Error> {
        for (index, shard) in self.frames.iter().enumerate() {
            self.places.extend((0..shard.rows()).map(|row| Place { shard: index as u32, row: row as u32 }));
            self.labels.extend(shard.read::<FrameRow>(Part::Labels)?);
            self.digests.extend(shard.image_digests()?);
        }
        Ok(())
    }

    fn read_identities(&mut self) -> Result<(), Error> {
        let mut found = Vec::new();
        for (index, shard) in self.identity_shards.iter().enumerate() {
            let rows = shard.read::<IdentityRow>(Part::Labels)?;
            found.extend(
                rows.into_iter().enumerate().map(|(row, r)| (r, Place { shard: index as u32, row: row as u32 })),
            );
        }
        found.sort_by_key(|(row, _)| row.identity_id);
        for (index, (row, place)) in found.into_iter().enumerate() {
            if self.identity_places.insert(row.identity_id, (index, place)).is_some() {
                let what = format!("identity {} occurs twice", row.identity_id);
                return Err(Error::data(self.identity_shards[place.shard as usize].path(), what));
            }
            self.identities.push(row);
        }
        Ok(())
    }
}

/// The `frames` files of a dataset folder, of a folder of shards, or the file itself; sorted by name.
///
/// # Errors
/// [`Error::Missing`] when there is none.
pub fn frame_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.exists() {
        return Err(Error::Missing { what: "dataset", path: path.into() });
    }
    if path.is_file() {
        return Ok(vec![path.into()]);
    }
    let frames = path.join("frames");
    let files = parquet_files(if frames.is_dir() { &frames } else { path })?;
    match files.is_empty() {
        false => Ok(files),
        true => Err(Error::Missing { what: "frames/*.parquet", path: path.into() }),
    }
}

/// Files `*.parquet` of a folder, sorted by name; none when there is no folder. Temporary files are hidden ones.
///
/// # Errors
/// [`Error::Io`].
pub fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::reading("folder", folder, e))? {
        let path = entry.map_err(|e| Error::reading("folder", folder, e))?.path();
        let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|e| e == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
