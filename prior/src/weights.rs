//! The prior as a file: variables, buffers and the configuration they belong to.
use crate::config::PriorConfig;
use crate::model::Prior;
use crate::regions::RegionPoints;
use anyhow::{Context, Result};
use formats::exit::Failure;
use nets::Checkpoint;
use std::path::Path;
use tch::{Device, nn};

const CONFIG: &str = "prior_config";
const POINTS: &str = "prior_points";
const STEPS: &str = "prior_steps";

/// A prior with the store that owns its tensors.
pub struct LoadedPrior {
    /// Owns variables and buffers.
    pub vars: nn::VarStore,
    /// The network.
    pub prior: Prior,
    /// What it was trained with.
    pub config: PriorConfig,
    /// Optimizer steps behind it.
    pub steps: u64,
}

/// A fresh network; `n_points` Gaussians a region.
pub fn fresh(config: &PriorConfig, n_points: &[i64], device: Device) -> LoadedPrior {
    tch::manual_seed(config.train.seed as i64);
    let vars = nn::VarStore::new(device);
    let prior = Prior::new(vars.root(), &config.model, n_points);
    LoadedPrior { vars, prior, config: config.clone(), steps: 0 }
}

/// The same network, its Gaussians at other places of the atlas.
pub fn with_points(loaded: &LoadedPrior, points: &[RegionPoints]) -> LoadedPrior {
    let counts: Vec<i64> = points.iter().map(|p| p.uvs.len() as i64).collect();
    let mut new = fresh(&loaded.config, &counts, loaded.vars.device());
    let before = loaded.vars.variables();
    tch::no_grad(|| {
        for (name, mut t) in new.vars.variables() {
            if !name.starts_with("buffers.grid") && !name.starts_with("buffers.log_scales") {
                t.copy_(&before[&name]);
            }
        }
    });
    new.prior.set_regions(points);
    new.prior.quantize_unless(true);
    new.steps = loaded.steps;
    new
}

/// Writes weights as f16, atomically.
///
/// # Errors
/// The file cannot be written.
pub fn save(loaded: &LoadedPrior, path: &Path) -> Result<u64> {
    let mut file = Checkpoint::new(loaded.steps);
    file.put_vars("", &loaded.vars);
    describe(&mut file, loaded)?;
    Ok(file.halve()?.save(path)?)
}

/// Adds what [`load`] needs to rebuild the network.
///
/// # Errors
/// A configuration that cannot be written as TOML.
pub fn describe(file: &mut Checkpoint, loaded: &LoadedPrior) -> Result<()> {
    file.note(CONFIG, toml::to_string(&loaded.config)?);
    file.note(POINTS, serde_json::to_string(&loaded.prior.n_points())?);
    file.note(STEPS, loaded.steps.to_string());
    Ok(())
}

/// Reads weights written by [`save`].
///
/// # Errors
/// A missing file, one that is no prior, or one whose tensors do not fit its configuration.
pub fn load(path: &Path, device: Device) -> Result<LoadedPrior> {
    open(path, device).map(|(_, loaded)| loaded)
}

/// As [`load`], with the file itself: it may hold more than the network.
///
/// # Errors
/// As [`load`].
pub fn open(path: &Path, device: Device) -> Result<(Checkpoint, LoadedPrior)> {
    let file = Checkpoint::load(path)?;
    let loaded = rebuild(&file, "", device).with_context(|| format!("{path:?} is not a prior"))?;
    Ok((file, loaded))
}

/// Rebuilds the network from the tensors under `prefix` of a checkpoint.
///
/// # Errors
/// As [`load`].
pub fn rebuild(file: &Checkpoint, prefix: &str, device: Device) -> Result<LoadedPrior> {
    let note = |key: &str| file.notes.get(key).ok_or_else(|| Failure::bad_data(format!("no note {key} in the header")));
    let config: PriorConfig = toml::from_str(note(CONFIG)?).map_err(|e| Failure::bad_data(e.message().to_string()))?;
    config.model.check().map_err(|e| Failure::bad_data(e.to_string()))?;
    let n_points: Vec<i64> = serde_json::from_str(note(POINTS)?)?;
    let steps = note(STEPS)?.parse().map_err(|_| Failure::bad_data("prior_steps is not a number"))?;
    let mut loaded = LoadedPrior { steps, ..fresh(&config, &n_points, device) };
    file.restore_vars(prefix, &loaded.vars)?;
    loaded.prior.quantize_unless(true);
    Ok(loaded)
}
