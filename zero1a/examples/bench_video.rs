//! What a clip costs: seconds a denoising step, a clip made, a clip inverted and made again; memory.
//!
//! `cargo run --release -p zero1a --example bench_video -- [--weights weights/video.safetensors] [--json FILE]`
//! Processor seconds of all threads. Without weights the shipped sizes are measured on drawn ones: they cost the same.
use anyhow::Result;
use std::path::Path;
use std::time::Instant;
use tch::{Device, Kind, Tensor, nn};
use zero1a::video::small::{SmallConfig, SmallVideo};
use zero1a::video::{ChainConfig, Condition, VideoModel, invert, noise, sample};

const FRAMES: i64 = 8;
const STEPS: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value_of = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|i| arguments.get(i + 1));
    let weights = Path::new(value_of("--weights").map_or("weights/video.safetensors", String::as_str));
    let model = match weights.exists() {
        true => SmallVideo::load(weights, Device::Cpu)?,
        false => SmallVideo::untrained(&nn::VarStore::new(Device::Cpu).root(), SmallConfig::default()),
    };
    let rows = measure(&model)?;
    for (name, value, unit) in &rows {
        println!("{name:64} {value:10.3} {unit}");
    }
    if let Some(path) = value_of("--json") {
        std::fs::write(path, json(&rows).to_string())?;
    }
    Ok(())
}

type Row = (String, f64, &'static str);

fn measure(model: &SmallVideo) -> Result<Vec<Row>> {
    let side = model.size();
    let rand = |size: &[i64]| Tensor::rand(size, (Kind::Float, Device::Cpu));
    let condition = Condition {
        reference: rand(&[3, side, side]),
        reference_map: rand(&[3, side, side]),
        maps: rand(&[FRAMES, 3, side, side]),
        moved: rand(&[FRAMES, 3, side, side]),
    };
    let clean = model.encode(&rand(&[FRAMES, 3, side, side]))?;
    let start = noise(model, FRAMES, 1, Device::Cpu);
    let chain = |guidance: f64| ChainConfig { steps: STEPS, guidance: Some(guidance), ..ChainConfig::WHOLE };
    let what = format!("{FRAMES} frames of {side}²");
    let mut rows = Vec::new();
    let mut push = |name: String, cost: Cost| {
        rows.push((name.clone(), cost.processor, "s"));
        rows.push((format!("{name}: wall"), cost.wall, "s"));
    };
    for guidance in [1.0, 2.0] {
        push(
            format!("denoising step, {what}, guidance {guidance}"),
            cost(5, || model.velocity(&start, 500, &condition, guidance).map(drop))?,
        );
        push(
            format!("clip of {STEPS} steps, {what}, guidance {guidance}"),
            cost(1, || model.decode(&sample(model, &start, &condition, &chain(guidance))?).map(drop))?,
        );
    }
    push(
        format!("refresh: {STEPS} steps up, {STEPS} down, {what}, guidance 2"),
        cost(1, || {
            let up = invert(model, &clean, &condition, &chain(1.0))?;
            model.decode(&sample(model, &up, &condition, &chain(2.0))?).map(drop)
        })?,
    );
    rows.push(("peak memory".into(), usage().1, "MiB"));
    Ok(rows)
}

struct Cost {
    processor: f64,
    wall: f64,
}

/// Mean of `rounds`, after one that does not count.
fn cost(rounds: u32, mut work: impl FnMut() -> Result<()>) -> Result<Cost> {
    work()?;
    let (clock, before) = (Instant::now(), usage().0);
    for _ in 0..rounds {
        work()?;
    }
    let share = f64::from(rounds);
    Ok(Cost { processor: (usage().0 - before) / share, wall: clock.elapsed().as_secs_f64() / share })
}

/// Processor seconds so far, and greatest resident size (MiB).
fn usage() -> (f64, f64) {
    // SAFETY: getrusage fills the zeroed struct it is given.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as f64 / 1024.0)
}

/// The format of every `out/bench/*.json`, machine and commit left to the caller.
fn json(rows: &[Row]) -> serde_json::Value {
    let row = |(name, value, unit): &Row| serde_json::json!({ "name": name, "value": value, "unit": unit, "bar": null, "ok": true });
    serde_json::json!({ "rows": rows.iter().map(row).collect::<Vec<_>>() })
}
