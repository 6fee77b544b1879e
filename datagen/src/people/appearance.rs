//! What the head shows from outside, as a texture: its skin, and the hair and cloth that lie before it.
//!
//! A photo unwrapped onto the head shows just this; a net that is to know hair from a texture must be given it, not
//! the bare scalp.
use crate::people::actor::Actor;
use crate::people::stage::Stage;
use crate::stream::{Stream, Subject};
use crate::tracer::accel::{Ray, Shape};
use crate::tracer::scene::AccelKind;
use crate::tracer::trace::TraceError;
use glam::{Vec3, Vec4};
use rayon::prelude::*;
use std::sync::Arc;

/// How far out a texel is looked at from (meters): above most grooms, below the next fold of the head.
const OUTSIDE_M: f32 = 0.05;
/// How near to the skin something must not come to count (meters): roots stand in every texel.
const ROOTS_M: f32 = 0.0008;
/// Radius of the disc a texel is seen through (meters).
const FOOTPRINT_M: f32 = 0.003;
/// Rays a texel.
const RAYS: usize = 16;

/// `[S, S]` linear RGB over the identities' atlas: every texel as it is seen from [`OUTSIDE_M`] out along its normal,
/// unlit. Hair has the color of a dense mat of it.
///
/// # Errors
/// As [`crate::tracer::accel::build`].
pub fn map(stage: &Stage, actor: &Actor, accel: AccelKind) -> Result<Vec<Vec3>, TraceError> {
    let atlas = &stage.identity_atlas;
    let size = atlas.size;
    let bare = |i: usize| actor.albedo().at(atlas.center(i % size, i / size));
    let covers = Covers::of(actor, accel)?;
    let normals = head::normals::vertex_normals(&actor.neutral, &stage.model.faces);
    let (places, normals) = (atlas.position_map(&actor.neutral), atlas.position_map(&normals));
    let seen = |i: usize| match atlas.part(i) {
        Some(head::model::Part::Skin) => covers.seen(i, places.values[i], normals.values[i], bare(i)),
        _ => bare(i),
    };
    let mut map: Vec<Vec3> = (0..size * size).into_par_iter().with_min_len(1024).map(seen).collect();
    atlas.padding(4).apply(&mut map);
    Ok(map)
}

/// What can lie before the skin, at rest.
struct Covers {
    accel: std::sync::Arc<dyn crate::tracer::accel::Accel>,
    /// Linear RGB of each shape.
    colors: Vec<Vec3>,
}

impl Covers {
    fn of(actor: &Actor, kind: AccelKind) -> Result<Self, TraceError> {
        let worn = actor.at_rest();
        let strands: Vec<(Arc<Vec<Vec4>>, Vec<u32>)> =
            worn.curves.into_iter().map(|c| (c.segments(), c)).map(|(s, c)| (Arc::new(c.points), s)).collect();
        let curves = strands.iter().map(|(points, segments)| Shape::Curves { points, segments, mask: 1 });
        let cloth = worn.cloth.iter().map(|(mesh, _)| Shape::Triangles {
            positions: &mesh.positions,
            triangles: &mesh.triangles,
            mask: 1,
        });
        let shapes: Vec<Shape> = curves.chain(cloth).collect();
        let colors = worn.curve_colors.iter().copied().chain(worn.cloth.iter().map(|c| c.1)).collect();
        Ok(Covers { accel: crate::tracer::accel::build(kind, &shapes)?, colors })
    }

    /// Mean color over the texel's rays.
    fn seen(&self, texel: usize, place: Vec3, normal: Vec3, bare: Vec3) -> Vec3 {
        let n = normal.normalize_or(Vec3::Y);
        let (a, b) = n.any_orthonormal_pair();
        let mut s = Stream::new(texel as u64, Subject::AppearanceRays, &[]);
        let sum: Vec3 = (0..RAYS)
            .map(|_| {
                let offset = (a * s.uniform(-1.0, 1.0) + b * s.uniform(-1.0, 1.0)) * FOOTPRINT_M;
                let ray = Ray { t_max: OUTSIDE_M - ROOTS_M, ..Ray::new(place + offset + n * OUTSIDE_M, -n) };
                self.accel.intersect1(&ray).map_or(bare, |hit| self.colors[hit.shape as usize])
            })
            .sum();
        sum / RAYS as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::people::person::HairStyle;

    #[test]
    fn hair_covers_the_scalp_and_nothing_covers_the_nose() {
        let mut config = Config { head: "analytic".into(), ..Config::default() };
        config.maps.uv_size = 64;
        config.mesh.subdivision = 0;
        config.mesh.texture_size = 64;
        config.hair.strands = 6000;
        let stage = Stage::new(&config).unwrap();
        let haired = |id: &u32| Actor::sample(&stage, &config, *id).looks.hair.style == HairStyle::Long;
        let id = (0..200).find(haired).expect("one in 200 people has long hair");
        let actor = Actor::sample(&stage, &config, id);
        let map = map(&stage, &actor, AccelKind::Portable).unwrap();
        let atlas = &stage.identity_atlas;
        let mean = |region: &str, value: &dyn Fn(usize) -> Vec3| {
            let mask = atlas.scalar_map(&stage.model.regions[region]);
            let inside: Vec<usize> = (0..mask.len()).filter(|&i| mask[i] > 0.95).collect();
            inside.iter().map(|&i| value(i)).sum::<Vec3>() / inside.len() as f32
        };
        let bare = |i: usize| actor.albedo().at(atlas.center(i % 64, i / 64));
        let hair = actor.looks.hair.pigment.mat_color();
        let from_hair = |region, value: &dyn Fn(usize) -> Vec3| mean(region, value).distance(hair);
        let (before, after) = (from_hair("scalp", &bare), from_hair("scalp", &|i| map[i]));
        assert!(after < 0.5 * before, "the scalp is {after} from the hair's colour, bare {before}");
        let nose = mean("nose", &|i| map[i]).distance(mean("nose", &bare));
        assert!(nose < 0.02, "the nose is bare, {nose} off");
    }
}
