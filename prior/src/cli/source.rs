//! The dataset and its head model.
use anyhow::Result;
use prior::config::PriorConfig;
use prior::data::HeadData;
use std::path::PathBuf;
use tch::Device;

#[derive(clap::Args)]
pub struct Source {
    /// Dataset from `datagen render`.
    #[arg(long)]
    pub data: PathBuf,
    /// Head model of the dataset.
    #[arg(long)]
    pub head: PathBuf,
}

impl Source {
    pub fn open(&self, config: &PriorConfig, device: Device) -> Result<HeadData> {
        let model = head::HeadModel::load(&self.head)?;
        Ok(HeadData::open(&self.data, model, config.model.uv_size as usize, config.train.image_size)?.on(device))
    }
}
