//! Times of both passes from an L1 loss to all gradients, memory being kept as in training.
use crate::scenes::front;
use splat::rasterize::Pool;
use splat::{Gaussians, Instructions, Settings, Upstream};
use std::error::Error;
use std::time::Instant;

pub struct Case {
    pub gaussians: Gaussians,
    pub threads: usize,
    pub instructions: Instructions,
}

/// The least of all rounds.
#[derive(Clone)]
pub struct Times {
    pub forward_ms: f64,
    pub both_ms: f64,
    /// Of all threads, both passes.
    pub processor_ms: f64,
}

/// Case after case, `rounds` times after one to warm up.
pub fn measure_all(cases: &[Case], rounds: usize) -> Result<Vec<Times>, Box<dyn Error>> {
    let start = Times { forward_ms: f64::MAX, both_ms: f64::MAX, processor_ms: f64::MAX };
    let mut best = vec![start; cases.len()];
    let pools: Vec<rayon::ThreadPool> = cases
        .iter()
        .map(|case| rayon::ThreadPoolBuilder::new().num_threads(case.threads).build())
        .collect::<Result<_, _>>()?;
    for _ in 0..=rounds {
        for ((case, threads), best) in cases.iter().zip(&pools).zip(&mut best) {
            let memory = Pool::default();
            // The first fills the memory; the others find it.
            for round in 0..3 {
                let times = threads.install(|| measure(case, &memory))?;
                if round > 0 {
                    best.forward_ms = best.forward_ms.min(times.forward_ms);
                    best.both_ms = best.both_ms.min(times.both_ms);
                    best.processor_ms = best.processor_ms.min(times.processor_ms);
                }
            }
        }
    }
    Ok(best)
}

fn measure(case: &Case, memory: &Pool) -> Result<Times, splat::Error> {
    let (slices, camera) = (case.gaussians.slices(), [front(512)]);
    let settings = Settings { instructions: case.instructions, ..Settings::default() };
    let (start, processor) = (Instant::now(), processor_ms());
    let (images, saved) = memory.forward(slices, &camera, &settings)?;
    let forward_ms = start.elapsed().as_secs_f64() * 1e3;
    // The gradient of the mean distance from a gray image.
    let per = 1.0 / images[0].color.len() as f32;
    let color: Vec<f32> = images[0].color.iter().map(|v| if *v > 0.5 { per } else { -per }).collect();
    let upstream = [Upstream { color: &color, alpha: None, depth: None }];
    let gradients = splat::backward(slices, &camera, &settings, &saved, &upstream)?;
    let times =
        Times { forward_ms, both_ms: start.elapsed().as_secs_f64() * 1e3, processor_ms: processor_ms() - processor };
    drop(saved);
    memory.take_back(images, gradients);
    Ok(times)
}

/// Time that all threads of this process have run; 0 where the system does not tell.
fn processor_ms() -> f64 {
    let of_task = |task: std::io::Result<std::fs::DirEntry>| -> Option<f64> {
        let line = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse().ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    tasks.filter_map(of_task).sum::<f64>() / 1e6
}
