//! Looks closely at parts of faces, one tile for each argument:
//!
//! ```text
//! cargo run --release -p datagen --example closeup -- OUT.png CONFIG.toml size=384 spp=24 \
//!     id=3,at=eye,yaw=10,light=2,eyeLookDown=1 id=3,at=mouth,wide=0.06,jawOpen=0.3,mouthSmile=1
//! ```
//!
//! `at` is one of [`PLACES`], `wide` the breadth seen (meters), `albedo=1` leaves the light out; any other key is the
//! beginning of the names of ARKit units (both sides, if it does not say which).
use anyhow::{Context, bail, ensure};
use datagen::config::Config;
use datagen::labels;
use datagen::people::actor::Actor;
use datagen::people::expressions::Performance;
use datagen::people::stage::Stage;
use datagen::render_shard::expose_take;
use datagen::sheet::Sheet;
use datagen::studio::cameras::Orbit;
use datagen::studio::develop::Development;
use datagen::studio::light::Light;
use datagen::tracer::scene::AccelKind;
use glam::Vec3;
use head::model::ARKIT;
use std::collections::BTreeMap;
use std::path::Path;

/// Landmarks amid which a place is, and its breadth (meters).
const PLACES: [(&str, &[usize], f32); 8] = [
    ("eye", &[42, 45], 0.05),
    ("eyes", &[36, 45], 0.13),
    ("nose", &[30, 33], 0.06),
    ("mouth", &[48, 54], 0.09),
    ("lower", &[30, 8], 0.14),
    ("cheek", &[46, 54], 0.09),
    ("ear", &[16], 0.10),
    ("head", &[27, 30], 0.26),
];

/// What is on a tile.
struct Look {
    id: u32,
    landmarks: &'static [usize],
    wide_m: f32,
    orbit: Orbit,
    light: Light,
    albedo_only: bool,
    performance: Performance,
}

impl Look {
    fn parse(tile: &str, seed: u64) -> anyhow::Result<Look> {
        let (_, landmarks, wide_m) = PLACES[7];
        let orbit = Orbit { yaw_deg: 0.0, pitch_deg: 0.0, distance_m: 0.7, fill: 1.0, roll_deg: 0.0 };
        let (light, performance) = (Light::neutral(), Performance::neutral());
        let mut look = Look { id: 0, landmarks, wide_m, orbit, light, albedo_only: false, performance };
        for option in tile.split(',') {
            let (key, value) = option.split_once('=').with_context(|| format!("{option}: expected key=value"))?;
            match key {
                "id" => look.id = value.parse()?,
                "at" => {
                    let place = PLACES.iter().find(|p| p.0 == value).with_context(|| format!("no place {value}"))?;
                    (look.landmarks, look.wide_m) = (place.1, place.2);
                }
                "wide" => look.wide_m = value.parse()?,
                "yaw" => look.orbit.yaw_deg = value.parse()?,
                "pitch" => look.orbit.pitch_deg = value.parse()?,
                "albedo" => look.albedo_only = value == "1",
                "light" => look.light = Light::sample(seed, value.parse()?),
                _ => {
                    let units: Vec<usize> = (0..ARKIT.len()).filter(|&k| ARKIT[k].starts_with(key)).collect();
                    ensure!(!units.is_empty(), "no unit begins with {key}");
                    for k in units {
                        look.performance.expression[k] = value.parse()?;
                    }
                }
            }
        }
        Ok(look)
    }

    fn picture(&self, actor: &Actor, config: &Config) -> anyhow::Result<Vec<u8>> {
        let take = actor.take(&self.performance);
        let target = self.landmarks.iter().map(|&l| take.landmarks[l]).sum::<Vec3>() / self.landmarks.len() as f32;
        let camera = self.orbit.camera(target, self.wide_m, config.image.size);
        let mut film = expose_take(&take, &camera, &self.light, config, AccelKind::Auto)?;
        if self.albedo_only {
            film.rgb.clone_from(&film.albedo);
        }
        Ok(labels::rgb8(&film, labels::background(config, &self.light), &Development::plain()))
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [out, config, rest @ ..] = &args[..] else {
        bail!("usage: closeup OUT.png CONFIG.toml [size=N] [spp=N] TILE…")
    };
    let mut config: Config = toml::from_str(&std::fs::read_to_string(config)?)?;
    let mut tiles = Vec::new();
    for arg in rest {
        match arg.split_once('=') {
            Some(("size", value)) => config.image.size = value.parse()?,
            Some(("spp", value)) => config.image.samples = value.parse()?,
            _ => tiles.push((arg, Look::parse(arg, config.seed)?)),
        }
    }
    let stage = Stage::new(&config)?;
    let mut actors: BTreeMap<u32, Actor> = BTreeMap::new();
    let mut sheet = Sheet::new(config.image.size as usize, (tiles.len() as f32).sqrt().ceil() as usize);
    for (name, look) in &tiles {
        let actor = actors.entry(look.id).or_insert_with(|| Actor::sample(&stage, &config, look.id));
        sheet.push(look.picture(actor, &config)?, name.as_str());
    }
    sheet.save(Path::new(out))
}
