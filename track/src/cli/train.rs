//! `track train`
use anyhow::Result;
use formats::card::WeightsCard;
use formats::dataset::Dataset;
use formats::exit::{ExitCode, Failure};
use formats::flags::{CommonFlags, RehearsalFlags};
use formats::provenance::Provenance;
use head::HeadModel;
use serde_json::json;
use std::path::PathBuf;
use track::config::TrackConfig;
use track::networks::LAYOUT;
use track::train;

#[derive(clap::Args)]
pub struct Train {
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

impl Train {
    pub fn run(self, device: tch::Device, config: TrackConfig, common: &CommonFlags) -> Result<ExitCode> {
        let config = self.resolve(config)?;
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
        let summary = train::run(&self.plan(&config, device, common)?)?;
        card(&summary, &self.data, &config)?.write(&self.out)?;
        common.talk().say(&format!("wrote {} ({} kB)", self.out.display(), summary.bytes / 1000));
        Ok(ExitCode::Done)
    }

    /// The configuration under the flags, checked.
    fn resolve(&self, mut config: TrackConfig) -> Result<TrackConfig> {
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
        Ok(config)
    }

    fn plan(&self, config: &TrackConfig, device: tch::Device, common: &CommonFlags) -> Result<train::Plan> {
        let t = &config.train;
        Ok(train::Plan {
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
            bf16: t.bf16,
            lr: t.lr,
            seed: t.seed,
            max_frames: t.max_frames,
            val_crops: t.val_crops.max(1),
            device,
            talk: common.talk(),
        })
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
