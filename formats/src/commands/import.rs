//! `shards import`: a folder of images as a dataset of ours.
//!
//! A person is a folder: all images right in the top folder are one person. Where nothing is known (camera, expression,
//! landmarks) the columns hold zeros; `transforms.json` in the folder, as nerfstudio writes it, gives the cameras.
mod cameras;
mod picture;

use cameras::Cameras;
use formats::exit::{ExitCode, Failure};
use formats::manifest::{Merged, merge};
use formats::progress::{Progress, Talk};
use formats::{Error, Existing, FrameRow, FrameWriter, IdentityRow, IdentityWriter, Provenance, ShardName, digest};
use picture::Found;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Images of a shard.
const ROWS: usize = 1024;
/// Folders within one another that are looked into.
const DEEPEST: usize = 32;

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
    let cameras = Cameras::read(folder)?;
    let mut paths = match &cameras {
        Some(cameras) => cameras.images(),
        None => images_below(folder)?,
    };
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::missing(format!("no PNG, JPEG or WebP image here: {folder:?}")).into());
    }
    let (sources, people) = sources(folder, paths);
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
    let has_alpha = sources.iter().try_fold(false, |has, s| picture::has_alpha(&s.path).map(|here| has || here))?
        || cameras.as_ref().is_some_and(Cameras::have_masks);
    let plan = provenance(&sources, split)?;
    let progress = Progress::new("import", sources.len() as u64, "images", talk);
    write_people(out, &people, split, &plan)?;
    for (index, rows) in sources.chunks(ROWS).enumerate() {
        let name = ShardName::new(split, index as u32, shards as u32);
        let mut writer = FrameWriter::create(&out.join("frames").join(name.file_name()), &plan, Existing::Keep)?;
        for (k, source) in rows.iter().enumerate() {
            formats::stop::check()?;
            let mut row = row_of(source, split, (index * ROWS + k) as u64, has_alpha)?;
            if let Some(cameras) = &cameras {
                cameras.complete(&source.path, &mut row)?;
            }
            writer.push(row)?;
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
    talk.event("import", json!({"path": out, "frames": sources.len(), "people": people.len(), "shards": shards}));
    Ok(ExitCode::Done)
}

/// Image files by their endings, links to folders not followed.
fn images_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut open, mut found) = (vec![(folder.to_path_buf(), 0)], Vec::new());
    if !folder.is_dir() {
        return Err(Error::Missing { what: "folder of images", path: folder.into() });
    }
    while let Some((at, depth)) = open.pop() {
        for entry in std::fs::read_dir(&at).map_err(|e| Error::reading("folder", &at, e))? {
            let entry = entry.map_err(|e| Error::reading("folder", &at, e))?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let kind = entry.file_type().map_err(|e| Error::reading("folder", &at, e))?;
            if !hidden && kind.is_dir() && depth < DEEPEST {
                open.push((entry.path(), depth + 1));
            } else if !hidden && !kind.is_dir() && picture::is_image_name(&entry.path()) {
                found.push(entry.path());
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

fn row_of(source: &Source, split: &str, frame_id: u64, with_alpha: bool) -> anyhow::Result<FrameRow> {
    let Found { image, alpha, width, height } = picture::read(&source.path, with_alpha)?;
    Ok(FrameRow {
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
    })
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

/// The plan of an import is its images: their names and bytes.
fn provenance(sources: &[Source], split: &str) -> Result<Provenance, Error> {
    let mut list = String::new();
    for source in sources {
        list += &format!("{} {}\n", digest::sha256_of_file(&source.path)?, source.name);
    }
    let images = digest::hex(&digest::sha256(list.as_bytes()));
    let toml = format!("split = {split:?}\nimages = {}\nsha256_of_images = \"{images}\"\n", sources.len());
    Ok(Provenance::new("shards", env!("CARGO_PKG_VERSION"), &toml, 0))
}
