//! Where on the UV atlas each region's Gaussians sit, and how large they start.
use crate::config::ModelConfig;
use glam::{Vec2, Vec3};
use head::HeadModel;
use head::model::{Part, SurfacePoint};
use head::uv::{NO_FACE, UvAtlas};

/// One region's sampling points.
#[derive(Clone, Debug)]
pub struct RegionPoints {
    /// `face`, `scalp` or `detail`; of an avatar also `eyes`, `teeth upper`, `teeth lower`, `tongue`, `mouth`.
    pub name: &'static str,
    /// `[N]` texture coordinates, origin bottom left.
    pub uvs: Vec<Vec2>,
    /// `[N]` ln of the nearest-neighbor distance on the mean head (meters).
    pub log_scales: Vec<f32>,
    /// `[N]` where on the mesh.
    pub anchors: Vec<SurfacePoint>,
}

/// Texels a side of the sampling grid of each region of an avatar. Chosen when it is fitted: grids can change density
/// without retraining the convolutions (paper, §3).
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grids {
    /// Skin without hair, ears, neck.
    pub face: i64,
    /// Where hair grows.
    pub scalp: i64,
    /// Lids, lips and lashes.
    pub detail: i64,
    /// Eyeballs.
    pub eyes: i64,
    /// Teeth, upper and lower.
    pub teeth: i64,
    /// Tongue.
    pub tongue: i64,
    /// The mouth's lining and the gums.
    pub mouth: i64,
}

impl Default for Grids {
    /// About 85,000 Gaussians on the MakeHuman head.
    fn default() -> Self {
        Grids { face: 336, scalp: 320, detail: 448, eyes: 320, teeth: 416, tongue: 160, mouth: 192 }
    }
}

/// The sampling points of every region: texel centers of a grid of its own density that lie on the surface.
///
/// Grids can change density without retraining the convolutions: that is the point of sampling (paper, §3).
/// `mean_head` are the `[V]` positions (meters) the scales are measured on. With `sampling` off there is one region,
/// whose points are the texels of the feature map; with `two_layers` off face and scalp share their regressors but
/// keep their grids.
pub fn region_points(model: &HeadModel, mean_head: &[Vec3], config: &ModelConfig) -> Vec<RegionPoints> {
    let points = |name, grid, belongs: &dyn Fn(Place) -> bool| points_of(model, mean_head, name, grid, belongs);
    if !config.sampling {
        return vec![points("face", config.uv_size, &|_| true)];
    }
    let is_detail = |place| place != Place::Face && place != Place::Scalp;
    let mut regions = vec![
        points("face", config.face_grid, &|place| place == Place::Face),
        points("scalp", config.scalp_grid, &|place| place == Place::Scalp),
    ];
    if config.detail_grid > 0 {
        regions.push(points("detail", config.detail_grid, &is_detail));
    } else {
        regions[0] = points("face", config.face_grid, &|place| place != Place::Scalp);
    }
    regions
}

/// The sampling points of an avatar that moves by the rig: first the regions that the prior's regressors were trained
/// for (without `detail` where the prior has none), then the parts that are rigid to a joint or lie inside the mouth.
///
/// `neutral` are the `[V]` positions (meters) of the person at rest.
pub fn avatar_points(model: &HeadModel, neutral: &[Vec3], grids: &Grids, config: &ModelConfig) -> Vec<RegionPoints> {
    let points = |name, grid, places: &[Place]| points_of(model, neutral, name, grid, &|p| places.contains(&p));
    let mut regions = match (config.sampling, config.detail_grid > 0) {
        (false, _) => vec![points("face", grids.face, &[Place::Face, Place::Scalp, Place::Detail])],
        (true, false) => {
            vec![
                points("face", grids.face, &[Place::Face, Place::Detail]),
                points("scalp", grids.scalp, &[Place::Scalp]),
            ]
        }
        (true, true) => vec![
            points("face", grids.face, &[Place::Face]),
            points("scalp", grids.scalp, &[Place::Scalp]),
            points("detail", grids.detail, &[Place::Detail]),
        ],
    };
    regions.extend([
        points("eyes", grids.eyes, &[Place::Eyes]),
        points("teeth upper", grids.teeth, &[Place::TeethUpper]),
        points("teeth lower", grids.teeth, &[Place::TeethLower]),
        points("tongue", grids.tongue, &[Place::Tongue]),
        points("mouth", grids.mouth, &[Place::Mouth]),
    ]);
    regions
}

/// Which region a point of the head belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Skin without hair, ears, neck.
    Face,
    /// Where hair grows.
    Scalp,
    /// Lids, lips, lashes: small, seen sharply, and moving most.
    Detail,
    Eyes,
    TeethUpper,
    TeethLower,
    Tongue,
    /// The mouth's lining and the gums.
    Mouth,
}

fn points_of(
    model: &HeadModel,
    mean_head: &[Vec3],
    name: &'static str,
    grid: i64,
    belongs: &dyn Fn(Place) -> bool,
) -> RegionPoints {
    let atlas = UvAtlas::new(model, grid as usize);
    let masks = ["scalp", "eyelids", "lips"].map(|name| model.regions.get(name));
    let (mut uvs, mut places, mut anchors) = (Vec::new(), Vec::new(), Vec::new());
    for (texel, at) in atlas.texels.iter().enumerate().filter(|(_, t)| t.face != NO_FACE) {
        let corners = model.faces[at.face as usize];
        let mix =
            |value: &dyn Fn(usize) -> f32| (0..4).map(|k| at.weights[k] * value(corners[k] as usize)).sum::<f32>();
        let [scalp, eyelids, lips] = masks.map(|mask| mask.map_or(0.0, |mask| mix(&|v| mask[v])));
        let place = match model.face_parts[at.face as usize] {
            Part::Skin if scalp >= 0.5 => Place::Scalp,
            Part::Skin if eyelids.max(lips) < 0.3 => Place::Face,
            Part::Skin | Part::Lashes => Place::Detail,
            Part::EyeLeft | Part::EyeRight => Place::Eyes,
            Part::TeethUpper => Place::TeethUpper,
            Part::TeethLower => Place::TeethLower,
            Part::Tongue => Place::Tongue,
            Part::Gums | Part::Mouth => Place::Mouth,
        };
        if belongs(place) {
            uvs.push(atlas.center(texel % grid as usize, texel / grid as usize));
            places.push(Vec3::new(mix(&|v| mean_head[v].x), mix(&|v| mean_head[v].y), mix(&|v| mean_head[v].z)));
            anchors.push(SurfacePoint { face: at.face, weights: at.weights });
        }
    }
    // About three texels of an atlas that shows half a meter.
    let cell_m = (1.5 / grid as f32).clamp(0.003, 0.008);
    let log_scales = nearest_three(&places, cell_m).iter().map(|d| d.max(1e-4).ln()).collect();
    RegionPoints { name, uvs, log_scales, anchors }
}

/// Root mean square distance to the three nearest other points (meters), by a uniform grid of cells.
fn nearest_three(points: &[Vec3], cell_m: f32) -> Vec<f32> {
    let cell = |p: Vec3| (p / cell_m).floor().as_ivec3();
    let mut cells: std::collections::HashMap<glam::IVec3, Vec<usize>> = Default::default();
    for (i, p) in points.iter().enumerate() {
        cells.entry(cell(*p)).or_default().push(i);
    }
    points
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let mut squares = Vec::new();
            for reach in 1..=4 {
                squares.clear();
                let here = cell(*p);
                for dx in -reach..=reach {
                    for dy in -reach..=reach {
                        for dz in -reach..=reach {
                            for &j in cells.get(&(here + glam::ivec3(dx, dy, dz))).into_iter().flatten() {
                                if j != i {
                                    squares.push(points[j].distance_squared(*p));
                                }
                            }
                        }
                    }
                }
                if squares.len() >= 3 {
                    break;
                }
            }
            squares.sort_by(f32::total_cmp);
            let nearest = &squares[..squares.len().min(3)];
            if nearest.is_empty() { cell_m } else { (nearest.iter().sum::<f32>() / nearest.len() as f32).sqrt() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbors_of_a_square_lattice_are_one_step_away() {
        let points: Vec<Vec3> = (0..100).map(|i| Vec3::new((i % 10) as f32, (i / 10) as f32, 0.0) * 0.003).collect();
        assert!((nearest_three(&points, 0.008)[55] - 0.003).abs() < 1e-6);
    }
}
