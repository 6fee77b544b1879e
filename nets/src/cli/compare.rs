//! `nets compare`
use anyhow::Result;
use formats::exit::{ExitCode, Failure};
use nets::losses::perceptual::Perceptual;
use nets::losses::{metric, ssim};
use nets::pictures::data;
use serde_json::json;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

#[derive(clap::Args)]
pub struct Compare {
    /// First image (PNG, WebP, JPEG).
    a: PathBuf,
    /// Second image.
    b: PathBuf,
    /// Weights of the perceptual network, `random` or `none`.
    #[arg(long, default_value = "none")]
    perceptual: String,
}

impl Compare {
    pub fn run(self) -> Result<ExitCode> {
        let Compare { a, b, perceptual } = &self;
        let (ta, tb) = (read(a)?, read(b)?);
        if ta.size() != tb.size() {
            let what = format!("images of different size: {:?} {a:?} and {:?} {b:?}", &ta.size()[2..], &tb.size()[2..]);
            return Err(Failure::bad_data(what).into());
        }
        let side = ta.size()[2].min(ta.size()[3]);
        if side < ssim::WINDOW {
            return Err(Failure::bad_data(format!("image side of {side} px, expected at least 11: {a:?}")).into());
        }
        let net = Perceptual::open(perceptual, Device::Cpu)?;
        let value = |t: Tensor| t.double_value(&[0]);
        println!(
            "{:#}",
            json!({
                "psnr_db": value(metric::psnr(&ta, &tb)),
                "mae": value(metric::mae(&ta, &tb)),
                "ssim": value(metric::ssim(&ta, &tb)),
                "ms_ssim": (side >= 176).then(|| value(metric::ms_ssim(&ta, &tb))),
                "flip": value(metric::flip(&ta, &tb)),
                "lpips-self": net.as_ref().map(|n| value(tch::no_grad(|| n.distances(&ta, &tb)))),
                "lpips-self-weights": net.as_ref().map(Perceptual::source),
            })
        );
        Ok(ExitCode::Done)
    }
}

/// `[1, 3, H, W]`
fn read(path: &Path) -> Result<Tensor> {
    let bytes = std::fs::read(path).map_err(|e| Failure::missing(format!("{e}: {path:?}")))?;
    let rgb = data::rgb_from_encoded(&bytes).map_err(|e| Failure::bad_data(format!("{e}: {path:?}")))?;
    Ok(rgb.unsqueeze(0))
}
