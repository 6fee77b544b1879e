//! What is typed, checked and turned into a plan.
use anyhow::Result;
use clap::{Parser, Subcommand};
use formats::card::{WeightsCard, write_json};
use formats::dataset::Dataset;
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::provenance::Provenance;
use head::HeadModel;
use nets::losses::recognizer::Recognizer;
use serde_json::json;
use std::path::PathBuf;
use track::config::TrackConfig;
use track::networks::{LAYOUT, Networks};
use track::photos::{self, Cameras, FaceChoice};
use track::{evaluate, train};

/// Detect a face in photos and fit the head model to it; the networks train on renders only.
#[derive(Parser)]
#[command(name = "track", version, after_help = formats::exit::EXIT_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: CommonFlags,
    /// Compute device: `auto`, `cpu` or `cuda:N`.
    #[arg(long, global = true, default_value = "auto")]
    device: String,
}

#[derive(Subcommand)]
enum Command {
    /// Fit photos of one person and write a tracked dataset (frames, identity, overlays).
    Fit(Fit),
    /// Train the detector and the face network on renders; resumes from the checkpoint next to --out.
    Train(Train),
    /// Evaluate weights and fit on renders of held-out people.
    Eval(Eval),
}

#[derive(clap::Args)]
struct Fit {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Photos, or folders of photos.
    #[arg(long, required = true, num_args = 1..)]
    photos: Vec<PathBuf>,
    /// Dataset folder to write.
    #[arg(long)]
    out: PathBuf,
    /// Face to fit if a photo shows several: `only` (an error if there are several), `largest`, or an index by size from 0.
    #[arg(long, default_value = "only", value_parser = face_choice)]
    face: FaceChoice,
    /// Side of the output frames in pixels; overrides the configuration.
    #[arg(long)]
    size: Option<usize>,
    /// Focal length in pixels of the photos, if known.
    #[arg(long)]
    focal_px: Option<f64>,
    /// Fit one focal length per photo instead of one per image size.
    #[arg(long)]
    each_own_camera: bool,
    /// All photos show one person: do not compare their faces.
    #[arg(long)]
    same_person: bool,
    /// Weights of the recognizer that compares the faces of several photos.
    #[arg(long, default_value = "weights/identity.safetensors")]
    recognizer: PathBuf,
    #[command(flatten)]
    models: Models,
}

#[derive(clap::Args)]
struct Train {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Datasets from `datagen render` with alpha maps; may be repeated.
    #[arg(long, required = true, num_args = 1..)]
    data: Vec<PathBuf>,
    /// Head model of the datasets.
    #[arg(long, default_value = "data/head.safetensors")]
    head: PathBuf,
    /// Initial weights; tensors with the same name and shape are copied.
    #[arg(long)]
    start: Option<PathBuf>,
    /// Weights file to write; card and checkpoint are written next to it.
    #[arg(long, default_value = "weights/track.safetensors")]
    out: PathBuf,
    /// Stop after this many minutes, summed over resumed runs; overrides the configuration.
    #[arg(long)]
    minutes: Option<f64>,
    /// Stop after this many steps; overrides the configuration.
    #[arg(long)]
    steps: Option<u64>,
}

#[derive(clap::Args)]
struct Eval {
    /// Dataset from `datagen render`.
    #[arg(long)]
    data: PathBuf,
    /// Split to evaluate: `train`, `val` or `test`.
    #[arg(long, default_value = "test")]
    split: String,
    /// Maximum number of frames.
    #[arg(long, default_value_t = 100)]
    frames: usize,
    /// JSON report to write.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Also write the metrics to the card of the weights.
    #[arg(long)]
    card: bool,
    #[command(flatten)]
    models: Models,
}

#[derive(clap::Args)]
struct Models {
    /// Weights from `track train`.
    #[arg(long, default_value = "weights/track.safetensors")]
    weights: PathBuf,
    /// Head model to fit.
    #[arg(long, default_value = "data/head.safetensors")]
    head: PathBuf,
}

impl Models {
    fn open(&self, device: tch::Device) -> Result<(Networks, HeadModel)> {
        Ok((Networks::load(&self.weights, device)?, HeadModel::load(&self.head)?))
    }
}

fn face_choice(text: &str) -> Result<FaceChoice, String> {
    match text {
        "only" => Ok(FaceChoice::Only),
        "largest" => Ok(FaceChoice::Largest),
        number => {
            number.parse().map(FaceChoice::Number).map_err(|_| "expected only, largest or a number from 0".into())
        }
    }
}

impl Cli {
    /// Checks everything, then runs.
    ///
    /// # Errors
    /// Each with its exit code.
    pub fn run(self) -> Result<ExitCode> {
        let Some(command) = nets::tool::begin::<Cli, _>(&self.common, self.command)? else {
            return Ok(ExitCode::Done);
        };
        let mut config: TrackConfig = formats::config::load(self.common.config.as_deref(), &self.common.sets)?;
        config.train.seed = self.common.seed.unwrap_or(config.train.seed);
        let device = nets::device::parse(&self.device).map_err(|e| Failure::usage(e.to_string()))?;
        let outcome = match command {
            Command::Fit(fit) => fit.run(device, config, &self.common),
            Command::Train(train) => train.run(device, config, &self.common),
            Command::Eval(eval) => eval.run(device, &config, &self.common),
        };
        outcome.map_err(with_code)
    }
}

/// Our own errors and those of `nets` know their exit codes; `formats` learns of them here.
fn with_code(err: anyhow::Error) -> anyhow::Error {
    match err.downcast::<track::Error>() {
        Ok(own) => Failure::new(own.exit_code(), own.to_string()).into(),
        Err(other) => nets::error::coded(other),
    }
}

impl Fit {
    fn run(self, device: tch::Device, mut config: TrackConfig, common: &CommonFlags) -> Result<ExitCode> {
        config.frame.size = self.size.unwrap_or(config.frame.size);
        if !(32..=4096).contains(&config.frame.size) {
            return Err(Failure::usage(format!("--size {}: expected 32 to 4096 pixels", config.frame.size)).into());
        }
        if self.focal_px.is_some_and(|f| !(1.0..1e6).contains(&f)) {
            return Err(Failure::usage("--focal-px: expected a positive number of pixels").into());
        }
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        let photos = photos::list_photos(&self.photos)?;
        let (networks, head) = self.models.open(device)?;
        let recognizer = match photos.len() > 1 && !self.same_person {
            true => Some(Recognizer::load(&self.recognizer, device)?),
            false => None,
        };
        if let Some(code) = self.rehearsal.tell(|| format!("would fit {} photos: {:?}", photos.len(), self.out)) {
            return Ok(code);
        }
        let plan_toml = formats::config::to_toml(&config)?;
        let mut provenance = Provenance::new("track", env!("CARGO_PKG_VERSION"), &plan_toml, config.train.seed)
            .with_input("weights", &self.models.weights)?
            .with_input("head", &self.models.head)?;
        for photo in &photos {
            provenance = provenance.with_input(&photo.to_string_lossy(), photo)?;
        }
        let talk = common.talk();
        let (out, choice, focal_px) = (self.out, self.face, self.focal_px);
        let cameras = if self.each_own_camera { Cameras::Own } else { Cameras::BySize };
        let plan = photos::Plan {
            photos,
            out,
            choice,
            focal_px,
            cameras,
            networks,
            recognizer,
            head,
            config,
            provenance,
            talk,
        };
        for report in photos::run(&plan)? {
            talk.event("photo", serde_json::to_value(&report)?);
            talk.say(&format!(
                "{}: face of {:.0} px, score {:.2}, fit within {:.1} px ({:.1} %), camera {:.2} m away",
                report.photo.display(),
                report.face[2],
                report.score,
                report.rms_px,
                report.rms_percent,
                report.distance_m
            ));
        }
        talk.say(&format!("wrote {}", plan.out.display()));
        Ok(ExitCode::Done)
    }
}

impl Train {
    fn run(self, device: tch::Device, mut config: TrackConfig, common: &CommonFlags) -> Result<ExitCode> {
        config.train.steps = self.steps.unwrap_or(config.train.steps);
        // A bound by steps alone is reproducible; the default time must not cut it short.
        let time = if self.steps.is_some() { Some(0.0) } else { None };
        config.train.minutes = self.minutes.or(time).unwrap_or(config.train.minutes);
        let t = &config.train;
        if t.minutes <= 0.0 && t.steps == 0 {
            return Err(Failure::config("train.minutes and train.steps are both 0: expected a bound").into());
        }
        if t.crops == 0 {
            return Err(Failure::config("train.crops: expected at least 1").into());
        }
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        let datasets: Vec<Dataset> = match self.rehearsal.dry_run {
            true => self.data.iter().map(|path| Dataset::open(path)).collect::<Result<_, _>>()?,
            false => Vec::new(),
        };
        let frames: usize = datasets.iter().map(Dataset::len).sum();
        if let Some(code) = self.rehearsal.tell(|| format!("would train on {frames} frames: {:?}", self.out)) {
            return Ok(code);
        }
        let plan = train::Plan {
            data: self.data.clone(),
            head: HeadModel::load(&self.head)?,
            identity: t.identity,
            start: self.start.clone(),
            out: self.out.clone(),
            minutes: (t.minutes > 0.0).then_some(t.minutes),
            steps: (t.steps > 0).then_some(t.steps),
            crops: t.crops,
            patches: t.patches,
            workers: t.workers,
            lr: t.lr,
            seed: t.seed,
            max_frames: t.max_frames,
            val_crops: t.val_crops.max(1),
            device,
            talk: common.talk(),
        };
        let summary = train::run(&plan)?;
        card(&summary, &self.data, &config)?.write(&self.out)?;
        common.talk().say(&format!("wrote {} ({} kB)", self.out.display(), summary.bytes / 1000));
        Ok(ExitCode::Done)
    }
}

fn card(summary: &train::Summary, data: &[PathBuf], config: &TrackConfig) -> Result<WeightsCard> {
    let names: Vec<String> = data.iter().map(|d| d.file_name().unwrap_or_default().to_string_lossy().into()).collect();
    let plan_toml = formats::config::to_toml(config)?;
    let protocol = "composed, degraded crops of held-out identities, 192 px crops";
    let val: serde_json::Map<String, serde_json::Value> = (summary.val.iter())
        .map(|(name, value)| (format!("val_{name}"), json!({ "value": value, "protocol": protocol })))
        .collect();
    let mut metrics = json!({ "hours": summary.hours, "curve": summary.curve });
    metrics.as_object_mut().expect("an object").extend(val);
    let what = "face detector; from a 192 px crop: 68 and dense landmarks, visibility, 52 ARKit units, gaze, head pose, \
                distance, identity coefficients, head matte, face probability, with uncertainty";
    Ok(WeightsCard {
        name: "track".into(),
        what: what.into(),
        schema_version: 1,
        architecture: json!({ "layout": LAYOUT, "detector_stride": 8, "crop_px": 192, "heat_px": 48, "alpha_px": 96 }),
        data: format!("{}: {} frames of {} people; renders only", names.join(", "), summary.frames, summary.identities),
        steps: summary.steps,
        metrics,
        license: "MIT OR Apache-2.0".into(),
        provenance: Provenance::new("track", env!("CARGO_PKG_VERSION"), &plan_toml, config.train.seed),
        ..Default::default()
    })
}

impl Eval {
    fn run(self, device: tch::Device, config: &TrackConfig, common: &CommonFlags) -> Result<ExitCode> {
        let Eval { data, split, models, .. } = &self;
        let dataset = Dataset::open(data)?;
        let (networks, head) = models.open(device)?;
        let subject = evaluate::Subject { networks: &networks, head: &head, config };
        let figures = evaluate::run(&dataset, split, self.frames, &subject, common.talk())?;
        common.talk().event("eval", serde_json::to_value(&figures)?);
        if !common.output.json {
            println!("{figures}");
        }
        if self.card {
            WeightsCard::add_metrics(&models.weights, figures.for_card(split, &dataset))?;
        }
        if let Some(out) = &self.out {
            write_json(out, &json!({ "data": data, "split": split, "weights": models.weights, "figures": figures }))?;
        }
        Ok(ExitCode::Done)
    }
}
