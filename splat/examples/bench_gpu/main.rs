//! The rasterizer on a GPU: agreement with the CPU, equal bits, compilation, and milliseconds of the passes on a shell of
//! Gaussians the size of a head at 512×512, one and eight cameras, 10,000 to 200,000 Gaussians, harmonics of degree 3,
//! gradients by everything, from an L1 + SSIM loss to Adam.
//!
//! `cargo run --release -p splat --example bench_gpu [-- --json FILE] [--repeats R] [--peers PYTHON]`
//!
//! `--peers` also times gsplat and Faster-GS on the same scene and cameras where that Python has them.
mod agreement;
mod job;
mod peers;
#[allow(dead_code, reason = "the tools' bench uses the rest")]
#[path = "../../../bench/report.rs"]
mod report;
#[allow(dead_code, reason = "the CPU's bench uses the rest")]
#[path = "../bench_splat/scenes.rs"]
mod scenes;

use job::{Job, SIZE_PX};
use report::{Report, Threshold};
use scenes::{around, shell};
use splat::Settings;
use splat::cuda::{Gpu, Rasterizer};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("bench_gpu: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every threshold was met.
fn run() -> Result<bool> {
    let (mut json, mut repeats, mut python): (Option<PathBuf>, usize, Option<String>) = (None, 200, None);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg}: expected a value after it"));
        match arg.as_str() {
            "--json" => json = Some(value()?.into()),
            "--repeats" => repeats = value()?.parse::<usize>()?.max(1),
            "--peers" => python = Some(value()?),
            _ => return Err(format!("{arg}: expected --json FILE, --repeats R or --peers PYTHON").into()),
        }
    }
    let gpu = Gpu::new(0)?;
    let mut report = Report::on("splat", format!("{}, sm_{}", gpu.name(), gpu.arch()));
    report.check("first pass, kernels compiled if they are new", first_pass_ms(&gpu)?, "ms", Threshold::AtMost(1500.0));
    report.check("first pass, kernels from the disk", first_pass_ms(&Gpu::new(0)?)?, "ms", Threshold::AtMost(50.0));
    agreement::with_the_cpu(&gpu, &mut report)?;
    agreement::with_itself(&gpu, &mut report)?;
    for n_views in [1, 8] {
        for n in [10_000, 50_000, 100_000, 200_000] {
            Job::new(gpu.clone(), n, n_views)?.measure(repeats, &mut report)?;
        }
    }
    match python {
        Some(python) => peers::measure(&python, &mut report)?,
        None => report.skip("gsplat and Faster-GS", "no --peers PYTHON"),
    }
    print!("{report}");
    json.map_or(Ok(()), |path| report.write(&path))?;
    Ok(report.ok())
}

/// A small picture on a GPU that has not loaded the kernels yet, and its way back.
fn first_pass_ms(gpu: &Gpu) -> Result<f64> {
    let (scene, cameras) = (shell(100), around(1, SIZE_PX));
    let start = Instant::now();
    Rasterizer::new(gpu.clone()).forward_slices(scene.slices(), &cameras, &Settings::default())?;
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
