//! Fits Gaussians to a folder of posed photos, on the CPU.
//!
//! `cargo run --release -p formats --example fit -- FOLDER OUT.ply [--steps 3000] [--gaussians 30000] [--degree 2]
//! [--size 400] [--seed 0]`
//!
//! FOLDER holds poses as `formats::posed` reads them (nerfstudio, instant-ngp, COLMAP) and the photos they name; lens distortion
//! is undone and masks count. Every eighth photo is held out and measured at the end; beside OUT lies a picture of them, the photo
//! above and the fit below.
mod train;
mod view;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use train::{Plan, draw, fit, psnr};
use view::{View, read_folder};

struct Arguments {
    folder: PathBuf,
    out: PathBuf,
    size: usize,
    plan: Plan,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { folder, out, size, plan } = arguments()?;
    let (mut train, mut held_out) = (Vec::new(), Vec::new());
    for (i, view) in read_folder(&folder, size)?.into_iter().enumerate() {
        if i % 8 == 4 { held_out.push(view) } else { train.push(view) }
    }
    eprintln!("{} photos to fit, {} held out, {} Gaussians", train.len(), held_out.len(), plan.gaussians);
    let (start, mut last_report) = (Instant::now(), Instant::now());
    let gaussians = fit(&train, &plan, &mut |progress| {
        if last_report.elapsed() > Duration::from_secs(1) || progress.step == plan.steps {
            last_report = Instant::now();
            let rate = progress.step as f64 / start.elapsed().as_secs_f64();
            let left = (plan.steps - progress.step) as f64 / rate;
            let (step, steps, loss, n) = (progress.step, plan.steps, progress.loss, progress.gaussians);
            eprintln!("{step:>6}/{steps}  loss {loss:.4}  {n} Gaussians  {rate:.1} steps/s  {left:.0} s left");
        }
    })?;
    splat::files::write(&out, gaussians.slices())?;
    println!("{}: {} Gaussians in {:.0} s", out.display(), gaussians.len(), start.elapsed().as_secs_f64());
    if !held_out.is_empty() {
        let mut total = 0.0;
        let drawn: Vec<Vec<f32>> = held_out.iter().map(|view| draw(&gaussians, view)).collect::<Result<_, _>>()?;
        for (view, image) in held_out.iter().zip(&drawn) {
            total += psnr(image, &view.over([0.0; 3]));
        }
        println!("{:.2} dB on {} photos held out", total / held_out.len() as f64, held_out.len());
        write_sheet(&out.with_extension("png"), &held_out, &drawn)?;
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    const USAGE: &str = "expected FOLDER OUT.ply [--steps S] [--gaussians N] [--degree 0..3] [--size PX] [--seed K]";
    let (mut paths, mut size, mut plan) = (Vec::new(), 400, Plan::default());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || -> Result<usize, Box<dyn Error>> {
            let text = args.next().ok_or(format!("{arg}: expected a number after it"))?;
            text.parse().map_err(|_| format!("{arg} {text}: expected a whole number").into())
        };
        match arg.as_str() {
            "--steps" => plan.steps = number()?,
            "--gaussians" => plan.gaussians = number()?,
            "--degree" => plan.degree = Some(number()?).filter(|d| *d <= 3).ok_or("--degree: expected 0 to 3")?,
            "--size" => size = number()?.max(16),
            "--seed" => plan.seed = number()? as u64,
            _ if arg.starts_with('-') => return Err(format!("{arg}: {USAGE}").into()),
            _ => paths.push(PathBuf::from(arg)),
        }
    }
    let [folder, out] = <[PathBuf; 2]>::try_from(paths).map_err(|_| USAGE)?;
    Ok(Arguments { folder, out, size, plan })
}

/// Up to four of the views in a row: what was photographed above what was fitted.
fn write_sheet(path: &Path, views: &[View], drawn: &[Vec<f32>]) -> Result<(), Box<dyn Error>> {
    let (width, height) = (views[0].camera.width as u32, views[0].camera.height as u32);
    let mut sheet = image::RgbImage::new(width * views.len().min(4) as u32, 2 * height);
    for (column, (view, drawn)) in views.iter().zip(drawn).take(4).enumerate() {
        for (row, values) in [&view.over([0.0; 3]), drawn].into_iter().enumerate() {
            for (i, rgb) in values.chunks_exact(3).enumerate() {
                let (x, y) = ((i % view.camera.width) as u32, (i / view.camera.width) as u32);
                if x < width && y < height {
                    let byte = |v: f32| (v * 255.0).round().clamp(0.0, 255.0) as u8;
                    let at = (column as u32 * width + x, row as u32 * height + y);
                    sheet.put_pixel(at.0, at.1, image::Rgb([byte(rgb[0]), byte(rgb[1]), byte(rgb[2])]));
                }
            }
        }
    }
    Ok(sheet.save(path)?)
}
