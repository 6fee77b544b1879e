//! `prior eval`
use super::source::Source;
use anyhow::Result;
use formats::card::write_json;
use formats::exit::ExitCode;
use formats::flags::CommonFlags;
use prior::config::Surface;
use prior::eval;
use prior::weights::{self, LoadedPrior};
use serde_json::json;
use std::path::PathBuf;
use tch::Device;

#[derive(clap::Args)]
pub struct Eval {
    #[command(flatten)]
    source: Source,
    /// Weights to evaluate.
    #[arg(long, default_value = "weights/prior.safetensors")]
    weights: PathBuf,
    /// Split to evaluate: `train`, `val` or `test`.
    #[arg(long, default_value = "test")]
    split: String,
    /// Maximum number of rows, evenly spaced.
    #[arg(long, default_value_t = 64)]
    rows: usize,
    /// JSON report to write; a contact sheet (PNG) is written next to it.
    #[arg(long)]
    out: PathBuf,
}

impl Eval {
    pub fn run(self, device: Device, common: &CommonFlags) -> Result<ExitCode> {
        let Eval { source, weights, split, rows, out } = self;
        let mut loaded = weights::load(&weights, device)?;
        let data = source.open(&loaded.config, device)?;
        let report = eval::evaluate(&mut loaded.prior, &data, &split, &loaded.config.train, rows)?;
        formats::publish::write_atomically(&out.with_extension("png"), &report.sheet)?;
        let card = metrics(&report, &loaded, &split, 0.0);
        write_json(&out, &card)?;
        let talk = common.talk();
        talk.say(&format!(
            "prior: {split}: PSNR {:.2} dB, SSIM {:.4} on {} rows",
            report.psnr, report.ssim, report.rows
        ));
        talk.event("eval", card);
        Ok(ExitCode::Done)
    }
}

/// The figures of a report as a card has them, each with its protocol; `hours` of training.
pub fn metrics(report: &eval::Report, loaded: &LoadedPrior, split: &str, hours: f64) -> serde_json::Value {
    let (id_codes, expr_codes) = loaded.prior.code_usage();
    let size = loaded.config.train.image_size;
    let surface = match loaded.config.train.surface {
        Surface::Exact => "on the head model's surface",
        Surface::Decoded => "on the decoded surface",
    };
    let protocol = format!(
        "{split} identities never trained on, encoded from their own maps, {surface}, {} rows, {size} px, whole picture over mid grey",
        report.rows
    );
    json!({
        "psnr_db": { "value": report.psnr, "protocol": protocol },
        "ssim": { "value": report.ssim, "protocol": protocol },
        "position_mm": { "value": report.position_mm, "protocol": "mean absolute error of the UV position map on the surface" },
        "expression_mm": { "value": report.expression_mm, "protocol": "mean absolute error of the UV expression map on the surface" },
        "id_codes_in_use": id_codes,
        "expr_codes_in_use": expr_codes,
        "gaussians": loaded.prior.n_points().iter().sum::<i64>(),
        "hours": hours,
    })
}
