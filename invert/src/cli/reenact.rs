//! `invert eval --driver`
use super::{EvalFlags, Source, check_rate, check_size, transfer};
use anyhow::Result;
use formats::card::write_json;
use formats::exit::{ExitCode, Failure};
use formats::flags::CommonFlags;
use formats::progress::Progress;
use formats::publish::write_atomically;
use head::HeadModel;
use invert::avatar::Avatar;
use invert::drive::{self, HeadPose, Shot};
use invert::film::Backdrop;
use invert::reenact::{self, Footage, Instruments, Motion, RUN};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::Device;
use track::config::TrackConfig;
use track::networks::Networks;
use track::tracker::Tracker;

/// What was measured, in words.
const PROTOCOL: &str = "cross-reenactment, no ground truth. csim-self: cosine of this project's own recognizer between each frame \
    and the avatar at rest from the same camera. expression_error: mean absolute difference between the coefficients used to drive and \
    those that this project's own tracker reads in the frames. flicker: mean absolute change of display RGB on the face, in levels of 255, \
    between consecutive frames whose coefficients change by less than 0.01, from one camera. jitter: mean second difference of the 51 \
    landmarks without the jaw line, in percent of the distance between the outer eye corners";

#[derive(clap::Args)]
pub(super) struct ReenactFlags {
    /// Drive the avatar with this instead of comparing it with --data: what `drive --clip` takes (a tracked dataset, a video, a
    /// `.csv` of the Live Link Face app, `performance`, `photo`).
    #[arg(
        long,
        value_name = "SOURCE",
        conflicts_with_all = ["data", "identity", "light", "frames", "views", "perceptual", "pictures"]
    )]
    pub(super) driver: Option<String>,
    /// Maximum number of frames of the driver to render and measure: runs of three consecutive frames, spread evenly.
    #[arg(long, default_value_t = 48, requires = "driver")]
    driver_frames: usize,
    /// Weights of the tracker that reads the rendered frames.
    #[arg(long, default_value = "weights/track.safetensors", requires = "driver")]
    tracker: PathBuf,
    /// Frames per second to which a `.csv` or a tracked video is resampled.
    #[arg(long, default_value_t = 25.0, requires = "driver")]
    fps: f32,
    /// Frames per second of the timecode of a `.csv`; default: 60, or 30 if it never counts beyond 29.
    #[arg(long, requires = "driver")]
    clip_fps: Option<f32>,
    /// Transfer changes against the driver's neutral. Default for `.csv` and datasets.
    #[arg(long, requires = "driver", conflicts_with = "absolute")]
    relative: bool,
    /// Use weights and angles of the driver as they are. Default for `performance` and `photo`.
    #[arg(long, requires = "driver")]
    absolute: bool,
    /// Head pose: as in `drive`.
    #[arg(long, value_enum, default_value_t = HeadPose::Driver, requires = "driver")]
    pose: HeadPose,
}

impl ReenactFlags {
    fn check(&self) -> Result<()> {
        check_rate("--fps", Some(self.fps))?;
        check_rate("--clip-fps", self.clip_fps)?;
        if self.driver_frames < RUN {
            let text = format!("--driver-frames {}: expected at least {RUN}", self.driver_frames);
            return Err(Failure::usage(text).into());
        }
        Ok(())
    }
}

/// Drives the avatar with `driver`, measures it, writes report and contact sheet.
pub(super) fn run(flags: &EvalFlags, driver: &str, device: Device, common: &CommonFlags) -> Result<ExitCode> {
    let (reenact, talk) = (&flags.reenact, common.talk());
    reenact.check()?;
    let shot = shot(flags)?;
    let mut avatar = Avatar::load(&flags.avatar, device)?;
    let recognizer = flags.loss_networks.open_recognizer(device)?;
    let tracker = tracker(&reenact.tracker, &flags.head, device)?;
    let source =
        Source { asked: driver, fps: reenact.fps, timecode_fps: reenact.clip_fps, head: &flags.head, out: &flags.out };
    let (name, mut clip) = source.open(&avatar, common)?;
    if clip.frames.is_empty() {
        return Err(Failure::bad_data(format!("no frame to drive with, expected at least one: {name:?}")).into());
    }
    let transfer = transfer(reenact.relative, reenact.absolute, clip.driver);
    transfer.apply(&mut clip.frames);
    let cameras = shot.cameras(&clip.frames)?;
    let footage = Footage::open(&name, clip.fps, clip.frames.len())?;
    let motion = Motion { frames: &clip.frames, cameras: &cameras, footage: footage.as_ref() };
    let instruments = Instruments { recognizer: recognizer.as_ref(), tracker: &tracker };
    let total = reenact.driver_frames.min(clip.frames.len());
    let progress = Progress::new("reenact", total as u64, "frames", talk);
    let (report, sheet) = reenact::evaluate(&mut avatar, &motion, &instruments, reenact.driver_frames, &progress)?;
    progress.finish();
    write_atomically(&flags.sheet(), &sheet)?;
    report.lines().iter().for_each(|line| talk.say(&format!("invert: {line}")));
    let mut card = serde_json::to_value(&report)?;
    card["driver"] = json!(driver);
    card["transfer"] = json!(transfer);
    card["fps"] = json!(clip.fps);
    card["size"] = json!(shot.size);
    card["protocol"] = json!(PROTOCOL);
    write_json(&flags.out, &card)?;
    talk.event("eval", card);
    Ok(ExitCode::Done)
}

/// As `drive` shows a clip.
fn shot(flags: &EvalFlags) -> Result<Shot> {
    let size = flags.size.unwrap_or(512);
    check_size(size)?;
    Ok(Shot { size, pose: flags.reenact.pose, swing_rad: 0.0, backdrop: Backdrop::Tone(drive::BACKDROP) })
}

fn tracker(weights: &Path, head: &Path, device: Device) -> Result<Tracker> {
    // The tracker's errors know their exit codes.
    let coded = |err: track::Error| Failure::new(err.exit_code(), err.to_string());
    let networks = Networks::load(weights, device).map_err(coded)?;
    Ok(Tracker { networks, head: HeadModel::load(head)?, config: TrackConfig::default() })
}
