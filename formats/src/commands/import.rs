//! `shards import`: a folder of images as a dataset of ours.
//!
//! A person is a folder: all images right in the top folder are one person. Where nothing is known (camera, expression,
//! landmarks) the columns hold zeros; poses in the folder ([`formats::posed`]) give the cameras. Images that cannot be read
//! are named and left out, before anything is written.
use formats::exit::{ExitCode, Failure};
use formats::manifest::{Merged, merge};
use formats::photo::list::Listing;
use formats::photo::{self, Turn};
use formats::posed::{self, Posed};
use formats::progress::{Progress, Talk};
use formats::{
    Error, Existing, FrameRow, FrameWriter, IdentityRow, IdentityWriter, Provenance, ShardName, digest, log,
};
use serde_json::json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Images of a shard.
const ROWS: usize = 1024;
/// Folders within one another that are looked into.
const DEEPEST: usize = 32;

/// The poses of a folder, by image.
type Poses = HashMap<PathBuf, Posed>;

/// An image to be imported.
struct Source {
    path: PathBuf,
    /// Within the folder, with `/`.
    name: String,
    identity: u32,
    /// Position among the images of its person.
    nth: u32,
}

/// Makes the dataset `out` from the images under `folder`.
pub fn run(folder: &Path, out: &Path, split: &str, dry_run: bool, talk: Talk) -> anyhow::Result<ExitCode> {
    let poses: Option<Poses> =
        posed::read(folder)?.map(|all| all.into_iter().map(|posed| (posed.path.clone(), posed)).collect());
    let mut listing = match &poses {
        Some(poses) => Listing { photos: poses.keys().cloned().collect(), skipped: Vec::new() },
        None => images_below(folder)?,
    };
    let has_alpha = keep_readable(&mut listing, poses.as_ref())?;
    listing.lines().iter().for_each(|line| log::warn("skipped", &format!("shards: {line}")));
    if listing.photos.is_empty() {
        return Err(Failure::missing(format!("no image that can be read here: {folder:?}")).into());
    }
    listing.photos.sort();
    let (sources, people) = sources(folder, listing.photos);
    let shards = sources.len().div_ceil(ROWS);
    if dry_run {
        println!(
            "{} images of {} people in {shards} shards would be written: {}",
            sources.len(),
            people.len(),
            out.display()
        );
        return Ok(ExitCode::Done);
    }
    let plan = provenance(&sources, poses.as_ref(), split)?;
    let progress = Progress::new("import", sources.len() as u64, "images", talk);
    write_people(out, &people, split, &plan)?;
    for (index, rows) in sources.chunks(ROWS).enumerate() {
        let name = ShardName::new(split, index as u32, shards as u32);
        let mut writer = FrameWriter::create(&out.join("frames").join(name.file_name()), &plan, Existing::Keep)?;
        for (k, source) in rows.iter().enumerate() {
            formats::stop::check()?;
            let pose = poses.as_ref().and_then(|poses| poses.get(&source.path));
            writer.push(row_of(source, pose, split, (index * ROWS + k) as u64, has_alpha)?)?;
            progress.add(1);
        }
        writer.finish()?;
    }
    progress.finish();
    if let Merged::Refused(findings) = merge(out)? {
        let what = findings.first().map_or(String::new(), |f| f.what.clone());
        return Err(
            Failure::bad_data(format!("{} findings after the import, as {what}: {out:?}", findings.len())).into()
        );
    }
    let fields = json!({"path": out, "frames": sources.len(), "skipped": listing.skipped.len(), "people": people.len(),
        "shards": shards});
    talk.event("import", fields);
    Ok(ExitCode::Done)
}

/// Opens every image once: what cannot be read moves to the skipped ones; what the poses get wrong is an error. Says whether
/// any image has opacity.
fn keep_readable(listing: &mut Listing, poses: Option<&Poses>) -> Result<bool, Error> {
    let (has_alpha, wrong_poses) = (AtomicBool::new(false), Mutex::new(None));
    listing.keep_readable(|path| {
        let alpha = match poses.and_then(|poses| poses.get(path)) {
            Some(posed) => match posed.open() {
                Ok((photo, _)) => photo.has_alpha,
                Err(Error::Data { what, path }) if path == posed.source => {
                    let mut first = wrong_poses.lock().unwrap_or_else(|e| e.into_inner());
                    first.get_or_insert(Error::Data { what, path });
                    false
                }
                Err(err) => return Err(err),
            },
            None => photo::open(path, Turn::Upright)?.has_alpha,
        };
        has_alpha.fetch_or(alpha, Ordering::Relaxed);
        Ok(())
    })?;
    match wrong_poses.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(err) => Err(err),
        None => Ok(has_alpha.into_inner()),
    }
}

/// Image files by their endings, links to folders not followed.
fn images_below(folder: &Path) -> Result<Listing, Error> {
    let (mut open, mut found) = (vec![(folder.to_path_buf(), 0)], Listing::default());
    if !folder.is_dir() {
        return Err(Error::Missing { what: "folder of images", path: folder.into() });
    }
    while let Some((at, depth)) = open.pop() {
        for entry in std::fs::read_dir(&at).map_err(|e| Error::reading("folder", &at, e))? {
            let entry = entry.map_err(|e| Error::reading("folder", &at, e))?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let kind = entry.file_type().map_err(|e| Error::reading("folder", &at, e))?;
            match kind.is_dir() {
                true if !hidden && depth < DEEPEST => open.push((entry.path(), depth + 1)),
                true => (),
                false => found.add(entry.path()),
            }
        }
    }
    Ok(found)
}

/// The images in order of people, and the people's names.
fn sources(folder: &Path, paths: Vec<PathBuf>) -> (Vec<Source>, Vec<String>) {
    let mut people: Vec<String> = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    let person = |name: &str| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_string());
    let mut named: Vec<(String, PathBuf)> = paths
        .into_iter()
        .map(|path| {
            let parts = path.strip_prefix(folder).unwrap_or(&path).components();
            let parts: Vec<String> = parts.map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
            (parts.join("/"), path)
        })
        .collect();
    named.sort_by(|a, b| (person(&a.0), &a.0).cmp(&(person(&b.0), &b.0)));
    for (name, path) in named {
        let folder = person(&name);
        if people.last() != Some(&folder) {
            people.push(folder);
        }
        let identity = people.len() as u32 - 1;
        let nth = sources.last().filter(|s| s.identity == identity).map_or(0, |s| s.nth + 1);
        sources.push(Source { path, name, identity, nth });
    }
    (sources, people)
}

fn row_of(
    source: &Source,
    pose: Option<&Posed>,
    split: &str,
    frame_id: u64,
    with_alpha: bool,
) -> Result<FrameRow, Error> {
    let (photo, camera) = match pose {
        Some(posed) => posed.open().map(|(photo, camera)| (photo, Some(camera)))?,
        None => (photo::open(&source.path, Turn::Upright)?, None),
    };
    let (width, height) = (photo.width as u32, photo.height as u32);
    let (image, alpha) = posed::columns(photo, with_alpha)?;
    let mut row = FrameRow {
        frame_id,
        identity_id: source.identity,
        camera_id: source.nth,
        split: split.into(),
        width,
        height,
        image,
        alpha,
        light: r#"{"kind":"photo"}"#.into(),
        source_path: source.name.clone(),
        ..FrameRow::default()
    };
    if let Some(camera) = camera {
        row.set_camera(&camera);
    }
    Ok(row)
}

fn write_people(out: &Path, people: &[String], split: &str, plan: &Provenance) -> Result<(), Error> {
    let path = out.join("identities").join(ShardName::new("part", 0, 1).file_name());
    let mut writer = IdentityWriter::create(&path, plan, Existing::Keep)?;
    for (id, name) in people.iter().enumerate() {
        let parameters = json!({ "folder": name }).to_string();
        writer.push(IdentityRow {
            identity_id: id as u32,
            split: split.into(),
            parameters,
            ..IdentityRow::default()
        })?;
    }
    writer.finish().map(|_| ())
}

/// The plan of an import is its images, their names and bytes, and their poses.
fn provenance(sources: &[Source], poses: Option<&Poses>, split: &str) -> Result<Provenance, Error> {
    let mut list = String::new();
    for source in sources {
        list += &format!("{} {}\n", digest::sha256_of_file(&source.path)?, source.name);
        if let Some(posed) = poses.and_then(|poses| poses.get(&source.path)) {
            let mask = posed.mask.as_deref().map(digest::sha256_of_file).transpose()?.unwrap_or_default();
            list += &format!("{mask} {:?} {:?}\n", posed.lens, posed.camera_from_world.to_cols_array());
        }
    }
    let images = digest::hex(&digest::sha256(list.as_bytes()));
    let toml = format!("split = {split:?}\nimages = {}\nsha256_of_images = \"{images}\"\n", sources.len());
    Ok(Provenance::new("shards", env!("CARGO_PKG_VERSION"), &toml, 0))
}
