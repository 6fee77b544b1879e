//! The flags of `track fit --video`.
use anyhow::Result;
use formats::exit::Failure;
use formats::progress::clock;
use std::path::{Path, PathBuf};
use track::video::source::{Cut, Source};
use track::video::{Matte, Report};

#[derive(clap::Args)]
#[command(next_help_heading = "Video")]
pub struct VideoFlags {
    /// Video of one person (decoded by the program ffmpeg), or a folder of numbered pictures. One identity and one focal
    /// length for all frames; stopped runs resume.
    #[arg(long)]
    video: Option<PathBuf>,
    /// Use every N-th frame.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "video", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Start at this time in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, requires = "video")]
    from: f64,
    /// Stop at this time in seconds.
    #[arg(long, value_name = "SECONDS", requires = "video")]
    to: Option<f64>,
    /// Frames per second of a folder of pictures; a video file has its own times.
    #[arg(long, default_value_t = 30.0, requires = "video")]
    fps: f64,
    /// Do not write the matte (`alpha`): faster, enough to drive an avatar, not to fit one.
    #[arg(long, requires = "video")]
    no_matte: bool,
    /// Also write weights and angles in the columns of the Live Link Face app.
    #[arg(long, value_name = "FILE", requires = "video")]
    pub csv: Option<PathBuf>,
}

impl VideoFlags {
    /// The video, if one was asked for.
    pub fn source(&self) -> Result<Option<Source>> {
        let Some(path) = &self.video else { return Ok(None) };
        let usage = |what: &str| Err(Failure::usage(what).into());
        if !(self.from >= 0.0 && self.from.is_finite()) {
            return usage("--from: expected seconds from 0");
        }
        if self.to.is_some_and(|to| !(to > self.from && to.is_finite())) {
            return usage("--to: expected seconds after --from");
        }
        if !(0.1..=1000.0).contains(&self.fps) {
            return usage("--fps: expected a rate from 0.1 to 1000");
        }
        let cut = Cut { every: self.every, from_s: self.from, to_s: self.to, folder_fps: self.fps };
        Source::open(path, cut).map(Some)
    }

    /// Is the matte wanted?
    pub fn matte(&self) -> Matte {
        if self.no_matte { Matte::Omitted } else { Matte::Read }
    }
}

/// `wrote talk: 890 of 900 frames, 10 without a face in 2 gaps, 12.3 frames/s; …`
pub fn closing_line(report: &Report, out: &Path) -> String {
    let Report { frames, without_face, gaps, frames_per_s, person } = report;
    let rate = match frames_per_s {
        Some(rate) => format!(", {rate:.1} frames/s ({})", clock(*frames as f64 / rate)),
        None => ", tracked before".into(),
    };
    format!(
        "wrote {}: {} of {frames} frames, {without_face} without a face in {gaps} gaps{rate}; identity from {} frames, fit \
         within {:.1} %, focal length {:.0} px, camera {:.2} m away",
        out.display(),
        frames - without_face,
        person.frames.len(),
        person.rms_percent,
        person.focal_px,
        person.distance_m
    )
}
