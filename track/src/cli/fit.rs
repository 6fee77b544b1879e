//! `track fit`
use super::models::Models;
use super::video::VideoFlags;
use anyhow::Result;
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::provenance::Provenance;
use nets::losses::recognizer::Recognizer;
use std::path::PathBuf;
use track::config::TrackConfig;
use track::photos::{self, Cameras, FaceChoice};
use track::tracker::Tracker;
use track::video::source::{Cut, Source};
use track::video::{self, Matte};

#[derive(clap::Args)]
pub struct Fit {
    #[command(flatten)]
    rehearsal: RehearsalFlags,
    /// Photos, or folders of photos.
    #[arg(long, required_unless_present = "video", conflicts_with = "video", num_args = 1..)]
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
    /// Focal length in pixels of the photos or the video, if known.
    #[arg(long)]
    focal_px: Option<f64>,
    /// Fit one focal length per photo instead of one per image size.
    #[arg(long, conflicts_with = "video")]
    each_own_camera: bool,
    /// All photos show one person: do not compare their faces.
    #[arg(long, conflicts_with = "video")]
    same_person: bool,
    /// Weights of the recognizer that compares the faces of several photos.
    #[arg(long, default_value = "weights/identity.safetensors")]
    recognizer: PathBuf,
    #[command(flatten)]
    models: Models,
    #[command(flatten)]
    video: VideoFlags,
}

impl Fit {
    pub fn run(self, device: tch::Device, config: TrackConfig, common: &CommonFlags) -> Result<ExitCode> {
        let config = self.resolve(config)?;
        if let Some(code) = self.rehearsal.print(&config, common)? {
            return Ok(code);
        }
        if let Some(source) = self.video.source()? {
            return self.run_video(source, device, config, common);
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
        let provenance = self.provenance(&config, &photos)?;
        let talk = common.talk();
        let plan = photos::Plan {
            photos,
            out: self.out,
            choice: self.face,
            focal_px: self.focal_px,
            cameras: if self.each_own_camera { Cameras::Own } else { Cameras::BySize },
            tracker: Tracker { networks, head, config },
            recognizer,
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

    fn run_video(
        self,
        source: Source,
        device: tch::Device,
        config: TrackConfig,
        common: &CommonFlags,
    ) -> Result<ExitCode> {
        let (networks, head) = self.models.open(device)?;
        if let Some(code) = self.rehearsal.tell(|| {
            let frames = source.frames.map_or("some".to_string(), |n| format!("about {n}"));
            format!("would track {frames} frames: {:?}", self.out)
        }) {
            return Ok(code);
        }
        // A stop between two frames keeps the chunks that are done; photos take too short for that.
        formats::stop::on_signals();
        let talk = common.talk();
        let choice =
            VideoChoice { cut: source.cut, matte: self.video.matte(), face: self.face, focal_px: self.focal_px };
        let plan = video::Plan {
            provenance: self.video_provenance(&config, choice, &source)?,
            source,
            out: self.out,
            csv: self.video.csv,
            choice: self.face,
            focal_px: self.focal_px,
            matte: choice.matte,
            tracker: Tracker { networks, head, config },
            talk,
        };
        let report = video::run(&plan)?;
        talk.event("video", serde_json::to_value(&report)?);
        talk.say(&super::video::closing_line(&report, &plan.out));
        Ok(ExitCode::Done)
    }

    /// Settings and choices, weights, head model and video.
    fn video_provenance(&self, config: &TrackConfig, choice: VideoChoice, source: &Source) -> Result<Provenance> {
        let mut plan: toml::Table = formats::config::to_toml(config)?.parse()?;
        plan.insert("clip".into(), toml::Value::try_from(choice)?);
        let mut provenance = Provenance::new("track", env!("CARGO_PKG_VERSION"), &plan.to_string(), config.train.seed)
            .with_input("weights", &self.models.weights)?
            .with_input("head", &self.models.head)?;
        provenance.inputs.push((source.path.to_string_lossy().into_owned(), source.digest()?));
        Ok(provenance)
    }

    /// The configuration under the flags, checked.
    fn resolve(&self, mut config: TrackConfig) -> Result<TrackConfig> {
        config.frame.size = self.size.unwrap_or(config.frame.size);
        if !(32..=4096).contains(&config.frame.size) {
            return Err(Failure::usage(format!("--size {}: expected 32 to 4096 pixels", config.frame.size)).into());
        }
        if self.focal_px.is_some_and(|f| !(1.0..1e6).contains(&f)) {
            return Err(Failure::usage("--focal-px: expected a positive number of pixels").into());
        }
        if !(1..=100).contains(&config.video.quality) || config.video.chunk == 0 {
            let what = "video: expected a quality from 1 to 100 and a chunk of at least 1 frame";
            return Err(Failure::config(what).into());
        }
        Ok(config)
    }

    /// Settings, weights, head model and photos.
    fn provenance(&self, config: &TrackConfig, photos: &[PathBuf]) -> Result<Provenance> {
        let plan_toml = formats::config::to_toml(config)?;
        let mut provenance = Provenance::new("track", env!("CARGO_PKG_VERSION"), &plan_toml, config.train.seed)
            .with_input("weights", &self.models.weights)?
            .with_input("head", &self.models.head)?;
        for photo in photos {
            provenance = provenance.with_input(&photo.to_string_lossy(), photo)?;
        }
        Ok(provenance)
    }
}

/// What a user chose of a video, as the plan tells it.
#[derive(Clone, Copy, serde::Serialize)]
struct VideoChoice {
    matte: Matte,
    face: FaceChoice,
    focal_px: Option<f64>,
    cut: Cut,
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
