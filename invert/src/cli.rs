//! What is typed, checked and turned into calls.
mod reenact;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use formats::Dataset;
use formats::card::write_json;
use formats::digest::{hex, sha256, sha256_of_file};
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::live_link;
use formats::progress::Progress;
use formats::provenance::Provenance;
use formats::publish::write_atomically;
use head::HeadModel;
use head::params::unit;
use invert::avatar::Avatar;
use invert::clip::{Angles, Clip, Driver};
use invert::config::{FAST, FitConfig};
use invert::drive::{HeadPose, Shot};
use invert::export::{self, Up};
use invert::film::{self, Backdrop};
use invert::fit::{LossNetworks, Work};
use invert::relative::Transfer;
use invert::subject::{Choice, Subject, View};
use invert::{clip, drive, eval, fit, report, track_video, view};
use nets::losses::perceptual::Perceptual;
use nets::losses::recognizer::Recognizer;
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::Device;

/// Fit a drivable avatar to one to thirteen images of a person; drive, evaluate, export and view avatars.
#[derive(Parser)]
#[command(name = "invert", version, after_help = formats::exit::EXIT_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: CommonFlags,
    /// Compute device: `auto`, `cpu`, `cuda` or `cuda:N`; a missing GPU is an error.
    #[arg(long, global = true, default_value = "auto")]
    device: String,
}

#[derive(Subcommand)]
enum Command {
    /// Fit an avatar to the images of a tracked or rendered dataset.
    ///
    /// Run the same command again to resume an interrupted fit after its last completed stage. While it runs,
    /// `OUT/unfinished/preview.png` shows the first image, the avatar in its place, and the avatar from the side.
    Fit {
        /// Dataset or shard with the images.
        #[arg(long)]
        input: PathBuf,
        /// Head model of the dataset.
        #[arg(long)]
        head: PathBuf,
        /// Weights of the prior.
        #[arg(long, default_value = "weights/prior.safetensors")]
        prior: PathBuf,
        #[command(flatten)]
        choice: ChoiceFlags,
        #[command(flatten)]
        loss_networks: LossNetworkFlags,
        /// Fast settings: fewer optimizer steps, 384 px instead of 512. About a third of the time; skin, hair and teeth are
        /// less sharp. Overrides --config; --set overrides it.
        #[arg(long)]
        fast: bool,
        /// Start from an untrained network instead of the prior, as a baseline.
        #[arg(long)]
        without_prior: bool,
        /// Display name of the avatar; default: the folder name.
        #[arg(long)]
        name: Option<String>,
        /// Folder for images of each input view: ground truth, avatar, valid pixels, coverage.
        #[arg(long)]
        pictures: Option<PathBuf>,
        /// Avatar folder to write.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        rehearsal: RehearsalFlags,
    },
    /// Animate an avatar with a recording, a dataset or the built-in performance.
    Drive(DriveFlags),
    /// Evaluate an avatar: on held-out images with their ground-truth cameras and expressions (--data), or driven by another
    /// person, without ground truth (--driver).
    Eval(EvalFlags),
    /// Render one PNG per expression and yaw, named `{pose}{yaw}.png`, for example `blink+20.png`.
    Stills {
        /// Avatar folder.
        #[arg(long)]
        avatar: PathBuf,
        /// Pose name and ARKit weights, for example `wink:eyeBlinkLeft=1,jawOpen=0.2`; may be repeated. Default: `neutral`.
        #[arg(long, value_name = "NAME:UNIT=WEIGHT,...")]
        pose: Vec<String>,
        /// Camera yaws in degrees, positive to the person's left, comma-separated.
        #[arg(long, default_value = "0", value_delimiter = ',', allow_hyphen_values = true)]
        yaw_deg: Vec<f32>,
        /// Side of each image in pixels.
        #[arg(long, default_value_t = 512)]
        size: usize,
        /// Folder to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Render a contact sheet: seven expressions from three sides.
    Sheet {
        /// Avatar folder.
        #[arg(long)]
        avatar: PathBuf,
        /// Side of each image in pixels.
        #[arg(long, default_value_t = 160)]
        size: usize,
        /// Contact sheet to write (PNG).
        #[arg(long)]
        out: PathBuf,
    },
    /// Export a head mesh (`.glb`), or the Gaussians of one expression (`.glb`, `.ply`, `.splat`, `.spz`).
    ///
    /// `.glb` holds a textured head mesh with eyes, teeth and tongue, 52 ARKit morph targets and a skeleton (neck, head, jaw,
    /// eyes): for Blender, three.js, Unity and Unreal. With `--kind gaussians` it holds Gaussians (KHR_gaussian_splatting).
    /// Where the file comes from is noted in `asset.extras` of a `.glb`, and beside other files as `OUT.json`.
    Export {
        /// Avatar folder.
        #[arg(long)]
        avatar: PathBuf,
        /// What to export; default: `mesh` for `.glb`, otherwise `gaussians`.
        #[arg(long, value_enum)]
        kind: Option<export::Kind>,
        /// ARKit weight, for example `jawOpen=0.5`; may be repeated. A mesh opens with these weights.
        #[arg(long, value_name = "UNIT=WEIGHT")]
        expression: Vec<String>,
        /// Axis convention of `.ply` and `.splat`; `.glb` and `.spz` are always y up, by their specifications.
        #[arg(long, value_enum, default_value_t = Up::Down)]
        up: Up,
        /// File to write; the extension selects the format: `.glb`, `.ply`, `.splat` or `.spz`.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write a self-contained HTML viewer of an avatar.
    View {
        /// Avatar folder.
        #[arg(long)]
        avatar: PathBuf,
        /// `performance`, `photo`, a `.csv` of the Live Link Face app, or a dataset, whose expressions are played as they are.
        #[arg(long, default_value = "performance")]
        clip: String,
        /// HTML file to write.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write the HTML report of `make demo` or `make pipeline`.
    #[command(group = clap::ArgGroup::new("made").required(true))]
    Report {
        /// Output folder of `make demo`.
        #[arg(long, group = "made")]
        demo: Option<PathBuf>,
        /// Output folder of `make pipeline`.
        #[arg(long, group = "made")]
        pipeline: Option<PathBuf>,
        /// HTML file to write.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(clap::Args)]
struct DriveFlags {
    /// Avatar folder.
    #[arg(long)]
    avatar: PathBuf,
    /// `performance`, `photo` (the expression of the first input image, held), a `.csv` of the Live Link Face app, a dataset
    /// (tracked from a video: played by its times, frames without a face held; else row by row), or a video, which the tool
    /// `track` tracks first, into `NAME.tracked` next to --out.
    #[arg(long, default_value = "performance")]
    clip: String,
    /// Frames per second of the output; default: 30 for `.mp4`, otherwise 12.5. A `.csv` and a tracked video are resampled by
    /// time, the rows of other datasets are played one by one.
    #[arg(long)]
    fps: Option<f32>,
    /// Head model that a video is tracked with.
    #[arg(long, default_value = "data/head.safetensors")]
    head: PathBuf,
    /// Frames per second of the timecode of a `.csv`; default: 60, or 30 if it never counts beyond 29.
    #[arg(long)]
    clip_fps: Option<f32>,
    /// Transfer changes against the driver's neutral, which is estimated from the calm frames of the clip. Default for
    /// `.csv` and datasets.
    #[arg(long, conflicts_with = "absolute")]
    relative: bool,
    /// Use weights and angles of the clip as they are: for the avatar's own person. Default for `performance` and `photo`.
    #[arg(long)]
    absolute: bool,
    /// Head pose: `driver` turns the head as the driver's, `camera` uses the driver's own cameras (datasets only), `still`
    /// looks straight ahead.
    #[arg(long, value_enum, default_value_t = HeadPose::Driver)]
    pose: HeadPose,
    /// Longer side of each image in pixels.
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Amplitude of a yaw swing of the camera, in radians.
    #[arg(long, default_value_t = 0.0)]
    swing: f32,
    /// Transparent background (`.webp` and PNG frames).
    #[arg(long)]
    alpha: bool,
    /// Also write the weights and angles that were used, in the columns of Live Link Face.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Animation to write: `.webp`, `.mp4` (needs the program ffmpeg), otherwise a folder of PNG frames.
    #[arg(long)]
    out: PathBuf,
}

impl DriveFlags {
    /// Frames a second of the output.
    fn fps(&self) -> Result<f32> {
        check_rate("--fps", self.fps)?;
        check_rate("--clip-fps", self.clip_fps)?;
        Ok(self.fps.unwrap_or(if film::Kind::of(&self.out) == film::Kind::Mp4 { 30.0 } else { 12.5 }))
    }

    fn source(&self, fps: f32) -> Source<'_> {
        Source { asked: &self.clip, fps, timecode_fps: self.clip_fps, head: &self.head, out: &self.out }
    }

    fn shot(&self) -> Result<Shot> {
        check_size(self.size)?;
        let backdrop = if self.alpha { Backdrop::Transparent } else { Backdrop::Tone(drive::BACKDROP) };
        Ok(Shot { size: self.size, pose: self.pose, swing_rad: self.swing, backdrop })
    }
}

/// What drives an avatar, as it was typed.
struct Source<'a> {
    /// As [`clip::open`] takes it, or a video.
    asked: &'a str,
    /// Frames a second of the clip.
    fps: f32,
    /// Of the timecode of a `.csv`, if a user says.
    timecode_fps: Option<f32>,
    /// Head model that a video is tracked with.
    head: &'a Path,
    /// A video is tracked into a folder next to this output.
    out: &'a Path,
}

impl Source<'_> {
    /// The clip, and its name as [`clip::open`] takes it: a video is tracked first, and its dataset is the clip.
    fn open(&self, avatar: &Avatar, common: &CommonFlags) -> Result<(String, Clip)> {
        let name = self.tracked(common)?;
        let clip = clip::open(&name, self.fps, self.timecode_fps, avatar.card())?;
        if clip.lost > 0 {
            common.talk().say(&format!("invert: {} frames of the clip show no face and are bridged", clip.lost));
        }
        Ok((name, clip))
    }

    fn tracked(&self, common: &CommonFlags) -> Result<String> {
        if !track_video::is_video(self.asked) {
            return Ok(self.asked.into());
        }
        let (video, talk) = (Path::new(self.asked), common.talk());
        let name = video.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let out = self.out.with_file_name(format!("{name}.tracked"));
        talk.say(&format!("invert: tracking {video:?} into {out:?}"));
        let tracking = track_video::Tracking { video, head: self.head, out, threads: common.threads, talk };
        Ok(tracking.run()?.to_string_lossy().into_owned())
    }
}

/// As the flags --relative and --absolute say, else what is best for the driver.
fn transfer(relative: bool, absolute: bool, driver: Driver) -> Transfer {
    match (relative, absolute) {
        (true, _) => Transfer::Relative,
        (_, true) => Transfer::Absolute,
        _ => Transfer::of(driver),
    }
}

fn check_rate(flag: &str, fps: Option<f32>) -> Result<()> {
    match fps {
        Some(fps) if !(0.1..=1000.0).contains(&fps) => {
            Err(Failure::usage(format!("{flag}: expected a rate from 0.1 to 1000")).into())
        }
        _ => Ok(()),
    }
}

fn check_size(size: usize) -> Result<()> {
    match size {
        16..=4096 => Ok(()),
        _ => Err(Failure::usage(format!("--size {size}: expected 16 to 4096")).into()),
    }
}

#[derive(clap::Args)]
struct EvalFlags {
    /// Avatar folder.
    #[arg(long)]
    avatar: PathBuf,
    /// Dataset or shard with the ground truth.
    #[arg(long, required_unless_present = "driver")]
    data: Option<PathBuf>,
    /// Head model of the dataset; with --driver, the one that the tracker fits.
    #[arg(long, default_value = "data/head.safetensors")]
    head: PathBuf,
    #[command(flatten)]
    choice: ChoiceFlags,
    #[command(flatten)]
    loss_networks: LossNetworkFlags,
    #[command(flatten)]
    reenact: reenact::ReenactFlags,
    /// Side of each image in pixels; default: 256, with --driver 512.
    #[arg(long)]
    size: Option<usize>,
    /// Folder for images of each view: ground truth, avatar, valid pixels, coverage.
    #[arg(long)]
    pictures: Option<PathBuf>,
    /// Contact sheet to write (PNG); default: next to --out.
    #[arg(long)]
    sheet: Option<PathBuf>,
    /// JSON report to write.
    #[arg(long)]
    out: PathBuf,
}

impl EvalFlags {
    fn sheet(&self) -> PathBuf {
        self.sheet.clone().unwrap_or_else(|| self.out.with_extension("png"))
    }
}

#[derive(clap::Args)]
struct ChoiceFlags {
    /// Use only rows of this identity.
    #[arg(long)]
    identity: Option<u32>,
    /// Use only rows with this light.
    #[arg(long)]
    light: Option<u32>,
    /// Use only these frame ids, comma-separated.
    #[arg(long, value_delimiter = ',')]
    frames: Vec<u64>,
    /// Maximum number of images, chosen for different viewpoints and expressions.
    #[arg(long)]
    views: Option<usize>,
}

impl ChoiceFlags {
    fn choice(&self, except: Vec<u64>) -> Choice {
        Choice { identity: self.identity, light: self.light, frames: self.frames.clone(), views: self.views, except }
    }
}

#[derive(clap::Args)]
struct LossNetworkFlags {
    /// Weights of the perceptual network; `random` or `none`.
    #[arg(long, default_value = "weights/perceptual.safetensors")]
    perceptual: String,
    /// Weights of the face recognizer; `none` to omit it.
    #[arg(long, alias = "recogniser", default_value = "weights/identity.safetensors")]
    recognizer: String,
}

impl LossNetworkFlags {
    /// Digests of the weight files; `random` and `none` stay as they are.
    fn digests(&self) -> Result<[String; 2]> {
        let digest = |name: &str| match Path::new(name).is_file() {
            true => sha256_of_file(Path::new(name)),
            false => Ok(name.to_string()),
        };
        Ok([digest(&self.perceptual)?, digest(&self.recognizer)?])
    }

    fn open(&self, device: Device) -> Result<LossNetworks> {
        let recognizer = self.open_recognizer(device)?;
        Ok(LossNetworks { perceptual: Perceptual::open(&self.perceptual, device)?, recognizer })
    }

    fn open_recognizer(&self, device: Device) -> Result<Option<Recognizer>> {
        match self.recognizer.as_str() {
            "none" => Ok(None),
            path => {
                let loaded = Recognizer::load(Path::new(path), device);
                Ok(Some(loaded.context("the recognizer (--recognizer none does without)")?))
            }
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
        let device = nets::device::parse(&self.device)?;
        nets::bridge::render::check_device(device)?;
        match command {
            Command::Fit { .. } => run_fit(command, device, &self.common),
            Command::Eval(flags) => run_eval(&flags, device, &self.common),
            Command::Drive(flags) => run_drive(&flags, device, &self.common),
            Command::Stills { avatar, pose, yaw_deg, size, out } => {
                let poses = if pose.is_empty() { vec!["neutral:".to_string()] } else { pose };
                let poses = poses.iter().map(|text| parse_pose(text)).collect::<Result<Vec<_>>>()?;
                drive::stills(&mut Avatar::load(&avatar, device)?, &poses, &yaw_deg, size, &out)?;
                Ok(ExitCode::Done)
            }
            Command::Sheet { avatar, size, out } => {
                write_atomically(&out, &drive::sheet(&mut Avatar::load(&avatar, device)?, size)?)?;
                Ok(ExitCode::Done)
            }
            Command::Export { avatar, kind, expression, up, out } => {
                let (weights, target) = (parse_expression(&expression)?, export::Target::of(&out, kind)?);
                let dropped = export::write(&mut Avatar::load(&avatar, device)?, target, &weights, up, &out)?;
                if dropped > 0 {
                    self.common.talk().say(&format!("invert: {dropped} Gaussians cannot be drawn and are left out"));
                }
                Ok(ExitCode::Done)
            }
            Command::View { avatar, clip, out } => {
                let mut avatar = Avatar::load(&avatar, device)?;
                let clip = clip::open(&clip, 12.5, None, avatar.card())?;
                let puppet = export::puppet(&mut avatar, &clip)?;
                write_atomically(&out, view::page(&puppet).as_bytes())?;
                Ok(ExitCode::Done)
            }
            Command::Report { demo, pipeline, out } => {
                let page = match (&demo, &pipeline) {
                    (Some(folder), _) => report::of_demo(folder)?,
                    (None, Some(folder)) => report::of_pipeline(folder)?,
                    (None, None) => return Err(Failure::usage("--demo or --pipeline is missing").into()),
                };
                write_atomically(&out, page.as_bytes())?;
                Ok(ExitCode::Done)
            }
        }
    }
}

fn run_fit(command: Command, device: Device, common: &CommonFlags) -> Result<ExitCode> {
    let Command::Fit { input, head, prior, choice, loss_networks, fast, without_prior, name, pictures, out, rehearsal } =
        command
    else {
        unreachable!()
    };
    let plan = if fast { FAST.as_slice() } else { &[] };
    let sets: Vec<String> = plan.iter().map(ToString::to_string).chain(common.sets.iter().cloned()).collect();
    let mut config: FitConfig = formats::config::load(common.config.as_deref(), &sets)?;
    config.seed = common.seed.unwrap_or(config.seed);
    for (key, size) in [("image_size", config.image_size), ("coarse_size", config.coarse_size)] {
        if size < 16 || !size.is_multiple_of(8) {
            return Err(Failure::config(format!("{key} = {size}: expected a multiple of 8, at least 16")).into());
        }
    }
    if let Some(code) = rehearsal.print(&config, common)? {
        return Ok(code);
    }
    let (dataset, model, networks) = (Dataset::open(&input)?, HeadModel::load(&head)?, loss_networks.open(device)?);
    let mut loaded = prior::weights::load(&prior, device)?;
    let rows = choice.choice(Vec::new()).rows(&dataset)?;
    if let Some(code) = rehearsal.tell(|| format!("would fit an avatar to {} pictures: {out:?}", rows.len())) {
        return Ok(code);
    }
    let mean_texture = loaded.prior.means().1.squeeze_dim(0).to_device(Device::Cpu);
    let coarse = Subject::read(&dataset, &rows, &model, config.coarse(), &mean_texture, config.geometry)?.on(device);
    let subjects = fit::Subjects { fine: coarse.at_size(&dataset, &rows, &model, config.image_size)?, coarse };
    if without_prior {
        loaded = fit::without_prior(&loaded)?;
    }
    let toml = formats::config::to_toml(&config)?;
    let provenance = Provenance::new("invert", env!("CARGO_PKG_VERSION"), &toml, config.seed)
        .with_input("prior", &prior)?
        .with_input("head", &head)?;
    let inputs = json!({
        "provenance": provenance, "networks": loss_networks.digests()?, "without_prior": without_prior, "device": format!("{device:?}"),
        "pictures": [subjects.coarse.digest(), subjects.fine.digest()],
    });
    let work = Work::open(&out, hex(&sha256(inputs.to_string().as_bytes())))?;
    let talk = common.talk();
    let fit::Fitted { mut avatar, inputs } = fit::fit(loaded, &model, &subjects, &networks, &config, &work, talk)?;
    avatar.card.name =
        name.unwrap_or_else(|| out.file_name().map_or("avatar".into(), |n| n.to_string_lossy().into_owned()));
    avatar.card.provenance = provenance;
    avatar.card.metrics["plan"] = if fast { "fast" } else { "full" }.into();
    let compared: Vec<eval::Compared> =
        subjects.fine.views.iter().zip(&inputs).map(|(view, drawn)| eval::Compared::new(drawn, view)).collect();
    avatar.card.metrics["inputs"] = compared.iter().map(|pair| json!(pair.figures())).collect();
    avatar.save(&out)?;
    if let Some(folder) = pictures {
        for (view, pair) in subjects.fine.views.iter().zip(&compared) {
            pair.write(&folder, &format!("{:05}", view.frame_id))?;
        }
    }
    work.done();
    Ok(ExitCode::Done)
}

fn run_drive(flags: &DriveFlags, device: Device, common: &CommonFlags) -> Result<ExitCode> {
    let (fps, shot, talk) = (flags.fps()?, flags.shot()?, common.talk());
    film::Kind::of(&flags.out).check(shot.backdrop)?;
    let mut avatar = Avatar::load(&flags.avatar, device)?;
    let (_, mut clip) = flags.source(fps).open(&avatar, common)?;
    transfer(flags.relative, flags.absolute, clip.driver).apply(&mut clip.frames);
    if flags.pose == HeadPose::Still {
        clip.frames.iter_mut().for_each(|frame| frame.head = Angles::default());
    }
    let cameras = shot.cameras(&clip.frames)?;
    let clock = std::time::Instant::now();
    let (mut output, n) = (film::open(&flags.out, fps)?, clip.frames.len());
    let progress = Progress::new("drive", n as u64, "frames", talk);
    drive::play(&mut avatar, &clip.frames, &cameras, shot.backdrop, &mut *output, &progress)?;
    output.finish()?;
    progress.finish();
    if let Some(path) = &flags.csv {
        write_atomically(path, live_link::to_csv(&clip.frames, fps).as_bytes())?;
    }
    let (rate, size) = (n as f64 / clock.elapsed().as_secs_f64(), shot.size);
    talk.say(&format!("invert: {n} frames of {size} px at {rate:.1} a second: {:?}", flags.out));
    talk.event("drive", json!({ "frames": n, "frames_per_s": rate, "size": size }));
    Ok(ExitCode::Done)
}

fn run_eval(flags: &EvalFlags, device: Device, common: &CommonFlags) -> Result<ExitCode> {
    match (&flags.reenact.driver, &flags.data) {
        (Some(driver), _) => reenact::run(flags, driver, device, common),
        (None, Some(data)) => eval_on_data(flags, data, device, common),
        (None, None) => Err(Failure::usage("expected --data or --driver").into()),
    }
}

fn eval_on_data(flags: &EvalFlags, data: &Path, device: Device, common: &CommonFlags) -> Result<ExitCode> {
    let size = flags.size.unwrap_or(256);
    let (mut avatar, dataset, model, loss_networks) = (
        Avatar::load(&flags.avatar, device)?,
        Dataset::open(data)?,
        HeadModel::load(&flags.head)?,
        flags.loss_networks.open(device)?,
    );
    let rows = flags.choice.choice(avatar.card().frame_ids.clone()).rows(&dataset)?;
    let views: Vec<View> = rows.iter().map(|&i| View::read(&dataset, i, &model, size)).collect::<Result<_>>()?;
    let report = eval::evaluate(&mut avatar, &views, &model, &loss_networks, flags.pictures.as_deref())?;
    write_atomically(&flags.sheet(), &report.sheet)?;
    let card = json!({
        "psnr_db": report.psnr, "ssim": report.ssim, "sharpness": report.sharpness, "lpips-self": report.lpips_self, "csim-self": report.csim_self,
        "pictures": report.n, "input_pictures": avatar.card().frame_ids.len(), "seconds": avatar.card().metrics["seconds"],
        "protocol": format!("pictures not fitted to, true camera and expression, {size} px, valid pixels before mid grey; lpips-self and csim-self are this project's own nets"),
    });
    write_json(&flags.out, &card)?;
    common
        .talk()
        .say(&format!("invert: {} held-out pictures: PSNR {:.2} dB, SSIM {:.4}", report.n, report.psnr, report.ssim));
    common.talk().event("eval", card);
    Ok(ExitCode::Done)
}

/// `"wink:eyeBlinkLeft=1"` → name and 52 weights.
fn parse_pose(text: &str) -> Result<(String, [f32; 52])> {
    let (name, weights) = text.split_once(':').unwrap_or((text, ""));
    let weights: Vec<String> = weights.split(',').filter(|w| !w.is_empty()).map(String::from).collect();
    Ok((name.into(), parse_expression(&weights)?))
}

/// `["jawOpen=0.5"]` → 52 weights.
fn parse_expression(texts: &[String]) -> Result<[f32; 52]> {
    let mut weights = [0.0; 52];
    for text in texts {
        let parsed = text
            .split_once('=')
            .and_then(|(name, value)| Some((unit(name)?, value.parse::<f32>().ok().filter(|v| v.is_finite())?)));
        let (k, value) = parsed.ok_or_else(|| {
            Failure::usage(format!("--expression {text}: expected an ARKit unit and a number, as jawOpen=0.5"))
        })?;
        weights[k] = value;
    }
    Ok(weights)
}
