//! What a training run is given, and what comes of it.
use formats::progress::Talk;
use head::HeadModel;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tch::Device;

/// What to train, checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Datasets of renders.
    pub data: Vec<PathBuf>,
    /// The head model they show.
    pub head: HeadModel,
    /// Identity coefficients to regress, at most.
    pub identity: usize,
    /// Weights to begin with, if not from chance.
    pub start: Option<PathBuf>,
    /// Weights file to write.
    pub out: PathBuf,
    /// Stop after this time (all runs together).
    pub minutes: Option<f64>,
    /// Stop after this many steps.
    pub steps: Option<u64>,
    /// Crops a step.
    pub crops: usize,
    /// Detector patches a step; 0: the detector stays as it is.
    pub patches: usize,
    /// Threads that prepare batches, each one ahead of the optimizer.
    pub workers: usize,
    /// Convolutions of the face network in bf16.
    pub bf16: bool,
    /// Peak learning rate.
    pub lr: f64,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Frames to hold in memory at most.
    pub max_frames: usize,
    /// Crops that the validation figures are taken on.
    pub val_crops: usize,
    /// Where to compute.
    pub device: Device,
    /// How to talk.
    pub talk: Talk,
}

/// What came of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Summary {
    /// Steps in all.
    pub steps: u64,
    /// Training time in all runs, hours.
    pub hours: f64,
    /// Frames and identities trained on.
    pub frames: usize,
    /// Identities trained on.
    pub identities: usize,
    /// Bytes of the weights file.
    pub bytes: u64,
    /// Figures on composed crops of held-out identities, as [`CropBatch::figures`](super::loss::CropBatch::figures) names them.
    pub val: BTreeMap<String, f64>,
    /// How loss and figures went.
    pub curve: Vec<CurvePoint>,
}

/// A point of the learning curve.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct CurvePoint {
    /// Steps done.
    pub step: u64,
    /// Mean total loss since the last point.
    pub loss: f64,
    /// Figures on the validation batch, with averaged weights.
    pub val: BTreeMap<String, f64>,
}
