//! Is a dataset what it should be? Quick: names, footers, versions, plan, ids. Deep: every byte and every image.
use crate::columns::Columns;
use crate::exr::ExrRow;
use crate::reader::{Part, Shard};
use crate::table::Row;
use crate::{Error, FrameRow, IdentityRow, ShardName, dataset, digest, image, planned, side};
use arrow::array::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Footers and id columns.
    Quick,
    /// Every byte.
    Deep,
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file or folder.
    pub path: PathBuf,
    /// What was found and what was expected.
    pub what: String,
}

/// Looks at a dataset folder or a single file; calls `each` with every file that is done.
///
/// # Errors
/// [`Error::Missing`] when there is nothing to look at, [`Error::Io`] when a folder cannot be read. Damage is no error
/// but a finding.
pub fn verify(path: &Path, depth: Depth, each: &mut dyn FnMut(&Path)) -> Result<Vec<Finding>, Error> {
    let frame_files = dataset::frame_files(path)?;
    let mut check = Check { depth, findings: Vec::new(), ids: Ids::default(), plan: None };
    if path.is_dir() {
        check.names(&frame_files);
        check.leftovers(path)?;
        check.read_plan(path, &frame_files);
        let identity_files = dataset::parquet_files(&path.join("identities"))?;
        check.names(&identity_files);
        for file in &identity_files {
            check.file::<IdentityRow>(file);
            each(file);
        }
    }
    for file in &frame_files {
        check.file::<FrameRow>(file);
        each(file);
    }
    if path.is_dir() {
        let exr_files = dataset::parquet_files(&path.join("exr"))?;
        check.names(&exr_files);
        for file in &exr_files {
            check.file::<ExrRow>(file);
        }
    }
    check.ids_over_all(path);
    Ok(check.findings)
}

struct Check {
    depth: Depth,
    findings: Vec<Finding>,
    ids: Ids,
    /// Digest, tables and the file they were first seen in.
    plan: Option<(String, PathBuf)>,
}

/// What must hold over all shards.
#[derive(Default)]
struct Ids {
    frames: Vec<u64>,
    /// Splits of each identity that frames name.
    splits: BTreeMap<u32, BTreeSet<String>>,
    identities: BTreeMap<u32, String>,
}

impl Check {
    fn find(&mut self, path: &Path, what: impl Into<String>) {
        self.findings.push(Finding { path: path.into(), what: what.into() });
    }

    /// Missing, doubled and foreign names.
    fn names(&mut self, files: &[PathBuf]) {
        let mut splits: BTreeMap<String, Vec<(ShardName, &PathBuf)>> = BTreeMap::new();
        for file in files {
            match ShardName::parse(file) {
                Some(name) => splits.entry(name.split.clone()).or_default().push((name, file)),
                None => self.find(file, "foreign: expected a name like train-00000-of-00010.parquet"),
            }
        }
        for (split, shards) in &splits {
            let (first, path) = &shards[0];
            let others: BTreeSet<u32> = shards.iter().map(|(name, _)| name.total).collect();
            if others.len() > 1 {
                self.find(path, format!("duplicate: shards of {split} with different totals {others:?}"));
                continue;
            }
            let there: BTreeSet<u32> = shards.iter().map(|(name, _)| name.index).collect();
            for index in (0..first.total).filter(|i| !there.contains(i)) {
                let missing = path.with_file_name(ShardName::new(split, index, first.total).file_name());
                self.find(&missing, "missing");
            }
        }
    }

    /// Files kept by a writer that disagreed.
    fn leftovers(&mut self, folder: &Path) -> Result<(), Error> {
        for table in ["frames", "identities", "exr"] {
            let folder = folder.join(table);
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.map_err(|e| Error::reading("folder", &folder, e))?.path();
                if path.to_string_lossy().contains(".parquet.differs-") {
                    self.find(&path, "a second writer wrote different bytes for the same shard");
                }
            }
        }
        Ok(())
    }

    /// The plan is what all shards are made from; where it lists them, whole splits are missed too.
    fn read_plan(&mut self, folder: &Path, frame_files: &[PathBuf]) {
        let path = folder.join("plan.toml");
        if let Ok(text) = std::fs::read(&path) {
            self.plan = Some((digest::hex(&digest::sha256(&text)), path.clone()));
        }
        let list = match planned::read(folder) {
            Ok(list) => list,
            Err(err) => return self.find(&path, err.to_string()),
        };
        let splits: BTreeSet<String> = frame_files.iter().filter_map(|f| Some(ShardName::parse(f)?.split)).collect();
        for run in list.iter().filter(|run| run.tables.iter().any(|table| table == FrameRow::TABLE)) {
            if !run.is_empty() && !splits.contains(&run.split) {
                self.find(folder, format!("missing: all {} shards of {}", run.len(), run.split));
            }
        }
    }

    fn file<R: Row>(&mut self, path: &Path) {
        let checked = Shard::open(path).and_then(|shard| {
            if let Some(lost) = shard.lost() {
                self.find(path, format!("written again by another program: {lost}"));
            }
            self.side_file(&shard)?;
            self.plan(&shard);
            match R::TABLE {
                FrameRow::TABLE => self.frames(&shard),
                IdentityRow::TABLE => self.identities(&shard),
                _ => self.layers(&shard),
            }
        });
        if let Err(err) = checked {
            // The path stands beside the finding already.
            let what = err.to_string();
            let what = what.strip_suffix(&format!(": {path:?}")).unwrap_or(&what).to_string();
            self.find(path, what);
        }
    }

    fn side_file(&mut self, shard: &Shard) -> Result<(), Error> {
        let path = shard.path();
        let Some(side) = side::read(path)? else {
            if side::path_of(path).is_some() {
                self.find(path, "no side file in meta/");
            }
            return Ok(());
        };
        if side.rows != shard.rows() as u64 || side.bytes != shard.bytes() {
            let what = format!(
                "{} rows in {} bytes, but {} rows in {} bytes were written",
                shard.rows(),
                shard.bytes(),
                side.rows,
                side.bytes
            );
            self.find(path, what);
        } else if self.depth == Depth::Deep && digest::sha256_of_file(path)? != side.sha256 {
            self.find(path, "not the bytes that were written (sha256 differs)");
        }
        Ok(())
    }

    /// All shards of a dataset come from one plan.
    fn plan(&mut self, shard: &Shard) {
        let hash = shard.provenance().config_hash;
        match &self.plan {
            None => self.plan = Some((hash, shard.path().into())),
            Some((first, from)) if *first != hash => {
                let what = format!(
                    "foreign: made from another plan than {} (config hash {:.12}, not {first:.12})",
                    from.display(),
                    hash
                );
                self.find(shard.path(), what);
            }
            Some(_) => (),
        }
    }

    fn frames(&mut self, shard: &Shard) -> Result<(), Error> {
        let path = shard.path();
        let name = ShardName::parse(path);
        let mut last_key = None;
        let mut row = 0;
        let columns = [&["frame_id", "split"], FrameRow::SORTED_BY].concat();
        shard.for_each_batch(Part::Columns(&columns), |batch| {
            let batch = Columns(batch);
            let bad = |what| Error::data(path, what);
            let splits = batch.text("split").map_err(bad)?;
            let mut keys = Vec::new();
            for column in FrameRow::SORTED_BY {
                keys.push(batch.u32(column).map_err(bad)?);
            }
            for (i, frame_id) in batch.u64("frame_id").map_err(bad)?.into_iter().enumerate() {
                let key: Vec<u32> = keys.iter().map(|k| k[i]).collect();
                if last_key.as_ref().is_some_and(|last| *last >= key) {
                    self.find(path, format!("row {row}: not in ascending order"));
                }
                if name.as_ref().is_some_and(|n| n.split != splits[i]) {
                    self.find(path, format!("row {row}: split {:?} does not match the shard", splits[i]));
                }
                self.ids.frames.push(frame_id);
                self.ids.splits.entry(key[0]).or_default().insert(splits[i].clone());
                last_key = Some(key);
                row += 1;
            }
            Ok(())
        })?;
        if self.depth == Depth::Deep {
            self.images(shard)?;
        }
        Ok(())
    }

    fn identities(&mut self, shard: &Shard) -> Result<(), Error> {
        for row in shard.read::<IdentityRow>(Part::Labels)? {
            if self.ids.identities.insert(row.identity_id, row.split).is_some() {
                self.find(shard.path(), format!("duplicate: identity {}", row.identity_id));
            }
        }
        if self.depth == Depth::Deep {
            shard.for_each_batch(Part::All, |_| Ok(()))?;
        }
        Ok(())
    }

    /// A shard of layers has the rows of the `frames` shard of the same name.
    fn layers(&mut self, shard: &Shard) -> Result<(), Error> {
        let path = shard.path();
        let name = path.file_name().unwrap_or_default();
        let frames = path.parent().and_then(Path::parent).unwrap_or(Path::new("")).join("frames").join(name);
        if !frames.is_file() {
            self.find(path, "foreign: no frames shard of this name");
        } else if frame_ids(shard)? != Shard::open(&frames).and_then(|s| frame_ids(&s)).unwrap_or_default() {
            self.find(path, "not the rows of the frames shard of this name");
        }
        if self.depth == Depth::Deep {
            shard.for_each_batch(Part::All, |_| Ok(()))?;
        }
        Ok(())
    }

    /// Digest and size of every image; every map decodes.
    fn images(&mut self, shard: &Shard) -> Result<(), Error> {
        let mut first_row = 0;
        let columns = [&["image_sha256", "width", "height"][..], &dataset::MAPS].concat();
        shard.for_each_batch(Part::Columns(&columns), |batch| {
            for (row, what) in damaged_images(batch).map_err(|what| Error::data(shard.path(), what))? {
                self.find(shard.path(), format!("row {}: {what}", first_row + row));
            }
            first_row += batch.num_rows();
            Ok(())
        })
    }

    fn ids_over_all(&mut self, path: &Path) {
        let mut frames = std::mem::take(&mut self.ids.frames);
        frames.sort_unstable();
        for pair in frames.windows(2).filter(|pair| pair[0] == pair[1]) {
            self.find(path, format!("duplicate: frame_id {}", pair[0]));
        }
        let splits = std::mem::take(&mut self.ids.splits);
        let unseen: Vec<u32> = self.ids.identities.keys().filter(|id| !splits.contains_key(id)).copied().collect();
        if let Some(first) = unseen.first() {
            self.find(path, format!("missing: no frame of {} identities, the first is {first}", unseen.len()));
        }
        for (identity, splits) in splits {
            if splits.len() > 1 {
                self.find(path, format!("identity {identity} is in several splits: {splits:?}"));
            }
            let known = self.ids.identities.get(&identity);
            if known.is_none() && !self.ids.identities.is_empty() {
                self.find(path, format!("missing: identity {identity}, which frames name"));
            } else if let Some(split) = known.filter(|&s| !splits.contains(s)) {
                self.find(path, format!("identity {identity} is in split {split:?}, its frames in {splits:?}"));
            }
        }
    }
}

fn frame_ids(shard: &Shard) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::with_capacity(shard.rows());
    shard.for_each_batch(Part::Columns(&["frame_id"]), |batch| {
        ids.extend(Columns(batch).u64("frame_id").map_err(|what| Error::data(shard.path(), what))?);
        Ok(())
    })?;
    Ok(ids)
}

/// (row, complaint)
pub(crate) fn damaged_images(batch: &RecordBatch) -> Result<Vec<(usize, String)>, String> {
    let batch = Columns(batch);
    let (widths, heights) = (batch.u32("width")?, batch.u32("height")?);
    let mut damaged = Vec::new();
    for map in dataset::MAPS {
        let digests = batch.binary("image_sha256")?;
        for (row, bytes) in batch.images(map)?.into_iter().enumerate() {
            let Some(bytes) = bytes else { continue };
            if map == "image" && digests[row].as_deref() != Some(&digest::sha256(&bytes)[..]) {
                damaged.push((row, "image: not the bytes that were written (sha256 differs)".into()));
                continue;
            }
            match image::size_of(&bytes) {
                Ok(size) if size == (widths[row] as usize, heights[row] as usize) => (),
                Ok((w, h)) => {
                    damaged.push((row, format!("{map}: {w}x{h} pixels, expected {}x{}", widths[row], heights[row])))
                }
                Err(err) => damaged.push((row, format!("{map}: {err}"))),
            }
        }
    }
    Ok(damaged)
}
