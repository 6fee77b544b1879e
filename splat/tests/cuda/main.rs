//! The kernels against the CPU rasterizer and its reference.
//!
//! Each test runs on every engine at hand: the emulator always, which needs a C++ compiler, and a GPU where there is one
//! (SPLAT_TEST_ENGINES=gpu: there only).
mod emulator;
mod images;
mod memory;
#[path = "../rasterize/scene.rs"]
mod scene;
#[allow(dead_code, reason = "the benches use the rest")]
#[path = "../../examples/bench_splat/scenes.rs"]
mod scenes;
mod training;

use emulator::{Emulator, Order};
use splat::cuda::{Engine, Gpu};
use std::sync::Arc;

/// Every engine at hand, by name.
fn engines() -> Vec<(&'static str, Arc<dyn Engine>)> {
    let mut all: Vec<(&'static str, Arc<dyn Engine>)> = Vec::new();
    if std::env::var("SPLAT_TEST_ENGINES").is_ok_and(|only| only == "gpu") {
        all.push(("GPU", Arc::new(Gpu::new(0).unwrap())));
        return all;
    }
    all.push(("emulator", Arc::new(Emulator::new(Order::Ascending))));
    all.extend(Gpu::new(0).ok().map(|gpu| ("GPU", Arc::new(gpu) as Arc<dyn Engine>)));
    all
}
