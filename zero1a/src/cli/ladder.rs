//! `zero1a ladder`
use super::eval::{PROTOCOL, measure};
use super::models::{Models, Opened};
use super::{config, file_name};
use anyhow::Result;
use formats::card::{read_json, write_json};
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::progress::{Progress, Talk};
use formats::publish::write_atomically;
use formats::{Dataset, avatar};
use nets::{Checkpoint, Rigged};
use serde_json::json;
use std::path::PathBuf;
use zero1a::config::RunConfig;
use zero1a::eval::{self, Rung};
use zero1a::run::{self, Plan};
use zero1a::schedule::Method;
use zero1a::subject::{self, Subject};
use zero1a::video::VideoModel;

/// What was typed.
#[derive(clap::Args)]
pub struct Ladder {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Dataset from `datagen render` with the ground truth.
    #[arg(long)]
    data: PathBuf,
    /// Identities to run, comma-separated.
    #[arg(long, value_delimiter = ',', required = true)]
    identities: Vec<u32>,
    /// Seeds, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Methods to run, comma-separated; default: all.
    #[arg(long, value_delimiter = ',')]
    methods: Vec<String>,
    #[command(flatten)]
    models: Models,
    /// Number of iterations; overrides the configuration.
    #[arg(long)]
    iterations: Option<u64>,
    /// Side in pixels at which metrics are computed.
    #[arg(long, default_value_t = 96)]
    size: usize,
    /// Folder to write; `ladder.json` is the result table.
    #[arg(long)]
    out: PathBuf,
}

/// What all runs share.
struct Course<'a> {
    base: RunConfig,
    opened: &'a Opened,
    video: &'a dyn VideoModel,
    video_name: String,
    dataset: &'a Dataset,
}

/// One run of many.
struct Run {
    identity: u32,
    seed: u64,
    method: Method,
}

impl Ladder {
    pub fn run(self, common: &CommonFlags) -> Result<ExitCode> {
        let base = config(common, self.iterations)?;
        if let Some(code) = self.rehearsal.print(&base, common)? {
            return Ok(code);
        }
        let runs = self.runs(&base)?;
        let opened = self.models.open()?;
        let (video, video_name) = self.models.open_video(opened.device)?;
        let dataset = Dataset::open(&self.data)?;
        for &identity in &self.identities {
            subject::rows_of(&dataset, Some(identity))?;
        }
        let summary = || format!("would do {} runs of {} iterations: {:?}", runs.len(), base.iterations, self.out);
        if let Some(code) = self.rehearsal.tell(summary) {
            return Ok(code);
        }
        let progress = Progress::new("ladder", runs.len() as u64, "runs", common.talk());
        let course =
            Course { base: base.clone(), opened: &opened, video: video.as_ref(), video_name, dataset: &dataset };
        let mut rungs: Vec<Rung> = Vec::new();
        for run in &runs {
            rungs.push(self.climb(&course, run)?);
            progress.note(&format!("{} of {}, seed {}", run.method.name(), run.identity, run.seed));
            progress.add(1);
            self.write(&rungs, common)?;
        }
        progress.finish();
        if !common.output.json {
            println!("{}", eval::table(&eval::steps(&rungs)));
        }
        Ok(ExitCode::Done)
    }

    /// All runs, in order; every method of a seed of a person before the next.
    fn runs(&self, base: &RunConfig) -> Result<Vec<Run>> {
        let known = Method::LADDER.map(Method::name);
        if let Some(odd) = self.methods.iter().find(|m| !known.contains(&m.as_str())) {
            return Err(Failure::usage(format!("--methods {odd}: expected some of {}", known.join(", "))).into());
        }
        let wanted = |m: &Method| self.methods.is_empty() || self.methods.iter().any(|name| name == m.name());
        let methods: Vec<Method> = Method::LADDER.into_iter().filter(wanted).collect();
        for &method in &methods {
            RunConfig { method, ..base.clone() }.check()?;
        }
        let mut runs = Vec::new();
        for &identity in &self.identities {
            for &seed in &self.seeds {
                runs.extend(methods.iter().map(|&method| Run { identity, seed, method }));
            }
        }
        Ok(runs)
    }

    /// One run and its figures, where they are not there yet.
    fn climb(&self, course: &Course, &Run { identity, seed, method }: &Run) -> Result<Rung> {
        let (dataset, opened) = (course.dataset, course.opened);
        let rows = subject::rows_of(dataset, Some(identity))?;
        let reference = subject::most_frontal(dataset, &rows);
        let config = RunConfig { method, seed, ..course.base.clone() };
        let out = self.out.join(format!("{identity}-{}-{seed}", method.name()));
        let file = out.join("figures.json");
        let outcome = run::run(&Plan {
            subject: Subject::read(dataset, reference, &opened.head, config.reference_size)?,
            out: out.clone(),
            name: file_name(&out),
            model: &opened.head,
            video: course.video,
            video_name: course.video_name.clone(),
            tracker: Some(&opened.tracker),
            perceptual: opened.perceptual.as_ref(),
            real: Vec::new(),
            provenance: self.models.provenance(&config, &dataset.frame(reference)?.image)?,
            config,
            device: opened.device,
            talk: Talk::Quiet,
        })?;
        if !outcome.was_done() || !file.is_file() {
            let rigged = Rigged::take(&Checkpoint::load(&outcome.avatar.join(avatar::WEIGHTS))?, opened.device)?;
            let others: Vec<usize> = rows.into_iter().filter(|&i| i != reference).collect();
            let (figures, sheet) = measure(&rigged, dataset, &others, opened, course.base.background, self.size)?;
            write_atomically(&out.join("figures.png"), &sheet)?;
            write_json(&file, &Rung { method: method.name().into(), identity, seed, figures })?;
        }
        Ok(read_json(&file, "figures of a run")?)
    }

    /// The table so far.
    fn write(&self, rungs: &[Rung], common: &CommonFlags) -> Result<()> {
        let protocol = format!("held-out views and expressions, {} px, {PROTOCOL}", self.size);
        let table = json!({ "protocol": protocol, "steps": eval::steps(rungs), "runs": rungs });
        write_json(&self.out.join("ladder.json"), &table)?;
        if let Some(last) = rungs.last() {
            common.talk().event("rung", serde_json::to_value(last)?);
        }
        Ok(())
    }
}
