//! Who somebody is: the drawn shape, and the row of `identities`.
use crate::actor::Actor;
use crate::config::MapsConfig;
use crate::person::Origin;
use crate::stage::Stage;
use formats::IdentityRow;
use formats::identity::UvMap;
use head::HeadModel;

/// A drawn shape and the facts it was drawn with.
pub struct DrawnShape {
    /// `[Ks]`
    pub shape: Vec<f32>,
    /// Age, sex, ancestry.
    pub origin: Origin,
}

/// Draws a shape from the model's own distribution.
pub fn sample_shape(model: &HeadModel, seed: u64) -> DrawnShape {
    let drawn = head::sampler::sample_identity(model, seed);
    let origin = Origin { age: drawn.age_years, sex: drawn.sex, ancestry: drawn.ancestry };
    DrawnShape { shape: drawn.shape, origin }
}

/// The row of `identities` of a person.
///
/// # Errors
/// If the albedo cannot be encoded.
pub fn row(stage: &Stage, actor: &Actor, split: &str, maps: &MapsConfig) -> anyhow::Result<IdentityRow> {
    let atlas = &stage.identity_atlas;
    let size = atlas.size;
    let position = maps.position.then(|| {
        let mut map = atlas.position_map(&actor.neutral);
        map.fill(&atlas.padding(4));
        UvMap { height: size as u32, width: size as u32, values: map.to_flat() }
    });
    let albedo = match maps.albedo {
        true => Some(encoded_albedo(stage, actor)?),
        false => None,
    };
    Ok(IdentityRow {
        identity_id: actor.identity_id,
        split: split.to_owned(),
        seed: actor.seed,
        shape: actor.shape.clone(),
        age: actor.origin.age,
        sex: actor.origin.sex,
        ancestry: actor.origin.ancestry,
        skin_tone: actor.looks.skin_tone().to_owned(),
        hair_style: actor.looks.hair.style.name().to_owned(),
        parameters: serde_json::to_string(&actor.looks)?,
        albedo,
        position,
    })
}

fn encoded_albedo(stage: &Stage, actor: &Actor) -> anyhow::Result<Vec<u8>> {
    let size = stage.identity_atlas.size;
    let mut rgb = Vec::with_capacity(size * size * 3);
    for y in 0..size {
        for x in 0..size {
            let c = actor.albedo().at(stage.identity_atlas.center(x, y));
            rgb.extend(c.to_array().map(formats::image::srgb8_from_linear));
        }
    }
    Ok(formats::image::png_from_rgb8(size, size, &rgb)?)
}
