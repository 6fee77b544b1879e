//! A head for other renderers: mesh, strands, light and camera as plain files, and our own picture of it.
//!
//! `cargo run --release -p datagen --example peer_scene -- FOLDER [--head FILE] [--size 128] [--spp 1024] [--skin walk]`
//! Material: diffuse of one color, or walked skin with `--skin walk`; hair of one melanin. `tests/peers/*.py` read it.
use anyhow::Context;
use datagen::config::Config;
use datagen::people::actor::Actor;
use datagen::people::expressions::Performance;
use datagen::people::stage::Stage;
use datagen::studio::cameras::Orbit;
use datagen::studio::light::Light;
use datagen::tracer::bench::cpu_seconds;
use datagen::tracer::environment::{Aim, Environment};
use datagen::tracer::film::Film;
use datagen::tracer::scene::{
    AccelKind, CoverageGrid, CurveDesc, Denoise, HairMaterial, Material, MeshDesc, Paint, RenderSettings, SceneDesc,
    SkinMaterial, Subsurface,
};
use datagen::tracer::trace;
use glam::Vec3;
use splat::Camera;
use std::path::Path;

const ALBEDO: Vec3 = Vec3::new(0.62, 0.42, 0.32);
const BOUNCES: u32 = 4;
/// Eumelanin and pheomelanin of the hair.
const MELANIN: [f32; 2] = [1.3, 0.2];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value_of = |flag: &str| arguments.iter().position(|a| a == flag).and_then(|i| arguments.get(i + 1));
    let number = |flag: &str, or: u32| value_of(flag).map_or(Ok(or), |v| v.parse::<u32>());
    let folder = Path::new(arguments.first().context("expected a folder")?);
    let (size, spp) = (number("--size", 128)?, number("--spp", 1024)?);
    let walk = value_of("--skin").is_some_and(|s| s == "walk");
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    std::fs::create_dir_all(folder)?;

    let head = value_of("--head").map_or("analytic".into(), Into::into);
    let mut config = Config { head, ..Default::default() };
    (config.hair.strands, config.mesh.texture_size) = (20_000, 64);
    let stage = Stage::new(&config)?;
    let take = Actor::sample(&stage, &config, 0).take(&Performance::neutral());
    let skin = take.scene.meshes.into_iter().next().context("a head has skin")?;
    let material = match walk {
        true => Material::Skin(SkinMaterial::new(Paint::Flat(ALBEDO))),
        false => Material::Diffuse(Paint::Flat(ALBEDO)),
    };
    let mesh = MeshDesc { material, ..skin };
    let hair = take.scene.curves.into_iter().max_by_key(|c| c.points.len()).context("a head with strands")?;
    let fiber = HairMaterial::from_melanin(MELANIN[0], MELANIN[1]);
    let hair = CurveDesc { material: fiber, absorption: Vec::new(), ..hair };
    let env = Light::neutral().environment(256);
    let orbit = Orbit { yaw_deg: 25.0, pitch_deg: 5.0, distance_m: 0.85, fill: 0.8, roll_deg: 0.0 };
    let camera = orbit.camera(take.head_box.center, take.head_box.height_m, size);

    write_mesh(&folder.join("mesh.bin"), &mesh)?;
    write_strands(&folder.join("strands.txt"), &hair)?;
    write_light(&folder.join("light.bin"), &env)?;
    let mut times = serde_json::Map::new();
    for (name, curves) in [("bare", vec![]), ("hair", vec![hair])] {
        let scene = trace::build(&SceneDesc { meshes: vec![mesh.clone()], curves }, AccelKind::Auto)?;
        let subsurface = if walk { Subsurface::RandomWalk } else { Subsurface::Diffuse };
        let (width, height) = (size as usize, size as usize);
        for (kind, spp) in [("long", spp), ("short", 16)] {
            let (max_bounces, denoise, tolerance) = (BOUNCES, Denoise::Off, 0.0);
            let coverage = CoverageGrid::Fast;
            let s =
                RenderSettings { width, height, spp, tolerance, max_bounces, seed: 1, subsurface, denoise, coverage };
            let start = cpu_seconds();
            let film = trace::render(&scene, &camera, &env, &s)?;
            let secs = cpu_seconds() - start;
            println!("{name} {kind} {spp} spp: {secs:.3} core-s");
            times.insert(format!("{name}-{kind}"), serde_json::json!({ "core_secs": secs, "spp": spp }));
            write_film(&folder.join(format!("ours-{name}-{kind}.bin")), &film)?;
        }
    }
    std::fs::write(folder.join("times.json"), format!("{:#}\n", serde_json::Value::Object(times)))?;
    write_facts(&folder.join("scene.json"), &camera)
}

/// Little-endian `f32`s.
fn bytes(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// `u32` vertices, `u32` triangles, positions, normals, indices.
fn write_mesh(path: &Path, mesh: &MeshDesc) -> anyhow::Result<()> {
    let mut out = [mesh.positions.len() as u32, mesh.triangles.len() as u32].map(u32::to_le_bytes).concat();
    out.extend(bytes(mesh.positions.iter().chain(&mesh.normals).flat_map(|v| v.to_array())));
    out.extend(mesh.triangles.iter().flatten().flat_map(|i| i.to_le_bytes()));
    Ok(std::fs::write(path, out)?)
}

/// Uniform cubic B-splines: a control point (x y z radius) a line, an empty line after each strand.
fn write_strands(path: &Path, hair: &CurveDesc) -> anyhow::Result<()> {
    let mut out = String::new();
    for s in 0..hair.first.len() {
        for p in &hair.points[hair.strand(s)] {
            out += &format!("{:.7} {:.7} {:.7} {:.8}\n", p.x, p.y, p.z, p.w);
        }
        out.push('\n');
    }
    Ok(std::fs::write(path, out)?)
}

/// 256 × 128 texels of RGB, as [`Environment`] lies.
fn write_light(path: &Path, env: &Environment) -> anyhow::Result<()> {
    let texel = |i: usize| {
        let (x, y) = (i % 256, i / 256);
        let azimuth = ((x as f32 + 0.5) / 256.0 - 0.5) * std::f32::consts::TAU;
        let (sin, cos) = ((y as f32 + 0.5) / 128.0 * std::f32::consts::PI).sin_cos();
        env.look(Vec3::new(sin * azimuth.sin(), cos, sin * azimuth.cos()), Aim::ANYWHERE).0.to_array()
    };
    Ok(std::fs::write(path, bytes((0..256 * 128).flat_map(texel)))?)
}

/// RGB premultiplied and alpha, row by row.
fn write_film(path: &Path, film: &Film) -> anyhow::Result<()> {
    Ok(std::fs::write(path, bytes(film.rgb.iter().zip(&film.alpha).flat_map(|(c, a)| c.extend(*a).to_array())))?)
}

fn write_facts(path: &Path, camera: &Camera) -> anyhow::Result<()> {
    let forward = camera.camera_from_world.inverse().transform_vector3(Vec3::Z);
    let facts = serde_json::json!({
        "size": camera.width,
        "focal_px": camera.fx,
        "eye": camera.eye().to_array(),
        "target": (camera.eye() + forward).to_array(),
        "bounces": BOUNCES,
        "albedo": ALBEDO.to_array(),
        "melanin": MELANIN,
    });
    Ok(std::fs::write(path, format!("{facts:#}\n"))?)
}
