//! How long the GPU's kernels take to compile, which needs no GPU.
use crate::report::Report;
use splat::cuda::nvrtc::{self, Target};
use splat::cuda::program::{Program, Variant};
use splat::{Colors, Cutoff};
use std::error::Error;
use std::time::Instant;

/// Compute capability of an H100 and an H200.
const ARCH: u32 = 90;
const NAME: &str = "GPU kernels of a first pass, compiled for sm_90";

/// What a first pass compiles, side by side as it does.
pub fn compile(rounds: usize, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let Ok(compiler) = nvrtc::compiler() else {
        report.skip(NAME, "no NVRTC; `make kernels` fetches it");
        return Ok(());
    };
    let variant = Variant::new(Colors::Sh { degree: 3 }, false, Cutoff::Hard);
    let programs = [Program::draw(variant), Program::draw_back(variant), Program::sort()];
    let mut best = f64::MAX;
    for _ in 0..rounds.min(5) {
        let start = Instant::now();
        std::thread::scope(|scope| -> Result<(), splat::cuda::Error> {
            let compile = |program| move || compiler.compile(program, Target::Binary(ARCH), &[]).map(drop);
            let jobs: Vec<_> = programs.iter().map(|program| scope.spawn(compile(program))).collect();
            jobs.into_iter().try_for_each(|job| job.join().unwrap_or(Ok(())))
        })?;
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    report.push(NAME, best, "ms");
    Ok(())
}
