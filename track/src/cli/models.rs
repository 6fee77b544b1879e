//! The weights and the head model that `fit` and `eval` share.
use anyhow::Result;
use head::HeadModel;
use std::path::PathBuf;
use track::networks::Networks;

#[derive(clap::Args)]
pub struct Models {
    /// Weights from `track train`.
    #[arg(long, default_value = "weights/track.safetensors")]
    pub weights: PathBuf,
    /// Head model to fit.
    #[arg(long, default_value = "data/head.safetensors")]
    pub head: PathBuf,
}

impl Models {
    pub fn open(&self, device: tch::Device) -> Result<(Networks, HeadModel)> {
        Ok((Networks::load(&self.weights, device)?, HeadModel::load(&self.head)?))
    }
}
