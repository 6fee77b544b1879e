//! What a picture costs: bare rays against the integrator, build, denoiser, pictures a second.
//!
//! `cargo run --release -p datagen --example bench_trace -- [--head FILE] [--json FILE] [--strands N] [--error]`
//! Times are processor seconds on one thread. `--error` adds the noise against a long rendering.
use datagen::config::Config;
use datagen::people::actor::Actor;
use datagen::people::expressions::Performance;
use datagen::people::stage::Stage;
use datagen::studio::cameras::Orbit;
use datagen::studio::light::Light;
use datagen::tracer::bench::{cpu_seconds, replay, toned_error};
use datagen::tracer::denoise;
use datagen::tracer::scene::{AccelKind, CoverageGrid, Denoise, RenderSettings, Subsurface};
use datagen::tracer::trace;

struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    /// The threshold, if there is one.
    least: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value_of = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|i| arguments.get(i + 1));
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let head = value_of("--head").map_or("analytic".into(), Into::into);
    let mut config = Config { head, ..Default::default() };
    config.hair.strands = value_of("--strands").map_or(Ok(50_000), |n| n.parse())?;
    (config.mesh.subdivision, config.mesh.texture_size) = (2, 1024);
    let rows = rows(&config, arguments.iter().any(|a| a == "--error"))?;
    if let Some(path) = value_of("--json") {
        std::fs::write(path, json(&rows))?;
    }
    Ok(())
}

/// Processor seconds of the fastest of `rounds`, and what the last made.
fn timed<T>(rounds: u32, mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let mut once = || {
        let start = cpu_seconds();
        work().map(|made| (cpu_seconds() - start, made))
    };
    let first = once()?;
    (1..rounds).try_fold(first, |(best, _), _| once().map(|(secs, made)| (best.min(secs), made)))
}

/// Pixels a side, samples, skin, and how often it is measured. A replay holds some hundred bytes a ray: eight samples of
/// 512² are half a gigabyte.
const VIEWS: [(u32, u32, Subsurface, u32); 4] = [
    (128, 8, Subsurface::Diffuse, 3),
    (256, 16, Subsurface::Diffuse, 2),
    (256, 16, Subsurface::RandomWalk, 1),
    (512, 8, Subsurface::RandomWalk, 2),
];

/// The least speed of the integrator, shading included, of that of its rays through Embree alone: 0.33 to 0.49 on a busy Xeon, 0.59
/// on an EPYC. Pictures of 128² have no threshold: the masks of thin surfaces are as dear at any size.
const LEAST_OF_EMBREE: f64 = 0.25;

/// What `--error` tries besides.
const TOLERANCES: [f32; 6] = [0.0, 0.02, 0.03, 0.05, 0.06, 1.0];

fn rows(config: &Config, with_error: bool) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut push = |name: &str, value: f64, unit: &'static str, least: Option<f64>| {
        println!("{name:<52} {value:>10.3} {unit}");
        rows.push(Row { name: name.into(), value, unit, least });
    };
    let (secs, stage) = timed(1, || Stage::new(config))?;
    push("stage", secs, "core-s", None);
    let light = Light::sample(3, 5);
    let (secs, env) = timed(3, || Ok(light.environment(config.light.width as usize)))?;
    push("environment", secs, "core-s", None);
    for identity in [0, 3] {
        let (secs, actor) = timed(2, || Ok(Actor::sample(&stage, config, identity)))?;
        push(&format!("person {identity}: {} strands, made", actor.strands()), secs, "core-s", None);
        let (secs, take) = timed(3, || Ok(actor.take(&Performance::neutral())))?;
        push(&format!("person {identity}: posed"), secs, "core-s", None);
        let (secs, _) = timed(3, || Ok(trace::build(&take.scene, AccelKind::Auto)?))?;
        push(&format!("person {identity}: scene built"), secs, "core-s", None);
        for (size, spp, subsurface, rounds) in VIEWS {
            let orbit = Orbit { yaw_deg: 20.0, pitch_deg: 5.0, distance_m: 0.85, fill: 0.72, roll_deg: 0.0 };
            let camera = orbit.camera(take.head_box.center, take.head_box.height_m, size);
            let (width, height) = (size as usize, size as usize);
            let (denoise, coverage) = (Denoise::Off, CoverageGrid::Fast);
            let s = RenderSettings {
                width,
                height,
                spp,
                tolerance: 0.0,
                max_bounces: 4,
                seed: 1,
                subsurface,
                denoise,
                coverage,
            };
            let name = |what: &str| format!("person {identity}: {size}² {spp} spp {subsurface:?}: {what}");
            let scene = trace::build(&take.scene, AccelKind::Auto)?;
            if with_error && size == 256 {
                let film = trace::render(&scene, &camera, &env, &s)?;
                let long = trace::render(&scene, &camera, &env, &RenderSettings { spp: 256, seed: 2, ..s })?;
                push(&name("noise, toned RMSE"), 1e3 * toned_error(&film, &long), "/1000", None);
                let mean = long.rgb.iter().sum::<glam::Vec3>() / long.alpha.iter().sum::<f32>();
                push(&name("mean"), f64::from(mean.element_sum() / 3.0), "", None);
                for tolerance in TOLERANCES {
                    let s = RenderSettings { tolerance, denoise: Denoise::Fast, ..s };
                    let (secs, film) = timed(1, || Ok(trace::render(&scene, &camera, &env, &s)?))?;
                    let error = 1e3 * toned_error(&film, &long);
                    push(&name(&format!("tolerance {tolerance}: denoised, toned RMSE")), error, "/1000", None);
                    push(&name(&format!("tolerance {tolerance}: picture")), secs, "core-s", None);
                }
            }
            let r = replay(scene, &camera, &env, &s, rounds)?;
            push(&name("picture"), r.picture_secs, "core-s", None);
            push(&name("pictures"), 1.0 / r.picture_secs, "1/core-s", None);
            push(&name("rays"), r.rays as f64 * 1e-6, "M", None);
            push(&name("integrator, shading included"), r.mrays(r.picture_secs), "Mrays/core-s", None);
            push(&name("traversal"), r.mrays(r.traversal_secs), "Mrays/core-s", None);
            let Some(bare) = r.bare_secs else { continue };
            push(&name("same rays, Embree alone"), r.mrays(bare), "Mrays/core-s", None);
            let least = (size > 128).then_some(LEAST_OF_EMBREE);
            push(&name("integrator over Embree alone"), bare / r.picture_secs, "", least);
            push(&name("traversal over Embree alone"), bare / r.traversal_secs, "", Some(0.8));
        }
    }
    if denoise::available().is_ok() {
        for (size, quality) in
            [(128, denoise::Quality::Fast), (256, denoise::Quality::Fast), (256, denoise::Quality::High)]
        {
            let mut film = datagen::tracer::film::Film::new(size, size);
            let (secs, ()) = timed(3, || Ok(denoise::denoise(&mut film, quality)?))?;
            push(&format!("denoise {size}² {quality:?}"), secs, "core-s", None);
        }
    }
    Ok(rows)
}

/// The format of every `out/bench/*.json`.
fn json(rows: &[Row]) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let machine = cpu
        .lines()
        .find_map(|l| l.strip_prefix("model name").map(|m| m.trim_start_matches([' ', '\t', ':']).to_owned()));
    let git = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    let commit = git.ok().and_then(|o| String::from_utf8(o.stdout).ok()).unwrap_or_default();
    let row = |r: &Row| {
        let ok = r.least.is_none_or(|least| r.value >= least);
        serde_json::json!({"name": r.name, "value": r.value, "unit": r.unit, "bar": r.least, "ok": ok})
    };
    let rows: Vec<serde_json::Value> = rows.iter().map(row).collect();
    let all = serde_json::json!({"machine": machine.unwrap_or_default(), "commit": commit.trim(), "rows": rows});
    format!("{all:#}\n")
}
