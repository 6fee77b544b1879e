//! `shards report`: what is in a dataset, as one page that needs nothing else.
mod chart;
mod frames;
mod html;
mod making;
mod people;
mod pictures;

use formats::exit::{ExitCode, Failure};
use formats::progress::{Progress, Talk};
use formats::verify::{self, Depth, Finding};
use formats::{Scan, Shard, manifest, publish};
use frames::Frames;
use making::Making;
use people::People;
use pictures::Pictures;
use serde_json::json;
use std::path::Path;

/// Everything the page tells.
struct Report {
    name: String,
    condition: Option<String>,
    frames: Frames,
    people: Option<People>,
    pictures: Pictures,
    making: Making,
    /// Name, type, unit and meaning.
    columns: Vec<[String; 4]>,
    /// Of a quick check; none when only a part of the dataset is looked at.
    findings: Option<Vec<Finding>>,
}

/// Writes the page about the rows that match `condition`; `seed` chooses the frames that are shown.
pub fn run(path: &Path, condition: Option<&str>, out: &Path, seed: u64, talk: Talk) -> anyhow::Result<ExitCode> {
    let scan = Scan::open(path, condition)?;
    let progress = Progress::new("report", scan.files().len() as u64, "shards", talk);
    let frames = Frames::read(&scan, |_| progress.add(1))?;
    drop(progress);
    if frames.rows == 0 {
        return Err(Failure::bad_data(format!("no row to report on: {path:?}")).into());
    }
    let whole = path.is_dir() && condition.is_none();
    let report = Report {
        name: name_of(path),
        condition: condition.map(str::to_owned),
        people: People::read(path, &frames.per_person)?,
        pictures: Pictures::read(&scan, &frames, seed)?,
        making: Making::read(&scan)?,
        columns: manifest::describe(&Shard::open(&scan.files()[0])?),
        findings: if whole { Some(verify::verify(path, Depth::Quick, &mut |_| ())?) } else { None },
        frames,
    };
    publish::write_atomically(out, html::page(&report).as_bytes())?;
    let (rows, doubled) = (report.frames.rows, report.frames.doubled_images);
    talk.say(&format!("{rows} rows, {doubled} duplicate images: {}", out.display()));
    talk.event("report", json!({"path": out, "rows": rows, "doubled_images": doubled}));
    Ok(ExitCode::Done)
}

fn name_of(path: &Path) -> String {
    let absolute = path.canonicalize().unwrap_or_else(|_| path.into());
    absolute.file_name().map_or_else(|| "dataset".into(), |n| n.to_string_lossy().into_owned())
}
