//! What is done of a video, on disk: `OUT/unfinished/` holds finished chunks as shards and the record that the next run
//! starts from. When the last chunk is there, they get their final names.
use super::follow::State;
use super::person::Person;
use super::smooth::Sample;
use super::{Plan, Report};
use crate::Error;
use crate::fitted_head::FittedHead;
use formats::digest::{hex, sha256};
use formats::exit::{ExitCode, Failure};
use formats::manifest::{self, Merged};
use formats::publish::{remove_folder, write_atomically};
use formats::{Existing, FrameWriter, IdentityRow, Part, Provenance, Shard, ShardName, dataset, shard};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FOLDER: &str = "unfinished";
const RECORD: &str = "record.json";

/// Where a chunk ends and the next one starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Number of the next frame.
    pub next: u64,
    /// What it starts from.
    pub state: State,
    /// The last frames before it, as they were fitted.
    pub samples: Vec<Sample>,
    /// Frames without a face so far.
    pub lost: u64,
    /// Runs of them.
    pub gaps: u64,
    /// Had the last one none?
    pub was_lost: bool,
    /// There is no next frame.
    pub is_end: bool,
}

/// Everything a run needs to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Of plan and inputs.
    fingerprint: String,
    /// Who is in the video.
    pub person: Person,
    /// Rows of each chunk; one without rows has no file.
    chunks: Vec<u64>,
    /// Where to go on.
    pub at: Snapshot,
    /// Every frame has been tracked.
    pub is_whole: bool,
}

/// What was found in the output folder.
pub enum Opened {
    /// This very dataset.
    Finished(Box<Report>),
    /// Some chunks of it.
    Resumed(Box<Work>),
    /// Nothing.
    New(Place),
}

/// A folder in which nothing is done yet.
pub struct Place {
    out: PathBuf,
    fingerprint: String,
}

/// The folder at work.
pub struct Work {
    out: PathBuf,
    /// What is done.
    pub record: Record,
}

impl Work {
    /// Looks into the output folder.
    ///
    /// # Errors
    /// Exit code 73 if it holds another dataset.
    pub fn open(plan: &Plan) -> anyhow::Result<Opened> {
        let out = plan.out.clone();
        let fingerprint = fingerprint(&plan.provenance);
        let record = read_record(&out);
        if let Some(record) = record.filter(|record| record.fingerprint == fingerprint) {
            return Ok(Opened::Resumed(Box::new(Work { out, record })));
        }
        if let Some(first) = dataset::parquet_files(&out.join("frames"))?.first() {
            let is_ours = self::fingerprint(&Shard::open(first)?.provenance()) == fingerprint;
            let report = std::fs::read(report_path(&out)).ok().and_then(|text| serde_json::from_slice(&text).ok());
            return match report.filter(|_| is_ours) {
                Some(report) => Ok(Opened::Finished(Box::new(report))),
                None => {
                    let what = format!("holds another dataset; remove it or choose another --out: {out:?}");
                    Err(Failure::new(ExitCode::CannotCreate, what).into())
                }
            };
        }
        // What an earlier run with other settings left.
        remove_folder(&out.join(FOLDER));
        Ok(Opened::New(Place { out, fingerprint }))
    }

    /// Nothing done yet.
    pub fn begin(Place { out, fingerprint }: Place, person: Person) -> Self {
        let record = Record { fingerprint, person, chunks: Vec::new(), at: Snapshot::default(), is_whole: false };
        Work { out, record }
    }

    /// Starts the next chunk.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn new_chunk(&self, provenance: &Provenance) -> Result<FrameWriter, formats::Error> {
        FrameWriter::create(&self.chunk_path(self.record.chunks.len()), provenance, Existing::Replace)
    }

    /// The chunk is there.
    ///
    /// # Errors
    /// If the record cannot be written.
    pub fn commit(&mut self, rows: u64, at: Snapshot) -> anyhow::Result<()> {
        self.record.chunks.push(rows);
        self.record.is_whole = at.is_end;
        self.record.at = at;
        let text = serde_json::to_vec(&self.record)?;
        Ok(write_atomically(&self.out.join(FOLDER).join(RECORD), &text)?)
    }

    fn chunk_path(&self, chunk: usize) -> PathBuf {
        self.out.join(FOLDER).join(format!("chunk-{chunk:05}.parquet"))
    }

    /// Gives the chunks their names, writes identity, plan, report, manifest and card. Can be repeated after a stop.
    ///
    /// # Errors
    /// [`Error::NoFaceInVideo`] if no frame had one; I/O errors.
    pub fn publish(&self, plan: &Plan) -> anyhow::Result<Report> {
        let Record { chunks, person, at, .. } = &self.record;
        let with_rows: Vec<usize> = (0..chunks.len()).filter(|&k| chunks[k] > 0).collect();
        if with_rows.is_empty() {
            let (looked, needed) = (at.next as usize, plan.tracker.config.find.threshold);
            return Err(Error::NoFaceInVideo { looked, best: 0.0, needed, path: plan.source.path.clone() }.into());
        }
        let report = Report {
            frames: at.next,
            without_face: at.lost,
            gaps: at.gaps,
            frames_per_s: None,
            person: person.clone(),
        };
        let frames = self.out.join("frames");
        std::fs::create_dir_all(&frames).map_err(|source| formats::Error::Create { source, path: frames.clone() })?;
        for (index, &chunk) in with_rows.iter().enumerate() {
            let name = ShardName::new("train", index as u32, with_rows.len() as u32);
            let (from, to) = (self.chunk_path(chunk), frames.join(name.file_name()));
            if from.exists() {
                formats::publish(&from, &to, Existing::Replace)?;
            }
            // Checks the shard and writes its side file.
            shard::finished(&to, &plan.provenance)?;
        }
        let shape = FittedHead::of(&plan.tracker.head, &person.coefficients).shape;
        let identity = IdentityRow { split: "train".into(), shape, parameters: "{}".into(), ..Default::default() };
        let path = self.out.join("identities/part-00000-of-00001.parquet");
        formats::write_identities::<formats::Error>(&path, [Ok(identity)], &plan.provenance, Existing::Replace)?;
        write_atomically(&self.out.join("plan.toml"), plan.provenance.config_toml.as_bytes())?;
        write_atomically(&report_path(&self.out), &serde_json::to_vec_pretty(&report)?)?;
        // Manifest and card: the mark that the dataset is whole.
        if let Merged::Refused(findings) = manifest::merge(&self.out)? {
            let first = findings.first().map(|f| f.what.clone()).unwrap_or_default();
            let what = format!("the folder holds other shards: {first}");
            return Err(Error::Data { what, path: self.out.clone() }.into());
        }
        remove_folder(&self.out.join(FOLDER));
        Ok(report)
    }
}

fn read_record(out: &Path) -> Option<Record> {
    let text = std::fs::read(out.join(FOLDER).join(RECORD)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// What the closing line says, for reruns.
fn report_path(out: &Path) -> PathBuf {
    out.join("meta/video.json")
}

fn fingerprint(provenance: &Provenance) -> String {
    let text = format!("{} {} {:?}", provenance.tool_version, provenance.config_hash, provenance.inputs);
    hex(&sha256(text.as_bytes()))
}

/// The labels of a tracked video, shard by shard.
///
/// # Errors
/// If a shard cannot be read.
pub fn each_row(out: &Path, mut each: impl FnMut(&formats::FrameRow)) -> Result<(), formats::Error> {
    for file in dataset::frame_files(out)? {
        Shard::open(&file)?.read::<formats::FrameRow>(Part::Labels)?.iter().for_each(&mut each);
    }
    Ok(())
}
