//! What a user may set: `--config file.toml`, then `--set key=value`; unknown keys are refused.
use crate::finder::FindConfig;
use crate::fit::FitConfig;
use crate::video::smooth::SmoothConfig;
use serde::{Deserialize, Serialize};

/// Everything `track` can be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackConfig {
    /// Search for faces.
    pub find: FindConfig,
    /// Fit of the head model.
    pub fit: FitConfig,
    /// Output frames.
    pub frame: FrameConfig,
    /// Videos.
    pub video: VideoConfig,
    /// Smoothing of a video over time.
    pub smooth: SmoothConfig,
    /// Training.
    pub train: TrainConfig,
}

/// Output frames: framed as datagen frames its renders.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrameConfig {
    /// Pixels a side.
    pub size: usize,
    /// Share of the height that the head (chin to crown of the bare head) fills.
    pub fill: f32,
}

impl Default for FrameConfig {
    fn default() -> Self {
        FrameConfig { size: 512, fill: 0.7 }
    }
}

/// Videos.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VideoConfig {
    /// Frames spread over the video that are searched for a face.
    pub candidates: usize,
    /// How many of them, at most, identity and focal length are fitted to.
    pub person_frames: usize,
    /// Frames per shard, which are also what a stopped run loses at most.
    pub chunk: usize,
    /// JPEG quality of the output frames, 1 to 100.
    pub quality: u8,
}

impl Default for VideoConfig {
    fn default() -> Self {
        VideoConfig { candidates: 36, person_frames: 12, chunk: 512, quality: 92 }
    }
}

/// Training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Crops a step for the face network.
    pub crops: usize,
    /// Patches a step for the detector; 0: it stays as it is.
    pub patches: usize,
    /// Threads that prepare batches, each one ahead of the optimizer; a GPU wants several, the result is the same.
    pub workers: usize,
    /// Convolutions of the face network in bf16: a third of the time on processors with AMX, slower on those without bf16.
    pub bf16: bool,
    /// Peak learning rate.
    pub lr: f64,
    /// Stop after so many minutes of all runs together; 0 is no bound.
    pub minutes: f64,
    /// Stop after so many steps; 0 is no bound.
    pub steps: u64,
    /// Renders held in memory at most (some 0.1 MB each).
    pub max_frames: usize,
    /// Identity coefficients that the network reads, at most.
    pub identity: usize,
    /// Crops that the validation figures are taken on.
    pub val_crops: usize,
    /// Seed of everything drawn.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        TrainConfig {
            crops: 24,
            patches: 16,
            workers: 1,
            bf16: false,
            lr: 2e-3,
            minutes: 25.0,
            steps: 0,
            max_frames: 30_000,
            identity: 80,
            val_crops: 192,
            seed: 1,
        }
    }
}
