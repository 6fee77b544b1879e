//! `shards pack`: a dataset reduced to a given size, small enough to be carried to another machine.
//!
//! As many people as possible are in it: rows are chosen in rounds, one row of each person a round. How many fit is
//! estimated on the first ones, encoded as all will be. The pack is a function of the rows, the flags and the seed.
mod plan;
pub mod shrink;

use crate::commands::human;
use crate::commands::new_folder::NewFolder;
use arrow::array::AsArray;
use arrow::datatypes::UInt32Type;
use formats::exit::{ExitCode, Failure};
use formats::manifest::{Merged, merge};
use formats::progress::{Progress, Talk};
use formats::table::Row;
use formats::{
    Error, Existing, FrameRow, FrameWriter, IdentityRow, IdentityWriter, Part, Provenance, Scan, Shard, ShardName,
    dataset, order,
};
use rayon::prelude::*;
use serde_json::json;
use shrink::Shrink;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rows of a shard.
const ROWS: usize = 1024;
/// Rows that the size of a row is estimated on.
const PROBE: usize = 256;
/// Rows in memory at once.
const CHUNK: usize = 64;
/// Manifest, card, plan and side files, bytes.
const PAPERS: u64 = 64_000;
/// How full the estimate makes the pack; a second try is made where that was too much.
const FILL: f64 = 0.97;

/// What is asked for.
#[derive(Clone, Debug, clap::Args)]
pub struct Request {
    /// Size of the pack in megabytes (10^6 bytes), at most
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_mb: u64,
    /// Longest side of the pictures in pixels; smaller ones keep their size
    #[arg(long, value_name = "PX", default_value_t = 192, value_parser = clap::value_parser!(u32).range(16..=4096))]
    size: u32,
    /// Cut out the square about the landmarks first, this many times as large as their extent [default: whole frames]
    #[arg(long, value_name = "TIMES", value_parser = crop_factor)]
    crop: Option<f64>,
    /// Quality of the pictures, which become JPEG
    #[arg(long, value_name = "1..100", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: u8,
    /// Pictures and maps of the frames to keep; labels are always kept
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', default_value = "image,alpha", value_parser = dataset::MAPS)]
    columns: Vec<String>,
    /// UV maps of the people to keep, as JPEG
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', value_parser = ["albedo", "appearance"])]
    people_columns: Vec<String>,
    /// Longest side of the UV maps in pixels
    #[arg(long, value_name = "PX", default_value_t = 128, value_parser = clap::value_parser!(u32).range(16..=4096))]
    map_size: u32,
    /// Which rows are taken of each person: another seed takes others
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn crop_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (1.0..=100.0).contains(factor));
    factor.ok_or_else(|| "expected a number from 1 to 100".into())
}

/// A row of the source.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Index of its shard, and row in it.
    shard: u32,
    row: u32,
    /// Index of its split.
    split: u8,
    /// Identity, expression, camera, light.
    key: [u32; 4],
}

/// Writes the new dataset `out` from frames of `path` that match `condition`.
pub fn run(
    path: &Path,
    condition: Option<&str>,
    request: &Request,
    out: &Path,
    dry_run: bool,
    talk: Talk,
) -> anyhow::Result<ExitCode> {
    if !request.columns.iter().any(|column| column == "image") {
        return Err(Failure::usage("--columns: expected `image` among them: a frame without one is none").into());
    }
    let source = Source::open(path, condition)?;
    if out.exists() {
        let what = format!("already there, expected a new folder: {out:?}");
        return Err(Failure::new(ExitCode::CannotCreate, what).into());
    }
    let packer = Packer { request, condition, source: &source };
    let folder = NewFolder::beside(out)?;
    let order = source.in_rounds(request.seed);
    let budget = (request.max_mb * 1_000_000).saturating_sub(PAPERS);
    let mut n = packer.estimate(&order, budget, &folder.path)?;
    if n == 0 {
        return Err(Failure::usage(format!("--max-mb {}: not one frame fits", request.max_mb)).into());
    }
    let people = |n: usize| order[..n].iter().map(|place| place.key[0]).collect::<BTreeSet<_>>().len();
    if dry_run {
        println!("about {n} of {} frames, {} people would be written: {}", order.len(), people(n), out.display());
        return Ok(ExitCode::Done);
    }
    let mut bytes = packer.write(&order[..n], &folder.path, talk)?;
    while bytes > budget && n > 1 {
        // Later rows are larger than the first ones; they are taken off at the rate that was now measured.
        n = ((0.99 * n as f64 * budget as f64 / bytes as f64) as usize).clamp(1, n - 1);
        ["frames", "identities", "meta"]
            .iter()
            .for_each(|part| formats::publish::remove_folder(&folder.path.join(part)));
        bytes = packer.write(&order[..n], &folder.path, talk)?;
    }
    folder.publish(out)?;
    if let Merged::Refused(findings) = merge(out)? {
        let what = findings.first().map_or(String::new(), |f| f.what.clone());
        return Err(Failure::bad_data(format!("{} findings after packing, as {what}: {out:?}", findings.len())).into());
    }
    let (frames, people) = (order.len(), people(n));
    talk.say(&format!("{n} of {frames} frames, {people} people, {}: {}", human(bytes), out.display()));
    talk.event("pack", json!({"path": out, "frames": n, "of": frames, "people": people, "bytes": bytes}));
    Ok(ExitCode::Done)
}

/// The rows that may be taken.
struct Source {
    path: PathBuf,
    shards: Vec<Shard>,
    splits: Vec<String>,
    places: Vec<Place>,
}

impl Source {
    fn open(path: &Path, condition: Option<&str>) -> anyhow::Result<Self> {
        let scan = Scan::open(path, condition)?;
        let mut source = Source { path: path.into(), shards: Vec::new(), splits: Vec::new(), places: Vec::new() };
        for selection in scan.selections() {
            let selection = selection?;
            let complaint = |what: &str| Error::data(selection.shard.path(), what);
            let columns = [&["split"], FrameRow::SORTED_BY].concat();
            selection.for_each_batch(Part::Columns(&columns), |batch, rows| {
                let number = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<UInt32Type>();
                let mut keys = Vec::new();
                for name in FrameRow::SORTED_BY {
                    keys.push(number(name).ok_or_else(|| complaint("no frames, expected ids"))?);
                }
                let splits = batch.column_by_name("split").and_then(|c| c.as_string_opt::<i32>());
                let splits = splits.ok_or_else(|| complaint("no frames, expected a column split"))?;
                for (i, &row) in rows.iter().enumerate() {
                    let split = split_index(&mut source.splits, splits.value(i));
                    let split = split.ok_or_else(|| complaint("more than 255 splits"))?;
                    let key = std::array::from_fn(|k| keys[k].value(i));
                    source.places.push(Place { shard: source.shards.len() as u32, row: row as u32, split, key });
                }
                Ok::<_, Error>(())
            })?;
            source.shards.push(selection.shard);
        }
        match source.places.is_empty() {
            true => Err(Failure::bad_data(format!("no frame to pack: {path:?}")).into()),
            false => Ok(source),
        }
    }

    /// All rows, one of each person a round.
    fn in_rounds(&self, seed: u64) -> Vec<Place> {
        let people: Vec<u32> = self.places.iter().map(|place| place.key[0]).collect();
        order::evenly(&people, seed).into_iter().map(|i| self.places[i]).collect()
    }
}

/// Position of `split` in `splits`, where it is put if it is new.
fn split_index(splits: &mut Vec<String>, split: &str) -> Option<u8> {
    let known = splits.iter().position(|s| s == split).unwrap_or_else(|| {
        splits.push(split.into());
        splits.len() - 1
    });
    u8::try_from(known).ok()
}

/// Reads, reduces and writes.
struct Packer<'a> {
    request: &'a Request,
    condition: Option<&'a str>,
    source: &'a Source,
}

impl Packer<'_> {
    fn shrink(&self) -> Shrink {
        let Request { size, crop, quality, .. } = *self.request;
        Shrink { size: size as usize, crop, quality }
    }

    /// How many of the first rows fit into `budget` bytes; probes are written to `folder` and removed.
    fn estimate(&self, order: &[Place], budget: u64, folder: &Path) -> anyhow::Result<usize> {
        let probe = &order[..order.len().min(PROBE)];
        let plan = self.plan(probe)?;
        let mut sorted = probe.to_vec();
        sorted.sort_by_key(|place| place.key);
        let path = folder.join("probe.parquet");
        let mut writer = FrameWriter::create(&path, &plan, Existing::Replace)?;
        for chunk in sorted.chunks(CHUNK) {
            self.frames(chunk)?.into_iter().try_for_each(|frame| writer.push(frame))?;
        }
        let row_bytes = writer.finish()?.bytes as f64 / probe.len() as f64;
        let people = self.people(probe)?;
        let mut person_bytes = 0.0;
        if !people.is_empty() {
            let mut writer = IdentityWriter::create(&path, &plan, Existing::Replace)?;
            let n = people.len() as f64;
            people.into_iter().try_for_each(|person| writer.push(person))?;
            person_bytes = writer.finish()?.bytes as f64 / n;
        }
        std::fs::remove_file(&path).map_err(|source| Error::Io { what: "cannot remove", source, path })?;
        let (mut sum, mut seen) = (0.0, BTreeSet::new());
        let fits = |place: &&Place| {
            sum += row_bytes + if seen.insert(place.key[0]) { person_bytes } else { 0.0 };
            sum <= FILL * budget as f64
        };
        Ok(order.iter().take_while(fits).count())
    }

    /// Writes the tables; returns the bytes of their files.
    fn write(&self, chosen: &[Place], folder: &Path, talk: Talk) -> anyhow::Result<u64> {
        let plan = self.plan(chosen)?;
        let progress = Progress::new("pack", chosen.len() as u64, "frames", talk);
        let mut splits: BTreeMap<u8, Vec<Place>> = BTreeMap::new();
        chosen.iter().for_each(|place| splits.entry(place.split).or_default().push(*place));
        let mut bytes = 0;
        for (split, mut places) in splits {
            places.sort_by_key(|place| place.key);
            let total = places.len().div_ceil(ROWS) as u32;
            for (index, rows) in places.chunks(ROWS).enumerate() {
                let name = ShardName::new(&self.source.splits[split as usize], index as u32, total);
                let path = folder.join(FrameRow::TABLE).join(name.file_name());
                let mut writer = FrameWriter::create(&path, &plan, Existing::Replace)?;
                for chunk in rows.chunks(CHUNK) {
                    formats::stop::check()?;
                    self.frames(chunk)?.into_iter().try_for_each(|frame| writer.push(frame))?;
                    progress.add(chunk.len() as u64);
                }
                bytes += writer.finish()?.bytes;
            }
        }
        let people = self.people(chosen)?;
        if !people.is_empty() {
            let path = folder.join(IdentityRow::TABLE).join(ShardName::new("part", 0, 1).file_name());
            let mut writer = IdentityWriter::create(&path, &plan, Existing::Replace)?;
            people.into_iter().try_for_each(|person| writer.push(person))?;
            bytes += writer.finish()?.bytes;
        }
        progress.finish();
        Ok(bytes)
    }

    /// Rows, read and reduced on all threads, in order.
    fn frames(&self, places: &[Place]) -> Result<Vec<FrameRow>, Error> {
        let maps: Vec<&str> = self.request.columns.iter().map(String::as_str).collect();
        let shrink = self.shrink();
        let frame = |place: &Place| {
            let shard = &self.source.shards[place.shard as usize];
            let complaint = |err: Error| match err {
                Error::Picture { .. } => Error::data(shard.path(), format!("row {}: {err}", place.row)),
                other => other,
            };
            shrink.frame(shard.frame(place.row as usize, &maps)?).map_err(complaint)
        };
        places.par_iter().map(frame).collect()
    }

    /// The people of some rows, by id; none when the source has no table of them.
    fn people(&self, places: &[Place]) -> Result<Vec<IdentityRow>, Error> {
        if !self.source.path.is_dir() {
            return Ok(Vec::new());
        }
        let wanted: BTreeSet<u32> = places.iter().map(|place| place.key[0]).collect();
        let shrink = self.shrink();
        let mut people = Vec::new();
        for path in dataset::parquet_files(&self.source.path.join(IdentityRow::TABLE))? {
            let shard = Shard::open(&path)?;
            let mut rows = shard.read::<IdentityRow>(Part::Labels)?;
            let has = |name: &str| self.request.people_columns.iter().any(|column| column == name);
            for (i, row) in rows.iter_mut().enumerate().filter(|(_, row)| wanted.contains(&row.identity_id)) {
                let maps = shard.images_of_row(i, &["albedo", "appearance"])?;
                let small = |(name, map): (&str, &Option<Vec<u8>>)| {
                    let map = map.as_ref().filter(|_| has(name));
                    map.map(|map| shrink.map(map, self.request.map_size as usize)).transpose()
                };
                (row.albedo, row.appearance) = (small(("albedo", &maps[0]))?, small(("appearance", &maps[1]))?);
            }
            rows.retain(|row| wanted.contains(&row.identity_id));
            people.append(&mut rows);
        }
        people.sort_by_key(|row| row.identity_id);
        Ok(people)
    }

    /// What decides every byte of the pack.
    fn plan(&self, chosen: &[Place]) -> anyhow::Result<Provenance> {
        plan::of(self.request, self.condition, &self.source.shards, chosen.len())
    }
}
