//! `nets eval`
use anyhow::Result;
use formats::Dataset;
use formats::exit::{ExitCode, Failure};
use nets::device;
use nets::losses::perceptual::Perceptual;
use nets::losses::{metric, ordering};
use nets::pictures::data;
use nets::training::recognizer_task::RecognizerTask;
use nets::training::trainer::{Task, TrainConfig, load_weights};
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

#[derive(clap::Args)]
pub struct Eval {
    /// Dataset from `datagen render`.
    #[arg(long)]
    data: PathBuf,
    /// Weights of the perceptual network.
    #[arg(long)]
    perceptual: Option<String>,
    /// Weights of the face recognizer.
    #[arg(long)]
    identity: Option<PathBuf>,
    /// Compute device: `auto`, `cpu` or `cuda:N`.
    #[arg(long, default_value = "auto")]
    device: String,
}

impl Eval {
    pub fn run(self) -> Result<ExitCode> {
        let Eval { data, perceptual, identity, device } = self;
        let data = Dataset::open(&data)?;
        let report = json!({
            "perceptual": perceptual.map(|p| eval_perceptual(&data, &p, &device)).transpose()?,
            "identity": identity.map(|p| eval_recognizer(&data, &p, &device)).transpose()?,
        });
        println!("{report:#}");
        Ok(ExitCode::Done)
    }
}

fn eval_perceptual(data: &Dataset, weights: &str, device: &str) -> Result<serde_json::Value> {
    let device = device::parse(device)?;
    let net =
        Perceptual::open(weights, device)?.ok_or_else(|| Failure::usage("--perceptual none: nothing to measure"))?;
    let rows: Vec<usize> = (0..data.len()).filter(|&i| data.labels(i).split != "train").take(24).collect();
    let pictures = rows.iter().map(|&i| Ok(data::rgb_from_encoded(&data.frame_with(i, &["image"])?.image)?));
    let pictures: Vec<Tensor> = pictures.collect::<Result<_>>()?;
    let ours = |a: &Tensor, b: &Tensor| {
        tch::no_grad(|| net.distance(&a.to_device(device), &b.to_device(device))).double_value(&[])
    };
    let l2 = |a: &Tensor, b: &Tensor| (a - b).square().mean(Kind::Float).double_value(&[]);
    let dissimilarity = |a: &Tensor, b: &Tensor| -metric::ssim(a, b).double_value(&[0]);
    Ok(json!({
        "protocol": format!("{} pictures of identities that were not trained on", pictures.len()),
        "lpips-self": ordering::ordering(&pictures, &ours)?,
        "l2": ordering::ordering(&pictures, &l2)?,
        "ssim": ordering::ordering(&pictures, &dissimilarity)?,
    }))
}

fn eval_recognizer(data: &Dataset, weights: &Path, device: &str) -> Result<serde_json::Value> {
    let config = TrainConfig { steps: 1, cache_images: 2, device: device.into(), ..Default::default() };
    let task = RecognizerTask::open(data, &config)?;
    load_weights(&task, weights)?;
    Ok(task.evaluate()?)
}
