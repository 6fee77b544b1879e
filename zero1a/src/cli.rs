//! What is typed, checked and turned into calls.
use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use formats::card::{read_json, write_json};
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::provenance::Provenance;
use formats::publish::write_atomically;
use formats::{AvatarCard, AvatarKind, Dataset, digest};
use head::HeadModel;
use nets::identity::Recogniser;
use nets::perceptual::Perceptual;
use nets::{Checkpoint, Rigged};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::Device;
use track::networks::Networks;
use zero1a::config::{Landmarks, RunConfig};
use zero1a::eval::{self, Judges, Rung};
use zero1a::run::{self, Plan};
use zero1a::schedule::Method;
use zero1a::subject::Subject;
use zero1a::video::portrait::files::find;
use zero1a::video::train::TrainVideo;
use zero1a::video::{self, VideoModel};
use zero1a::{report, subject};

/// Makes a drivable avatar from one photo: a video model and a data set of clips improve each other (SymGEN).
#[derive(Parser)]
#[command(name = "zero1a", version, after_help = formats::exit::EXIT_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: CommonFlags,
}

#[derive(Subcommand)]
enum Command {
    /// One photo, or one row of a tracked dataset → an avatar folder. Goes on where it was stopped.
    Run(Run),
    /// Measures an avatar on a person's other pictures, or on its own photo.
    Eval(Eval),
    /// Runs the method and its baselines on rendered people with exact truth, and compares them. Goes on where it was
    /// stopped.
    Ladder(Ladder),
    /// Writes a page that shows how a run's clips changed from version to version.
    Report(Report),
    /// Trains the small video model from nothing on renders.
    TrainVideo(TrainVideo),
}

#[derive(clap::Args)]
struct Run {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// The photo.
    #[arg(long, conflicts_with = "input")]
    photo: Option<PathBuf>,
    /// Tracked or rendered dataset instead of a photo.
    #[arg(long)]
    input: Option<PathBuf>,
    /// Row of the dataset; default: the first.
    #[arg(long, default_value_t = 0)]
    row: usize,
    #[command(flatten)]
    models: Models,
    /// Iterations; the whole schedule is scaled to them. Overrides the configuration's.
    #[arg(long)]
    iterations: Option<u64>,
    /// Dataset whose expressions, frame by frame, the exaggerated clips take; default: made-up ones.
    #[arg(long)]
    real: Option<PathBuf>,
    /// Name shown on pages; default: the folder's.
    #[arg(long)]
    name: Option<String>,
    /// Folder to write.
    #[arg(long)]
    out: PathBuf,
}

#[derive(clap::Args)]
struct Models {
    /// Head model.
    #[arg(long)]
    head: PathBuf,
    /// The video model: weights made by `zero1a train-video`, or the folder of a public portrait model.
    #[arg(long, default_value = "weights/video.safetensors")]
    video: PathBuf,
    /// Weights of the tracker.
    #[arg(long, default_value = "weights/track.safetensors")]
    tracker: PathBuf,
    /// Weights of the perceptual net; `random` or `none`.
    #[arg(long, default_value = "weights/perceptual.safetensors")]
    perceptual: String,
    /// Weights of the recogniser that figures use; `none` to do without.
    #[arg(long, default_value = "weights/identity.safetensors")]
    recogniser: String,
    /// `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto")]
    device: String,
}

#[derive(clap::Args)]
struct Eval {
    /// Avatar folder.
    #[arg(long)]
    avatar: PathBuf,
    /// Dataset with the truth. Pictures that the avatar was made from are left out, unless there are no others.
    #[arg(long)]
    data: PathBuf,
    /// Only rows of this identity.
    #[arg(long)]
    identity: Option<u32>,
    #[command(flatten)]
    models: Models,
    /// Pixels a side.
    #[arg(long, default_value_t = 96)]
    size: usize,
    /// Report to write (JSON); the contact sheet lies beside as PNG.
    #[arg(long)]
    out: PathBuf,
}

#[derive(clap::Args)]
struct Ladder {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Dataset with the truth, made by `datagen render`.
    #[arg(long)]
    data: PathBuf,
    /// People, by number.
    #[arg(long, value_delimiter = ',', required = true)]
    identities: Vec<u32>,
    /// Seeds.
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    seeds: Vec<u64>,
    /// Methods; default: all.
    #[arg(long, value_delimiter = ',')]
    methods: Vec<String>,
    #[command(flatten)]
    models: Models,
    /// Iterations; overrides the configuration's.
    #[arg(long)]
    iterations: Option<u64>,
    /// Pixels a side that figures are measured at.
    #[arg(long, default_value_t = 96)]
    size: usize,
    /// Folder to fill; `ladder.json` is the table.
    #[arg(long)]
    out: PathBuf,
}

#[derive(clap::Args)]
struct Report {
    /// Folder that `zero1a run` filled.
    #[arg(long)]
    run: PathBuf,
    /// Write a section for another page rather than a page.
    #[arg(long)]
    section: bool,
    /// Page to write.
    #[arg(long)]
    out: PathBuf,
}

/// The models of a run, opened.
struct Opened {
    head: HeadModel,
    tracker: Networks,
    perceptual: Option<Perceptual>,
    recogniser: Option<Recogniser>,
    device: Device,
}

impl Models {
    fn open(&self) -> Result<Opened> {
        let device = nets::device::parse(&self.device)?;
        nets::render::check_device(device)?;
        Ok(Opened {
            head: HeadModel::load(&self.head)?,
            tracker: Networks::load(&self.tracker, device)?,
            perceptual: Perceptual::open(&self.perceptual, device)?,
            recogniser: match self.recogniser.as_str() {
                "none" => None,
                path => Some(Recogniser::load(Path::new(path), device).context("--recogniser none does without")?),
            },
            device,
        })
    }

    /// The video model, and what rows call it.
    fn open_video(&self, device: Device) -> Result<(Box<dyn VideoModel>, String)> {
        let hash = digest::sha256_of_file(&self.video_weights()?)?;
        let kind = if self.video.is_dir() { "portrait" } else { "small" };
        Ok((video::open(&self.video, device)?, format!("{kind} video model {}", &hash[..16])))
    }

    /// The file that tells one video model from another: of a public folder the denoising network.
    fn video_weights(&self) -> Result<PathBuf> {
        if self.video.is_dir() {
            return Ok(find(&self.video, &["denoising_unet"])?);
        }
        if !self.video.is_file() {
            let text = format!("no video model at {:?}; train one with `zero1a train-video`", self.video);
            return Err(Failure::new(ExitCode::MissingInput, text).into());
        }
        Ok(self.video.clone())
    }

    /// What a run of `config` on a reference picture depends on.
    fn provenance(&self, config: &RunConfig, reference: &[u8]) -> Result<Provenance> {
        let toml = formats::config::to_toml(config)?;
        let mut provenance = Provenance::new("zero1a", env!("CARGO_PKG_VERSION"), &toml, config.seed)
            .with_input("head", &self.head)?
            .with_input("video", &self.video_weights()?)?;
        if Path::new(&self.perceptual).is_file() {
            provenance = provenance.with_input("perceptual", Path::new(&self.perceptual))?;
        } else {
            provenance.inputs.push(("perceptual".into(), self.perceptual.clone()));
        }
        if config.landmarks == Landmarks::Detected {
            provenance = provenance.with_input("tracker", &self.tracker)?;
        }
        provenance.inputs.push(("reference".into(), digest::hex(&digest::sha256(reference))));
        Ok(provenance)
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
        match command {
            Command::Run(run) => run.run(&self.common).map_err(with_code),
            Command::Eval(eval) => eval.run(&self.common),
            Command::Ladder(ladder) => ladder.run(&self.common),
            Command::Report(r) => {
                let page = if r.section { report::section(&r.run)? } else { report::page(&r.run)? };
                write_atomically(&r.out, page.as_bytes())?;
                Ok(ExitCode::Done)
            }
            Command::TrainVideo(train) => train.run(&self.common),
        }
    }
}

/// The tracker's errors know their exit codes.
fn with_code(err: anyhow::Error) -> anyhow::Error {
    let code = err.chain().find_map(|cause| cause.downcast_ref::<track::Error>()).map(track::Error::exit_code);
    match code {
        Some(code) => Failure::new(code, format!("{err:#}")).into(),
        None => err,
    }
}

fn config(common: &CommonFlags, iterations: Option<u64>) -> Result<RunConfig> {
    let mut config: RunConfig = formats::config::load(common.config.as_deref(), &common.sets)?;
    config.seed = common.seed.unwrap_or(config.seed);
    config.iterations = iterations.unwrap_or(config.iterations);
    config.check()?;
    Ok(config)
}

impl Run {
    fn run(self, common: &CommonFlags) -> Result<ExitCode> {
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
        let how = if outcome.was_done() { "is there" } else { "is made" };
        common.talk().say(&format!("zero1a: the avatar {how}: {:?}", outcome.avatar));
        Ok(ExitCode::Done)
    }
}

impl Eval {
    fn run(self, common: &CommonFlags) -> Result<ExitCode> {
        let opened = self.models.open()?;
        let (card, weights) = AvatarCard::read(&self.avatar)?;
        if card.kind != AvatarKind::Rigged {
            let text = format!("an avatar of another kind; `invert eval` measures it: {:?}", self.avatar);
            return Err(Failure::bad_data(text).into());
        }
        let rigged = Rigged::take(&Checkpoint::load(&weights)?, opened.device)?;
        let dataset = Dataset::open(&self.data)?;
        let own = |i: &usize| card.frame_ids.contains(&dataset.labels(*i).frame_id);
        let all = subject::rows_of(&dataset, self.identity)?;
        let others: Vec<usize> = all.iter().copied().filter(|i| !own(i)).collect();
        let (rows, which) = if others.is_empty() { (all, "the reference itself") } else { (others, "not learnt from") };
        let background = background_of(&card)?;
        let (figures, sheet) = measure(&rigged, &dataset, &rows, &opened, background, self.size)?;
        write_atomically(&self.out.with_extension("png"), &sheet)?;
        let mut report = serde_json::to_value(&figures)?;
        report["protocol"] = format!("pictures {which}, {} px, {PROTOCOL}", self.size).into();
        write_json(&self.out, &report)?;
        common.talk().say(&format!("zero1a: {} pictures {which}: PSNR {:.2} dB", figures.pictures, figures.psnr_db));
        common.talk().event("eval", report);
        Ok(ExitCode::Done)
    }
}

const PROTOCOL: &str = "true camera and expression, whole picture over the run's background; lpips-self, csim-self and the \
    expression's landmarks are this project's own nets";

/// The background that an avatar learnt before.
fn background_of(card: &AvatarCard) -> Result<[f32; 3]> {
    let config: RunConfig = toml::from_str(&card.provenance.config_toml)
        .map_err(|e| Failure::bad_data(format!("the avatar's plan: {e}")))?;
    Ok(config.background)
}

fn measure(
    rigged: &Rigged,
    dataset: &Dataset,
    rows: &[usize],
    opened: &Opened,
    background: [f32; 3],
    size: usize,
) -> Result<(eval::Figures, Vec<u8>)> {
    let truth: Vec<Subject> =
        rows.iter().map(|&i| Subject::read(dataset, i, &opened.head, size)).collect::<Result<_>>()?;
    let judges = Judges {
        perceptual: opened.perceptual.as_ref(),
        recogniser: opened.recogniser.as_ref(),
        tracker: Some(&opened.tracker),
    };
    eval::evaluate(rigged, &truth, &opened.head, &judges, background, size)
}

impl Ladder {
    fn run(self, common: &CommonFlags) -> Result<ExitCode> {
        let base = config(common, self.iterations)?;
        if let Some(code) = self.rehearsal.print(&base, common)? {
            return Ok(code);
        }
        let known = Method::LADDER.map(Method::name);
        if let Some(odd) = self.methods.iter().find(|m| !known.contains(&m.as_str())) {
            return Err(Failure::usage(format!("--methods {odd}: expected some of {}", known.join(", "))).into());
        }
        let wanted = |m: &Method| self.methods.is_empty() || self.methods.iter().any(|name| name == m.name());
        let methods: Vec<Method> = Method::LADDER.into_iter().filter(wanted).collect();
        let opened = self.models.open()?;
        let (video, video_name) = self.models.open_video(opened.device)?;
        let dataset = Dataset::open(&self.data)?;
        let total = methods.len() * self.seeds.len() * self.identities.len();
        if let Some(code) = self.rehearsal.tell(|| format!("would do {total} runs: {:?}", self.out)) {
            return Ok(code);
        }
        let progress = formats::progress::Progress::new("ladder", total as u64, "runs", common.talk());
        let mut rungs: Vec<Rung> = Vec::new();
        for &identity in &self.identities {
            let rows = subject::rows_of(&dataset, Some(identity))?;
            let reference = subject::most_frontal(&dataset, &rows);
            let others: Vec<usize> = rows.into_iter().filter(|&i| i != reference).collect();
            for &seed in &self.seeds {
                for &method in &methods {
                    let config = RunConfig { method, seed, ..base.clone() };
                    config.check()?;
                    let out = self.out.join(format!("{identity}-{}-{seed}", method.name()));
                    let plan = Plan {
                        subject: Subject::read(&dataset, reference, &opened.head, config.reference_size)?,
                        out: out.clone(),
                        name: file_name(&out),
                        model: &opened.head,
                        video: video.as_ref(),
                        video_name: video_name.clone(),
                        tracker: Some(&opened.tracker),
                        perceptual: opened.perceptual.as_ref(),
                        real: Vec::new(),
                        provenance: self.models.provenance(&config, &dataset.frame(reference)?.image)?,
                        config,
                        device: opened.device,
                        talk: formats::progress::Talk::Quiet,
                    };
                    let file = out.join("figures.json");
                    let outcome = run::run(&plan)?;
                    if !outcome.was_done() || !file.is_file() {
                        let rigged = Rigged::take(
                            &Checkpoint::load(&outcome.avatar.join(formats::avatar::WEIGHTS))?,
                            opened.device,
                        )?;
                        let (figures, sheet) =
                            measure(&rigged, &dataset, &others, &opened, base.background, self.size)?;
                        write_atomically(&out.join("figures.png"), &sheet)?;
                        write_json(&file, &Rung { method: method.name().into(), identity, seed, figures })?;
                    }
                    rungs.push(read_json(&file, "figures of a run")?);
                    progress.note(&format!("{} of {identity}, seed {seed}", method.name()));
                    progress.add(1);
                    self.write(&rungs, common)?;
                }
            }
        }
        progress.finish();
        if !common.output.json {
            println!("{}", eval::table(&eval::steps(&rungs)));
        }
        Ok(ExitCode::Done)
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

fn file_name(path: &Path) -> String {
    path.file_name().map_or("avatar".into(), |n| n.to_string_lossy().into_owned())
}
