//! How much of real heads the model can express: `identity_space HEAD|WHEEL [--ict FOLDER] [--scan FILE] [--people N]
//! [--modes]`.
//!
//! Registers the model to people drawn from ICT-FaceKit's scan modes and to a head scan, with the identity prior cut
//! after so many components and with all columns free, and prints what is left between the surfaces (mm). Then the
//! distribution of simple distances on those people beside our own people. `--modes` prints what the table in
//! `src/sampler/modes.rs` holds.
mod modes;
mod people;
mod residual;
mod targets;

use head::HeadModel;
use head::register::{Options, Registered, Scale, ShapeSpace};
use head::sampler::Sampler;
use rayon::prelude::*;
use residual::Residual;
use std::path::{Path, PathBuf};
use targets::Target;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Args {
    head: PathBuf,
    ict: PathBuf,
    scan: PathBuf,
    people: usize,
    modes: bool,
}

fn args() -> Result<Args, Failure> {
    let mut args = Args { head: PathBuf::new(), ict: "".into(), scan: "".into(), people: 100, modes: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word}: expected a value"));
        match word.as_str() {
            "--ict" => args.ict = value()?.into(),
            "--scan" => args.scan = value()?.into(),
            "--people" => args.people = value()?.parse()?,
            "--modes" => args.modes = true,
            _ => args.head = word.into(),
        }
    }
    if args.head.as_os_str().is_empty() {
        return Err("usage: identity_space HEAD [--ict FOLDER] [--scan FILE] [--people N] [--modes]".into());
    }
    Ok(args)
}

fn main() -> Result<(), Failure> {
    let args = args()?;
    let model = match args.head.extension().is_some_and(|ending| ending == "whl") {
        true => head::makehuman::import(&args.head, &head::makehuman::Options::default())?,
        false => HeadModel::load(&args.head)?,
    };
    println!("{} identity columns, {} prior components\n", model.identity.len(), model.identity_prior.components.len());
    let spaces = spaces(&model);
    println!("residual, mm: mean (90th percentile){:>12} {:>15} {:>15}", "face", "head", "ears");
    let mut registered = Vec::new();
    if args.ict.is_dir() {
        let people = targets::ict_people(&args.ict, args.people)?;
        for (name, space) in &spaces {
            let fits = register_all(&model, space, &people, &Options::default());
            report(&format!("{} ICT people, {name}", people.len()), &fits);
            registered = fits.into_iter().map(|(fit, _)| fit).collect();
        }
    } else {
        println!("skipped ICT people: no ICT-FaceKit checkout at {:?}", args.ict);
    }
    if args.scan.is_file() {
        let scan = targets::scan(&args.scan, &model)?;
        for (name, space) in &spaces {
            let mut space = space.clone();
            residual::without_lids(&model, &mut space.weights);
            let options = Options { scale: Scale::Free, iterations: 30, stride: 1, ..Options::default() };
            let fits = register_all(&model, &space, std::slice::from_ref(&scan), &options);
            let unit_mm = 1e3 / fits[0].0.surface_from_head.matrix3.col(0).length();
            report(&format!("scan (unit {unit_mm:.2} mm), {name}"), &fits);
        }
    } else {
        println!("skipped the scan: no file {:?}", args.scan);
    }
    if !registered.is_empty() {
        people::compare(&model, &registered);
    }
    if args.modes && args.ict.is_dir() {
        modes::print(&model, &spaces.last().expect("a space").1.weights, &registered);
    }
    Ok(())
}

/// What is compared: the prior cut at so many components, and all columns on their own.
fn spaces(model: &HeadModel) -> Vec<(String, ShapeSpace)> {
    let prior = &model.identity_prior;
    let kept = prior.components.len();
    let mut spaces: Vec<(String, ShapeSpace)> = [40, 80, 120, kept]
        .into_iter()
        .filter(|&n| n <= kept)
        .map(|n| (format!("{n} components"), ShapeSpace::new(model, &prior.mean, &prior.components[..n])))
        .collect();
    let deviations = people::column_deviations(model, &Sampler::new(model));
    let direction =
        |k: usize| (0..model.identity.len()).map(|i| if i == k { 2.0 * deviations[k] } else { 0.0 }).collect();
    let directions: Vec<Vec<f32>> = (0..model.identity.len()).map(direction).collect();
    spaces.push(("all columns, weak prior".into(), ShapeSpace::new(model, &prior.mean, &directions)));
    spaces
}

fn register_all(
    model: &HeadModel,
    space: &ShapeSpace,
    targets: &[Target],
    options: &Options,
) -> Vec<(Registered, Residual)> {
    let one = |target: &Target| {
        let fit = space.register(&target.surface, target.start, &target.marks(model), options);
        let residual = Residual::of(model, space, &fit, &target.surface);
        (fit, residual)
    };
    targets.par_iter().map(one).collect()
}

fn report(name: &str, fits: &[(Registered, Residual)]) {
    let cell = |of: &dyn Fn(&Residual) -> residual::Spread| {
        let n = fits.len() as f32;
        let mean = fits.iter().map(|(_, r)| of(r).mean_mm).sum::<f32>() / n;
        let high = fits.iter().map(|(_, r)| of(r).high_mm).sum::<f32>() / n;
        format!("{mean:6.2} ({high:5.2})")
    };
    println!("{name:<44} {:>15} {:>15} {:>15}", cell(&|r| r.face), cell(&|r| r.head), cell(&|r| r.ears));
}

/// The nearest vertices of a landmark.
fn corners_of(model: &HeadModel, landmark: usize) -> Vec<(u32, f32)> {
    let point = &model.landmarks[landmark];
    let face = model.faces[point.face as usize];
    (0..4).map(|c| (face[c], point.weights[c])).filter(|(_, w)| *w != 0.0).collect()
}

/// Reads a file or says which.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| format!("cannot read {path:?}: {e}").into())
}
