//! A video model by what its path is.
use super::VideoModel;
use super::portrait::PortraitVideo;
use super::small::SmallVideo;
use anyhow::{Context, Result};
use std::path::Path;
use tch::Device;

/// A file is a small model of ours, a folder a public one laid out as [`super::portrait::files`] says.
///
/// # Errors
/// What is missing, or is not what its name says.
pub fn open(path: &Path, device: Device) -> Result<Box<dyn VideoModel>> {
    let context = || format!("video model {path:?}");
    if path.is_dir() {
        let model = PortraitVideo::load(path, Default::default(), device).with_context(context)?;
        return Ok(Box::new(model));
    }
    Ok(Box::new(SmallVideo::load(path, device).with_context(context)?))
}
