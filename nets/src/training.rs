//! Optimizer, schedule, batches and the training loop; the training of the loss networks.

pub mod batches;
pub mod budget;
pub mod ema;
pub mod loader;
pub mod means;
pub mod optim;
pub mod perceptual_task;
pub mod recognizer_task;
pub mod schedule;
pub mod trainer;
