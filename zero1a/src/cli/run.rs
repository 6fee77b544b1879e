//! `zero1a run`
use super::models::Models;
use super::{config, file_name};
use anyhow::Result;
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::{Dataset, digest};
use serde_json::json;
use std::path::PathBuf;
use zero1a::run::{self, Plan};
use zero1a::subject::Subject;

/// What was typed.
#[derive(clap::Args)]
pub struct Run {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Photo.
    #[arg(long, conflicts_with = "input")]
    photo: Option<PathBuf>,
    /// Tracked or rendered dataset instead of a photo.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Row of the dataset.
    #[arg(long, default_value_t = 0)]
    row: usize,
    #[command(flatten)]
    models: Models,
    /// Number of iterations; the whole schedule scales with it. Overrides the configuration.
    #[arg(long)]
    iterations: Option<u64>,
    /// Dataset whose expression sequences drive the exaggerated clips; default: synthetic sequences.
    #[arg(long)]
    real: Option<PathBuf>,
    /// Display name of the avatar; default: the folder name.
    #[arg(long)]
    name: Option<String>,
    /// Folder to write.
    #[arg(long)]
    out: PathBuf,
}

impl Run {
    pub fn run(self, common: &CommonFlags) -> Result<ExitCode> {
        let config = config(common, self.iterations)?;
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        let opened = self.models.open()?;
        let (video, video_name) = self.models.open_video(opened.device)?;
        if let Some(code) =
            self.rehearsal.tell(|| format!("would run {} iterations: {:?}", config.iterations, self.out))
        {
            return Ok(code);
        }
        let input = match (&self.photo, &self.input) {
            (Some(photo), _) => {
                let tracked = self.out.join("tracked");
                let (weights, head) = (&self.models.tracker, &self.models.head);
                run::track_photo(photo, weights, head, &tracked, opened.device, common.talk())?;
                tracked
            }
            (None, Some(input)) => input.clone(),
            (None, None) => return Err(Failure::usage("--photo or --input is missing").into()),
        };
        let dataset = Dataset::open(&input)?;
        if self.row >= dataset.len() {
            return Err(Failure::usage(format!("--row {}: {input:?} has {} rows", self.row, dataset.len())).into());
        }
        let mut provenance = self.models.provenance(&config, &dataset.frame(self.row)?.image)?;
        let real = match &self.real {
            Some(path) => {
                let cut = run::sequences(path, config.progression.frames)?;
                let bytes: Vec<u8> = cut.iter().flatten().flatten().flat_map(|v| v.to_le_bytes()).collect();
                provenance.inputs.push(("real".into(), digest::hex(&digest::sha256(&bytes))));
                cut
            }
            None => Vec::new(),
        };
        let name = self.name.unwrap_or_else(|| file_name(&self.out));
        let outcome = run::run(&Plan {
            subject: Subject::read(&dataset, self.row, &opened.head, config.reference_size)?,
            out: self.out,
            name,
            model: &opened.head,
            video: video.as_ref(),
            video_name,
            tracker: Some(&opened.tracker),
            perceptual: opened.perceptual.as_ref(),
            real,
            config,
            device: opened.device,
            provenance,
            talk: common.talk(),
        })?;
        let versions = outcome.versions.as_ref().map(|(number, digest)| json!({ "number": number, "digest": digest }));
        let fields = json!({
            "avatar": outcome.avatar, "weights_sha256": outcome.weights_sha256, "versions": versions, "pace": outcome.pace,
        });
        common.talk().event("run", fields);
        let how = if outcome.was_done() { "already exists" } else { "is complete" };
        common.talk().say(&format!("zero1a: the avatar {how}: {:?}", outcome.avatar));
        Ok(ExitCode::Done)
    }
}
