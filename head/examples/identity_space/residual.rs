//! What is left between a registered head and its target.
use glam::Vec3;
use head::HeadModel;
use head::nearest::SurfaceTree;
use head::normals::vertex_normals;
use head::register::{Registered, ShapeSpace, Surface};

/// Farther than this is no counterpart but a hole or a lining (meters).
const REACH_M: f32 = 0.015;
/// Least cosine of the normals of counterparts.
const SAME_SIDE: f32 = 0.5;

/// Distances between two surfaces, both ways (mm).
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    pub mean_mm: f32,
    /// 90th percentile.
    pub high_mm: f32,
}

/// By region. The face is the model's mask; the head is the skin above the neck without the ears.
#[derive(Clone, Copy, Debug, Default)]
pub struct Residual {
    pub face: Spread,
    pub head: Spread,
    pub ears: Spread,
}

/// A distance with the area that it stands for.
struct Sample {
    mm: f32,
    area: f32,
    face: f32,
    ears: f32,
}

impl Residual {
    pub fn of(model: &HeadModel, space: &ShapeSpace, fit: &Registered, target: &Surface) -> Residual {
        let mm = 1e3 / fit.surface_from_head.matrix3.col(0).length();
        let reach = REACH_M * 1e3 / mm;
        let (face, ears) = (&model.regions["face"], &model.regions["ears"]);
        let normals = vertex_normals(&fit.positions, &model.faces);
        let own = space.visible_triangles();
        let mut samples = [Vec::new(), Vec::new()];
        let there = SurfaceTree::new(&target.positions, &target.triangles);
        for v in (0..fit.positions.len()).filter(|&v| space.weights[v] > 0.0) {
            let Some(found) = there.nearest(fit.positions[v], reach) else { continue };
            let normal = mix(&target.normals, target.triangles[found.triangle], found.weights);
            if normal.dot(normals[v]) > SAME_SIDE {
                let region = if ears[v] > 0.5 { 0.3 } else { 0.35 + 0.65 * face[v] };
                let area = space.weights[v] / region;
                samples[0].push(Sample { mm: mm * found.distance, area, face: face[v], ears: ears[v] });
            }
        }
        let here = SurfaceTree::new(&fit.positions, &own);
        let areas = target.vertex_areas();
        for (v, &p) in target.positions.iter().enumerate() {
            let Some(found) = here.nearest(p, reach) else { continue };
            let corners = own[found.triangle];
            if mix(&normals, corners, found.weights).dot(target.normals[v]) > SAME_SIDE {
                let of = |mask: &[f32]| (0..3).map(|i| found.weights[i] * mask[corners[i] as usize]).sum::<f32>();
                samples[1].push(Sample { mm: mm * found.distance, area: areas[v], face: of(face), ears: of(ears) });
            }
        }
        Residual {
            face: spread(&samples, |s| s.face > 0.5),
            head: spread(&samples, |s| s.ears < 0.3),
            ears: spread(&samples, |s| s.ears > 0.5),
        }
    }
}

fn mix(normals: &[Vec3], corners: [u32; 3], weights: [f32; 3]) -> Vec3 {
    (0..3).map(|i| weights[i] * normals[corners[i] as usize]).sum::<Vec3>().normalize_or(Vec3::Z)
}

/// The mean of both directions, each weighted by area.
fn spread(samples: &[Vec<Sample>; 2], keep: impl Fn(&Sample) -> bool) -> Spread {
    let mut sum = Spread::default();
    for direction in samples {
        let mut kept: Vec<(f32, f32)> = direction.iter().filter(|s| keep(s)).map(|s| (s.mm, s.area)).collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f32 = kept.iter().map(|k| k.1).sum();
        sum.mean_mm += kept.iter().map(|k| k.0 * k.1).sum::<f32>() / total.max(1e-12) / 2.0;
        let mut below = 0.0;
        let high = kept.iter().find(|k| {
            below += k.1;
            below >= 0.9 * total
        });
        sum.high_mm += high.map_or(0.0, |k| k.0) / 2.0;
    }
    sum
}

/// Takes the lids out: the scan's eyes are shut.
pub fn without_lids(model: &HeadModel, weights: &mut [f32]) {
    for (weight, lids) in weights.iter_mut().zip(&model.regions["eyelids"]) {
        if *lids > 0.3 {
            *weight = 0.0;
        }
    }
}
