//! Where on the UV atlas each region's Gaussians sit, and how large they start.
use crate::config::ModelConfig;
use glam::{Vec2, Vec3};
use head::HeadModel;
use head::model::Part;
use head::uv::{NO_FACE, UvAtlas};

/// One region's sampling points.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionPoints {
    /// `face`, `scalp` or `detail`.
    pub name: &'static str,
    /// `[N]` texture coordinates, origin bottom left.
    pub uvs: Vec<Vec2>,
    /// `[N]` ln of the nearest-neighbour distance on the mean head (metres).
    pub log_scales: Vec<f32>,
}

/// The sampling points of every region: texel centres of a grid of its own density that lie on the surface.
///
/// Grids can change density without retraining the convolutions: that is the point of sampling (paper, §3).
/// `mean_head` are the `[V]` positions (metres) the scales are measured on. With `sampling` off there is one region,
/// whose points are the texels of the feature map; with `two_layers` off face and scalp share their regressors but
/// keep their grids.
pub fn region_points(model: &HeadModel, mean_head: &[Vec3], config: &ModelConfig) -> Vec<RegionPoints> {
    if !config.sampling {
        return vec![points_of(model, mean_head, "face", config.uv_size, |_| true)];
    }
    let mut regions = vec![
        points_of(model, mean_head, "face", config.face_grid, |place| place == Place::Face),
        points_of(model, mean_head, "scalp", config.scalp_grid, |place| place == Place::Scalp),
    ];
    if config.detail_grid > 0 {
        regions.push(points_of(model, mean_head, "detail", config.detail_grid, |place| place == Place::Detail));
    } else {
        regions[0] = points_of(model, mean_head, "face", config.face_grid, |place| place != Place::Scalp);
    }
    regions
}

/// Which region a point of the head belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Skin without hair, ears, neck.
    Face,
    /// Where hair grows.
    Scalp,
    /// Eyes, lids, lips and what lies behind them: small, seen sharply, and moving most.
    Detail,
}

fn points_of(
    model: &HeadModel,
    mean_head: &[Vec3],
    name: &'static str,
    grid: i64,
    belongs: impl Fn(Place) -> bool,
) -> RegionPoints {
    let atlas = UvAtlas::new(model, grid as usize);
    let masks = ["scalp", "eyelids", "lips"].map(|name| model.regions.get(name));
    let (mut uvs, mut places) = (Vec::new(), Vec::new());
    for (texel, at) in atlas.texels.iter().enumerate().filter(|(_, t)| t.face != NO_FACE) {
        let corners = model.faces[at.face as usize];
        let mix =
            |value: &dyn Fn(usize) -> f32| (0..4).map(|k| at.weights[k] * value(corners[k] as usize)).sum::<f32>();
        let [scalp, eyelids, lips] = masks.map(|mask| mask.map_or(0.0, |mask| mix(&|v| mask[v])));
        let place = match model.face_parts[at.face as usize] {
            Part::Skin if scalp >= 0.5 => Place::Scalp,
            Part::Skin if eyelids.max(lips) < 0.3 => Place::Face,
            _ => Place::Detail,
        };
        if belongs(place) {
            uvs.push(atlas.center(texel % grid as usize, texel / grid as usize));
            places.push(Vec3::new(mix(&|v| mean_head[v].x), mix(&|v| mean_head[v].y), mix(&|v| mean_head[v].z)));
        }
    }
    let log_scales = nearest_three(&places).iter().map(|d| d.max(1e-4).ln()).collect();
    RegionPoints { name, uvs, log_scales }
}

/// Root mean square distance to the three nearest other points (metres), by a uniform grid.
fn nearest_three(points: &[Vec3]) -> Vec<f32> {
    const CELL_M: f32 = 0.008;
    let cell = |p: Vec3| (p / CELL_M).floor().as_ivec3();
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
            if nearest.is_empty() { CELL_M } else { (nearest.iter().sum::<f32>() / nearest.len() as f32).sqrt() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_square_lattice_are_one_step_away() {
        let points: Vec<Vec3> = (0..100).map(|i| Vec3::new((i % 10) as f32, (i / 10) as f32, 0.0) * 0.003).collect();
        assert!((nearest_three(&points)[55] - 0.003).abs() < 1e-6);
    }
}
