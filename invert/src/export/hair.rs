//! How far hair stands off the scalp: what a mesh of the bare head lacks of an avatar's outline.
use crate::export::texture::Source;
use glam::Vec3;
use head::model::SurfacePoint;
use head::normals::vertex_normals;

/// Rounds in which each vertex of the scalp takes the mean of itself and its neighbors.
const SMOOTHING: usize = 12;
/// A Gaussian that stands this much farther out counts e times as much: what is seen of hair is its outside (meters).
const OUTSIDE_M: f32 = 4e-3;
/// Weights under this are rounding errors.
const LEAST: f32 = 1e-6;

/// `[V]` meters: from the scalp to the outer ones of the Gaussians that sit on it, smoothed, and zero where the model says
/// that no hair grows.
pub fn volume(source: &Source<'_>) -> Vec<Vec3> {
    let n_vertices = source.rest.len();
    let Some(scalp) = source.model.regions.get("scalp") else { return vec![Vec3::ZERO; n_vertices] };
    let (mut volume, mut known) = measured(source, scalp);
    for _ in 0..SMOOTHING {
        let around = means_around(source, &volume, &known);
        for v in (0..n_vertices).filter(|&v| scalp[v] > 0.0) {
            let Some(mean) = around[v] else { continue };
            volume[v] = if known[v] { 0.5 * (volume[v] + mean) } else { mean };
            known[v] = true;
        }
    }
    volume.iter().zip(scalp).map(|(offset, share)| *offset * share.clamp(0.0, 1.0)).collect()
}

/// `[V]` the mean offset of the Gaussians on the faces around, by opacity and height, and whether there is one. Bare skin is
/// known: zero.
fn measured(source: &Source<'_>, scalp: &[f32]) -> (Vec<Vec3>, Vec<bool>) {
    let normals = vertex_normals(source.rest, &source.model.faces);
    let mut sums = vec![(Vec3::ZERO, 0f32); scalp.len()];
    for (n, anchor) in source.anchors.iter().enumerate() {
        let corners = source.model.faces[anchor.face as usize].map(|v| v as usize);
        if mix(anchor, |k| scalp[corners[k]]) < 0.5 {
            continue;
        }
        let mean = Vec3::from_slice(&source.gaussians.means[3 * n..]);
        let on_surface = |field: &[Vec3]| Vec3::from_array([0, 1, 2].map(|i| mix(anchor, |k| field[corners[k]][i])));
        let offset = mean - on_surface(source.rest);
        let height = offset.dot(on_surface(&normals)) / OUTSIDE_M;
        let opacity = 1.0 / (1.0 + (-source.gaussians.opacity_logits[n]).exp());
        let seen = opacity * height.clamp(-10.0, 10.0).exp();
        for (&v, &weight) in corners.iter().zip(&anchor.weights) {
            sums[v].0 += weight * seen * offset;
            sums[v].1 += weight * seen;
        }
    }
    let known = sums.iter().zip(scalp).map(|((_, weight), share)| *weight > LEAST || *share <= 0.0).collect();
    let mean = |(sum, weight): &(Vec3, f32)| if *weight > LEAST { *sum / *weight } else { Vec3::ZERO };
    (sums.iter().map(mean).collect(), known)
}

fn mix(anchor: &SurfacePoint, value: impl Fn(usize) -> f32) -> f32 {
    (0..4).map(|k| anchor.weights[k] * value(k)).sum()
}

/// `[V]` the mean of the known neighbors along the edges; none where there is none.
fn means_around(source: &Source<'_>, volume: &[Vec3], known: &[bool]) -> Vec<Option<Vec3>> {
    let mut sums = vec![(Vec3::ZERO, 0f32); volume.len()];
    for face in &source.model.faces {
        for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 0)].map(|(a, b)| (face[a] as usize, face[b] as usize)) {
            for (to, from) in [(a, b), (b, a)] {
                if a != b && known[from] {
                    sums[to].0 += volume[from];
                    sums[to].1 += 1.0;
                }
            }
        }
    }
    sums.into_iter().map(|(sum, n)| (n > 0.0).then(|| sum / n)).collect()
}
