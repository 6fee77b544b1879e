//! `datagen preview`: sheets to look at before a night is spent on rendering.
use crate::config::{Config, WearConfig};
use crate::labels;
use crate::people::accessories;
use crate::people::actor::{Actor, person_seed};
use crate::people::expressions::Performance;
use crate::people::identity::sample_shape;
use crate::people::person::{Hair, Looks, Origin};
use crate::people::stage::Stage;
use crate::render_shard::expose_take;
use crate::sheet::Sheet;
use crate::stream::{Subject, derive};
use crate::studio::cameras::{self, Orbit, View};
use crate::studio::develop::Development;
use crate::studio::light::Light;
use crate::tracer::scene::AccelKind;
use head::HeadBox;
use head::ibug;
use head::model::ARKIT;
use head::sampler::{Attempt, SampledIdentity};
use rayon::prelude::*;
use splat::Camera;
use std::collections::BTreeSet;

/// What varies from tile to tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Vary {
    /// Identity.
    Identity,
    /// Identity, expression, light and camera, sampled as in a dataset.
    All,
    /// Sampled expressions of one person.
    Expression,
    /// The 52 ARKit units, each at weight 1.
    Units,
    /// Environment light.
    Light,
    /// Camera yaw.
    Turntable,
    /// Hairstyle: every style that the person's age and sex allow.
    Hair,
    /// Glasses and headwear.
    Wear,
    /// Faces that the plausibility check rejects, with the worst measure in standard deviations.
    Rejected,
}

/// Which sheet.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What changes.
    pub vary: Vary,
    /// First identity (or the only one).
    pub identity: u32,
    /// Number of tiles.
    pub count: u32,
    /// Side one looks from (degrees).
    pub yaw_deg: f32,
    /// What falls on the head.
    pub light: Lighting,
    /// Whether landmarks are drawn.
    pub landmarks: Landmarks,
    /// Finds the hits.
    pub accel: AccelKind,
}

/// What falls on the heads of a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lighting {
    /// The even light of figures.
    Even,
    /// An environment of the dataset.
    One(u32),
    /// Each tile has an environment of its own, from number 1 on.
    Each,
}

impl std::str::FromStr for Lighting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "even" => Ok(Lighting::Even),
            "each" => Ok(Lighting::Each),
            number => number.parse().map(Lighting::One).map_err(|_| "expected a number, `each` or `even`".to_owned()),
        }
    }
}

/// Whether landmarks are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landmarks {
    /// No.
    Hidden,
    /// The first 68 as dots.
    Shown,
}

struct Tile {
    identity: u32,
    performance: Performance,
    yaw_deg: f32,
    light: Light,
    label: String,
    /// A face that is not the person's own.
    instead: Option<SampledIdentity>,
    /// Hair, and what is worn on the head, that are not the person's own.
    made_up: MadeUp,
}

/// What a tile changes in somebody's looks.
#[derive(Default)]
struct MadeUp {
    hair: Option<Hair>,
    /// Shares of glasses and hats, and the seed they are drawn from.
    wear: Option<(WearConfig, u64)>,
}

/// Renders the sheet.
///
/// # Errors
/// As [`crate::render_shard::expose`].
pub fn sheet(stage: &Stage, config: &Config, request: &Request) -> anyhow::Result<Sheet> {
    let tiles: Vec<Tile> = match request.vary {
        Vary::Rejected => rejected(stage, config, request),
        Vary::Hair => haired(stage, config, request),
        _ => (0..request.count).map(|i| tile(config, request, i)).collect(),
    };
    // Half as wide again as high, or square where they are many; of the widths near that the one with the fewest gaps.
    let ideal = (tiles.len() as f32 * if tiles.len() > 30 { 1.0 } else { 1.5 }).sqrt() as usize;
    let gaps = |columns: &usize| tiles.len().next_multiple_of(*columns) - tiles.len();
    let columns = (ideal.max(1)..=ideal + 2).min_by_key(gaps).unwrap_or(1);
    // One person in all tiles is made once.
    let alone = (!matches!(request.vary, Vary::Identity | Vary::All | Vary::Rejected | Vary::Hair | Vary::Wear))
        .then(|| Actor::sample(stage, config, request.identity));
    let one = |t: &Tile| -> anyhow::Result<(Vec<u8>, String)> {
        let made = alone.is_none().then(|| t.actor(stage, config));
        let Some(actor) = alone.as_ref().or(made.as_ref()) else { unreachable!("one or the other") };
        let take = actor.take(&t.performance);
        let camera = t.camera(config, request.vary, take.head_box);
        let film = expose_take(&take, &camera, &t.light, config, request.accel)?;
        let label = match request.vary {
            Vary::Identity => format!("{} {} {}", t.label, actor.looks.skin_tone(), actor.looks.hair.style.name()),
            _ => t.label.clone(),
        };
        let mut rgb = labels::rgb8(&film, labels::background(config, &t.light), &Development::plain());
        if request.landmarks == Landmarks::Shown {
            take.landmarks
                .iter()
                .take(ibug::COUNT)
                .for_each(|p| dot(&mut rgb, config.image.size, camera.project(*p).0));
        }
        Ok((rgb, label))
    };
    let mut sheet = Sheet::new(config.image.size as usize, columns);
    for picture in tiles.par_iter().map(one).collect::<anyhow::Result<Vec<_>>>()? {
        sheet.push(picture.0, picture.1);
    }
    Ok(sheet)
}

impl Tile {
    fn camera(&self, config: &Config, vary: Vary, head: HeadBox) -> Camera {
        let size = config.image.size;
        if vary == Vary::All {
            let view = View { identity_id: self.identity, shot_id: 1, camera_id: 0, traveled: None };
            return cameras::sample(&config.camera, config.seed, view, head, size).0;
        }
        // Heads are deeper than broad: from aside they need room.
        let fill = if vary == Vary::Turntable { 0.6 } else { 0.72 };
        let orbit = Orbit { yaw_deg: self.yaw_deg, pitch_deg: 2.0, distance_m: 0.85, fill, roll_deg: 0.0 };
        orbit.camera(head.center, head.height_m, size)
    }

    fn actor<'a>(&self, stage: &'a Stage, config: &Config) -> Actor<'a> {
        let seed = person_seed(config, self.identity);
        let drawn = match &self.instead {
            Some(other) => other.into(),
            None => sample_shape(&stage.sampler, seed),
        };
        let mut looks = Looks::sample(seed, drawn.origin);
        let (wear, wear_seed) = self.made_up.wear.as_ref().map_or((&config.wear, seed), |(wear, seed)| (wear, *seed));
        accessories::sample(&mut looks, wear, wear_seed, drawn.origin.sex);
        if let Some(hair) = &self.made_up.hair {
            looks.hair = Hair { pigment: looks.hair.pigment, ..hair.clone() };
        }
        Actor::dressed(stage, config, self.identity, drawn, looks)
    }
}

/// Ways to wear hair that people of the requested one's age and sex have, in the order in which strangers of all
/// ancestries show them.
fn haired(stage: &Stage, config: &Config, request: &Request) -> Vec<Tile> {
    const STRANGERS: u64 = 4000;
    let own = sample_shape(&stage.sampler, person_seed(config, request.identity)).origin;
    let mut seen = BTreeSet::new();
    let strangers = (0..STRANGERS).map(|i| {
        let mut ancestry = [0.0; 3];
        ancestry[i as usize % 3] = 1.0;
        Looks::sample(derive(config.seed, Subject::PreviewHair, &[i]), Origin { ancestry, ..own }).hair
    });
    let new = strangers.filter(|h| seen.insert(way_of(h)));
    let tile = |hair: Hair| Tile {
        label: way_of(&hair),
        made_up: MadeUp { hair: Some(hair), wear: None },
        ..tile(config, request, 0)
    };
    new.take(request.count as usize).map(tile).collect()
}

fn way_of(hair: &Hair) -> String {
    let fringe = if hair.fringe && hair.style.takes_fringe() { " fringe" } else { "" };
    format!("{} {:?}{fringe}", hair.style.name(), hair.curl)
}

/// How many people are asked for a refused face each, per tile: some one in fifteen has one.
const PEOPLE_PER_TILE: u32 = 200;

/// The refused faces of the people from the requested one on, one a person.
fn rejected(stage: &Stage, config: &Config, request: &Request) -> Vec<Tile> {
    let people = request.identity..request.identity.saturating_add(PEOPLE_PER_TILE * request.count);
    let refused = people.filter_map(|id| {
        let mut attempts = stage.sampler.attempts(person_seed(config, id));
        attempts.next().filter(|attempt| !attempt.plausibility.is_face()).map(|attempt| (id, attempt))
    });
    let tile = |(id, attempt): (u32, Attempt)| {
        let (measure, off) = attempt.plausibility.worst();
        let label = format!("{id} {measure} {off:+.1}");
        Tile { identity: id, label, instead: Some(attempt.identity), ..tile(config, request, 0) }
    };
    refused.map(tile).take(request.count as usize).collect()
}

/// One green pixel.
fn dot(rgb: &mut [u8], size: u32, at: glam::Vec2) {
    let (x, y) = (at.x as i64, at.y as i64);
    if (0..size as i64).contains(&x) && (0..size as i64).contains(&y) {
        let i = (y as usize * size as usize + x as usize) * 3;
        rgb[i..i + 3].copy_from_slice(&[40, 255, 60]);
    }
}

fn tile(config: &Config, request: &Request, i: u32) -> Tile {
    let light = |lighting: Lighting| match lighting {
        Lighting::Even => Light::neutral(),
        Lighting::One(id) => Light::sample(config.seed, id),
        Lighting::Each => Light::sample(config.seed, 1 + i),
    };
    let mut tile = Tile {
        identity: request.identity,
        performance: Performance::neutral(),
        yaw_deg: request.yaw_deg,
        light: light(request.light),
        label: i.to_string(),
        instead: None,
        made_up: MadeUp::default(),
    };
    match request.vary {
        Vary::Identity => {
            tile.identity = request.identity + i;
            tile.label = tile.identity.to_string();
        }
        Vary::All => {
            tile.identity = request.identity + i;
            tile.performance = Performance::sample(config, tile.identity, 1);
            tile.light = match request.light {
                Lighting::One(first) => Light::sample(config.seed, first + i),
                other => light(other),
            };
            tile.label = format!("{} {}", tile.identity, tile.performance.action.names.join(" "));
        }
        Vary::Expression => {
            tile.performance = Performance::sample(config, request.identity, i);
            tile.label = format!("{i} {} {}", tile.performance.action.kind, tile.performance.action.names.join(" "));
        }
        Vary::Units => {
            let unit = i as usize % ARKIT.len();
            tile.performance = Performance::unit(unit);
            tile.label = ARKIT[unit].to_owned();
        }
        Vary::Light => {
            let first = if let Lighting::One(id) = request.light { id } else { 0 };
            tile.light = light(Lighting::One(first + i));
            tile.label = format!("{i} {:?}", tile.light.kind);
        }
        Vary::Turntable => {
            tile.yaw_deg = request.yaw_deg - 180.0 + 360.0 * i as f32 / request.count as f32;
            tile.label = format!("{:.0}", tile.yaw_deg);
        }
        Vary::Wear => {
            let glasses = if i.is_multiple_of(2) { 1.0 } else { 0.0 };
            let wear = WearConfig { glasses, headwear: 1.0 - glasses };
            tile.made_up.wear = Some((wear, derive(config.seed, Subject::PreviewWear, &[u64::from(i)])));
        }
        Vary::Rejected | Vary::Hair => {}
    }
    tile
}
