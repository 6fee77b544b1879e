//! Milliseconds of the forward and backward pass on a shell of Gaussians the size of a head, 512×512, one camera.
//!
//! `cargo run --release -p splat --example bench [-- --json FILE] [--threads N] [--repeats R]
//! [--instructions baseline|avx2|avx512]`
use glam::Vec3;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use splat::{Camera, Colors, Gaussians, Instructions, Settings, Upstream};
use std::error::Error;
use std::f32::consts::PI;
use std::time::Instant;

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut json, mut repeats, mut instructions) = (None, 7usize, Instructions::best());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg}: expected a value after it"));
        match arg.as_str() {
            "--json" => json = Some(value()?),
            "--threads" => rayon::ThreadPoolBuilder::new().num_threads(value()?.parse()?).build_global()?,
            "--instructions" => {
                let name = value()?;
                let found = Instructions::available().into_iter().find(|set| set.name() == name);
                instructions = found.ok_or(format!("{name}: this machine does not have it"))?;
            }
            "--repeats" => repeats = value()?.parse::<usize>()?.max(1),
            _ => {
                return Err(
                    format!("{arg}: expected --json FILE, --threads N, --repeats R or --instructions NAME").into()
                );
            }
        }
    }
    println!("{} threads, {}", rayon::current_num_threads(), instructions.name());
    let settings = Settings { instructions, ..Settings::default() };
    let mut rows = Vec::new();
    for (n, size) in [(10_000, 128), (10_000, 512), (50_000, 512), (100_000, 512)] {
        measure(n, size, repeats, &settings, &mut rows)?;
    }
    rows.push(Row { name: "peak memory".into(), value: peak_mib()?, unit: "MiB" });
    rows.iter().for_each(|row| println!("{:<32} {:>9.2} {}", row.name, row.value, row.unit));
    if let Some(path) = json {
        let body: Vec<String> = rows
            .iter()
            .map(|r| format!("{{\"name\": \"{}\", \"value\": {}, \"unit\": \"{}\"}}", r.name, r.value, r.unit))
            .collect();
        std::fs::write(path, format!("{{\"rows\": [\n{}\n]}}\n", body.join(",\n")))?;
    }
    Ok(())
}

/// Best of `repeats` after one to warm up, by the clock and by processor time: the machine may be shared.
fn measure(
    n: usize,
    size: usize,
    repeats: usize,
    settings: &Settings,
    rows: &mut Vec<Row>,
) -> Result<(), Box<dyn Error>> {
    let gaussians = shell(n);
    let focal = 1500.0 * size as f32 / 512.0;
    let camera = [Camera::look_at(Vec3::new(0.0, 0.0, 0.75), Vec3::ZERO, Vec3::Y, focal, size, size)];
    let weights: Vec<f32> = (0..size * size * 3).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
    let mut best = [[f64::MAX; 2]; 3];
    let pool = splat::rasterize::Pool::default();
    for _ in 0..=repeats {
        let start = (Instant::now(), cpu_ms()?);
        let (images, saved) = pool.forward(gaussians.slices(), &camera, settings)?;
        let middle = (Instant::now(), cpu_ms()?);
        let upstream = [Upstream { color: &weights, alpha: None, depth: None }];
        let gradients = splat::backward(gaussians.slices(), &camera, settings, &saved, &upstream)?;
        let end = (Instant::now(), cpu_ms()?);
        drop(saved);
        pool.take_back(images, gradients);
        for (best, (from, to)) in best.iter_mut().zip([(start, middle), (middle, end), (start, end)]) {
            best[0] = best[0].min((to.0 - from.0).as_secs_f64() * 1e3);
            best[1] = best[1].min(to.1 - from.1);
        }
    }
    for (pass, [wall, cpu]) in ["forward", "backward", "both"].into_iter().zip(best) {
        rows.push(Row { name: format!("{}k {size}px {pass}", n / 1000), value: wall, unit: "ms" });
        rows.push(Row { name: format!("{}k {size}px {pass}, processor", n / 1000), value: cpu, unit: "ms" });
    }
    Ok(())
}

/// Time that all threads of this process have run.
fn cpu_ms() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let line = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += line.split_whitespace().next().ok_or("schedstat: empty")?.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e6)
}

/// A shell like a head: an ellipsoid covered about 0.9 sigma apart, third-degree harmonics.
fn shell(n: usize) -> Gaussians {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut normal = || -> f32 { rng.sample(StandardNormal) };
    let mut g = Gaussians {
        means: Vec::new(),
        quats: Vec::new(),
        log_scales: Vec::new(),
        opacity_logits: Vec::new(),
        colors: Vec::new(),
        kind: Colors::Sh { degree: 3 },
    };
    let spacing = 0.9 * (4.0 * PI * 0.009 / n as f32).sqrt();
    for _ in 0..n {
        let direction = Vec3::new(normal(), normal(), normal()).normalize_or(Vec3::Y);
        let mean = direction * Vec3::new(0.075, 0.11, 0.095) * (1.0 + 0.02 * normal());
        g.means.extend(mean.to_array());
        g.log_scales.extend((0..3).map(|_| spacing.ln() + 0.3 * normal()));
        g.quats.extend((0..4).map(|_| normal()));
        g.opacity_logits.push(1.0 + normal());
        g.colors.extend((0..48).map(|_| 0.3 * normal()));
    }
    g
}

/// Greatest resident size of this process so far.
fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM")).ok_or("/proc/self/status: no VmHWM")?;
    Ok(line.split_whitespace().nth(1).ok_or("VmHWM: no value")?.parse::<f64>()? / 1024.0)
}
