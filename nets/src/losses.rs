//! Losses and metrics, and the networks behind them (perceptual distance, face recognizer).

pub mod flip;
pub mod image;
pub mod metric;
pub mod ordering;
pub mod perceptual;
pub mod recognizer;
pub mod ssim;
pub mod verification;
