//! Who somebody is: the drawn shape, and the row of `identities`.
use crate::config::MapsConfig;
use crate::people::actor::Actor;
use crate::people::appearance;
use crate::people::person::Origin;
use crate::people::stage::Stage;
use crate::tracer::scene::AccelKind;
use formats::IdentityRow;
use formats::identity::UvMap;
use glam::Vec3;
use head::sampler::{SampledIdentity, Sampler};

/// A drawn shape and the facts it was drawn with.
pub struct DrawnShape {
    /// `[Ks]`
    pub shape: Vec<f32>,
    /// Age, sex, ancestry.
    pub origin: Origin,
}

impl From<&SampledIdentity> for DrawnShape {
    fn from(drawn: &SampledIdentity) -> Self {
        let origin = Origin { age: drawn.age_years, sex: drawn.sex, ancestry: drawn.ancestry };
        DrawnShape { shape: drawn.shape.clone(), origin }
    }
}

/// Draws a shape from the model's own distribution.
pub fn sample_shape(sampler: &Sampler, seed: u64) -> DrawnShape {
    (&sampler.draw(seed)).into()
}

/// The row of `identities` of a person.
///
/// # Errors
/// If there is no accelerator of that kind, or a map cannot be encoded.
pub fn row(
    stage: &Stage,
    actor: &Actor,
    split: &str,
    maps: &MapsConfig,
    accel: AccelKind,
) -> anyhow::Result<IdentityRow> {
    let atlas = &stage.identity_atlas;
    let size = atlas.size;
    let position = maps.position.then(|| {
        let mut map = atlas.position_map(&actor.neutral);
        map.fill(&atlas.padding(4));
        UvMap { height: size as u32, width: size as u32, values: map.to_flat() }
    });
    let bare = |x, y| actor.albedo().at(atlas.center(x, y));
    let albedo = maps.albedo.then(|| encoded(size, bare)).transpose()?;
    let appearance = match maps.appearance {
        true => {
            let map = appearance::map(stage, actor, accel)?;
            Some(encoded(size, |x, y| map[y * size + x])?)
        }
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
        appearance,
        position,
    })
}

/// Linear RGB → sRGB PNG.
fn encoded(size: usize, color: impl Fn(usize, usize) -> Vec3) -> anyhow::Result<Vec<u8>> {
    let texels = (0..size * size).map(|i| color(i % size, i / size));
    let rgb: Vec<u8> = texels.flat_map(|c| c.to_array().map(formats::image::srgb8_from_linear)).collect();
    Ok(formats::image::png_from_rgb8(size, size, &rgb)?)
}
